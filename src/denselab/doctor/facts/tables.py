"""What is measured of an array of data: exact where that is cheap, on evenly spaced rows elsewhere."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["SAMPLED_VALUES", "SCANNED_VALUES", "Table", "evenly_spaced", "measure"]

SAMPLED_VALUES = 2_000_000
"""Means, deviations and distinct values come from evenly spaced rows with at most this many values."""

SCANNED_VALUES = 400_000_000
"""Smallest and largest value come from all rows up to this many values, else from the sampled rows."""


@dataclass(frozen=True, eq=False)
class Table:
    """One array of inputs or targets.

    Attributes:
        name: What it is called in findings: `x`, `y`, or the name of an input or output.
        shape: Its shape.
        dtype: Its dtype.
        array: The array itself, for hashing rows; never written to.
        sample: Evenly spaced rows, flattened to (row, column), float64.
        minimum: Smallest value, NaN if there is one.
        maximum: Largest value, NaN if there is one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    array: np.ndarray
    sample: Float[np.ndarray, "row column"]
    minimum: float
    maximum: float

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """Values a row."""
        return self.sample.shape[1]

    @property
    def span(self) -> str:
        """Smallest and largest value, in words."""
        return f"from {self.minimum:.4g} to {self.maximum:.4g}"

    @property
    def finite(self) -> bool:
        """Whether there is neither NaN nor infinity."""
        return bool(np.isfinite(self.minimum) and np.isfinite(self.maximum))

    @cached_property
    def clean(self) -> Float[np.ndarray, "row column"]:
        """The sampled rows that are finite."""
        if self.finite:
            return self.sample
        return self.sample[np.isfinite(self.sample).all(axis=1)]

    @cached_property
    def means(self) -> Float[np.ndarray, " column"]:
        """Mean of every column."""
        return self.clean.mean(axis=0) if len(self.clean) else np.zeros(self.width)

    @cached_property
    def deviations(self) -> Float[np.ndarray, " column"]:
        """Standard deviation of every column."""
        return self.clean.std(axis=0) if len(self.clean) else np.zeros(self.width)

    @cached_property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return bool((self.clean == np.round(self.clean)).all())

    @cached_property
    def distinct(self) -> Float[np.ndarray, " value"]:
        """Values that occur in the sampled rows, sorted."""
        return np.unique(self.clean)


def measure(name: str, array: Any) -> Table | None:
    """Measures an array.

    Args:
        name: What it is called.
        array: NumPy array with at least one axis.

    Returns:
        The facts, or None if it has no rows or holds no numbers.
    """
    if array.ndim == 0 or array.size == 0 or array.dtype.kind not in "biuf":
        return None
    columns = array.size // len(array)
    rows = evenly_spaced(len(array), max(1, SAMPLED_VALUES // columns))
    sample = np.asarray(array[rows], dtype=np.float64).reshape(len(rows), -1)
    scanned = array if array.size <= SCANNED_VALUES else sample
    return Table(
        name=name,
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        array=array,
        sample=sample,
        minimum=float(scanned.min()),
        maximum=float(scanned.max()),
    )


def evenly_spaced(count: int, limit: int) -> Any:
    """Chooses rows without chance, so that a diagnosis repeats.

    Args:
        count: Number of rows there are.
        limit: Number of rows to choose at most.

    Returns:
        A slice of all rows, or `limit` row numbers, the first and the last among them.

    Example:
        >>> evenly_spaced(9, 3).tolist()
        [0, 4, 8]
    """
    if count <= limit:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.int64)
