"""Scores of a model on rows it has not seen, each with an interval, and those of no model at all.

Intervals are about new rows like the test rows: how far the score could be off because there were only so
many. They do not tell how much another seed would change it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Num
from scipy.stats import binomtest

from denselab.randomness import generator

__all__ = [
    "Confusion",
    "Measure",
    "class_baseline",
    "class_measures",
    "most_confused",
    "value_baseline",
    "value_measures",
]

_RESAMPLES, _FEWEST_RESAMPLES, _MOST_WORK = 1000, 200, 10**8
_LEVEL, _BINS = 0.95, 15


class Measure(NamedTuple):
    """A score and its 95 % interval.

    Attributes:
        value: The score.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


class Confusion(NamedTuple):
    """Rows of one class that were taken for another.

    Attributes:
        label: The class they have.
        predicted: The class they were given.
        rows: How many.
        of: How many rows have the class.
    """

    label: int
    predicted: int
    rows: int
    of: int


def class_measures(
    probabilities: Float[np.ndarray, "row class"], labels: Int[np.ndarray, " row"], *, seed: int = 0
) -> dict[str, Measure]:
    """Scores predicted probabilities.

    Args:
        probabilities: Rows sum to 1.
        labels: True classes, from 0.
        seed: Decides the resamples.

    Returns:
        `accuracy` with Wilson's interval; `log_loss` in nats with the percentiles of 1,000 bootstrap resamples
        of the rows; `expected_calibration_error` in 15 bins with the basic bootstrap interval, since resampling
        raises it.

    Example:
        >>> found = class_measures(np.array([[0.9, 0.1]] * 10), np.array([0] * 9 + [1]))
        >>> round(found["accuracy"].value, 2), round(found["expected_calibration_error"].value, 2)
        (0.9, 0.0)
    """
    chosen = probabilities.argmax(axis=1)
    right = chosen == labels
    sure = probabilities[np.arange(len(labels)), chosen].astype(np.float64)
    losses = _losses(probabilities, labels)
    bins = np.clip(np.ceil(sure * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps = right - sure

    def scores(rows: np.ndarray) -> tuple[float, float]:
        by_bin = np.bincount(bins[rows], gaps[rows], minlength=_BINS)
        return float(losses[rows].mean()), float(np.abs(by_bin).sum() / len(rows))

    (loss, gap), resampled = _resampled(scores, len(labels), seed)
    low, high = np.quantile(resampled[:, 0], _ends())
    ends = np.clip(2 * gap - np.quantile(resampled[:, 1], _ends())[::-1], 0, 1)
    interval = binomtest(int(right.sum()), len(right)).proportion_ci(_LEVEL, "wilson")
    return {
        "accuracy": Measure(float(right.mean()), float(interval.low), float(interval.high)),
        "log_loss": Measure(loss, float(low), float(high)),
        "expected_calibration_error": Measure(gap, float(ends[0]), float(ends[1])),
    }


def value_measures(
    values: Num[np.ndarray, " row"], targets: Num[np.ndarray, " row"], *, seed: int = 0
) -> dict[str, Measure]:
    r"""Scores predicted values.

    Args:
        values: Predictions, in the units of the target.
        targets: What they should be.
        seed: Decides the resamples.

    Returns:
        `rmse` and `mae` in units of the target, and `r2`, $1 - \sum (y - \hat y)^2 / \sum (y - \bar y)^2$ with the
        mean of these very targets, NaN where they are all one value; with the percentiles of 1,000 bootstrap
        resamples of the rows.

    Example:
        >>> found = value_measures(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 5.0]))
        >>> round(found["mae"].value, 3), round(found["r2"].value, 3)
        (0.667, 0.538)
    """
    true = targets.astype(np.float64)
    errors = values.astype(np.float64) - true

    def scores(rows: np.ndarray) -> tuple[float, float, float]:
        off, here = errors[rows], true[rows]
        square, spread = float(np.square(off).mean()), float(here.var())
        r2 = 1 - square / spread if spread > 0 else float("nan")
        return square**0.5, float(np.abs(off).mean()), r2

    found, resampled = _resampled(scores, len(true), seed)
    ends = np.nanquantile(resampled, _ends(), axis=0) if np.ptp(true) > 0 else None
    measures = {}
    for place, name in enumerate(("rmse", "mae", "r2")):
        low, high = (found[place],) * 2 if ends is None else (float(end) for end in ends[:, place])
        measures[name] = Measure(found[place], low, high)
    return measures


def class_baseline(
    trained: Int[np.ndarray, " train"], labels: Int[np.ndarray, " row"], classes: int
) -> dict[str, float]:
    """Scores the answer that looks at no feature: the shares of the classes among training rows.

    Args:
        trained: Classes of the training rows.
        labels: Classes of the rows that are scored.
        classes: How many classes there are.

    Returns:
        `accuracy` of the commonest class, and `log_loss` of the shares in nats.

    Example:
        >>> class_baseline(np.array([0, 0, 0, 1]), np.array([0, 1]), 2)["accuracy"]
        0.5
    """
    shares = np.bincount(trained, minlength=classes) / len(trained)
    losses = _losses(np.broadcast_to(shares, (len(labels), classes)), labels)
    return {
        "accuracy": float((labels == shares.argmax()).mean()),
        "log_loss": float(losses.mean()),
    }


def value_baseline(
    trained: Num[np.ndarray, " train"], targets: Num[np.ndarray, " row"]
) -> dict[str, float]:
    """Scores the answer that looks at no feature: the mean of the training rows.

    Args:
        trained: Targets of the training rows.
        targets: Targets of the rows that are scored.

    Returns:
        `rmse`, `mae` and `r2`, as `value_measures` has them.

    Example:
        >>> value_baseline(np.array([1.0, 3.0]), np.array([2.0, 4.0]))["mae"]
        1.0
    """
    mean = np.full(len(targets), trained.astype(np.float64).mean())
    return {name: found.value for name, found in value_measures(mean, targets).items()}


def most_confused(
    chosen: Int[np.ndarray, " row"], labels: Int[np.ndarray, " row"], *, most: int = 5
) -> list[Confusion]:
    """Lists the classes that are taken for another most often.

    Args:
        chosen: Predicted classes.
        labels: True classes.
        most: How many pairs to list.

    Returns:
        The pairs with most rows first; only those that occur.

    Example:
        >>> most_confused(np.array([0, 1, 1]), np.array([0, 0, 1]))
        [Confusion(label=0, predicted=1, rows=1, of=2)]
    """
    wrong = chosen != labels
    pairs, rows = np.unique(np.stack([labels[wrong], chosen[wrong]]), axis=1, return_counts=True)
    order = np.argsort(-rows, kind="stable")[:most]
    return [
        Confusion(
            int(pairs[0, place]),
            int(pairs[1, place]),
            int(rows[place]),
            int((labels == pairs[0, place]).sum()),
        )
        for place in order
    ]


def _ends() -> tuple[float, float]:
    return (1 - _LEVEL) / 2, (1 + _LEVEL) / 2


def _losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return -np.log(np.maximum(of_truth, np.finfo(np.float32).tiny))


def _resampled(
    scores: Callable[[np.ndarray], Sequence[float]], rows: int, seed: int
) -> tuple[Sequence[float], np.ndarray]:
    """Gives scores of all rows, and of resamples of them, shape (resample, score)."""
    stream = generator(seed, "resampling")
    times = int(np.clip(_MOST_WORK // rows, _FEWEST_RESAMPLES, _RESAMPLES))
    resampled = [scores(stream.integers(0, rows, rows)) for _ in range(times)]
    return scores(np.arange(rows)), np.array(resampled)
