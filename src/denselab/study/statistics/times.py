"""Epochs and seconds: compared as ratios, with those who never reach a target counted and not dropped."""

from collections.abc import Sequence
from math import exp, inf, isnan, nan
from typing import NamedTuple

import numpy as np

from denselab.errors import UsageError
from denselab.randomness import generator
from denselab.study.statistics.bootstrap import upper_quantile
from denselab.study.statistics.estimates import seeds_estimate

__all__ = ["Ratio", "ratio_interval", "restricted_mean", "restricted_ratio"]


class Ratio(NamedTuple):
    """A ratio of two arms with its interval.

    Attributes:
        ratio: Arm over other arm; below 1 where the arm takes less.
        low: Lower end; NaN where there is none.
        high: Upper end; NaN where there is none.
        n: Number of pairs.
    """

    ratio: float
    low: float
    high: float
    n: int


def ratio_interval(arm: Sequence[float], against: Sequence[float], *, level: float = 0.05) -> Ratio:
    r"""Compares paired times by the t interval of their log ratios.

    The ratio is the geometric mean $\exp(\frac 1 n \sum_s \log (a_s / b_s))$: twice as long and half as long cancel.

    Args:
        arm: Times of an arm, above 0 and finite, such as seconds an epoch of solo runs.
        against: Those of the other, in the same order of seeds.
        level: How often the interval may miss.

    Returns:
        The ratio; its interval is NaN below two pairs.

    Raises:
        UsageError: If there are no times, not as many on both sides, or one is not above 0 and finite.

    Example:
        >>> ratio_interval([2.0, 4.0], [1.0, 2.0])
        Ratio(ratio=2.0, low=2.0, high=2.0, n=2)
    """
    a, b = _paired(arm, against)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError("a time is not finite; use restricted_ratio where a target was missed")
    estimate = seeds_estimate(np.log(a / b))
    low, high = estimate.interval(level)
    return Ratio(exp(estimate.mean), exp(low), exp(high), len(a))


def restricted_mean(times: Sequence[float], *, horizon: float) -> float:
    r"""Averages times to a target, each no longer than a horizon: $\frac 1 n \sum_s \min(t_s, \tau)$.

    A run that misses the target counts as the horizon, so missing is never faster than reaching.

    Args:
        times: Epochs or seconds to the target; infinite where it was never reached.
        horizon: $\tau$, the longest time that any run had, the same for all arms.

    Returns:
        The restricted mean time.

    Raises:
        UsageError: If there are no times, one is NaN or not above 0, or the horizon is not above 0.

    Example:
        >>> restricted_mean([10, 20, float("inf")], horizon=50)
        26.666666666666668

    References:
        Royston and Parmar, Restricted mean survival time, 2013.
    """
    return float(_restricted(_checked(times), horizon).mean())


def restricted_ratio(
    arm: Sequence[float],
    against: Sequence[float],
    *,
    horizon: float,
    level: float = 0.05,
    seed: int = 0,
    resamples: int = 1_999,
) -> Ratio:
    r"""Compares times to a target by the ratio of restricted means.

    Its interval is a studentised bootstrap over seeds of $\log (\bar a / \bar b)$, whose variance is that of
    $(a_s / \bar a - b_s / \bar b)$ over $n$.

    Args:
        arm: Times of an arm; infinite where it never reached the target (a failed run never does).
        against: Those of the other, in the same order of seeds.
        horizon: The longest time that any run had, the same for both.
        level: How often the interval may miss.
        seed: Decides the resamples.
        resamples: How many.

    Returns:
        The ratio. There is no interval (NaN) below two pairs, nor where no run reached the target.

    Raises:
        UsageError: As `restricted_mean`, and if there are not as many times on both sides.
    """
    a, b = (_restricted(times, horizon) for times in _paired(arm, against))
    n, ratio = len(a), float(a.mean() / b.mean())
    if n < 2 or (min(a.min(), b.min()) >= horizon):
        return Ratio(ratio, nan, nan, n)
    log, error = _log_ratio(a, b)
    drawn = generator(seed, "resampling").integers(0, n, (resamples, n))
    logs, errors = _log_ratio(a[drawn], b[drawn])
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(abs(logs - log) / errors, nan=0.0, posinf=inf)
    half = upper_quantile(t, level) * float(error) if error > 0 else 0.0
    return Ratio(ratio, exp(log - half), exp(log + half) if half < 700 else inf, n)


def _log_ratio(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a_mean, b_mean = a.mean(axis=-1, keepdims=True), b.mean(axis=-1, keepdims=True)
    influence = a / a_mean - b / b_mean
    error = influence.std(axis=-1, ddof=1) / np.sqrt(a.shape[-1])
    return np.log(a_mean / b_mean)[..., 0], np.where(error > 1e-12, error, 0.0)


def _restricted(times: np.ndarray, horizon: float) -> np.ndarray:
    if not 0 < horizon < inf:
        raise UsageError(f"a horizon of {horizon:g}; give the longest time that any run had")
    return np.minimum(times, horizon)


def _paired(arm: Sequence[float], against: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    a, b = _checked(arm), _checked(against)
    if len(a) != len(b):
        raise UsageError(
            f"{len(a)} times against {len(b)}; give one a seed for both arms, in the same order"
        )
    return a, b


def _checked(times: Sequence[float]) -> np.ndarray:
    checked = np.asarray(times, float)
    if len(checked) == 0:
        raise UsageError("no times; give at least one")
    wrong = [one for one in checked.tolist() if isnan(one) or one <= 0]
    if wrong:
        raise UsageError(
            f"a time of {wrong[0]:g}; give times above 0, infinite where a target was not reached"
        )
    return checked
