"""The sign-flip test of paired differences, and Holm's correction of several such tests."""

from collections.abc import Sequence
from math import ceil, log2, nan

import numpy as np
from jaxtyping import Float

from denselab.errors import UsageError
from denselab.randomness import generator

__all__ = ["holm", "seeds_for_a_verdict", "sign_flip_p"]

_MOST_EXACT = 20
_FLIPS = 19_999
_FLIPS_AT_ONCE = 1_000


def sign_flip_p(
    differences: Float[np.ndarray, " seed"] | Sequence[float], *, seed: int = 0
) -> float:
    r"""Tests whether paired differences are symmetric about zero, two-sided.

    If swapping the arms within a seed changes nothing, every one of the $2^n$ sign patterns is equally
    likely; p is the share of patterns whose sum is at least as far from zero as the one seen. Up to 20
    seeds all are counted. Beyond, 19,999 random ones and the one seen are.

    Args:
        differences: One difference a seed, finite.
        seed: Decides the random patterns beyond 20 seeds.

    Returns:
        p, at least 2 / 2ⁿ; 1 if all differences are zero; NaN without differences.

    Example:
        Five differences of the same sign are as far as five seeds can get:

        >>> sign_flip_p([1.0, 2.0, 3.0, 4.0, 5.0])
        0.0625

    References:
        Fisher, The Design of Experiments, 1935, section 21.
    """
    d = np.asarray(differences, float)
    if len(d) == 0:
        return nan
    # Sums of the same numbers in another order differ in their last bits; they must count as ties.
    seen = abs(d.sum()) - 1e-9 * abs(d).sum()
    if len(d) > _MOST_EXACT:
        return (1 + _random_count(d, seen, seed)) / (1 + _FLIPS)
    # A pattern and its opposite are equally far from zero, so the first sign may stay.
    sums = d[:1]
    for value in d[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return float((abs(sums) >= seen).mean())


def holm(p: Sequence[float]) -> tuple[float, ...]:
    r"""Adjusts p-values of a family of tests.

    In rising order, the $i$-th of $k$ becomes $\max_{j \le i} \min(1, (k - j + 1)\, p_j)$.

    Args:
        p: The p-values of the whole family; NaN counts as a test that found nothing.

    Returns:
        Adjusted values in the order given; reject those below the level. NaN stays NaN.

    Example:
        >>> [round(value, 6) for value in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]

    References:
        Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    given = np.asarray(p, float)
    order = np.argsort(given)  # NaN goes to the end.
    factors = np.arange(len(given), 0, -1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * given[order]))
    return tuple(adjusted.tolist())


def seeds_for_a_verdict(contrasts: int, *, level: float = 0.05) -> int:
    r"""Says how many seeds there must be for the exact test to reach the corrected level.

    The smallest p that $n$ seeds can give is $2 / 2^n$, and Holm compares the smallest of $k$ with
    $\alpha / k$; so $n \ge \log_2 (2 k / \alpha)$.

    Args:
        contrasts: $k$, size of the family.
        level: $\alpha$, the family-wise error.

    Returns:
        The number of seeds.

    Raises:
        UsageError: If there is no contrast, or the level is out of range.

    Example:
        >>> [seeds_for_a_verdict(contrasts) for contrasts in (1, 5, 15, 120)]
        [6, 8, 10, 13]
    """
    if contrasts < 1:
        raise UsageError(f"{contrasts} contrasts; give at least one")
    if not 0 < level < 1:
        raise UsageError(f"a level of {level:g}; give one between 0 and 1, such as 0.05")
    least = max(1, ceil(log2(2 * contrasts / level)) - 1)
    return least if 2.0 ** (1 - least) <= level / contrasts else least + 1


def _random_count(d: np.ndarray, seen: float, seed: int) -> int:
    stream = generator(seed, "resampling")
    left, count = _FLIPS, 0
    while left:
        now = min(left, _FLIPS_AT_ONCE)
        signs = 2.0 * stream.integers(0, 2, (now, len(d))) - 1
        count += int((abs(signs @ d) >= seen).sum())
        left -= now
    return count
