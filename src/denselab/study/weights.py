"""Weights as safetensors: bytes that hold nothing but arrays."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from denselab.errors import CorruptStudyError

__all__ = ["packed_weights", "unpacked_weights"]


def packed_weights(weights: Mapping[str, np.ndarray], *, recipe: str, seed: int) -> bytes:
    """Packs named arrays into the bytes of a safetensors file.

    Args:
        weights: Name -> array.
        recipe: Name of the recipe, written into the file.
        seed: Seed of the trial, likewise.

    Returns:
        The same bytes for the same values.

    Example:
        >>> data = packed_weights({"bias": np.zeros(3, np.float32)}, recipe="plain", seed=0)
        >>> unpacked_weights(data, Path("plain-0.safetensors"))["bias"]
        array([0., 0., 0.], dtype=float32)
    """
    from safetensors.numpy import save

    # safetensors reads memory as it lies, so each array has to lie in C order.
    tensors = {name: np.array(value, order="C") for name, value in weights.items()}
    # One entry: the order of several would change from process to process.
    about = {"format": 1, "recipe": recipe, "seed": seed}
    return save(tensors, metadata={"denselab": json.dumps(about)})


def unpacked_weights(data: bytes, path: Path) -> dict[str, np.ndarray]:
    """Reads what `packed_weights` packed.

    Args:
        data: The bytes, whose hash was checked.
        path: Their file, for errors.

    Returns:
        Name -> array.

    Raises:
        CorruptStudyError: If this is no safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(data)
    except SafetensorError as error:
        raise CorruptStudyError(
            f"{path}: is no safetensors file ({error}); restore the file from a copy"
        ) from error
