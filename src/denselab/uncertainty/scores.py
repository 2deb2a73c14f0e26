"""Scores of predicted probabilities: how right, how sure, and whether sure when right."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from denselab.errors import UsageError
from denselab.uncertainty.checks import check_labels
from denselab.uncertainty.selective import aurc

__all__ = [
    "ReliabilityCurve",
    "Scores",
    "brier_score",
    "expected_calibration_error",
    "negative_log_likelihood",
    "reliability_curve",
    "score_predictions",
]


class ReliabilityCurve(NamedTuple):
    """Confidence and accuracy in bins of equal width; NaN where a bin is empty.

    Attributes:
        edges: Edges of the bins from 0 to 1, shape (bin + 1,).
        counts: Examples in each bin, shape (bin,).
        confidence: Mean probability of the predicted class, shape (bin,).
        accuracy: Share of examples predicted right, shape (bin,).
    """

    edges: Float[Array, " edge"]
    counts: Float[Array, " bin"]
    confidence: Float[Array, " bin"]
    accuracy: Float[Array, " bin"]


@dataclass(frozen=True)
class Scores:
    """How good predicted probabilities are, in the order of a table's columns.

    Attributes:
        accuracy: Share of examples predicted right, 0 to 1.
        negative_log_likelihood: In nats, from 0.
        brier_score: 0 to 2.
        expected_calibration_error: In 15 bins, 0 to 1.
        aurc: Area under the risk-coverage curve, 0 to 1.
    """

    accuracy: float
    negative_log_likelihood: float
    brier_score: float
    expected_calibration_error: float
    aurc: float


def negative_log_likelihood(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"]
) -> Float[Array, ""]:
    r"""Measures how surprising the labels are: $-\frac1n \sum_i \log p_{i, y_i}$.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.

    Returns:
        Nats, from 0. A probability below the smallest normal number counts as that number, which
        in single precision costs 87 nats.

    Raises:
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> print(f"{negative_log_likelihood(jnp.array([[0.5, 0.5]]), jnp.array([1])):.4f}")
        0.6931
    """
    probabilities, labels = _checked(probabilities, labels)
    chosen = jnp.take_along_axis(probabilities, labels[:, None], axis=1)
    return -jnp.log(jnp.maximum(chosen, jnp.finfo(chosen.dtype).tiny)).mean()


def brier_score(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"]
) -> Float[Array, ""]:
    r"""Measures the squared distance to the truth: $\frac1n \sum_i \sum_c (p_{ic} - [y_i = c])^2$.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.

    Returns:
        From 0 (sure and right) to 2 (sure and wrong).

    Raises:
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> print(brier_score(jnp.array([[0.5, 0.5]]), jnp.array([1])))
        0.5

    References:
        Brier, Verification of Forecasts Expressed in Terms of Probability, 1950.
    """
    probabilities, labels = _checked(probabilities, labels)
    truth = jax.nn.one_hot(labels, probabilities.shape[1], dtype=probabilities.dtype)
    return ((probabilities - truth) ** 2).sum(axis=1).mean()


def reliability_curve(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"], *, bins: int = 15
) -> ReliabilityCurve:
    """Sorts examples by the probability of the predicted class and compares it with the accuracy.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.
        bins: Number of bins of equal width over (0, 1], each with its upper edge.

    Returns:
        Count, mean confidence and accuracy of each bin.

    Raises:
        UsageError: If `bins` is below 1.
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> sure = jnp.array([[0.9, 0.1], [0.9, 0.1]])
        >>> curve = reliability_curve(sure, jnp.array([0, 1]), bins=2)
        >>> curve.counts.tolist(), curve.accuracy.tolist()
        ([0.0, 2.0], [nan, 0.5])

    References:
        Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning, 2005.
    """
    counts, confident, right = _bins(probabilities, labels, bins)
    return ReliabilityCurve(
        jnp.linspace(0, 1, bins + 1), counts, confident / counts, right / counts
    )


def expected_calibration_error(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"], *, bins: int = 15
) -> Float[Array, ""]:
    r"""Measures the gap between confidence and accuracy.

    Examples are sorted into `bins` bins of equal width by the probability of the predicted class.
    With $n_b$ of the $n$ examples in bin $b$,

    $$\mathrm{ECE} = \sum_b \frac{n_b}{n} \, |\mathrm{accuracy}_b - \mathrm{confidence}_b|$$

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.
        bins: Number of bins over (0, 1]. Splitting bins never lowers the value, so compare only
            equal `bins`.

    Returns:
        A fraction from 0 (confidence matches accuracy in every bin) to 1.

    Raises:
        UsageError: If `bins` is below 1.
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        Ninety per cent sure twice, right once:

        >>> sure = jnp.array([[0.9, 0.1], [0.9, 0.1]])
        >>> print(f"{expected_calibration_error(sure, jnp.array([0, 1])):.2f}")
        0.40

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    counts, confident, right = _bins(probabilities, labels, bins)
    return jnp.abs(right - confident).sum() / counts.sum()


def score_predictions(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"]
) -> Scores:
    """Gives all the scores of a prediction, for a table of several.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.

    Returns:
        Accuracy, log loss, Brier score, calibration error and AURC.

    Raises:
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> score_predictions(jnp.array([[0.75, 0.25]]), jnp.array([0])).brier_score
        0.125
    """
    probabilities, labels = _checked(probabilities, labels)
    return Scores(
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        negative_log_likelihood=float(negative_log_likelihood(probabilities, labels)),
        brier_score=float(brier_score(probabilities, labels)),
        expected_calibration_error=float(expected_calibration_error(probabilities, labels)),
        aurc=float(aurc(probabilities, labels)),
    )


def _bins(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"], bins: int
) -> tuple[Float[Array, " bin"], Float[Array, " bin"], Float[Array, " bin"]]:
    """Sums examples, confidences and right predictions in each bin."""
    if bins < 1:
        raise UsageError(f"bins is {bins}; give at least 1, such as 15")
    probabilities, labels = _checked(probabilities, labels)
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == labels).astype(confidence.dtype)
    place = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
    of_bin = jax.nn.one_hot(place, bins, dtype=confidence.dtype)
    return of_bin.sum(axis=0), confidence @ of_bin, right @ of_bin


def _checked(
    probabilities: Float[Array, "example class"], labels: Int[Array, " example"]
) -> tuple[Float[Array, "example class"], Int[Array, " example"]]:
    probabilities, labels = jnp.asarray(probabilities), jnp.asarray(labels)
    check_labels(probabilities.shape, labels)
    return probabilities, labels
