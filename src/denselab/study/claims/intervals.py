"""From an interval to an answer, and how many seeds an open one would take."""

from collections.abc import Callable
from math import inf, isfinite, isnan, log, sqrt

from denselab.study.claims.claim import Answer
from denselab.study.statistics import Estimate, Interval
from denselab.study.statistics.decisions import least_seeds_that
from denselab.study.statistics.estimates import t_quantile

__all__ = [
    "against_bounds",
    "against_expectation",
    "seeds_by_ratio",
    "seeds_until",
    "share_interval",
]


def against_expectation(
    interval: Interval, expect: str, *, region: float, higher_is_better: bool = True
) -> Answer:
    """Holds the interval of a difference against what is claimed of it.

    Args:
        interval: Interval of arm minus other arm.
        expect: "better": the interval is above 0 and not within the region; refuted where none of it is
            above the region. "worse": likewise below. "equivalent": it is within the region; refuted where
            it is outside. "not_worse": it is above minus the region; refuted where it is below.
        region: Differences up to this size do not matter.
        higher_is_better: Whether higher scores are better.

    Returns:
        The answer; undecided without an interval.

    Example:
        >>> ends = [(0.6, 0.9), (-0.2, 0.4), (-0.2, 0.9)]
        >>> [against_expectation(Interval(*one), "better", region=0.5) for one in ends]
        ['confirmed', 'refuted', 'undecided']
    """
    low, high = interval if higher_is_better else (-interval.high, -interval.low)
    if expect == "worse":
        low, high, expect = -high, -low, "better"
    if isnan(low) or isnan(high):
        return "undecided"
    yes, no = {
        "better": (low > 0 and high > region, high <= region),
        "equivalent": (-region <= low and high <= region, low > region or high < -region),
        "not_worse": (low >= -region, high < -region),
    }[expect]
    return "confirmed" if yes else "refuted" if no else "undecided"


def against_bounds(interval: Interval, expect: str, *, low: float, high: float) -> Answer:
    """Holds an interval against bounds.

    Args:
        interval: The interval.
        expect: "below" `high`, "above" `low`, or "within" both.
        low: Lower bound.
        high: Upper bound.

    Returns:
        Confirmed if all of the interval is there, refuted if none of it is, undecided else.

    Example:
        >>> [against_bounds(Interval(*one), "below", low=1, high=1) for one in ((0.5, 0.9), (0.9, 1.1))]
        ['confirmed', 'undecided']
    """
    if isnan(interval.low) or isnan(interval.high):
        return "undecided"
    bottom = -inf if expect == "below" else low
    top = inf if expect == "above" else high
    if bottom <= interval.low and interval.high <= top:
        return "confirmed"
    return "refuted" if interval.low > top or interval.high < bottom else "undecided"


def seeds_until(
    estimate: Estimate, level: float, decide: Callable[[Interval], Answer]
) -> int | None:
    """Says how many seeds would decide, were mean and variances to stay as they are.

    Args:
        estimate: What is known of the difference.
        level: How often its interval may miss.
        decide: Holds an interval against what is claimed.

    Returns:
        The least number of seeds above the present one; None if 10,000 would not do.
    """
    if estimate.n < 2 or not isfinite(estimate.mean):
        return None

    def decided(n: int) -> bool:
        error = sqrt(estimate.seed_variance / n + estimate.fixed_variance)
        half = t_quantile(1 - level / 2, n - 1) * error
        return decide(Interval(estimate.mean - half, estimate.mean + half)) != "undecided"

    return least_seeds_that(decided, estimate.n)


def seeds_by_ratio(
    ratio: float, interval: Interval, n: int, decide: Callable[[Interval], Answer]
) -> int | None:
    """Says the same of a ratio, whose interval shrinks with the root of n on the scale of logarithms.

    Args:
        ratio: The ratio.
        interval: Its interval.
        n: Number of pairs.
        decide: Holds an interval against what is claimed.

    Returns:
        The least number of pairs above the present one; None if 10,000 would not do.
    """
    if not (0 < interval.low <= interval.high < inf):
        return None
    half = (log(interval.high) - log(interval.low)) / 2

    def decided(more: int) -> bool:
        factor = 2.718281828459045 ** (half * sqrt(n / more))
        return decide(Interval(ratio / factor, ratio * factor)) != "undecided"

    return least_seeds_that(decided, n)


def share_interval(kept: int, n: int, *, level: float = 0.05) -> Interval:
    """Gives the exact interval of a share, after Clopper and Pearson.

    Args:
        kept: How many of them.
        n: How many in all.
        level: How often it may miss.

    Returns:
        The interval, from 0 to 1.

    Example:
        >>> low, high = share_interval(8, 8)
        >>> print(f"{low:.2f} to {high:.2f}")
        0.63 to 1.00

    References:
        Clopper and Pearson, The Use of Confidence or Fiducial Limits, 1934.
    """
    from scipy import special

    low = 0.0 if kept == 0 else float(special.betaincinv(kept, n - kept + 1, level / 2))
    high = 1.0 if kept == n else float(special.betaincinv(kept + 1, n - kept, 1 - level / 2))
    return Interval(low, high)
