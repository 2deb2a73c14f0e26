"""What is kept of the draws: running means, spreads and votes, of a fixed size."""

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = [
    "ClassTotals",
    "ClassUpdates",
    "ValueTotals",
    "class_probabilities",
    "empty_updates",
    "update",
]

Scale = str
"""What outputs are: "logits", "probabilities", "binary_logits" or "binary_probabilities"."""


class ClassUpdates(NamedTuple):
    """Running statistics over the draws of one piece of work, rows last so that they vectorise.

    Attributes:
        count: Draws so far.
        mean: Mean probabilities, shape (class, row).
        squares: Sum of squared deviations from that mean, shape (class, row).
        entropy: Mean entropy of a draw, shape (row,), in nats.
        entropy_squares: Sum of its squared deviations, shape (row,).
        votes: Draws that put a class first, shape (class, row); a tie shares its vote.
    """

    count: Any
    mean: Any
    squares: Any
    entropy: Any
    entropy_squares: Any
    votes: Any


def empty_updates(classes: int, rows: int, xp: ModuleType) -> ClassUpdates:
    """Makes the statistics of no draws.

    Args:
        classes: Number of classes.
        rows: Number of rows.
        xp: `numpy` or `jax.numpy`.

    Returns:
        Zeros, in `float32`.
    """
    by_class, by_row = ((classes, rows), (rows,))
    shapes = ((), by_class, by_class, by_row, by_row, by_class)
    return ClassUpdates(*(xp.zeros(shape, xp.float32) for shape in shapes))


def class_probabilities(outputs: Any, scale: Scale, xp: ModuleType) -> tuple[Any, Any]:
    r"""Turns outputs into probabilities and entropies, from logits without a clipped logarithm.

    With $z$ the logits less their greatest, $H = \log \sum_c e^{z_c} - \sum_c p_c z_c$.

    Args:
        outputs: Shape (draw, row, output).
        scale: What the outputs are.
        xp: `numpy` or `jax.numpy`.

    Returns:
        Probabilities, shape (draw, class, row), and entropies in nats, shape (draw, row).
    """
    columns = xp.swapaxes(outputs, 1, 2)
    if scale == "binary_logits":
        columns = xp.concatenate([xp.zeros_like(columns), columns], axis=1)
    if scale == "binary_probabilities":
        columns = xp.concatenate([1 - columns, columns], axis=1)
    if scale.endswith("probabilities"):
        logarithms = xp.log(xp.where(columns > 0, columns, 1))
        return columns, -(columns * logarithms).sum(1)
    shifted = columns - columns.max(1, keepdims=True)
    exponentials = xp.exp(shifted)
    total = exponentials.sum(1, keepdims=True)
    entropies = xp.log(total[:, 0]) - (exponentials * shifted).sum(1) / total[:, 0]
    return exponentials / total, entropies


def update(
    so_far: ClassUpdates, outputs: Any, scale: Scale, *, counted: Any, xp: ModuleType
) -> ClassUpdates:
    r"""Adds draws to the statistics.

    Deviations $d$ are taken from the mean so far, at first from the first draw, so that nothing
    cancels: with $n$ draws now,
    $\bar p \leftarrow \bar p + \sum d / n$ and $S \leftarrow S + \sum d^2 - (\sum d)^2 / n$.

    Args:
        so_far: Statistics of the draws before.
        outputs: Shape (draw, row, output).
        scale: What the outputs are.
        counted: 1 for draws that count and 0 for those that do not, shape (draw,).
        xp: `numpy` or `jax.numpy`.

    Returns:
        Statistics of all the draws that count.

    References:
        Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance, 1983, equation 1.5.
    """
    probabilities, entropies = class_probabilities(outputs, scale, xp)
    by_class, by_row = counted[:, None, None], counted[:, None]
    count = so_far.count + counted.sum()
    counts = (so_far.count, count)
    mean, squares = _moments(so_far[1:3], probabilities, by_class, counts, xp)
    entropy = _moments(so_far[3:5], entropies, by_row, counts, xp)
    first = (probabilities == probabilities.max(1, keepdims=True)).astype(probabilities.dtype)
    shares = first / xp.maximum(first.sum(1, keepdims=True), 1)
    votes = so_far.votes + (shares * by_class).sum(0)
    return ClassUpdates(count, mean, squares, *entropy, votes)


