"""A stack of dense layers as a chain of products with sparse matrices (CSR), by scipy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from scipy import special
from scipy.sparse import csr_array

from denselab.errors import UsageError

__all__ = ["CsrChain", "csr_chain"]

Step = Callable[[np.ndarray], np.ndarray]
"""From (feature, row) to (feature, row); rows stand in columns, as scipy's product wants them."""

_AT_REST = ("ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise")


class CsrChain:
    """A chain of sparse products that answers as the model does.

    Attributes:
        nbytes: Bytes of its arrays: values, columns and row ends of the kernels, and biases.
    """

    def __init__(self, steps: list[Step], nbytes: int) -> None:
        self._steps = steps
        self.nbytes = nbytes

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Answers.

        Args:
            x: Rows, shape (row, ...).

        Returns:
            Outputs, shape (row, output).
        """
        columns = np.ascontiguousarray(x.reshape(len(x), -1).T, np.float32)
        for step in self._steps:
            columns = step(columns)
        return columns.T


def csr_chain(model: keras.Model) -> CsrChain:
    """Turns a plain stack of layers into a chain of products.

    Args:
        model: Dense layers one after another, with activations, BatchNormalization, dropout and
            scaling between them.

    Returns:
        The chain, in float32.

    Raises:
        UsageError: If the model has skips or another layer.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> csr_chain(model)(np.zeros((3, 4), "float32")).shape
        (3, 2)
    """
    steps: list[Step] = []
    size = 0
    for layer, shape in _in_order(model):
        made, bytes_taken = _steps_of(layer, shape)
        steps += made
        size += bytes_taken
    return CsrChain(steps, size)


def _in_order(model: Any) -> list[tuple[Any, tuple[int, ...]]]:
    """Lists layers and the shapes of their inputs, without the batch axis."""
    network = getattr(model, "_functional", None) or model
    layers: list[Any] = []
    if not hasattr(network, "_nodes_by_depth"):
        raise UsageError("a chain of sparse products needs a Sequential or functional model")
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if node.is_input:
                continue
            if len(network._nodes_by_depth[depth]) > 1 or len(node.input_tensors) != 1:
                raise UsageError("a chain of sparse products knows no skips; measure it without")
            inside = isinstance(node.operation, keras.Model)
            shape = tuple(node.input_tensors[0].shape[1:])
            layers += _in_order(node.operation) if inside else [(node.operation, shape)]
    return layers


def _steps_of(layer: Any, shape: tuple[int, ...]) -> tuple[list[Step], int]:
    name = type(layer).__name__
    if name in _AT_REST or name == "Flatten":
        return [], 0
    if name in _SCALINGS:
        parts = (np.broadcast_to(part, (1, *shape)) for part in _SCALINGS[name](layer))
        scale, shift = (_column(part) for part in parts)
        return [lambda x: x * scale + shift], scale.nbytes + shift.nbytes
    if len(shape) != 1:
        raise UsageError(
            f"a chain of sparse products knows no {name} of rows of shape {shape}; measure it without"
        )
    if name == "Dense":
        return _dense(layer)
    if name == "Activation":
        return [_activation(layer.activation)], 0
    if name == "Softmax":
        return [_activation(keras.activations.softmax)], 0
    if name == "BatchNormalization":
        scale, shift = (_column(part) for part in _batch_normalization(layer))
        return [lambda x: x * scale + shift], scale.nbytes + shift.nbytes
    raise UsageError(
        f"a chain of sparse products knows no {name} (layer {layer.name!r}); measure it without"
    )


def _dense(layer: Any) -> tuple[list[Step], int]:
    kernel = csr_array(np.ascontiguousarray(_exact(layer.kernel).T.astype(np.float32)))
    size = kernel.data.nbytes + kernel.indices.nbytes + kernel.indptr.nbytes
    activation = _activation(layer.activation)
    if layer.bias is None:
        return [lambda x: activation(kernel @ x)], size
    bias = _column(_exact(layer.bias))
    return [lambda x: activation(kernel @ x + bias)], size + bias.nbytes


def _activation(function: Any) -> Step:
    for name, step in _ACTIVATIONS.items():
        if function is getattr(keras.activations, name):
            return step
    name = getattr(function, "__name__", str(function))
    raise UsageError(f"a chain of sparse products knows no activation {name}; measure it without")


def _batch_normalization(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    scale = 1 / np.sqrt(_exact(layer.moving_variance) + layer.epsilon)
    scale = scale * (_exact(layer.gamma) if layer.scale else 1)
    shift = -_exact(layer.moving_mean) * scale
    return scale, shift + (_exact(layer.beta) if layer.center else 0)


def _normalization(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    deviation = np.maximum(np.sqrt(_exact(layer.variance)), keras.config.epsilon())
    mean = _exact(layer.mean)
    return (deviation, mean) if layer.invert else (1 / deviation, -mean / deviation)


def _rescaling(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)


def _exact(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)


def _column(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32).reshape(-1, 1)


def _softmax(x: np.ndarray) -> np.ndarray:
    return special.softmax(x, axis=0)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _selu(x: np.ndarray) -> np.ndarray:
    return np.float32(1.0507009873554805) * np.where(
        x > 0, x, np.float32(1.6732632423543772) * np.expm1(np.minimum(x, 0))
    )


_ACTIVATIONS: dict[str, Step] = {
    "elu": _elu,
    "leaky_relu": lambda x: np.where(x > 0, x, np.float32(0.2) * x),
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "selu": _selu,
    "sigmoid": special.expit,
    "silu": lambda x: x * special.expit(x),
    "softmax": _softmax,
    "tanh": np.tanh,
}

_SCALINGS: dict[str, Callable[[Any], tuple[np.ndarray, np.ndarray]]] = {
    "Normalization": _normalization,
    "Rescaling": _rescaling,
}
"""Class -> its scale and shift by feature."""
