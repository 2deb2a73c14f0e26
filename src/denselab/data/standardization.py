"""Mean and scale of every feature, fitted on the training rows."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Num

from denselab.errors import DataError

__all__ = ["Standardizer", "standardization"]

_CHUNK_ROWS = 1024


class Standardizer(NamedTuple):
    """What takes a row to standard units; it unpacks as `mean, scale`.

    Attributes:
        mean: Mean of every feature, `float32`, shape of a row.
        scale: One over the population deviation of every feature; 0 for a constant feature.
    """

    mean: Float32[np.ndarray, "..."]
    scale: Float32[np.ndarray, "..."]

    def __call__(self, x: Num[np.ndarray, "row ..."]) -> Float32[np.ndarray, "row ..."]:
        r"""Standardises rows: $(x - \mathrm{mean}) \cdot \mathrm{scale}$.

        Args:
            x: Rows of the shape that was fitted.

        Returns:
            The rows in standard units, `float32`; constant features are 0.
        """
        return (x.astype(np.float32) - self.mean) * self.scale


def standardization(
    x: Num[np.ndarray, "row ..."], rows: Int[np.ndarray, " fitted"] | None = None
) -> Standardizer:
    r"""Finds mean and scale of every feature over some rows.

    With $m$ rows,

    $$\mu = \frac{1}{m}\sum_i x_i, \qquad
    \mathrm{scale} = 1 / \sqrt{\frac{1}{m}\sum_i (x_i - \mu)^2}$$

    computed in `float64`, a thousand rows at a time, in two passes. A feature that never changes
    has scale 0, so it maps to 0 in every row, also in rows that were not fitted.

    Args:
        x: Rows of numbers, shape (n, ...).
        rows: Which rows to fit, usually the training rows; all where None.

    Returns:
        Mean and scale, both `float32` of the shape of a row.

    Raises:
        DataError: If there is no row to fit.

    Example:
        >>> mean, scale = standardization(np.array([[1.0, 7.0], [3.0, 7.0]]))
        >>> mean.tolist(), scale.tolist()
        ([2.0, 7.0], [1.0, 0.0])
    """
    rows = np.arange(len(x)) if rows is None else rows
    if len(rows) == 0:
        raise DataError("no row to standardise by; give at least one training row")
    chunks = [rows[start : start + _CHUNK_ROWS] for start in range(0, len(rows), _CHUNK_ROWS)]
    total = np.zeros(x.shape[1:])
    low, high = np.full(x.shape[1:], np.inf), np.full(x.shape[1:], -np.inf)
    for chunk in chunks:
        values = x[chunk].astype(np.float64)
        total += values.sum(axis=0)
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
    mean = total / len(rows)
    squares = np.zeros(x.shape[1:])
    for chunk in chunks:
        squares += np.square(x[chunk].astype(np.float64) - mean).sum(axis=0)
    return Standardizer(mean.astype(np.float32), _scale(np.sqrt(squares / len(rows)), low < high))


def _scale(deviation: np.ndarray, varies: np.ndarray) -> np.ndarray:
    # Rounding can leave a constant feature a tiny deviation, hence `varies`; a deviation
    # below 1/max has no float32 reciprocal and is as good as constant.
    usable = varies & (deviation > 1 / float(np.finfo(np.float32).max))
    return np.divide(1, deviation, out=np.zeros_like(deviation), where=usable).astype(np.float32)
