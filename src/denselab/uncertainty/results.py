"""What draws tell about each row."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import t

from denselab.errors import UsageError
from denselab.uncertainty.sketch import QuantileSketch
from denselab.uncertainty.streams import ClassTotals, ValueTotals

__all__ = ["ClassificationDraws", "RegressionDraws", "class_result", "value_result"]


@dataclass(frozen=True)
class ClassificationDraws:
    r"""Class probabilities and their uncertainty, from $T$ draws $p_t$ with mean $\bar p$.

    Attributes:
        probabilities: Mean probabilities $\bar p$, shape (row, class); rows sum to 1.
        standard_errors: Standard errors of these means, same shape; NaN after a single draw.
        predictive_entropy: $H(\bar p)$, total uncertainty in nats, shape (row,).
        expected_entropy: $\frac1T \sum_t H(p_t)$, the aleatoric part: what the draws agree is open.
        expected_entropy_errors: Its standard errors.
        mutual_information: The difference of the two, the epistemic part: what the draws disagree
            about. It is biased down by about $\sum_c \mathrm{Var}\,p_c / (2 T \bar p_c)$.
        variation_ratio: Share of the draws that do not vote for the class with the most votes.
        draws_used: Number of draws, shape (row,).
        target: The standard error at which rows left, or None.
    """

    probabilities: Float[np.ndarray, "row class"]
    standard_errors: Float[np.ndarray, "row class"]
    predictive_entropy: Float[np.ndarray, " row"]
    expected_entropy: Float[np.ndarray, " row"]
    expected_entropy_errors: Float[np.ndarray, " row"]
    mutual_information: Float[np.ndarray, " row"]
    variation_ratio: Float[np.ndarray, " row"]
    draws_used: Int[np.ndarray, " row"]
    target: float | None

    @property
    def classes(self) -> Int[np.ndarray, " row"]:
        """The class with the greatest mean probability, shape (row,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def converged(self) -> Bool[np.ndarray, " row"]:
        """Whether a row met the target, shape (row,); all true without one."""
        return _converged(self.standard_errors, self.target)

    def interval(
        self, level: float = 0.95
    ) -> tuple[Float[np.ndarray, "row class"], Float[np.ndarray, "row class"]]:
        """Gives intervals for what infinitely many draws would say, not narrower than the target.

        Args:
            level: Probability of covering it, between 0 and 1.

        Returns:
            Lower and upper ends, within 0 and 1. They rest on the normal limit: without a target
            they are too short for probabilities near 0 and 1, whose draws are skewed.

        Raises:
            UsageError: If `level` is out of range.
        """
        low, high = _interval(self.probabilities, self, level)
        return np.maximum(low, 0), np.minimum(high, 1)


@dataclass(frozen=True)
class RegressionDraws:
    """Predicted values and their uncertainty.

    Attributes:
        mean: Mean of the draws, shape (row, output), in the units of the outputs.
        epistemic_variance: Variance of the draws around it: what the model does not know.
        aleatoric_variance: Mean of the noise variance that the model predicts, or that
            `with_noise` gave it; zero otherwise.
        standard_errors: Standard errors of the means; NaN after a single draw.
        draws_used: Number of draws, shape (row,).
        target: The standard error at which rows left, or None.
    """

    mean: Float[np.ndarray, "row output"]
    epistemic_variance: Float[np.ndarray, "row output"]
    aleatoric_variance: Float[np.ndarray, "row output"]
    standard_errors: Float[np.ndarray, "row output"]
    draws_used: Int[np.ndarray, " row"]
    target: float | None
    _sketch: QuantileSketch = field(repr=False, compare=False)

    @property
    def converged(self) -> Bool[np.ndarray, " row"]:
        """Whether a row met the target, shape (row,); all true without one."""
        return _converged(self.standard_errors, self.target)

    def interval(
        self, level: float = 0.95
    ) -> tuple[Float[np.ndarray, "row output"], Float[np.ndarray, "row output"]]:
        """Gives intervals for the mean of infinitely many draws, not narrower than the target.

        Args:
            level: Probability of covering it, between 0 and 1.

        Returns:
            Lower and upper ends. They tell the error of the mean, not the spread of the draws.

        Raises:
            UsageError: If `level` is out of range.
        """
        return _interval(self.mean, self, level)

    @property
    def variance(self) -> Float[np.ndarray, "row output"]:
        """Total predictive variance: epistemic plus aleatoric."""
        return self.epistemic_variance + self.aleatoric_variance

    def quantiles(self, levels: Sequence[float]) -> Float[np.ndarray, "level row output"]:
        """Gives quantiles of the draws, without the aleatoric part.

        Args:
            levels: Probabilities from 0 to 1.

        Returns:
            Exact up to 256 draws, then within 1/256 in probability.

        Raises:
            UsageError: If a level is not a probability.
        """
        return self._sketch.quantiles(levels)

    def with_noise(self, variance: float | Float[np.ndarray, "..."]) -> "RegressionDraws":
        """Gives the same draws with a noise variance, as measured on held-out rows.

        Args:
            variance: Mean squared residual of held-out rows less their epistemic variance, or any
                other estimate; one number, or one an output.

        Returns:
            A copy whose aleatoric variance is that.
        """
        noise = np.broadcast_to(np.asarray(variance, np.float64), self.mean.shape)
        return replace(self, aleatoric_variance=noise)


def class_result(totals: ClassTotals, until: float | None) -> ClassificationDraws:
    """Closes the books on class statistics.

    Args:
        totals: Statistics of all rows.
        until: The target standard error, if there was one.

    Returns:
        The result.
    """
    mean, errors = totals.mean, totals.standard_errors()
    predictive = -(mean * np.log(np.where(mean > 0, mean, 1))).sum(1)
    freedom = np.where(totals.count > 1, totals.count - 1.0, np.nan)
    return ClassificationDraws(
        probabilities=mean,
        standard_errors=errors,
        predictive_entropy=predictive,
        expected_entropy=totals.entropy,
        expected_entropy_errors=np.sqrt(totals.entropy_squares / freedom / totals.count),
        mutual_information=np.maximum(predictive - totals.entropy, 0),
        variation_ratio=1 - totals.votes.max(1) / totals.count,
        draws_used=totals.count,
        target=until,
    )


def value_result(
    totals: ValueTotals, sketch: QuantileSketch, until: float | None
) -> RegressionDraws:
    """Closes the books on values.

    Args:
        totals: Mean and spread of all rows.
        sketch: Their quantiles.
        until: The target standard error, if there was one.

    Returns:
        The result.
    """
    errors = totals.standard_errors()
    return RegressionDraws(
        mean=totals.mean,
        epistemic_variance=errors**2 * totals.count[:, None],
        aleatoric_variance=totals.noise,
        standard_errors=errors,
        draws_used=totals.count,
        target=until,
        _sketch=sketch,
    )


def _converged(errors: np.ndarray, until: float | None) -> np.ndarray:
    if until is None:
        return np.ones(len(errors), bool)
    return np.nan_to_num(errors, nan=np.inf).max(1) <= until


def _interval(
    centre: np.ndarray, draws: ClassificationDraws | RegressionDraws, level: float
) -> tuple[np.ndarray, np.ndarray]:
    if not 0 < level < 1:
        raise UsageError(f"level is {level!r}; give a probability such as 0.95")
    freedom = np.maximum(draws.draws_used - 1, 1)[:, None]
    half = t.ppf((1 + level) / 2, freedom) * np.maximum(draws.standard_errors, draws.target or 0)
    return centre - half, centre + half