class ClassTotals:
    """Statistics of all rows in double precision, filled piece by piece.

    Args:
        rows: Number of rows.
        classes: Number of classes.
    """

    def __init__(self, rows: int, classes: int) -> None:
        self.count = np.zeros(rows, np.int64)
        self.mean = np.zeros((rows, classes))
        self.squares = np.zeros((rows, classes))
        self.entropy = np.zeros(rows)
        self.entropy_squares = np.zeros(rows)
        self.votes = np.zeros((rows, classes))

    def add(self, rows: Int[np.ndarray, " row"], piece: ClassUpdates) -> None:
        """Adds the statistics of further draws of some rows.

        Args:
            rows: Which rows.
            piece: Their statistics; columns past the rows are padding.
        """
        width = len(rows)
        arrays = [np.asarray(part, np.float64)[..., :width].T for part in piece[1:]]
        mean, squares, entropy, entropy_squares, votes = arrays
        before, extra = self.count[rows], round(float(piece.count))
        _merge(self.mean, self.squares, rows, (before, extra, mean, squares))
        _merge(self.entropy, self.entropy_squares, rows, (before, extra, entropy, entropy_squares))
        self.votes[rows] += votes
        self.count[rows] += extra

    def standard_errors(self) -> Float[np.ndarray, "row class"]:
        """Gives the standard errors of the mean probabilities; NaN after one draw."""
        return _standard_errors(self.squares, self.count[:, None])


class ValueTotals:
    """Mean, spread and quantiles of a model's numeric outputs, filled piece by piece.

    Args:
        rows: Number of rows.
        outputs: Number of outputs.
    """

    def __init__(self, rows: int, outputs: int) -> None:
        self.count = np.zeros(rows, np.int64)
        self.mean = np.zeros((rows, outputs))
        self.squares = np.zeros((rows, outputs))
        self.noise = np.zeros((rows, outputs))

    def add(
        self,
        rows: Int[np.ndarray, " row"],
        draws: Float[np.ndarray, "draw row output"],
        noise: Float[np.ndarray, "draw row output"] | None = None,
    ) -> None:
        """Adds further draws of some rows.

        Args:
            rows: Which rows.
            draws: Their outputs.
            noise: The variance that the model itself predicts, if it does.
        """
        draws = draws.astype(np.float64)
        before, extra, mean = self.count[rows], len(draws), draws.mean(0)
        _merge(self.mean, self.squares, rows, (before, extra, mean, ((draws - mean) ** 2).sum(0)))
        if noise is not None:
            share = extra / (before + extra)[:, None]
            self.noise[rows] += (noise.astype(np.float64).mean(0) - self.noise[rows]) * share
        self.count[rows] += extra

    def standard_errors(self) -> Float[np.ndarray, "row output"]:
        """Gives the standard errors of the means; NaN after one draw."""
        return _standard_errors(self.squares, self.count[:, None])


def _moments(
    so_far: tuple[Any, Any], values: Any, counted: Any, counts: tuple[Any, Any], xp: ModuleType
) -> tuple[Any, Any]:
    before, count = counts
    mean, squares = so_far
    origin = xp.where(before > 0, mean, values[0])
    deviations = (values - origin) * counted
    total = deviations.sum(0)
    return (
        origin + total / count,
        squares + (deviations * deviations).sum(0) - total * total / count,
    )


def _merge(
    mean: np.ndarray, squares: np.ndarray, rows: np.ndarray, piece: tuple[Any, int, Any, Any]
) -> None:
    before, extra, new_mean, new_squares = piece
    before = before.reshape(-1, *(1,) * (mean.ndim - 1))
    distance, total = new_mean - mean[rows], before + extra
    mean[rows] += distance * extra / total
    squares[rows] += new_squares + distance**2 * before * extra / total


def _standard_errors(squares: np.ndarray, count: np.ndarray) -> np.ndarray:
    freedom = np.where(count > 1, count - 1.0, math.nan)
    return np.sqrt(np.maximum(squares, 0) / freedom / np.maximum(count, 1))
