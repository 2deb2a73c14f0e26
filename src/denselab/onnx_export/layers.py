"""Layers of Keras, and of denselab, as ONNX nodes."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.onnx_export.activations import add_activation, add_relu
from denselab.onnx_export.graph import Graph, Value
from denselab.onnx_export.tabular import TABULAR

__all__ = ["AT_REST", "Shape", "add_layer"]

Shape = tuple[int | None, ...]
"""Sizes of axes; None where one is open."""

AT_REST = frozenset(
    {
        "ActivityRegularization",
        "AlphaDropout",
        "Dropout",
        "GaussianDropout",
        "GaussianNoise",
        "MCAlphaDropout",
        "MCDropout",
        "MixUp",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
    }
)
"""Classes of layers that act in training, or draw; the graph leaves them out."""


def add_layer(graph: Graph, layer: Any, inputs: Sequence[Value], shapes: Sequence[Shape]) -> Value:
    """Adds a layer as it is in prediction.

    Args:
        graph: The graph.
        layer: The layer, built.
        inputs: What it is called with.
        shapes: Their shapes, the batch axis first.

    Returns:
        Its output.

    Raises:
        UsageError: If the layer, or what it is set to, cannot be exported.
    """
    name = type(layer).__name__
    # By name: the components of denselab live above this room. A user's class may do anything.
    known = type(layer).__module__.partition(".")[0] in ("denselab", "keras")
    if not (known and isinstance(layer, keras.Layer)):
        name = ""
    graph.scope(str(getattr(layer, "name", "")))
    if name in AT_REST or name == "Identity":
        return inputs[0]
    if name in _MERGES:
        return _merged(graph, layer, inputs, shapes)
    if name == "Concatenate":
        return graph.node("Concat", *inputs, axis=layer.axis)
    if name not in _LAYERS or len(inputs) != 1:
        raise _unsupported(layer)
    return _LAYERS[name](graph, layer, inputs[0], shapes[0])


def _unsupported(layer: Any, why: str = "") -> UsageError:
    known = ", ".join(sorted({*_LAYERS, *_MERGES, "Concatenate"}))
    return UsageError(
        f"layer {getattr(layer, 'name', '')!r} ({type(layer).__name__}){why} cannot be exported to "
        f"ONNX; build the model of {known} and dropout layers"
    )


def _dense(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    if getattr(layer, "quantization_mode", None):
        raise _unsupported(layer, f", quantized to {layer.quantization_mode},")
    y = graph.node("MatMul", x, graph.constant(layer.kernel, "kernel"))
    if layer.bias is not None:
        y = graph.node("Add", y, graph.constant(layer.bias, "bias"))
    return add_activation(graph, layer.activation, y)


def _batch_normalization(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    r"""Writes $\gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta$ as one scale and one shift."""
    mean, variance = _exact(layer.moving_mean), _exact(layer.moving_variance)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * _exact(layer.gamma)
    shift = -mean * scale + (_exact(layer.beta) if layer.center else 0.0)
    along = _along(layer.axis, len(shape), len(scale))
    scaled = graph.node("Mul", x, graph.constant(scale.reshape(along), "scale"))
    return graph.node("Add", scaled, graph.constant(shift.reshape(along), "shift"))


def _layer_normalization(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    rank = len(shape)
    axes = sorted(axis % rank for axis in layer.axis)
    if layer.rms_scaling or axes != list(range(axes[0], rank)):
        raise _unsupported(layer, f" over axes {layer.axis}, or with rms_scaling,")
    sizes = [shape[axis] for axis in axes]
    gamma = _exact(layer.gamma) if layer.scale else np.ones(sizes)
    given = [x, graph.constant(gamma, "gamma")]
    if layer.center:
        given.append(graph.constant(layer.beta, "beta"))
    return graph.node("LayerNormalization", *given, axis=axes[0], epsilon=layer.epsilon)


def _rms_normalization(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes != [-1] and axes != [len(shape) - 1]:
        raise _unsupported(layer, f" over axes {axes}")
    square = graph.node("ReduceMean", graph.node("Mul", x, x), graph.constant([-1], "axes"))
    epsilon = graph.constant(layer.epsilon, "epsilon")
    root = graph.node("Sqrt", graph.node("Add", square, epsilon))
    y = graph.node("Div", x, root)
    return graph.node("Mul", y, graph.constant(layer.scale, "scale"))


def _normalization(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    mean = graph.constant(layer.mean, "mean")
    deviation = np.maximum(np.sqrt(_exact(layer.variance)), keras.config.epsilon())
    spread = graph.constant(deviation, "deviation")
    if layer.invert:
        return graph.node("Add", mean, graph.node("Mul", x, spread))
    return graph.node("Div", graph.node("Sub", x, mean), spread)


def _rescaling(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    scaled = graph.node("Mul", x, graph.constant(_floats(layer.scale), "scale"))
    return graph.node("Add", scaled, graph.constant(_floats(layer.offset), "offset"))


def _flatten(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    rank = len(shape)
    if layer.data_format == "channels_first" and rank > 2:
        x = graph.node("Transpose", x, perm=[0, *range(2, rank), 1])
    return graph.node("Flatten", x, axis=1)


def _reshape(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    # 0 keeps the batch axis.
    return graph.node("Reshape", x, graph.constant([0, *layer.target_shape], "shape"))


def _permute(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return graph.node("Transpose", x, perm=[0, *layer.dims])


def _activation(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return add_activation(graph, layer.activation, x)


def _prelu(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return graph.node("PRelu", x, graph.constant(layer.alpha, "alpha"))


def _relu(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    options = {
        "negative_slope": layer.negative_slope,
        "max_value": layer.max_value,
        "threshold": layer.threshold,
    }
    return add_relu(graph, x, **options)


def _rrelu(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return graph.node("LeakyRelu", x, alpha=(layer.lower + layer.upper) / 2)


def _leaky_relu(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return graph.node("LeakyRelu", x, alpha=float(layer.negative_slope))


def _elu(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    return graph.node("Elu", x, alpha=float(layer.alpha))


def _softmax(graph: Graph, layer: Any, x: Value, shape: Shape) -> Value:
    if not isinstance(layer.axis, int):
        raise _unsupported(layer, f" over axes {layer.axis}")
    return graph.node("Softmax", x, axis=layer.axis)


def _merged(graph: Graph, layer: Any, inputs: Sequence[Value], shapes: Sequence[Shape]) -> Value:
    if len({len(shape) for shape in shapes}) > 1:
        raise _unsupported(layer, " of inputs of different ranks")
    name = type(layer).__name__
    total = inputs[0]
    for other in inputs[1:]:
        total = graph.node(_MERGES[name], total, other)
    if name == "Average":
        total = graph.node("Mul", total, graph.constant(1 / len(inputs), "share"))
    return total


def _along(axis: int, rank: int, size: int) -> list[int]:
    """Gives the shape that broadcasts a vector along an axis."""
    shape = [1] * rank
    shape[axis] = size
    return shape


def _exact(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


_MERGES = {
    "Add": "Add",
    "Average": "Add",
    "Maximum": "Max",
    "Minimum": "Min",
    "Multiply": "Mul",
    "Subtract": "Sub",
}

_LAYERS: dict[str, Callable[[Graph, Any, Value, Shape], Value]] = {
    "Activation": _activation,
    "BatchNormalization": _batch_normalization,
    "Dense": _dense,
    "ELU": _elu,
    "Flatten": _flatten,
    "LayerNormalization": _layer_normalization,
    "LeakyReLU": _leaky_relu,
    "Normalization": _normalization,
    "PReLU": _prelu,
    "Permute": _permute,
    "RMSNormalization": _rms_normalization,
    "RReLU": _rrelu,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Reshape": _reshape,
    "Softmax": _softmax,
    **TABULAR,
}
"""Class -> what adds a layer of one input."""
