"""Gathers the facts of a setup once, and says what could not be read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import keras

from denselab.doctor.facts.arrays import Read, read_arrays
from denselab.doctor.facts.entries import Entry, read_entry
from denselab.doctor.facts.heads import Head, ending, unconnected_ending
from denselab.doctor.facts.layers import UNKNOWN
from denselab.doctor.facts.losses import per_output, read_loss, read_metric
from denselab.doctor.facts.network import Network, read_network
from denselab.doctor.facts.optimizer import Optimizer, read_optimizer
from denselab.doctor.facts.plan import Plan, read_plan
from denselab.doctor.facts.setup import Setup
from denselab.doctor.facts.tables import SCANNED_VALUES, Table

__all__ = ["Request", "gather"]

T = TypeVar("T")
Tables = tuple[Table | None, ...]


@dataclass(frozen=True)
class Request:
    """What is to be diagnosed.

    Attributes:
        model: A Keras model.
        x: Inputs.
        y: Targets.
        fit_arguments: As they would be given to `fit`, None if they are not known.
        validation_data: Inputs and targets, as they would be given to `fit`.
    """

    model: Any
    x: Any
    y: Any = None
    fit_arguments: Mapping[str, Any] | None = None
    validation_data: Any = None

    @property
    def validation(self) -> tuple[Any, Any]:
        """Inputs and targets of the validation data, None where there are none."""
        given = self.validation_data
        if given is None and self.fit_arguments is not None:
            given = self.fit_arguments.get("validation_data")
        if isinstance(given, tuple | list) and len(given) in (2, 3):
            return given[0], given[1]
        return None, None


@dataclass
class _Reader:
    """Reads parts of a setup; what fails becomes a reason, since strange models must not stop it."""

    reasons: list[str] = field(default_factory=list)

    def attempt(self, what: str, read: Callable[[], T], otherwise: T) -> T:
        try:
            return read()
        except Exception as error:  # a model's own code may raise whatever it likes
            words = str(error).strip().splitlines() or [""]
            self.reasons.append(f"{what}: {type(error).__name__}: {words[0][:200]}")
            return otherwise


def gather(request: Request) -> tuple[Setup, tuple[str, ...]]:
    """Gathers the facts of a setup; changes nothing.

    Args:
        request: What is to be diagnosed.

    Returns:
        The facts, and one line for everything that could not be looked at.
    """
    reader, model = _Reader(), request.model
    unknown = Network((), (), connected=False)
    network = reader.attempt("the layers", lambda: read_network(model), unknown)
    inputs, outputs = _input_names(model, request.x), _output_names(model, request.y)
    x, y = (
        _read(reader, "x", request.x, inputs),
        _read(reader, "y", request.y, outputs).tables,
    )
    given_x, given_y = request.validation
    setup = Setup(
        network=network,
        heads=reader.attempt("the outputs", lambda: _heads(model, network, outputs, y), ()),
        entries=reader.attempt("the inputs", lambda: _entries(model, network, inputs, x), ()),
        optimizer=reader.attempt("the optimizer", lambda: _optimizer(model), None),
        plan=reader.attempt("the arguments of fit", lambda: _plan(request, x.tables), None),
        validation=(
            _present(_read(reader, "validation x", given_x, inputs)),
            _present(_read(reader, "validation y", given_y, outputs)),
        ),
        backend=keras.backend.backend(),
    )
    return setup, tuple(dict.fromkeys([*reader.reasons, *_missing(request, setup)]))


def _input_names(model: Any, x: Any) -> list[str]:
    """Names the inputs; a model without a graph has as many as there are arrays."""
    symbolic = getattr(model, "inputs", None)
    if symbolic:
        return [tensor._keras_history.operation.name for tensor in symbolic]
    return list(x) if isinstance(x, Mapping) else ["x"]


def _output_names(model: Any, y: Any) -> list[str]:
    graph = getattr(model, "_functional", None) or model
    names = getattr(graph, "output_names", None)
    if names:
        return [str(name) for name in names]
    return list(y) if isinstance(y, Mapping) else ["y"]


def _read(reader: _Reader, what: str, given: Any, names: list[str]) -> Read:
    nothing = Read((None,) * len(names))
    read = reader.attempt(what, lambda: read_arrays(what, given, names), nothing)
    reader.reasons.extend(read.reasons)
    return read


def _present(read: Read) -> tuple[Table, ...]:
    return tuple(table for table in read.tables if table is not None)


def _heads(model: Any, network: Network, names: list[str], y: Tables) -> tuple[Head, ...]:
    if not network.layers:
        return ()
    losses = per_output(getattr(model, "loss", None), names)
    compiled = getattr(model, "_compile_metrics", None)
    metrics = _metrics(getattr(compiled, "_user_metrics", None), names)
    ends = [ending(network, output) for output in network.outputs]
    if not network.connected:
        ends = [unconnected_ending(network)]
    if len(ends) != len(names):
        ends = [unconnected_ending(network)] * len(names)
    return tuple(
        Head(
            name=name,
            layer=layer.name,
            shape=shape,
            activation=activation,
            loss=read_loss(loss),
            metrics=tuple(read_metric(metric) for metric in asked),
            target=table,
        )
        for name, (layer, activation, shape), loss, asked, table in zip(
            names, ends, losses, metrics, y, strict=True
        )
    )


def _metrics(given: Any, names: list[str]) -> list[list[Any]]:
    """Deals metrics to outputs; a flat list goes to the only one, or to each of them."""
    nested = isinstance(given, list | tuple) and any(isinstance(m, list | tuple) for m in given)
    dealt = (
        per_output(given, names) if nested or isinstance(given, Mapping) else [given] * len(names)
    )
    listed = [one if isinstance(one, list | tuple) else [one] for one in dealt]
    return [[metric for metric in one if metric is not None] for one in listed]


def _entries(model: Any, network: Network, names: list[str], x: Read) -> tuple[Entry, ...]:
    starts = {layer.name: layer for layer in network.layers if layer.kind == "InputLayer"}
    first = network.layers[0] if network.layers and network.connected else None
    return tuple(
        replace(read_entry(name, table, network, starts.get(name, first)), text=name in x.texts)
        for name, table in zip(names, x.tables, strict=True)
    )


def _optimizer(model: Any) -> Optimizer | None:
    optimizer = getattr(model, "optimizer", None) if getattr(model, "compiled", False) else None
    return None if optimizer is None else read_optimizer(optimizer, model)


def _plan(request: Request, x: Tables) -> Plan | None:
    if request.fit_arguments is None:
        return None
    arguments = dict(request.fit_arguments)
    if request.validation_data is not None:
        arguments["validation_data"] = request.validation_data
    rows = next((table.rows for table in x if table is not None), None)
    return read_plan(arguments, rows, request.model)


def _missing(request: Request, setup: Setup) -> Iterator[str]:
    """Says what was not there to be looked at."""
    yield from _missing_in_model(request.model, setup)
    if request.y is None:
        yield "y: no targets were given"
    if setup.plan is None:
        yield "batches, epochs, split and callbacks: no fit_arguments were given"
    for table in (entry.table for entry in setup.entries if entry.table is not None):
        if table.array.size > SCANNED_VALUES:
            yield f"rows of {table.name} between the {len(table.sample)} that were sampled"


def _missing_in_model(model: Any, setup: Setup) -> Iterator[str]:
    network = setup.network
    if not network.connected:
        yield "how the layers are connected: the model has no graph (it is subclassed)"
    elif not network.parameters and any(layer.weighty for layer in network.layers):
        yield "the weights: the model is not built; begin it with keras.Input, or call it once"
    if not getattr(model, "compiled", False):
        yield "loss, metrics and optimizer: the model is not compiled"
    elif setup.optimizer is None:
        yield "the optimizer: there is none, or it is not one of Keras"
    for head in setup.heads:
        if head.loss is not None and head.loss.family == "custom":
            yield f"whether targets suit the loss: {head.loss.name!r} is not one of Keras"
        if head.activation == UNKNOWN and network.connected:
            yield f"the ending of output {head.name!r}: its last layer is of no kind known here"
