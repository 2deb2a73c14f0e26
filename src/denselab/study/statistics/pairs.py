"""Arms with their scores, the pairs of seeds they share, and which arms to contrast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from denselab.errors import UsageError

__all__ = ["Arm", "Pairs", "pair_up", "planned_contrasts"]


@dataclass(frozen=True)
class Arm:
    """What is compared: one recipe, or any model, over seeds.

    Attributes:
        scores: Seed -> score; None where the trial failed.
        rows: Seed -> score of each test row, the same rows in the same order for every seed and arm;
            None where rows are not known.
    """

    scores: Mapping[int, float | None]
    rows: Mapping[int, np.ndarray] | None = field(default=None, repr=False)

    @property
    def sound(self) -> dict[int, float]:
        """Seed -> score, without the trials that failed."""
        return {seed: score for seed, score in self.scores.items() if score is not None}

    @property
    def failed(self) -> int:
        """Number of trials that failed."""
        return len(self.scores) - len(self.sound)


@dataclass(frozen=True)
class Pairs:
    """The scores of two arms under the seeds they share.

    Attributes:
        arm: Scores of the arm, shape (seeds,).
        against: Scores of the other, likewise.
        rows: Differences of per-row scores, shape (seeds, rows); None where rows are not known.
        left_out: Number of seeds that only one of them has, or that failed in one of them.
    """

    arm: np.ndarray
    against: np.ndarray
    rows: np.ndarray | None
    left_out: int

    @property
    def differences(self) -> np.ndarray:
        """Arm minus other arm, shape (seeds,)."""
        return self.arm - self.against


def pair_up(arm: Arm, against: Arm) -> Pairs:
    """Pairs two arms by seed.

    Args:
        arm: An arm.
        against: The other.

    Returns:
        The pairs, in rising order of seeds. Rows are known if they are for every pair of both arms.

    Raises:
        UsageError: If arms differ in the number of test rows.

    Example:
        >>> pairs = pair_up(Arm({0: 3.0, 1: 4.0, 2: None}), Arm({0: 1.0, 2: 2.0}))
        >>> pairs.differences, pairs.left_out
        (array([2.]), 2)
    """
    first, second = arm.sound, against.sound
    seeds = sorted(first.keys() & second.keys())
    return Pairs(
        np.array([first[seed] for seed in seeds], float),
        np.array([second[seed] for seed in seeds], float),
        _row_differences(arm, against, seeds),
        len(arm.scores.keys() | against.scores.keys()) - len(seeds),
    )


def planned_contrasts(
    arms: Sequence[str],
    *,
    baseline: str | None = None,
    contrasts: Sequence[tuple[str, str]] | None = None,
) -> tuple[tuple[str, str], ...]:
    """Plans the family of contrasts.

    Args:
        arms: Names of the arms, in their order.
        baseline: Contrast every other arm with this one.
        contrasts: Contrast these, each an arm and what it is held against; not with a baseline.

    Returns:
        Pairs (arm, against). By default each arm against the one before it.

    Raises:
        UsageError: If there are fewer than two arms, a name is not known, or a contrast makes no sense.

    Example:
        >>> planned_contrasts(["plain", "batch_norm", "one_cycle"])
        (('batch_norm', 'plain'), ('one_cycle', 'batch_norm'))
        >>> planned_contrasts(["plain", "batch_norm", "one_cycle"], baseline="batch_norm")
        (('plain', 'batch_norm'), ('one_cycle', 'batch_norm'))
    """
    if len(arms) < 2:
        raise UsageError(f"arms: {', '.join(arms) or 'none'}; a comparison takes at least two")
    if contrasts is not None:
        if baseline is not None:
            raise UsageError("a baseline and contrasts; give one of the two")
        _check_contrasts(arms, contrasts)
        return tuple((arm, against) for arm, against in contrasts)
    if baseline is not None:
        _check_known(arms, baseline)
        return tuple((arm, baseline) for arm in arms if arm != baseline)
    return tuple(zip(arms[1:], arms[:-1], strict=True))


def _check_contrasts(arms: Sequence[str], contrasts: Sequence[tuple[str, str]]) -> None:
    if not contrasts:
        raise UsageError("no contrasts; give at least one pair of arms")
    seen: set[frozenset[str]] = set()
    for arm, against in contrasts:
        _check_known(arms, arm)
        _check_known(arms, against)
        if arm == against:
            raise UsageError(f"{arm} against itself; give two different arms")
        if frozenset((arm, against)) in seen:
            raise UsageError(f"{arm} against {against} is given twice; give each contrast once")
        seen.add(frozenset((arm, against)))


def _check_known(arms: Sequence[str], name: str) -> None:
    if name not in arms:
        raise UsageError(f"no arm is called {name}; there are {', '.join(arms)}")


def _row_differences(arm: Arm, against: Arm, seeds: Sequence[int]) -> np.ndarray | None:
    first, second = arm.rows, against.rows
    if first is None or second is None:
        return None
    if not seeds or not all(seed in first and seed in second for seed in seeds):
        return None
    sizes = {len(rows[seed]) for rows in (first, second) for seed in seeds}
    if len(sizes) > 1:
        raise UsageError(
            f"scores of {' and '.join(map(str, sorted(sizes)))} test rows; every trial must be "
            "scored on the same rows"
        )
    return np.stack([np.subtract(first[seed], second[seed], dtype=float) for seed in seeds])
