"""Which units of a network belong together, which are dead, and the network without some of them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from denselab.sparsity.copying import cloned
from denselab.sparsity.graph import Call, Graph, apply_to_constants
from denselab.sparsity.kernels import kernel_of

__all__ = ["Space", "constants_of", "dead_units", "spaces_of", "without_units"]


@dataclasses.dataclass
class Space:
    """The units of one width of the network: of a Dense layer, or of several that a skip ties together.

    Attributes:
        units: Number of units.
        producers: Calls of Dense layers that make them.
        consumers: Calls of Dense layers that read them.
        tensors: Their tensors.
        pinned: Why none can be removed; empty if units can.
        end: Whether they are inputs or outputs of the model, which nobody asks to remove.
    """

    units: int
    producers: list[Call] = dataclasses.field(default_factory=list)
    consumers: list[Call] = dataclasses.field(default_factory=list)
    tensors: set[int] = dataclasses.field(default_factory=set)
    pinned: str = ""
    end: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the Dense layers that make the units."""
        return [call.layer.name for call in self.producers]

    @property
    def free(self) -> bool:
        """Whether units can be removed."""
        return bool(self.producers) and not self.pinned and not self.end

    def absorb(self, other: "Space") -> None:
        """Takes over another space that is tied to this one."""
        self.producers += other.producers
        self.consumers += other.consumers
        self.tensors |= other.tensors
        self.pinned = self.pinned or other.pinned
        self.end = self.end or other.end


def spaces_of(graph: Graph) -> list[Space]:
    """Sorts the tensors of a graph by the units they carry.

    Args:
        graph: The graph.

    Returns:
        The spaces, in the order in which the network makes them.
    """
    of = {id(tensor): _space(tensor, end=True) for tensor in graph.inputs}
    for call in graph.calls:
        before = [of[id(tensor)] for tensor in call.inputs]
        if call.kind in ("unitwise", "merge"):
            _tie(before, call, of)
            continue
        reason = f"layer {call.layer.name!r} ({type(call.layer).__name__}) {call.reason}"
        if call.kind == "dense":
            before[0].consumers.append(call)
        else:
            for space in before:
                space.pinned = space.pinned or reason
        for tensor in call.outputs:
            made = of[id(tensor)] = _space(tensor, pinned=reason if call.reason else "")
            if isinstance(call.layer, keras.layers.Dense):
                made.producers.append(call)
    for tensor in graph.outputs:
        of[id(tensor)].end = True
    return list({id(space): space for space in of.values()}.values())


def constants_of(graph: Graph) -> dict[int, np.ndarray]:
    """Finds the units that are constant in prediction, whatever the inputs are.

    Args:
        graph: The graph of a model.

    Returns:
        Tensor's id -> the constant of each unit, NaN where it is none.
    """
    found = {id(tensor): _unknown(tensor) for tensor in graph.inputs}
    for call in graph.calls:
        before = [found[id(tensor)] for tensor in call.inputs]
        for tensor in call.outputs:
            if call.kind == "dense":
                found[id(tensor)] = _through_dense(call, before[0])
            elif call.kind == "mixing":
                found[id(tensor)] = _unknown(tensor)
            else:
                found[id(tensor)] = apply_to_constants(call, before)
    return found


