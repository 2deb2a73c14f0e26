"""Runs a Keras model on given weights, layer by layer, without touching the model."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras.src.backend import StatelessScope
from keras.src.trainers.compile_utils import CompileLoss

from denselab.doctor.facts.layers import DROPOUTS, PASSIVE, Layer
from denselab.doctor.facts.setup import Setup
from denselab.doctor.facts.tables import evenly_spaced

__all__ = ["Rows", "Runner", "Tap", "rows_for", "runner_for"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
_NOISE = DROPOUTS | {"SpatialDropout2D", "SpatialDropout3D", "GaussianNoise"}


@dataclass(frozen=True)
class Tap:
    """One layer that is looked at.

    Attributes:
        layer: What is known of it.
        place: Its place among the operations in the order of computation.
        feeds: Places, among the taps, of the taps before it; -1 for the inputs.
        weights: Places of its weights among the model's trained ones.
        kernel: Place of its kernel among them, None without one.
    """

    layer: Layer
    place: int
    feeds: tuple[int, ...]
    weights: tuple[int, ...]
    kernel: int | None


@dataclass(frozen=True)
class Rows:
    """Rows of data as the model takes them.

    Attributes:
        x: One tensor an input.
        y: One tensor an output, empty without targets.
    """

    x: list[Any]
    y: list[Any]

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.x[0].shape[0])


@dataclass
class Runner:
    """A model as a pure function of weights and rows; dropout and noise are left out of it.

    Attributes:
        model: A built Keras model; its variables are never assigned.
        taps: The layers that are looked at, in the order of computation.
        loss: A loss of its own, None where there is none.
        connected: Whether the outputs of layers can be seen.
    """

    model: Any
    taps: tuple[Tap, ...]
    loss: Any = None
    connected: bool = True
    _marks: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._marks = {tap.place: number for number, tap in enumerate(self.taps)}

    def outputs(
        self,
        weights: tuple[Any, Any],
        x: list[Any],
        *,
        training: bool,
        noise: bool = False,
        offsets: Any = None,
    ) -> tuple[Any, list[Any]]:
        """Runs the model.

        Args:
            weights: Values of the trained and of the other variables.
            x: One tensor an input.
            training: Whether BatchNormalization takes the statistics of these rows.
            noise: Whether dropout drops.
            offsets: Added to what the taps give, None for nothing.

        Returns:
            The model's outputs, and those of the taps.
        """
        mapping = [
            *zip(self.model.trainable_variables, weights[0], strict=True),
            *zip(self.model.non_trainable_variables, weights[1], strict=True),
        ]
        with StatelessScope(state_mapping=mapping):
            if not self.connected:
                given = x[0] if len(x) == 1 else x
                return self.model(given, training=training), []
            walk = _Walk(self._marks, training, noise, offsets)
            return walk.through(self.model, x), walk.seen

    def loss_of(self, outputs: Any, y: list[Any]) -> Any:
        """Gives the loss without penalties.

        Args:
            outputs: What the model gave.
            y: One tensor an output.

        Returns:
            A scalar.
        """
        targets = y[0] if not isinstance(outputs, list | tuple | dict) else y
        if isinstance(outputs, dict):
            targets = keras.tree.pack_sequence_as(outputs, y)
        with StatelessScope():
            return self.loss(targets, outputs)


class _Walk:
    """Calls the operations of a graph in order, and keeps what the taps gave."""

    def __init__(self, marks: dict[int, int], training: bool, noise: bool, offsets: Any) -> None:
        self.seen: list[Any] = []
        self._marks, self._training, self._noise, self._offsets = marks, training, noise, offsets
        self._place = -1

    def through(self, model: Any, x: Any) -> Any:
        graph = getattr(model, "_functional", None) or model
        outputs = graph._run_through_graph(x, operation_fn=self._operation)
        if isinstance(outputs, list | tuple) and len(outputs) == 1:
            return outputs[0]
        return outputs

    def _operation(self, operation: Any) -> Any:
        graph = getattr(operation, "_functional", None) or operation
        if isinstance(operation, keras.Model) and hasattr(graph, "_nodes_by_depth"):
            return lambda x, **options: self.through(operation, x)

        def call(*arguments: Any, **options: Any) -> Any:
            self._place += 1
            noisy = any(ancestor.__name__ in _NOISE for ancestor in type(operation).__mro__)
            if noisy and not self._noise:
                return arguments[0]
            if getattr(operation, "_call_has_training_arg", False):
                options.setdefault("training", self._training)
            return self._kept(operation(*arguments, **options))

        return call

    def _kept(self, output: Any) -> Any:
        number = self._marks.get(self._place)
        if number is None:
            return output
        if not hasattr(output, "dtype"):  # a layer with several outputs
            self.seen.append(None)
            return output
        if self._offsets is not None and self._offsets[number] is not None:
            output = output + ops.cast(self._offsets[number], output.dtype)
        self.seen.append(output)
        return output


def runner_for(model: Any, setup: Setup) -> Runner:
    """Prepares a model to be run.

    Args:
        model: A built Keras model.
        setup: Its facts.

    Returns:
        The runner; its loss is None where the model has none of Keras' kind.
    """
    network = setup.network
    connected = network.connected and _walkable(model)
    order = {id(variable): place for place, variable in enumerate(model.trainable_variables)}
    places = _places(network.layers)
    taps: list[Tap] = []
    numbers: dict[int, int] = {}
    for layer in network.layers:
        weights = [order[id(v)] for v in _own(layer) if id(v) in order]
        if not weights and (layer.kind in PASSIVE or layer.kind == "InputLayer"):
            continue
        feeds = _feeds(layer, network.layers, numbers) if connected else (len(taps) - 1,)
        numbers[layer.index] = len(taps)
        taps.append(Tap(layer, places[layer.index], feeds, tuple(weights), _kernel(model, weights)))
    loss = _loss(model) if all(head.target is not None for head in setup.heads) else None
    return Runner(model, tuple(taps), loss, connected)


def rows_for(setup: Setup, limit: int, *, model: Any, part: int = 0) -> Rows | None:
    """Takes rows, as tensors of the model's dtypes.

    Args:
        setup: The facts, with the data.
        limit: Number of rows at most.
        model: The model.
        part: 0 takes evenly spaced rows; part k the k-th `limit` rows, counted around the end.

    Returns:
        The rows, or None where inputs could not be read.
    """
    tables = [entry.table for entry in setup.entries]
    if not tables or any(table is None for table in tables):
        return None
    count = min(table.rows for table in tables if table is not None)
    chosen = evenly_spaced(count, limit)
    if part:
        chosen = (np.arange(len(chosen)) + (part - 1) * limit) % count
    symbols = getattr(model, "inputs", None) or [None] * len(tables)
    x = [
        _as_input(table.array[chosen], symbol)
        for table, symbol in zip(tables, symbols, strict=False)
        if table is not None
    ]
    targets = [head.target for head in setup.heads]
    if not targets or any(target is None or target.rows < count for target in targets):
        return Rows(x, [])
    return Rows(x, [_tensor(target.array[chosen]) for target in targets if target is not None])


def _as_input(array: np.ndarray, symbol: Any) -> Any:
    if symbol is None:
        return _tensor(array)
    if array.ndim == len(symbol.shape) - 1:
        array = array[..., None]
    return ops.convert_to_tensor(array, dtype=symbol.dtype)


def _tensor(array: np.ndarray) -> Any:
    # As the data adapters of `fit`: numbers become float32, whole numbers stay.
    array = array.astype("float32") if array.dtype.kind == "f" else array
    array = array.astype("int32") if array.dtype.kind in "iu" else array
    return ops.convert_to_tensor(array[:, None] if array.ndim == 1 else array)


def _walkable(model: Any) -> bool:
    graph = getattr(model, "_functional", None) or model
    plain = type(model).call in (keras.Model.call, keras.Sequential.call, type(graph).call)
    return plain and hasattr(graph, "_run_through_graph")


def _places(layers: tuple[Layer, ...]) -> dict[int, int]:
    """Counts operations as a walk calls them; inputs are no operations."""
    called = [layer.index for layer in layers if layer.kind != "InputLayer"]
    return {index: place for place, index in enumerate(called)}


def _feeds(layer: Layer, layers: tuple[Layer, ...], numbers: dict[int, int]) -> tuple[int, ...]:
    found: list[int] = []
    for source in layer.sources:
        if source in numbers:
            found.append(numbers[source])
        elif layers[source].kind == "InputLayer":
            found.append(-1)
        else:
            found.extend(_feeds(layers[source], layers, numbers))
    return tuple(dict.fromkeys(found)) or (-1,)


def _own(layer: Layer) -> list[Any]:
    return list(getattr(layer.object, "trainable_variables", ()))


def _kernel(model: Any, weights: list[int]) -> int | None:
    ranks = {place: len(model.trainable_variables[place].shape) for place in weights}
    return max(weights, key=lambda place: (min(ranks[place], 2), -place), default=None)


def _loss(model: Any) -> Any:
    """Makes a loss like the model's; building the model's own would change the model."""
    if (
        not getattr(model, "compiled", False)
        or type(model).compute_loss is not keras.Model.compute_loss
    ):
        return None
    given = getattr(model, "_compile_loss", None)
    if given is None or given._user_loss is None:
        return None
    names = getattr(model, "output_names", None)
    loss = CompileLoss(given._user_loss, given._user_loss_weights, output_names=names)
    outputs = getattr(model, "output", None)
    if isinstance(
        outputs, list | tuple | dict
    ):  # Trackers of single losses cannot be made in a trace.
        loss.build(outputs, outputs)
    return loss
