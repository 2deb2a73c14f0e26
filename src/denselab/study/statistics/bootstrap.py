"""The bootstrap over seeds and test rows at once, a check of the t interval."""

from math import ceil, nan

import numpy as np
from jaxtyping import Float

from denselab.randomness import generator
from denselab.study.statistics.estimates import Interval, rows_estimate

__all__ = ["two_way_bootstrap", "upper_quantile"]

_AT_ONCE = 250


def two_way_bootstrap(
    differences: Float[np.ndarray, "seed row"],
    *,
    level: float,
    seed: int = 0,
    resamples: int = 999,
) -> Interval:
    r"""Resamples seeds and rows independently, and studentises.

    Each resample draws $n$ seeds and $m$ rows with replacement and gives $t^* = (\bar d^* - \bar d) / \sqrt{v^*}$
    with the variance of `rows_estimate`. The interval is $\bar d \pm q \sqrt v$, $q$ the $1 - \alpha$ quantile of
    $|t^*|$. The percentile bootstrap, which takes quantiles of $\bar d^*$ itself, covers 86 instead of 95 %
    at six seeds.

    Args:
        differences: Paired differences, one line a seed; one column where rows are not known.
        level: $\alpha$, how often it may miss.
        seed: Decides the resamples.
        resamples: How many.

    Returns:
        The interval; NaN below two seeds.

    References:
        Owen, The pigeonhole bootstrap, 2007.
        Hall, The Bootstrap and Edgeworth Expansion, 1992, section 3.6: symmetric intervals.
    """
    d = np.asarray(differences, float)
    if len(d) < 2:
        return Interval(nan, nan)
    estimate, stream = rows_estimate(d), generator(seed, "resampling")
    parts = [
        _studentised(d - estimate.mean, min(_AT_ONCE, resamples - done), stream)
        for done in range(0, resamples, _AT_ONCE)
    ]
    error = estimate.standard_error
    half = upper_quantile(np.concatenate(parts), level) * error if error > 0 else 0.0
    return Interval(float(estimate.mean - half), float(estimate.mean + half))


def upper_quantile(resampled: np.ndarray, level: float) -> float:
    r"""Finds the value that a share of resampled values lies above.

    Args:
        resampled: $B$ values; may hold infinity.
        level: The share.

    Returns:
        The one at place $\lceil (1 - \alpha)(B + 1) \rceil$ in rising order, the largest if there is none.

    Example:
        >>> float(upper_quantile(np.arange(1.0, 100.0), 0.05))
        95.0
    """
    count = len(resampled)
    # Not a whole number only by its last bit: 0.95 of 20 is 19, and not 20.
    place = min(ceil((1 - level) * (count + 1) - 1e-9), count)
    return float(np.partition(resampled, place - 1)[place - 1])


def _studentised(d: np.ndarray, resamples: int, stream: np.random.Generator) -> np.ndarray:
    """Finds |t*| of some resamples of centred differences, with counts in place of copies."""
    n, m = d.shape
    seeds, rows = _counts(n, resamples, stream), _counts(m, resamples, stream)
    by_seed, by_row = rows @ d.T / m, seeds @ d / n
    mean = (seeds * by_seed).mean(axis=1)
    seed_squares = _squares(seeds, by_seed, mean)
    variance = seed_squares / (n - 1) / n
    if m > 1:
        row_squares = _squares(rows, by_row, mean)
        total = (seeds * (rows @ (d**2).T)).sum(axis=1) - n * m * mean**2
        rest = (total - m * seed_squares - n * row_squares) / ((n - 1) * (m - 1)) / (n * m)
        variance = variance + np.maximum(0, row_squares / (m - 1) / m - rest)
    # One seed drawn n times has no variance; where it has no difference either, it says nothing.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(abs(mean) / np.sqrt(variance), nan=0.0, posinf=np.inf)


def _squares(counts: np.ndarray, values: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Sums squares about the mean, resample by resample."""
    return np.einsum("br,br->b", counts, (values - mean[:, None]) ** 2)


def _counts(size: int, resamples: int, stream: np.random.Generator) -> np.ndarray:
    """Counts how often each of `size` is drawn; shape (resamples, size)."""
    drawn = stream.integers(0, size, (resamples, size))
    return np.stack([np.bincount(one, minlength=size) for one in drawn]).astype(float)
