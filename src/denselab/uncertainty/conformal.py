"""Split-conformal prediction: sets and intervals with a coverage that holds for any model.

Both take a slice of rows that the model neither trained nor stopped on. If those rows and new ones
are exchangeable, the truth is covered with at least the stated probability, and with at most
$1/(n + 1)$ more unless scores tie.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from denselab.errors import DataError, UsageError
from denselab.randomness import generator
from denselab.uncertainty.checks import check_labels

__all__ = [
    "ConformalIntervals",
    "ConformalSets",
    "SetMethod",
    "fit_conformal_intervals",
    "fit_conformal_sets",
]

SetMethod = Literal["lac", "aps"]
"""Smallest sets on average ("lac"), or sets that adapt to how hard a row is ("aps")."""


@dataclass(frozen=True)
class ConformalSets:
    """Prediction sets of a classifier, fitted on a calibration slice.

    Attributes:
        threshold: Greatest score of a class that is in the set.
        coverage: Probability of covering the truth.
        method: How classes are scored.
        seed: Seed of the random part of "aps".
    """

    threshold: float
    coverage: float
    method: SetMethod
    seed: int

    def sets(
        self, probabilities: Float[np.ndarray, "example class"]
    ) -> Bool[np.ndarray, "example class"]:
        """Tells which classes are in each example's set.

        Args:
            probabilities: Predicted class probabilities; each row sums to 1.

        Returns:
            True for the members. A set may be empty: no class is typical enough.
        """
        return _set_scores(probabilities, self.method, (self.seed, 1)) <= self.threshold


@dataclass(frozen=True)
class ConformalIntervals:
    """Prediction intervals of a regression, fitted on a calibration slice.

    Attributes:
        threshold: Half width of the intervals, in units of `scale` if there is one.
        coverage: Probability of covering the truth.
        scaled: Whether intervals follow a scale of each row.
    """

    threshold: float
    coverage: float
    scaled: bool

    def intervals(
        self,
        predictions: Float[np.ndarray, " example"],
        *,
        scale: Float[np.ndarray, " example"] | None = None,
    ) -> tuple[Float[np.ndarray, " example"], Float[np.ndarray, " example"]]:
        """Gives the ends of each example's interval.

        Args:
            predictions: Predicted values.
            scale: Expected size of each example's error, if the fit had one.

        Returns:
            Lower and upper ends; infinite if the calibration slice was too small.

        Raises:
            UsageError: If there is a scale and the fit had none, or the other way round.
        """
        if self.scaled != (scale is not None):
            raise UsageError(
                f"intervals were fitted {'with' if self.scaled else 'without'} a scale; predict "
                "the same way"
            )
        predictions = np.asarray(predictions, np.float64)
        half = self.threshold * np.ones_like(predictions)
        half = half if scale is None else half * np.asarray(scale, np.float64)
        return predictions - half, predictions + half


def fit_conformal_sets(
    probabilities: Float[np.ndarray, "example class"],
    labels: Int[np.ndarray, " example"],
    *,
    coverage: float = 0.9,
    method: SetMethod = "lac",
    seed: int = 0,
) -> ConformalSets:
    r"""Fits prediction sets on a calibration slice.

    The threshold is the $\lceil (n + 1) \cdot \mathrm{coverage} \rceil$-th smallest score of the
    true classes. "lac" scores a class by $1 - p_c$; "aps" by the probability of all classes more
    likely than it, plus a random share of its own.

    Args:
        probabilities: Predicted class probabilities of the slice; each row sums to 1.
        labels: True classes of the slice, from 0 to `class - 1`.
        coverage: Probability of covering the truth, between 0 and 1.
        method: "lac" for the smallest sets on average, "aps" for sets that adapt to the row.
        seed: Seed of the random shares of "aps".

    Returns:
        The fitted sets. With fewer than about 1 / (1 - coverage) rows they hold every class.

    Raises:
        UsageError: If `coverage` or `method` makes no sense.
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> probabilities = np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1]])
        >>> fitted = fit_conformal_sets(probabilities, np.array([0, 0, 1, 0]), coverage=0.6)
        >>> round(fitted.threshold, 2), fitted.sets(np.array([[0.65, 0.35]])).tolist()
        (0.4, [[True, False]])

    References:
        Sadinle, Lei and Wasserman, Least Ambiguous Set-Valued Classifiers, 2019; Romano, Sesia and
        Candès, Classification with Valid and Adaptive Coverage, 2020, section 2.
    """
    if method not in get_args(SetMethod):
        raise UsageError(f"method is {method!r}; give one of {', '.join(get_args(SetMethod))}")
    labels = np.asarray(labels)
    check_labels(np.shape(probabilities), labels)
    scores = _set_scores(probabilities, method, (seed, 0))
    of_truth = scores[np.arange(len(labels)), labels]
    return ConformalSets(_threshold(of_truth, coverage), coverage, method, seed)


def fit_conformal_intervals(
    predictions: Float[np.ndarray, " example"],
    targets: Float[np.ndarray, " example"],
    *,
    coverage: float = 0.9,
    scale: Float[np.ndarray, " example"] | None = None,
) -> ConformalIntervals:
    r"""Fits prediction intervals on a calibration slice, $\hat y \pm q \sigma$.

    Args:
        predictions: Predicted values of the slice.
        targets: True values of the slice.
        coverage: Probability of covering the truth, between 0 and 1.
        scale: Expected size of each row's error, above 0, such as the standard deviation of its
            draws; makes wide intervals where it is great. Without, all are equally wide.

    Returns:
        The fitted intervals. With fewer than about 1 / (1 - coverage) rows they are infinite.

    Raises:
        UsageError: If `coverage` is out of range.
        DataError: If the shapes do not fit, or a scale is not above 0.

    Example:
        >>> zeros = np.zeros(9)
        >>> fitted = fit_conformal_intervals(zeros, np.arange(9.0), coverage=0.5)
        >>> fitted.threshold, [float(end[0]) for end in fitted.intervals(np.array([10.0]))]
        (4.0, [6.0, 14.0])

    References:
        Lei et al., Distribution-Free Predictive Inference for Regression, 2018, algorithms 2, 4.
    """
    predictions, targets = np.asarray(predictions, float), np.asarray(targets, float)
    widths = np.ones_like(predictions) if scale is None else np.asarray(scale, float)
    if not predictions.shape == targets.shape == widths.shape or predictions.ndim != 1:
        raise DataError(
            f"predictions have shape {predictions.shape}, targets {targets.shape} and scale "
            f"{widths.shape}; give one value a row each"
        )
    if not (widths > 0).all():
        raise DataError("a scale is not above 0; add a small constant to all of them")
    scores = np.abs(targets - predictions) / widths
    return ConformalIntervals(_threshold(scores, coverage), coverage, scale is not None)


def _threshold(scores: Float[np.ndarray, " example"], coverage: float) -> float:
    if not 0 < coverage < 1:
        raise UsageError(f"coverage is {coverage!r}; give a probability such as 0.9")
    rank = math.ceil(round((len(scores) + 1) * coverage, 9))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def _set_scores(
    probabilities: Float[np.ndarray, "example class"], method: SetMethod, stream: tuple[int, int]
) -> Float[np.ndarray, "example class"]:
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 2:
        raise DataError(f"probabilities have shape {probabilities.shape}; give (example, class)")
    if method == "lac":
        return 1 - probabilities
    seed, use = stream
    shares = (
        generator(seed, "calibration").spawn(use + 1)[use].uniform(size=(len(probabilities), 1))
    )
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sorted_down = np.take_along_axis(probabilities, order, axis=1)
    scores = np.cumsum(sorted_down, axis=1) - (1 - shares) * sorted_down
    return np.take_along_axis(scores, np.argsort(order, axis=1, kind="stable"), axis=1)
