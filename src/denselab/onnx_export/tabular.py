"""Layers of denselab for tables, as ONNX nodes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from denselab.errors import UsageError
from denselab.onnx_export.activations import add_activation
from denselab.onnx_export.graph import Graph, Value

__all__ = ["TABULAR"]


def _front_scale(graph: Graph, layer: Any, x: Value, shape: Sequence[int | None]) -> Value:
    return graph.node("Mul", x, graph.constant(layer.scale, "scale"))


def _parametric(graph: Graph, layer: Any, x: Value, shape: Sequence[int | None]) -> Value:
    bent = add_activation(graph, layer.activation, x)
    apart = graph.node("Sub", bent, x)
    return graph.node(
        "Add", x, graph.node("Mul", apart, graph.constant(layer.strength, "strength"))
    )


def _periodic(graph: Graph, layer: Any, x: Value, shape: Sequence[int | None]) -> Value:
    if len(shape) != 2:
        raise UsageError(
            f"layer {layer.name!r} embeds rows of shape {tuple(shape[1:])}, which cannot be exported to ONNX; "
            "flatten its inputs"
        )
    numbers = graph.node("Unsqueeze", x, graph.constant([2], "axis"))
    turns = graph.node("Mul", numbers, graph.constant(layer.wave, "wave"))
    turns = graph.node("Add", turns, graph.constant(layer.phase, "phase"))
    waves = graph.node("Cos", graph.node("Mul", turns, graph.constant(2 * math.pi, "circle")))
    # Feature by feature: (feature, row, wave) times (feature, wave, number).
    by_feature = graph.node("Transpose", waves, perm=[1, 0, 2])
    mixed = graph.node("MatMul", by_feature, graph.constant(layer.kernel, "kernel"))
    learned = graph.node("Transpose", mixed, perm=[1, 0, 2])
    learned = graph.node("Add", learned, graph.constant(layer.bias, "bias"))
    together = graph.node("Concat", numbers, learned, axis=2)
    return graph.node("Flatten", together, axis=1)


TABULAR: dict[str, Callable[[Graph, Any, Value, Sequence[int | None]], Value]] = {
    "FrontScale": _front_scale,
    "ParametricActivation": _parametric,
    "PeriodicEmbedding": _periodic,
}
"""Class -> what adds a layer of one input."""
