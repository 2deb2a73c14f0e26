"""What is read of one layer: its kind, its activation, how its weights start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

__all__ = [
    "DROPOUTS",
    "NORMALIZATIONS",
    "PASSIVE",
    "PRODUCTS",
    "UNKNOWN",
    "Kernel",
    "Layer",
    "activation_name",
    "read_layer",
    "stock_kind",
]

UNKNOWN = "?"
"""An activation or a kind that the doctor does not know; no check judges it."""

PRODUCTS = frozenset({"Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D"})
"""Layers that multiply by a kernel."""

NORMALIZATIONS = frozenset(
    {"BatchNormalization", "LayerNormalization", "RMSNormalization", "GroupNormalization"}
)
DROPOUTS = frozenset({"Dropout", "AlphaDropout", "GaussianDropout", "SpatialDropout1D"})
PASSIVE = DROPOUTS | {
    "ActivityRegularization",
    "Flatten",
    "GaussianNoise",
    "Identity",
    "Masking",
    "Permute",
    "Reshape",
}
"""Layers that neither weigh nor bend what passes them."""

_KNOWN_ACTIVATIONS = frozenset(
    (
        *("celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu"),
        *("linear", "log_sigmoid", "log_softmax", "mish", "prelu", "relu", "relu6", "rrelu"),
        *("selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh"),
    )
)
_ACTIVATION_LAYERS = {
    "ReLU": "relu",
    "Relu": "relu",
    "Relu6": "relu6",
    "LeakyReLU": "leaky_relu",
    "LeakyRelu": "leaky_relu",
    "PReLU": "prelu",
    "RReLU": "rrelu",
    "ELU": "elu",
    "Elu": "elu",
    "Selu": "selu",
    "Gelu": "gelu",
    "Silu": "silu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Exp": "exponential",
}
_ALIASES = {"swish": "silu", "hard_swish": "hard_silu", "identity": "linear"}
_KERNEL_VALUES = 4_000_000
"""Kernels are measured on their first units, as many as have this many values."""


@dataclass(frozen=True)
class Kernel:
    """What is measured of the weights that a layer multiplies by.

    Attributes:
        fan_in: Inputs of one unit.
        units: Number of units.
        deviation: Root mean square of the weights.
        alike: Whether all units have the same weights.
        zero: Whether all weights are 0.
        penalty: What its regularizer adds to the loss, 0 without one.
    """

    fan_in: int
    units: int
    deviation: float
    alike: bool
    zero: bool
    penalty: float


@dataclass(frozen=True)
class Layer:
    """One layer, or one use of it, in the order of computation.

    Attributes:
        index: Its place among the layers.
        name: Its name.
        kind: The Keras class that it is or derives from, or `?`.
        sources: Places of the layers whose outputs it takes.
        activation: Its activation; None if it has none, `?` if it is not known.
        units: Units of a Dense or channels of a convolution.
        shape: Shape of its output without the batch, None where it is not built.
        trainable: Whether its weights are trained.
        weighty: Whether it has weights, or will have once built.
        use_bias: Whether it has a bias.
        initializer: Class of the initializer of its kernel.
        bias_start: Typical size of the first biases.
        kernel: Its kernel, if it is built.
        regularized: Whether it has a regularizer.
        rate: Rate of a dropout layer.
        training: The `training` argument that the graph fixes, or None.
        object: The layer itself; only to be read.
    """

    index: int
    name: str
    kind: str
    sources: tuple[int, ...]
    activation: str | None
    units: int | None
    shape: tuple[int | None, ...] | None
    trainable: bool
    weighty: bool
    use_bias: bool = False
    initializer: str | None = None
    bias_start: float = 0.0
    kernel: Kernel | None = None
    regularized: bool = False
    rate: float | None = None
    training: bool | None = None
    object: Any = field(default=None, repr=False, compare=False)


def read_layer(
    operation: Any,
    *,
    index: int,
    sources: tuple[int, ...],
    shape: tuple[int | None, ...] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Layer:
    """Reads a layer without touching it.

    Args:
        operation: A Keras layer, or an operation of `keras.ops` in a graph.
        index: Its place.
        sources: Places of what it takes.
        shape: Shape of its output without the batch, if it is known.
        arguments: Keyword arguments of its call.

    Returns:
        The facts.
    """
    layer = operation
    kind = stock_kind(operation)
    if kind == "TimeDistributed":
        layer = operation.layer
        kind = stock_kind(layer)
    units = getattr(layer, "units", getattr(layer, "filters", None))
    rate = getattr(layer, "rate", None)
    regularizers = (
        getattr(layer, f"{part}_regularizer", None) for part in ("kernel", "bias", "activity")
    )
    kernel = getattr(layer, "kernel", None) if getattr(layer, "built", False) else None
    return Layer(
        index=index,
        name=str(operation.name),
        kind=kind,
        sources=sources,
        activation=_activation(layer, kind),
        units=int(units) if isinstance(units, int) else None,
        shape=shape,
        trainable=bool(getattr(layer, "trainable", True)),
        weighty=kind in PRODUCTS or bool(getattr(layer, "weights", [])),
        use_bias=bool(getattr(layer, "use_bias", False)),
        initializer=_initializer_name(getattr(layer, "kernel_initializer", None)),
        bias_start=_bias_start(getattr(layer, "bias_initializer", None)),
        kernel=_measure_kernel(layer, kernel) if kind in PRODUCTS and kernel is not None else None,
        regularized=any(regularizer is not None for regularizer in regularizers),
        rate=float(rate) if isinstance(rate, int | float) else None,
        training=(arguments or {}).get("training"),
        object=layer,
    )


def stock_kind(operation: Any) -> str:
    """Names the Keras class that an object is or derives from.

    Args:
        operation: A layer, operation, optimizer, loss, metric or callback.

    Returns:
        The name of the class, or `?` for what Keras does not have.

    Example:
        >>> stock_kind(keras.layers.Dense(3))
        'Dense'
    """
    if type(operation).__name__ in _ACTIVATION_LAYERS:
        return type(operation).__name__
    for ancestor in type(operation).__mro__:
        if ancestor.__module__.split(".")[0] == "keras":
            name = ancestor.__name__
            return UNKNOWN if name in ("Layer", "Operation", "Function", "Model") else name
    return UNKNOWN


def activation_name(activation: Any) -> str:
    """Names an activation.

    Args:
        activation: A function, a layer, or None.

    Returns:
        Keras' name of it, or `?`.

    Example:
        >>> activation_name(keras.activations.relu), activation_name(lambda x: x)
        ('relu', '?')
    """
    if activation is None:
        return "linear"
    kind = stock_kind(activation)
    if kind in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[kind]
    name = str(getattr(activation, "__name__", UNKNOWN))
    name = _ALIASES.get(name, name)
    return name if name in _KNOWN_ACTIVATIONS else UNKNOWN


def _activation(layer: Any, kind: str) -> str | None:
    if kind in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[kind]
    if kind in PRODUCTS or kind == "Activation":
        return activation_name(getattr(layer, "activation", None))
    return None


def _initializer_name(initializer: Any) -> str | None:
    """Names an initializer by what it draws; a VarianceScaling may be He's or LeCun's."""
    if initializer is None:
        return None
    kind = stock_kind(initializer)
    if kind != "VarianceScaling":
        return kind
    rule = (initializer.scale, initializer.mode)
    names = {(2.0, "fan_in"): "HeNormal", (1.0, "fan_in"): "LecunNormal"}
    return names.get(rule, "GlorotUniform" if rule == (1.0, "fan_avg") else kind)


def _bias_start(initializer: Any) -> float:
    sizes = ("value", "stddev", "maxval")
    found = [getattr(initializer, size, None) for size in sizes]
    numbers = [abs(float(size)) for size in found if isinstance(size, int | float)]
    return 1.0 if stock_kind(initializer) == "Ones" else max(numbers, default=0.0)


def _measure_kernel(layer: Any, kernel: Any) -> Kernel | None:
    shape = tuple(kernel.shape)
    if len(shape) < 2:
        return None
    fan_in = int(np.prod(shape[:-1]))
    columns = max(2, _KERNEL_VALUES // max(1, fan_in))
    whole = np.asarray(keras.ops.convert_to_numpy(kernel))
    weights = whole.reshape(fan_in, shape[-1])[:, :columns].astype(np.float32)
    share = shape[-1] / weights.shape[1]
    regularizer = getattr(layer, "kernel_regularizer", None)
    l1, l2 = (float(getattr(regularizer, name, 0.0) or 0.0) for name in ("l1", "l2"))
    return Kernel(
        fan_in=fan_in,
        units=shape[-1],
        deviation=float(np.sqrt(np.mean(weights**2, dtype=np.float64))),
        alike=shape[-1] > 1 and bool((weights == weights[:, :1]).all()),
        zero=not weights.any(),
        penalty=share * float(l1 * np.abs(weights).sum() + l2 * (weights**2).sum()),
    )