def dead_units(spaces: list[Space], constants: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Finds the units without which the outputs stay equal.

    A unit is dead if every layer that reads it either has only zero weights for it, or gets a constant from it, which
    its bias can hold. Where all units of a space are dead, the first is kept.

    Args:
        spaces: The spaces of a graph.
        constants: Its constants.

    Returns:
        Id of a space -> which units are dead.
    """
    kept = {id(space): np.ones(space.units, bool) for space in spaces}
    outputs = {id(call): space for space in spaces for call in space.producers}
    changed = True
    while changed:
        changed = False
        for space in spaces:
            if not space.free:
                continue
            dead = np.ones(space.units, bool)
            for call in space.consumers:
                weights = kernel_of(call.layer)[:, kept[id(outputs[id(call)])]]
                constant = constants[id(call.inputs[0])]
                dead &= ~np.isnan(constant) | (weights == 0).all(axis=1)
            if dead.all():
                dead[0] = False
            changed |= bool((kept[id(space)] == dead).any())
            kept[id(space)] = ~dead
    return {key: ~units for key, units in kept.items()}


def without_units(
    model: keras.Model, graph: Graph, spaces: list[Space], removed: Mapping[int, np.ndarray]
) -> keras.Model:
    """Makes the network without some units; constants of removed units go into the next layer's bias.

    Args:
        model: The model.
        graph: Its graph.
        spaces: Its spaces.
        removed: Id of a space -> which of its units go.

    Returns:
        A smaller model, not compiled.
    """
    kept = {
        tensor: ~removed.get(id(space), np.zeros(space.units, bool))
        for space in spaces
        for tensor in space.tensors
    }
    calls = {id(call.layer): call for call in graph.calls}
    constants = constants_of(graph)

    def smaller(layer: Any) -> Any:
        config = layer.get_config()
        call = calls.get(id(layer))
        if call is not None and isinstance(layer, keras.layers.Dense):
            config["units"] = int(kept[id(call.outputs[0])].sum())
            config["use_bias"] = layer.use_bias or bool(_folded(call, kept, constants).any())
        return type(layer).from_config(config)

    clone = cloned(getattr(model, "_functional", None) if _is_wrapped(model) else model, smaller)
    parts: dict[str, Any] = {layer.name: layer for layer in clone.layers}
    for call in calls.values():
        if getattr(call.layer, "weights", ()):
            weights = _sliced(call, kept, constants)
            parts[call.layer.name].set_weights(weights)
    return clone


def _is_wrapped(model: Any) -> bool:
    return not isinstance(model, keras.Sequential) and hasattr(model, "_functional")


def _space(tensor: Any, **about: Any) -> Space:
    width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    return Space(width or 1, tensors={id(tensor)}, **about)


def _tie(spaces: list[Space], call: Call, of: dict[int, Space]) -> None:
    """Makes one space of those that a unit-wise call reads, and adds what it makes."""
    first, *others = list({id(space): space for space in spaces}.values())
    for space in others:
        first.absorb(space)
    first.tensors |= {id(tensor) for tensor in call.outputs}
    of |= dict.fromkeys(first.tensors, first)


def _unknown(tensor: Any) -> np.ndarray:
    width = tensor.shape[-1] if len(tensor.shape) > 1 else 1
    return np.full(width or 1, np.nan)


def _through_dense(call: Call, before: np.ndarray) -> np.ndarray:
    layer = call.layer
    kernel = kernel_of(layer).astype("float64")
    unknown = np.isnan(before)
    depends = (kernel[unknown] != 0).any(axis=0)
    if call.reason:
        depends |= depends.any()
    sums = np.where(unknown, 0, before) @ kernel
    if layer.use_bias:
        sums = sums + ops.convert_to_numpy(layer.bias.value)
    vector: Any = ops.convert_to_tensor(sums[None].astype("float32"))
    made = ops.convert_to_numpy(layer.activation(vector))
    return np.where(depends, np.nan, np.asarray(made, "float64").ravel())


def _sliced(
    call: Call, kept: Mapping[int, np.ndarray], constants: Mapping[int, np.ndarray]
) -> list[np.ndarray]:
    """Gives the weights that a layer has left."""
    layer, before = call.layer, id(call.inputs[0])
    weights = layer.get_weights()
    if isinstance(layer, keras.layers.Dense):
        kernel, *bias = weights
        folded = _folded(call, kept, constants)
        rows, columns = kept[before], kept[id(call.outputs[0])]
        if bias or folded.any():
            folded = sum(bias, folded).astype(kernel.dtype)
            bias = [folded[columns]]
        return [kernel[rows][:, columns], *bias]
    if call.kind == "unitwise":
        units = kept[before]
        return [part[..., units] if part.shape[-1:] == units.shape else part for part in weights]
    return weights


def _folded(
    call: Call, kept: Mapping[int, np.ndarray], constants: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Gives what the removed units add to a Dense layer's sums, whatever the inputs are."""
    constant = constants[id(call.inputs[0])]
    gone = np.where(kept[id(call.inputs[0])] | np.isnan(constant), 0, constant)
    return gone @ kernel_of(call.layer).astype("float64")
