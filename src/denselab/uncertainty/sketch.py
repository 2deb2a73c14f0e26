"""Quantiles of any number of draws from a sketch of fixed size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from denselab.errors import UsageError

__all__ = ["ANCHORS", "QuantileSketch"]

ANCHORS = 256
"""Draws kept as they are; later ones are counted between them."""


class QuantileSketch:
    """Quantiles of each row and output, of a size that draws do not change.

    The first 256 draws are kept. Sorted, they divide the line into cells that are about equally
    likely, and each later draw is counted in its cell, or at an anchor that it equals. A quantile
    is read off between the anchors on both sides of its rank, so it lies in the same cell as the
    exact one: right to about 1/256 in probability, and exact up to 256 draws.

    Args:
        rows: Number of rows.
        outputs: Number of outputs.

    Example:
        >>> sketch = QuantileSketch(1, 1)
        >>> sketch.add(np.array([0]), np.arange(101.0).reshape(101, 1, 1))
        >>> sketch.quantiles([0.25, 0.5]).tolist()
        [[[25.0]], [[50.0]]]
    """

    def __init__(self, rows: int, outputs: int) -> None:
        self._anchors = np.zeros((rows, outputs, ANCHORS), np.float32)
        self._counts = np.zeros((rows, outputs, 2 * ANCHORS + 1), np.uint32)
        self._ends = np.zeros((rows, outputs, 2), np.float32)
        self._seen = np.zeros(rows, np.int64)

    def add(
        self, rows: Int[np.ndarray, " row"], draws: Float[np.ndarray, "draw row output"]
    ) -> None:
        """Adds further draws of rows that have seen equally many.

        Args:
            rows: Which rows.
            draws: Their outputs.
        """
        seen = int(self._seen[rows[0]])
        kept = draws[: max(0, ANCHORS - seen)]
        counted = draws[len(kept) :]
        self._anchors[rows, :, seen : seen + len(kept)] = np.moveaxis(kept, 0, -1)
        if seen < ANCHORS <= seen + len(kept):
            self._anchors[rows] = np.sort(self._anchors[rows], axis=-1)
            self._ends[rows] = self._anchors[rows][..., [0, -1]]
        if len(counted):
            self._count(rows, np.moveaxis(counted, 0, -1))
        self._seen[rows] += len(draws)

    def quantiles(self, levels: Sequence[float]) -> Float[np.ndarray, "level row output"]:
        """Reads quantiles off.

        Args:
            levels: Probabilities from 0 to 1.

        Returns:
            The draws' quantiles by linear interpolation, as `numpy.quantile` defines it.

        Raises:
            UsageError: If a level is not a probability.
        """
        wanted = np.asarray(levels, np.float64)
        if wanted.ndim != 1 or not np.all((wanted >= 0) & (wanted <= 1)):
            raise UsageError(f"levels are {levels!r}; give probabilities such as [0.05, 0.5, 0.95]")
        rows, outputs, _ = self._anchors.shape
        found = np.empty((len(wanted), rows, outputs))
        for row in range(rows):
            for output in range(outputs):
                found[:, row, output] = self._of_one(row, output, wanted)
        return found

    def _count(self, rows: np.ndarray, draws: np.ndarray) -> None:
        """Counts draws: in odd cells those at an anchor, in even ones those between two."""
        for place, row in enumerate(rows):
            for output, values in enumerate(draws[place]):
                anchors, counts = self._anchors[row, output], self._counts[row, output]
                cells = np.searchsorted(anchors, values) + np.searchsorted(anchors, values, "right")
                counts += np.bincount(cells, minlength=len(counts)).astype(np.uint32)
        ends = self._ends[rows]
        ends[..., 0] = np.minimum(ends[..., 0], draws.min(-1))
        ends[..., 1] = np.maximum(ends[..., 1], draws.max(-1))
        self._ends[rows] = ends

    def _of_one(self, row: int, output: int, levels: np.ndarray) -> np.ndarray:
        seen = int(self._seen[row])
        anchors = self._anchors[row, output].astype(np.float64)
        if seen <= ANCHORS:
            return np.quantile(anchors[:seen], levels)
        up_to = np.cumsum(self._counts[row, output], dtype=np.int64)
        first = np.arange(ANCHORS) + up_to[:-1:2]
        last = np.arange(ANCHORS) + up_to[1::2]
        ranks = np.concatenate([[0], np.stack([first, last], axis=1).ravel(), [seen - 1]])
        low, high = self._ends[row, output]
        values = np.concatenate([[low], np.repeat(anchors, 2), [high]])
        return np.interp(levels * (seen - 1), ranks, values)
