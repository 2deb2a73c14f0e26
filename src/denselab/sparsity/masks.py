"""Masks of kernels: which weights are zero, chosen by magnitude, exactly as many as asked for."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.sparsity.kernels import dense_layers, kernel_of, prunable_layers

__all__ = [
    "ModelSparsity",
    "Scope",
    "apply_masks",
    "check_scope",
    "check_sparsity",
    "magnitude_masks",
    "masks_of",
    "sparsity_of",
    "zero_count",
]

Scope = Literal["layer", "global"]
"""Whether every layer gets the same share of zeros, or all kernels are ranked together."""

_PARTS = 10**6  # A sparsity is read to a millionth, so that float32 and float64 mean the same one.


@dataclasses.dataclass(frozen=True)
class ModelSparsity:
    """How many weights of the kernels are exactly 0.

    Attributes:
        zeros: Name of a Dense layer -> zeros in its kernel.
        sizes: Name of a Dense layer -> weights in its kernel.
    """

    zeros: Mapping[str, int]
    sizes: Mapping[str, int]

    @property
    def layers(self) -> dict[str, float]:
        """Name of a Dense layer -> share of zeros in its kernel, from 0 to 1."""
        return {name: self.zeros[name] / size for name, size in self.sizes.items()}

    @property
    def total(self) -> float:
        """Share of zeros in all kernels together, from 0 to 1."""
        return sum(self.zeros.values()) / sum(self.sizes.values())


def check_sparsity(sparsity: float, name: str = "sparsity") -> float:
    """Checks that a share of zeros is from 0 to below 1.

    Args:
        sparsity: The share.
        name: What to call it in the error.

    Returns:
        The same share as a Python `float`.

    Raises:
        UsageError: If it is none; 90 for 0.9 gets a hint.

    Example:
        >>> check_sparsity(0.9)
        0.9
    """
    if isinstance(sparsity, bool) or not isinstance(sparsity, int | float | np.number):
        raise UsageError(f"{name} is {sparsity!r}; give a share of zeros such as 0.9")
    value = float(sparsity)
    if 1 < value < 100:
        raise UsageError(
            f"{name} is {sparsity!r}, but it is a share from 0 to below 1; did you mean {value / 100:g}?"
        )
    if not 0 <= value < 1 or math.isnan(value):
        raise UsageError(
            f"{name} is {sparsity!r}; give a share of zeros from 0 to below 1, such as 0.9"
        )
    return value


def check_scope(scope: str) -> None:
    """Checks that a scope is one of the two.

    Args:
        scope: "layer" or "global".

    Raises:
        UsageError: If it is neither.
    """
    if scope not in ("layer", "global"):
        raise UsageError(f"scope is {scope!r}; give 'layer' or 'global'")


def zero_count(sparsity: float, size: int) -> int:
    r"""Counts the zeros that a sparsity stands for.

    $$k = \mathrm{round}(s \cdot n)$$

    with the sparsity read to a millionth and halves rounded to even. Compiled updates count the same in whole numbers.

    Args:
        sparsity: Share of zeros, from 0 to below 1.
        size: Number of weights.

    Returns:
        Whole number from 0 to `size`.

    Example:
        >>> zero_count(0.9, 4194304)
        3774874
    """
    parts = min(round(sparsity * _PARTS), _PARTS - 1)
    return round(Fraction(parts, _PARTS) * size)


def magnitude_masks(
    model: keras.Model, sparsity: float, scope: Scope = "layer", *, skip: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Chooses the smallest weights.

    Per layer, each kernel gets `zero_count(sparsity, size)` zeros; in the global scope all kernels together get as
    many. Of equal magnitudes the first in the kernel, and the first layer's, go first.

    Args:
        model: Any built Keras model with Dense layers; not changed.
        sparsity: Share of zeros, from 0 to below 1.
        scope: "layer" or "global".
        skip: Names of Dense layers that stay dense, such as `output_layers(model)`; they count in no share.

    Returns:
        Layer name -> boolean mask of the kernel's shape, False where a weight is to be 0.

    Raises:
        UsageError: If the sparsity or scope is none, there is nothing to prune, or weights are not finite.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, name="answer")])
        >>> model.layers[0].set_weights([np.array([[3.0], [-1.0], [2.0], [0.5]]), np.zeros(1)])
        >>> magnitude_masks(model, 0.5)["answer"].ravel().tolist()
        [True, False, True, False]

    References:
        Han et al., Learning both Weights and Connections for Efficient Neural Networks, 2015, section 3.
    """
    sparsity = check_sparsity(sparsity)
    check_scope(scope)
    kernels = {name: kernel_of(layer) for name, layer in prunable_layers(model, skip).items()}
    broken = [name for name, kernel in kernels.items() if not np.isfinite(kernel).all()]
    if broken:
        raise UsageError(
            f"the kernel of layer {broken[0]!r} has weights that are not finite; train the model again before pruning"
        )
    if scope == "layer":
        return {name: _keep_largest(kernel, sparsity) for name, kernel in kernels.items()}
    together = np.concatenate([kernel.ravel() for kernel in kernels.values()])
    kept = np.split(
        _keep_largest(together, sparsity), np.cumsum([k.size for k in kernels.values()])[:-1]
    )
    return {
        name: part.reshape(kernel.shape)
        for (name, kernel), part in zip(kernels.items(), kept, strict=True)
    }


