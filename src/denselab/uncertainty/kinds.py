"""What Keras' noise layers do to one draw, as a scale and a shift of their inputs.

Every layer here is $y = s x + t$ with random $s$ and $t$. Written so, a mask comes from a few
random bits on every backend, and one that all rows share can be moved into the weights behind it.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.uncertainty.torch_backend import global_seed

__all__ = ["LEVELS", "Affine", "Kind", "drop_level", "kind_of"]

LEVELS = 65_536
"""Steps of a dropout rate: a mask takes 16 bits a unit, so a rate is met to 1 in 131,072."""

_SELU_LIMIT = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717
"""SELU at minus infinity, the value that AlphaDropout gives to a dropped unit."""

Affine = tuple[Any, Any]
"""Scale and shift of a layer's inputs; None where the layer has none."""


@dataclass(frozen=True)
class Kind:
    """One kind of noise layer.

    Attributes:
        bits: Random bits that a value needs in one draw.
        affine: Layer and random field, `uint32`, to scale and shift.
        shape: Layer and inputs' shape to the noise's shape, where 1 shares a value along an axis.
    """

    bits: int
    affine: Callable[[Any, Any], Affine]
    shape: Callable[[Any, tuple[int, ...]], tuple[int, ...]]


def drop_level(layer: Any) -> int:
    """Gives the level below which a 16-bit field drops a unit.

    Args:
        layer: A Dropout, SpatialDropout or AlphaDropout layer.

    Returns:
        The rate in steps of 1/65,536. Scales are computed from the rate so realised.

    Raises:
        UsageError: If the rate drops everything, or less than the resolution.

    Example:
        >>> drop_level(keras.layers.Dropout(0.1))
        6554
    """
    level = round(layer.rate * LEVELS)
    if not 0 < level < LEVELS:
        raise UsageError(
            f"layer {layer.name!r} has rate {layer.rate}; draws need a rate from {1 / LEVELS:.1e} "
            "to below 1, such as 0.1: rebuild the layer with one"
        )
    return level


def kind_of(layer: Any) -> Kind | None:
    """Finds the kind of a layer.

    A subclass that is Keras' active layer under another name, such as an MC dropout whose `call`
    forces `training=True`, is found by comparing the two on the same seed.

    Args:
        layer: A Keras layer that owns a `keras.random.SeedGenerator`.

    Returns:
        The kind, or None if only the layer itself knows what it does.

    Example:
        >>> kind_of(keras.layers.Dropout(0.1)).bits, kind_of(keras.layers.GaussianNoise(0.1)).bits
        (16, 32)
    """
    for stock, kind in _KINDS.items():
        if isinstance(layer, stock):
            same = type(layer) is stock or type(layer).call is stock.call
            return kind if same or _acts_like(layer, stock) else None
    return None


def _dropout(layer: Any, field: Any) -> Affine:
    level = drop_level(layer)
    return (field >= np.uint32(level)) * np.float32(1 / (1 - level / LEVELS)), None


def _alpha_dropout(layer: Any, field: Any) -> Affine:
    """Klambauer et al., Self-Normalizing Neural Networks, 2017: a (x m + limit (1 - m)) + b."""
    level = drop_level(layer)
    rate = level / LEVELS
    scale = ((1 - rate) * (1 + rate * _SELU_LIMIT**2)) ** -0.5
    kept, dropped = -scale * rate * _SELU_LIMIT, scale * (1 - rate) * _SELU_LIMIT
    keep = field >= np.uint32(level)
    return keep * np.float32(scale), np.float32(dropped) + keep * np.float32(kept - dropped)


def _gaussian_dropout(layer: Any, field: Any) -> Affine:
    if layer.rate >= 1:
        raise UsageError(
            f"layer {layer.name!r} has rate {layer.rate}, an infinite spread; give a rate below 1"
        )
    deviation = math.sqrt(layer.rate / (1 - layer.rate))
    return np.float32(1) + np.float32(deviation) * _normal(field), None


def _gaussian_noise(layer: Any, field: Any) -> Affine:
    return None, np.float32(layer.stddev) * _normal(field)


def _normal(field: Any) -> Any:
    """Maps 32 random bits to a normal deviate by the quantile function, from 23 of them."""
    odd = (field >> np.uint32(9)).astype(np.float32) * np.float32(2) + np.float32(1)
    centred = odd * np.float32(2**-23) - np.float32(1)
    if isinstance(field, np.ndarray):
        from scipy.special import erfinv
    else:
        from jax.scipy.special import erfinv
    return erfinv(centred) * np.float32(math.sqrt(2))


def _own_shape(layer: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
    """Fills a `noise_shape` from the inputs, and refuses what would not broadcast to them."""
    wanted = layer.noise_shape or (None,) * len(inputs)
    pairs = list(zip(wanted, inputs, strict=False))
    if len(wanted) != len(inputs) or any(want not in (None, 1, size) for want, size in pairs):
        raise UsageError(
            f"layer {layer.name!r} has noise_shape {tuple(wanted)} for inputs of shape {inputs}; "
            "give one entry an axis: None for the inputs' size, or 1"
        )
    return tuple(size if want is None else want for want, size in pairs)


def _full_shape(layer: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
    return inputs


def _spatial_shape(layer: Any, inputs: tuple[int, ...]) -> tuple[int, ...]:
    channels = 1 if getattr(layer, "data_format", "channels_last") == "channels_first" else -1
    shape = [inputs[0], *(1 for _ in inputs[1:])]
    shape[channels] = inputs[channels]
    return tuple(shape)


_KINDS: Mapping[type, Kind] = {
    keras.layers.SpatialDropout1D: Kind(16, _dropout, _spatial_shape),
    keras.layers.SpatialDropout2D: Kind(16, _dropout, _spatial_shape),
    keras.layers.SpatialDropout3D: Kind(16, _dropout, _spatial_shape),
    keras.layers.Dropout: Kind(16, _dropout, _own_shape),
    keras.layers.AlphaDropout: Kind(16, _alpha_dropout, _own_shape),
    keras.layers.GaussianDropout: Kind(32, _gaussian_dropout, _full_shape),
    keras.layers.GaussianNoise: Kind(32, _gaussian_noise, _full_shape),
}
"""The stock layers, subclasses before the classes they derive from."""


def _acts_like(layer: Any, stock: type[Any]) -> bool:
    """Compares a subclass with its stock class, switched on, bit by bit on the same seed."""
    rank = len(getattr(layer, "noise_shape", None) or ()) or getattr(layer.input_spec, "ndim", 2)
    wanted = getattr(layer, "noise_shape", None) or (None,) * rank
    shape = [size or 8 for size in wanted]
    probe = np.random.default_rng(0).normal(size=shape).astype("float32")
    takes_training = "training" in inspect.signature(layer.call).parameters
    arguments = {"training": True} if takes_training else {}
    try:
        ours = _on_one_seed(layer, lambda x: layer.call(x, **arguments), probe)
        theirs = _on_one_seed(layer, lambda x: stock.call(layer, x, training=True), probe)
    except (AttributeError, TypeError, ValueError):
        return False
    return np.array_equal(ours, theirs)


def _on_one_seed(layer: Any, call: Callable[[Any], Any], probe: np.ndarray) -> np.ndarray:
    state = layer.seed_generator.state
    seed = keras.ops.convert_to_tensor(np.array([1, 2]), dtype=state.dtype)
    with keras.StatelessScope(state_mapping=[(state, seed)]), global_seed(lambda: 1):
        return np.asarray(keras.ops.convert_to_numpy(call(keras.ops.convert_to_tensor(probe))))
