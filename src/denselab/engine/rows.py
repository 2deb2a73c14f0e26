"""The rows a population trains on: arrays at the door, and who sees which of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from denselab.engine.state import Shared
from denselab.errors import UsageError
from denselab.randomness import generator

__all__ = ["shared_arrays", "splits_of"]


def splits_of(
    seeds: Sequence[int], size: int, options: Mapping[str, Any]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Gives each member its training and validation rows.

    Args:
        seeds: The members' seeds.
        size: Number of rows.
        options: Options of `train_population`; `splits` and `validation_fraction` count.

    Returns:
        Row numbers of both kinds, one pair a member.

    Raises:
        UsageError: If given splits do not fit members and rows.
    """
    splits = options.get("splits")
    if splits is None:
        held_out = round(size * options.get("validation_fraction", 0.0))
        shuffled = [generator(seed, "split").permutation(size) for seed in seeds]
        splits = [(np.sort(rows[held_out:]), np.sort(rows[:held_out])) for rows in shuffled]
    checked = [tuple(np.asarray(rows, np.int32) for rows in split) for split in splits]
    sizes = {tuple(len(rows) for rows in split) for split in checked}
    if len(checked) != len(seeds) or len(sizes) != 1:
        raise UsageError(
            f"splits must hold one (training rows, validation rows) for each of {len(seeds)} seeds, all of the same "
            f"sizes; it holds {len(checked)} of sizes {sorted(sizes)}"
        )
    for train_rows, validation_rows in checked:
        rows = np.concatenate([train_rows, validation_rows])
        if not len(train_rows) or rows.min() < 0 or rows.max() >= size:
            raise UsageError(f"a split has no training rows or names rows outside 0 to {size - 1}")
    return checked  # pyright: ignore[reportReturnType]


def shared_arrays(x: Any, y: Any) -> Shared:
    """Makes the arrays that all members read.

    Args:
        x: Features, an array or a tree of arrays.
        y: Targets, likewise.

    Returns:
        Both as numbers that JAX keeps.

    Raises:
        UsageError: If they are no numbers, or differ in their number of rows.
    """
    shared = Shared(*(jax.tree.map(_plain, part) for part in (x, y)))
    sizes = {array.shape[0] if array.ndim else 0 for array in jax.tree.leaves(shared)}
    if len(sizes) != 1 or 0 in sizes:
        raise UsageError(
            f"x and y must have the same number of rows, at least 1; they have {sorted(sizes)}"
        )
    return shared


def _plain(array: Any) -> np.ndarray:
    """Narrows 64-bit numbers, which JAX does not keep, and refuses what is not numeric."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise UsageError(f"x and y must be numbers, not dtype {array.dtype}; encode them first")
    narrower = {"int64": np.int32, "uint64": np.uint32, "float64": np.float32}
    return np.ascontiguousarray(
        array.astype(narrower.get(array.dtype.name, array.dtype), copy=False)
    )
