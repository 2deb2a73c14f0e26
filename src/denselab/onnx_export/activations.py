"""Activation functions of Keras as ONNX nodes."""

import functools
import math
from collections.abc import Callable
from typing import Any

import keras

from denselab.errors import UsageError
from denselab.onnx_export.graph import Graph, Value

__all__ = ["add_activation", "add_relu"]

Add = Callable[..., Value]
"""Graph, input and the arguments of the Keras function, to the output."""


def add_activation(graph: Graph, function: Any, x: Value) -> Value:
    """Adds an activation function.

    Args:
        graph: The graph.
        function: A function of `keras.activations`, one of `keras.ops` of the same name, or a
            `functools.partial` of one; None for none.
        x: Its input.

    Returns:
        Its output.

    Raises:
        UsageError: If it is another function.
    """
    options: dict[str, Any] = {}
    if isinstance(function, functools.partial) and not function.args:
        function, options = function.func, dict(function.keywords)
    if function is None:
        return x
    for name, add in _FUNCTIONS.items():
        if function is getattr(keras.activations, name):
            return add(graph, x, **options)
        if function is getattr(keras.ops, name, None):
            return add(graph, x, **{**_OPS_DEFAULTS.get(name, {}), **options})
    name = getattr(function, "__name__", None) or type(function).__name__
    raise UsageError(
        f"the activation {name!r} cannot be exported; use one of {', '.join(sorted(_FUNCTIONS))}"
    )


def add_relu(
    graph: Graph,
    x: Value,
    *,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Value:
    """Adds ReLU as Keras defines it.

    Args:
        graph: The graph.
        x: Its input.
        negative_slope: Slope below the threshold.
        max_value: Greatest output, or None.
        threshold: Where the output begins to be the input.

    Returns:
        Its output.
    """
    slope, top, start = _number(negative_slope), max_value, _number(threshold)
    if slope and top is None and not start:
        return graph.node("LeakyRelu", x, alpha=slope)
    y = graph.node("ThresholdedRelu", x, alpha=start) if start else graph.node("Relu", x)
    if top is not None:
        y = graph.node("Min", y, graph.constant(_number(top), "top"))
    if slope:
        below = graph.node("Relu", graph.node("Sub", graph.constant(start, "threshold"), x))
        y = graph.node("Sub", y, graph.node("Mul", below, graph.constant(slope, "slope")))
    return y


def _number(value: Any) -> float:
    return float(0.0 if value is None else value)


def _plain(kind: str, **attributes: Any) -> Add:
    return lambda graph, x: graph.node(kind, x, **attributes)


def _linear(graph: Graph, x: Value) -> Value:
    return x


def _elu(graph: Graph, x: Value, alpha: float = 1.0) -> Value:
    return graph.node("Elu", x, alpha=_number(alpha))


def _celu(graph: Graph, x: Value, alpha: float = 1.0) -> Value:
    return graph.node("Celu", x, alpha=_number(alpha))


def _leaky_relu(graph: Graph, x: Value, negative_slope: float = 0.2) -> Value:
    return graph.node("LeakyRelu", x, alpha=_number(negative_slope))


def _gelu(graph: Graph, x: Value, approximate: bool = False) -> Value:
    """Gelu, from operators that quantizers and older runtimes know, too."""
    half, one = graph.constant(0.5, "half"), graph.constant(1.0, "one")
    if approximate:
        cubed = graph.node("Mul", graph.node("Mul", x, x), graph.node("Mul", x, _cubic(graph)))
        inner = graph.node("Mul", graph.node("Add", x, cubed), _root(graph, math.sqrt(2 / math.pi)))
        bent = graph.node("Tanh", inner)
    else:
        bent = graph.node("Erf", graph.node("Mul", x, _root(graph, math.sqrt(0.5))))
    return graph.node("Mul", graph.node("Mul", x, half), graph.node("Add", bent, one))


def _cubic(graph: Graph) -> Value:
    return graph.constant(0.044715, "cubic")


def _root(graph: Graph, value: float) -> Value:
    return graph.constant(value, "root")


def _silu(graph: Graph, x: Value) -> Value:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _softmax(graph: Graph, x: Value, axis: int = -1) -> Value:
    return graph.node("Softmax", x, axis=axis)


def _log_softmax(graph: Graph, x: Value, axis: int = -1) -> Value:
    return graph.node("LogSoftmax", x, axis=axis)


def _log_sigmoid(graph: Graph, x: Value) -> Value:
    return graph.node("Neg", graph.node("Softplus", graph.node("Neg", x)))


def _tanh_shrink(graph: Graph, x: Value) -> Value:
    return graph.node("Sub", x, graph.node("Tanh", x))


def _hard_tanh(graph: Graph, x: Value) -> Value:
    return graph.node("Clip", x, graph.constant(-1.0, "low"), graph.constant(1.0, "high"))


def _relu6(graph: Graph, x: Value) -> Value:
    return add_relu(graph, x, max_value=6)


_FUNCTIONS: dict[str, Add] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": _plain("Exp"),
    "gelu": _gelu,
    "hard_sigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hard_silu": _plain("HardSwish"),
    "hard_tanh": _hard_tanh,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "log_sigmoid": _log_sigmoid,
    "log_softmax": _log_softmax,
    "mish": _plain("Mish"),
    "relu": add_relu,
    "relu6": _relu6,
    "selu": _plain("Selu"),
    "sigmoid": _plain("Sigmoid"),
    "silu": _silu,
    "softmax": _softmax,
    "softplus": _plain("Softplus"),
    "softsign": _plain("Softsign"),
    "tanh": _plain("Tanh"),
    "tanh_shrink": _tanh_shrink,
}
"""Function of `keras.activations` -> what adds it, given the same arguments by name."""

_OPS_DEFAULTS: dict[str, dict[str, Any]] = {"gelu": {"approximate": True}}
"""Where the default of `keras.ops` is not that of `keras.activations`."""
