"""Looks at a sparse model for what should not be shipped: dead layers, outputs that nothing reaches."""

import dataclasses
from typing import Any, Literal

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.sparsity.graph import Call, graph_of, has_graph
from denselab.sparsity.kernels import dense_layers, kernel_of, output_layers

__all__ = ["SparsityFinding", "inspect_sparsity", "refuse_broken"]


@dataclasses.dataclass(frozen=True)
class SparsityFinding:
    """One thing about the zeros of a model.

    Attributes:
        what: "empty_layer", a kernel of zeros alone; "disconnected_outputs", outputs without a path of nonzero weights
            from any input; "zero_rows", inputs of a layer that it does not use; "zero_columns", units of a layer that
            see nothing.
        layer: Name of the Dense layer.
        number: How many weights, outputs, rows or columns.
        remedy: What to do about it.
    """

    what: Literal["empty_layer", "disconnected_outputs", "zero_rows", "zero_columns"]
    layer: str
    number: int
    remedy: str

    @property
    def breaks(self) -> bool:
        """Whether the model cannot answer as it should."""
        return self.what in ("empty_layer", "disconnected_outputs")


def inspect_sparsity(model: keras.Model) -> tuple[SparsityFinding, ...]:
    """Reports layers pruned to nothing, outputs cut off, and rows and columns of zeros.

    Args:
        model: Any built Keras model with Dense layers. In a subclassed model paths are not known, and an output counts
            as cut off if the last layer has no weight for it.

    Returns:
        The findings, layer by layer; the number of zeros alone is none.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="answer")])
        >>> kernel = np.ones((4, 3))
        >>> kernel[:, 1] = 0
        >>> model.layers[0].set_weights([kernel, np.zeros(3)])
        >>> [(finding.what, finding.number) for finding in inspect_sparsity(model)]
        [('disconnected_outputs', 1), ('zero_columns', 1)]
    """
    cut_off = _cut_off(model)
    findings: list[SparsityFinding] = []
    for name, layer in dense_layers(model).items():
        weights = kernel_of(layer) != 0
        if not weights.any():
            findings.append(
                SparsityFinding(
                    "empty_layer",
                    name,
                    weights.size,
                    f"prune less, share the zeros with scope='layer', or leave it dense by skip=[{name!r}]",
                )
            )
        if cut_off.get(name):
            findings.append(
                SparsityFinding(
                    "disconnected_outputs",
                    name,
                    cut_off[name],
                    f"prune less, or leave the outputs dense by skip=[{name!r}]",
                )
            )
        rows, columns = (int((~weights.any(axis=axis)).sum()) for axis in (1, 0))
        if rows and weights.any():
            remedy = (
                "shrink(model) removes the units they come from, if units of this model they are"
            )
            findings.append(SparsityFinding("zero_rows", name, rows, remedy))
        if columns and weights.any():
            remedy = "shrink(model) removes these units and folds what they add into the next bias"
            findings.append(SparsityFinding("zero_columns", name, columns, remedy))
    return tuple(findings)


def refuse_broken(model: keras.Model, *, allow_broken: bool) -> None:
    """Refuses to hand over a model with a layer of zeros alone or an output cut off.

    Args:
        model: The pruned model.
        allow_broken: Whether the caller asked for it anyway.

    Raises:
        UsageError: With the finding and its remedy.
    """
    broken = [finding for finding in inspect_sparsity(model) if finding.breaks]
    if not broken or allow_broken:
        return
    first = broken[0]
    what = (
        f"layer {first.layer!r} would have no weight left"
        if first.what == "empty_layer"
        else f"{first.number} outputs of layer {first.layer!r} would have no path from any input"
    )
    raise UsageError(f"{what}; {first.remedy}, or ask for such a model by allow_broken=True")


def _cut_off(model: keras.Model) -> dict[str, int]:
    """Counts outputs that no input reaches, by the Dense layer that makes them."""
    names = output_layers(model)
    layers = dense_layers(model)
    if not has_graph(model):
        return {name: int((kernel_of(layers[name]) == 0).all(axis=0).sum()) for name in names}
    reached: dict[int, np.ndarray] = {}
    graph = graph_of(model)
    for tensor in graph.inputs:
        reached[id(tensor)] = np.ones(_units(tensor), bool)
    of_layer: dict[int, np.ndarray] = {}
    for call in graph.calls:
        made = _reach(call, [reached[id(tensor)] for tensor in call.inputs])
        of_layer[id(call.layer)] = made
        reached |= {
            id(t): made if made.shape == (_units(t),) else np.full(_units(t), made.any())
            for t in call.outputs
        }
    return {
        name: int((~of_layer[id(layers[name])]).sum())
        for name in names
        if id(layers[name]) in of_layer
    }


def _reach(call: Call, before: list[np.ndarray]) -> np.ndarray:
    if isinstance(call.layer, keras.layers.Dense):
        return (kernel_of(call.layer) != 0)[before[0]].any(axis=0)
    if call.kind in ("unitwise", "merge"):
        return np.any(before, axis=0)
    return np.array([any(part.any() for part in before)] if before else [True])


def _units(tensor: Any) -> int:
    return (tensor.shape[-1] if len(tensor.shape) > 1 else 1) or 1
