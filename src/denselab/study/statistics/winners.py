"""How often a comparison of single seeds would have named the wrong arm."""

from math import sqrt
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

__all__ = ["Share", "WrongWinners", "wrong_winners"]

_Z = 1.959964


class Share(NamedTuple):
    """A share with its 95 % interval.

    Attributes:
        share: From 0 to 1.
        low: Lower end.
        high: Upper end.
    """

    share: float
    low: float
    high: float


class WrongWinners(NamedTuple):
    """How often one seed an arm names the arm that is worse in the mean.

    Attributes:
        unpaired: Over all pairs of a seed of one arm and a seed of the other.
        paired: Over seeds, where both arms have the same seed.
    """

    unpaired: Share
    paired: Share


def wrong_winners(
    better: Float[np.ndarray, " seed"], worse: Float[np.ndarray, " seed"]
) -> WrongWinners:
    r"""Counts single-seed comparisons that the worse arm wins; ties count half.

    Unpaired, the share is Mann and Whitney's statistic over all $n^2$ pairs $(i, j)$; its variance comes
    from the placements of each seed, which allows for the arms sharing their seeds. Intervals are
    Wilson's, for as many independent comparisons as that variance is worth: from n to 3n.

    Args:
        better: Scores of the arm that is better in the mean, oriented so that more is better.
        worse: Scores of the other, in the same order of seeds; at least one.

    Returns:
        The shares.

    Example:
        >>> shares = wrong_winners(np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0, 4.5]))
        >>> round(9 * shares.unpaired.share), round(3 * shares.paired.share)
        (2, 0)

    References:
        DeLong et al., Comparing the Areas under Two or More Correlated ROC Curves, 1988.
        Newcombe, Confidence intervals for an effect size measure based on Mann-Whitney, 2006.
    """
    better, worse = np.asarray(better, float), np.asarray(worse, float)
    n = len(better)
    wins = np.greater.outer(worse, better) + 0.5 * np.equal.outer(worse, better)
    share = float(wins.mean())
    placements = wins.mean(axis=0) + wins.mean(axis=1)
    variance = float(placements.var(ddof=1)) / n if n > 1 else 0.0
    worth = share * (1 - share) / variance if variance > 0 else n
    return WrongWinners(
        _wilson(share, min(max(worth, n), 3 * n)), _wilson(float(wins.diagonal().mean()), n)
    )


def _wilson(share: float, n: float) -> Share:
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Share(share, max(0.0, middle - half), min(1.0, middle + half))
