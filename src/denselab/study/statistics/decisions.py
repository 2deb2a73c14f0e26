"""From an interval to a verdict, and how many seeds one takes."""

from collections.abc import Callable
from math import isnan, sqrt
from typing import Literal, NamedTuple

import numpy as np

from denselab.errors import UsageError
from denselab.study.statistics.estimates import Estimate, Interval, t_quantile
from denselab.study.statistics.looks import FIRST_LOOK

__all__ = [
    "Power",
    "Verdict",
    "decide",
    "least_seeds_that",
    "planned_power",
    "planned_seeds",
    "seeds_to_decide",
]

Verdict = Literal["better", "worse", "equivalent", "undecided", "none"]
"""What can be said of a contrast; "none" where there may be no verdict, for a reason given beside it."""

_MOST_SEEDS = 10_000
_QUANTILES = 2_000


class Power(NamedTuple):
    """How likely each verdict is, from 0 to 1; what is left is "undecided".

    Attributes:
        better: Probability of "better".
        worse: Probability of "worse".
        equivalent: Probability of "equivalent".
    """

    better: float
    worse: float
    equivalent: float


def decide(interval: Interval, *, region: float, higher_is_better: bool = True) -> Verdict:
    """Reads a verdict off the one interval of a contrast.

    An interval within the region is "equivalent" even where it leaves out zero: the difference may be
    real, but it is too small to matter.

    Args:
        interval: Simultaneous interval of arm minus other arm.
        region: Differences up to this size do not matter; 0 or more, in the unit of the interval.
        higher_is_better: Whether higher scores are better.

    Returns:
        "equivalent" if the interval lies within plus or minus `region`, else "better" or "worse" if it
        leaves out zero, else "undecided".

    Example:
        >>> [decide(Interval(*ends), region=0.5) for ends in ((0.1, 0.9), (0.1, 0.4), (-0.2, 0.8))]
        ['better', 'equivalent', 'undecided']
    """
    low, high = interval if higher_is_better else (-interval.high, -interval.low)
    if isnan(low) or isnan(high):
        return "undecided"
    if -region <= low and high <= region:
        return "equivalent"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


def seeds_to_decide(estimate: Estimate, *, region: float, level: float) -> int | None:
    """Says how many seeds would decide, were mean and variances to stay as they are.

    It is a guess from this study's own figures, good to a factor of about two.

    Args:
        estimate: What is known of the contrast.
        region: Differences up to this size do not matter.
        level: How often the interval of this contrast may miss.

    Returns:
        The least number of seeds above the present one; None if 10,000 would not do, as where the test
        rows and not the seeds leave it open.
    """
    if estimate.n < 2:
        return None

    def decided(n: int) -> bool:
        half = t_quantile(1 - level / 2, n - 1) * sqrt(
            estimate.seed_variance / n + estimate.fixed_variance
        )
        return abs(estimate.mean) > half or abs(estimate.mean) + half <= region

    # Intervals only get shorter with n, so what is decided stays so.
    return least_seeds_that(decided, estimate.n)


def planned_power(
    n: int,
    *,
    contrasts: int,
    difference: float,
    deviation: float,
    region: float,
    level: float = FIRST_LOOK,
) -> Power:
    r"""Says before training how likely one contrast is to get each verdict.

    With half-width $h = t_{1 - \alpha / 2k}\, s / \sqrt n$, the mean of $n$ differences is compared with $h$
    and with region minus $h$; the probability of each, given $s$, is averaged over the distribution of
    $s$. So it is exact for normal differences, up to the 2,000 quantiles of $s$ that stand for it.

    Args:
        n: Number of seeds.
        contrasts: $k$, size of the family.
        difference: True difference, positive where the arm is better.
        deviation: Of paired differences. Two arms of deviation 0.5 that pairing does not correlate have
            0.71. To count the test rows in, with their standard error $r$, take $\sqrt{s^2 + n r^2}$.
        region: Differences up to this size do not matter.
        level: $\alpha$, the family-wise error.

    Returns:
        The probabilities.

    Raises:
        UsageError: If there are fewer than 2 seeds, no contrast, or no deviation.

    Example:
        One point, arms of deviation 0.5, five contrasts, 12 seeds:

        >>> power = planned_power(12, contrasts=5, difference=1.0, deviation=0.71, region=0.5)
        >>> print(f"{power.better:.2f}")
        0.92
    """
    from scipy import special

    if n < 2 or contrasts < 1 or deviation <= 0:
        raise UsageError(
            f"{n} seeds, {contrasts} contrasts, deviation {deviation:g}; give at least 2 seeds, one "
            "contrast and a deviation above 0"
        )
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    s = deviation * np.sqrt(2 * special.gammaincinv((n - 1) / 2, places) / (n - 1))
    half = special.stdtrit(n - 1, 1 - level / contrasts / 2) * s / np.sqrt(n)
    error, inside = deviation / np.sqrt(n), np.maximum(region - half, 0)
    outside = np.maximum(half, region - half)
    better = special.ndtr((difference - outside) / error)
    worse = special.ndtr((-difference - outside) / error)
    within = special.ndtr((inside - difference) / error) - special.ndtr(
        (-inside - difference) / error
    )
    return Power(float(better.mean()), float(worse.mean()), float(within.mean()))


def planned_seeds(
    *,
    contrasts: int,
    difference: float,
    deviation: float,
    region: float,
    power: float = 0.8,
    level: float = FIRST_LOOK,
) -> int | None:
    """Says how many seeds make a verdict likely enough.

    Args:
        contrasts: Size of the family.
        difference: True difference; 0 asks for the seeds that show two arms to be equivalent.
        deviation: Of paired differences.
        region: Differences up to this size do not matter.
        power: How likely the verdict must be.
        level: The family-wise error.

    Returns:
        The least number of seeds; None if 10,000 would not do.

    Raises:
        UsageError: As `planned_power`.

    Example:
        >>> [
        ...     planned_seeds(contrasts=5, difference=d, deviation=0.7, region=0.5)
        ...     for d in (1.0, 0.0)
        ... ]
        [10, 34]
    """

    def enough(n: int) -> bool:
        chances = planned_power(
            n,
            contrasts=contrasts,
            difference=difference,
            deviation=deviation,
            region=region,
            level=level,
        )
        return sum(chances) >= power

    return least_seeds_that(enough, 1)


def least_seeds_that(enough: Callable[[int], bool], low: int) -> int | None:
    """Finds the least number of seeds that is enough, where all above it are too.

    Args:
        enough: Says of a number whether it is.
        low: A number that is not.

    Returns:
        The number; None if 10,000 are not enough.

    Example:
        >>> least_seeds_that(lambda n: n * n > 50, 2)
        8
    """
    high = low + 1
    while not enough(high):
        if high >= _MOST_SEEDS:
            return None
        low, high = high, min(2 * high, _MOST_SEEDS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
