"""How much of the error each look at a growing study may spend."""

import itertools
from collections.abc import Sequence
from math import sqrt

from denselab.errors import UsageError

__all__ = ["FIRST_LOOK", "LEVEL", "look_level"]

LEVEL = 0.05
"""How often a study may err at all, over its contrasts and all looks at it."""

FIRST_LOOK = LEVEL * 4 / 5
"""What a study may spend that is looked at once, as planned."""


def look_level(sizes: Sequence[int], *, planned: int | None = None, level: float = LEVEL) -> float:
    r"""Says which family-wise level the latest look at a study may use.

    Four fifths of the level belong to the plan, the rest to those who go on when it is done. Within the
    plan, with $t$ the share of the planned seeds, $\alpha(t) = 2 - 2 \Phi(z_{1 - \alpha_p / 2} / \sqrt t)$ may
    be spent up to $t$, $\alpha_p = 0.8 \alpha$: early looks cost next to nothing, the last keeps nearly all. After
    the plan, every look may spend half of what is left. All levels together stay below `level`
    however many looks there are, so the union bound keeps the error over all of them, whatever the
    correlation between looks.

    Why a fifth is kept: a study that spent all at its first look could never be extended; with a fifth
    less, five contrasts still need 8 seeds and intervals are 4 % wider.

    Args:
        sizes: Seeds an arm had at each look so far, this one last; they must grow.
        planned: Seeds an arm was to have in the end; by default as many as at the first look.
        level: Family-wise error over all looks.

    Returns:
        The level of this look, for `Question.level`.

    Raises:
        UsageError: If there is no look, sizes do not grow, or a number is out of range.

    Example:
        >>> [round(look_level(sizes), 6) for sizes in ([12], [12, 24], [12, 24, 48])]
        [0.04, 0.005, 0.0025]
        >>> [round(look_level(sizes, planned=24), 6) for sizes in ([12], [12, 24])]
        [0.003679, 0.036321]

    References:
        Lan and DeMets, Discrete Sequential Boundaries for Clinical Trials, 1983.
        O'Brien and Fleming, A Multiple Testing Procedure for Clinical Trials, 1979.
    """
    _check(sizes, planned, level)
    goal = sizes[0] if planned is None else planned
    before = min(1.0, sizes[-2] / goal) if len(sizes) > 1 else 0.0
    if before < 1:
        now = min(1.0, sizes[-1] / goal)
        return _spent(now, level * 4 / 5) - _spent(before, level * 4 / 5)
    extensions = sum(size >= goal for size in sizes) - 1
    return level / 5 / 2**extensions


def _spent(share: float, level: float) -> float:
    from scipy import special

    if share in (0.0, 1.0):
        return share * level
    return float(2 * special.ndtr(special.ndtri(level / 2) / sqrt(share)))


def _check(sizes: Sequence[int], planned: int | None, level: float) -> None:
    if not sizes:
        raise UsageError("no look at all; give the number of seeds at each look, this one last")
    if sizes[0] < 1 or any(b <= a for a, b in itertools.pairwise(sizes)):
        shown = ", ".join(map(str, sizes))
        raise UsageError(
            f"looks at {shown} seeds: each look must have more seeds than the one before; "
            "a look without new seeds is no new look"
        )
    if planned is not None and planned < 1:
        raise UsageError(f"{planned} planned seeds; give at least 1")
    if not 0 < level < 1:
        raise UsageError(f"a level of {level:g}; give one between 0 and 1, such as 0.05")
