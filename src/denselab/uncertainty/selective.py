"""Selective prediction: how good the answers are if the least sure ones are withheld."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from denselab.errors import DataError, UsageError
from denselab.uncertainty.checks import check_labels

__all__ = ["RiskCoverage", "aurc", "risk_coverage", "selective_accuracy"]


class RiskCoverage(NamedTuple):
    """Error rate of the surest examples, for every number of them.

    Attributes:
        coverage: Share of the examples answered, shape (example,), up to 1.
        risk: Share of those that are wrong, shape (example,).
    """

    coverage: Float[Array, " example"]
    risk: Float[Array, " example"]


def risk_coverage(
    probabilities: Float[Array, "example class"],
    labels: Int[Array, " example"],
    *,
    confidence: Float[Array, " example"] | None = None,
) -> RiskCoverage:
    """Ranks examples by confidence and follows the error rate down the ranking.

    Examples of equal confidence are ranked at random; the curve is the mean over their orders.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.
        confidence: What to rank by, greatest first; by default the probability of the predicted
            class. The negative of a mutual information ranks by epistemic uncertainty.

    Returns:
        Coverage and risk, the surest example first.

    Raises:
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> three = jnp.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
        >>> [f"{risk:.2f}" for risk in risk_coverage(three, jnp.array([0, 0, 1])).risk]
        ['0.00', '0.00', '0.33']

    References:
        El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, 2010.
    """
    probabilities, labels = jnp.asarray(probabilities), jnp.asarray(labels)
    check_labels(probabilities.shape, labels)
    ranked_by = probabilities.max(axis=1) if confidence is None else jnp.asarray(confidence)
    if ranked_by.shape != labels.shape:
        raise DataError(
            f"confidence has shape {ranked_by.shape} for {len(labels)} examples; give one number "
            "each"
        )
    examples = len(labels)
    order = jnp.argsort(-ranked_by)
    wrong = (probabilities.argmax(axis=1) != labels)[order].astype(probabilities.dtype)
    sorted_by = ranked_by[order]
    new = jnp.concatenate([jnp.zeros(1, bool), sorted_by[1:] != sorted_by[:-1]])
    tie = jnp.cumsum(new)
    size = jax.ops.segment_sum(jnp.ones_like(wrong), tie, num_segments=examples)
    mean = jax.ops.segment_sum(wrong, tie, num_segments=examples) / jnp.maximum(size, 1)
    answered = jnp.arange(1, examples + 1, dtype=wrong.dtype)
    return RiskCoverage(answered / examples, jnp.cumsum(mean[tie]) / answered)


def aurc(
    probabilities: Float[Array, "example class"],
    labels: Int[Array, " example"],
    *,
    confidence: Float[Array, " example"] | None = None,
) -> Float[Array, ""]:
    r"""Measures the area under the risk-coverage curve: $\frac1n \sum_k \mathrm{risk}_k$.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.
        confidence: What to rank by, greatest first; by default the probability of the predicted
            class.

    Returns:
        From 0 (nothing wrong) to 1. A ranking that says nothing gives the error rate.

    Raises:
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> two = jnp.array([[0.9, 0.1], [0.6, 0.4]])
        >>> print(aurc(two, jnp.array([0, 1])), aurc(two, jnp.array([1, 0])))
        0.25 0.75

    References:
        Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation, 2019, section 2.
    """
    return risk_coverage(probabilities, labels, confidence=confidence).risk.mean()


def selective_accuracy(
    probabilities: Float[Array, "example class"],
    labels: Int[Array, " example"],
    *,
    coverage: float,
    confidence: Float[Array, " example"] | None = None,
) -> Float[Array, ""]:
    """Measures the accuracy on the surest part of the examples.

    Args:
        probabilities: Predicted class probabilities; each row sums to 1.
        labels: True classes, from 0 to `class - 1`.
        coverage: Share of the examples to answer, above 0 and up to 1; rounded up to whole ones.
        confidence: What to rank by, greatest first; by default the probability of the predicted
            class.

    Returns:
        A fraction from 0 to 1.

    Raises:
        UsageError: If `coverage` is out of range.
        DataError: If the shapes do not fit, or a label is no class.

    Example:
        >>> two = jnp.array([[0.9, 0.1], [0.6, 0.4]])
        >>> print(selective_accuracy(two, jnp.array([0, 1]), coverage=0.5))
        1.0

    References:
        Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017.
    """
    if not 0 < coverage <= 1:
        raise UsageError(f"coverage is {coverage!r}; give a share above 0 and up to 1, such as 0.8")
    curve = risk_coverage(probabilities, labels, confidence=confidence)
    answered = math.ceil(round(coverage * len(curve.risk), 9))
    return 1 - curve.risk[answered - 1]