def apply_masks(model: keras.Model, masks: Mapping[str, np.ndarray]) -> None:
    """Sets the masked weights of a model to 0, in place.

    Args:
        model: The model that the masks were made for, or one of the same network.
        masks: Layer name -> mask, False where a weight is to be 0; layers that are not named stay as they are.

    Raises:
        UsageError: If names or shapes are those of another model. Nothing is changed then.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> apply_masks(model, magnitude_masks(model, 0.75))
        >>> sparsity_of(model).total
        0.75
    """
    layers = dense_layers(model)
    strange = [name for name in masks if name not in layers]
    if strange:
        raise UsageError(
            f"the masks are those of another model: here is no Dense layer {strange[0]!r}, but {', '.join(layers)}; "
            "make them with magnitude_masks(model, ...)"
        )
    for name, mask in masks.items():
        _check_mask(name, np.asarray(mask), kernel_of(layers[name]).shape)
    for name, mask in masks.items():
        kernel: Any = layers[name].kernel
        kernel.assign(np.where(np.asarray(mask, bool), kernel_of(layers[name]), 0))


def masks_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Reads where the kernels of a model are not 0.

    Args:
        model: Any built Keras model with Dense layers.

    Returns:
        Layer name -> boolean mask, False where the weight is exactly 0.
    """
    return {name: kernel_of(layer) != 0 for name, layer in dense_layers(model).items()}


def sparsity_of(model: keras.Model) -> ModelSparsity:
    """Counts the weights that are exactly 0, in every Dense kernel and in all.

    Args:
        model: Any built Keras model with Dense layers.

    Returns:
        The counts; `.layers` and `.total` are shares.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="answer")])
        >>> sparsity_of(model).layers
        {'answer': 0.0}
    """
    masks = masks_of(model)
    return ModelSparsity(
        {name: int((~mask).sum()) for name, mask in masks.items()},
        {name: mask.size for name, mask in masks.items()},
    )


def _keep_largest(kernel: np.ndarray, sparsity: float) -> np.ndarray:
    count = zero_count(sparsity, kernel.size)
    mask = np.ones(kernel.size, bool)
    mask[np.argsort(np.abs(kernel).ravel(), kind="stable")[:count]] = False
    return mask.reshape(kernel.shape)


def _check_mask(name: str, mask: np.ndarray, shape: tuple[int, ...]) -> None:
    if mask.shape != shape:
        raise UsageError(
            f"the mask of layer {name!r} has shape {mask.shape}, its kernel {shape}: it is that of another model; "
            "make it with magnitude_masks(model, ...)"
        )
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise UsageError(f"the mask of layer {name!r} is of {mask.dtype}; give booleans")
