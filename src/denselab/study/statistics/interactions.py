"""Interactions: whether two changes bring together what each of them brings alone."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from denselab.errors import UsageError
from denselab.study.statistics.pairs import Arm

__all__ = ["Interaction", "with_interactions"]


class Interaction(NamedTuple):
    r"""Two changes, together and apart.

    It is asked as a contrast of two made-up arms: what both changes reach together, against what they
    would reach if their effects added up. Under each seed, and on each test row, that is the difference of
    differences

    $$(s_{both} - s_{second}) - (s_{first} - s_{neither}) = s_{both} - (s_{first} + s_{second} - s_{neither})$$

    Attributes:
        name: What it is called, "A x B"; also the name of the arm with both changes in its contrast.
        both: Name of the arm with both changes.
        first: Name of the arm with the first change alone.
        second: Name of the arm with the second change alone.
        neither: Name of the arm with neither.
    """

    name: str
    both: str
    first: str
    second: str
    neither: str

    @property
    def added(self) -> str:
        """Name of the arm that stands for the added effects."""
        return f"sum of {' and '.join(self.name.split(' x '))}"

    @property
    def contrast(self) -> tuple[str, str]:
        """The contrast that asks about it."""
        return self.name, self.added

    @property
    def arms(self) -> tuple[str, str, str, str]:
        """Names of the four arms it is worked out from."""
        return self.both, self.first, self.second, self.neither


def with_interactions(
    arms: Mapping[str, Arm], interactions: Sequence[Interaction]
) -> dict[str, Arm]:
    """Adds the arms that the contrasts of interactions hold against each other.

    Args:
        arms: Name -> scores.
        interactions: The interactions.

    Returns:
        All arms, those of the interactions last.

    Raises:
        UsageError: If an arm is not known, or arms differ in the number of test rows.

    Example:
        >>> arms = {name: Arm({0: score}) for name, score in zip("nabc", (1.0, 2.0, 4.0, 9.0))}
        >>> both = Interaction("a x b", both="c", first="a", second="b", neither="n")
        >>> found = with_interactions(arms, [both])
        >>> found["a x b"].scores[0], found["sum of a and b"].scores[0]
        (9.0, 5.0)
    """
    found = dict(arms)
    for one in interactions:
        unknown = [name for name in one.arms if name not in arms]
        if unknown:
            raise UsageError(
                f"{one.name}: no arm is called {unknown[0]}; there are {', '.join(arms)}"
            )
        found[one.name] = arms[one.both]
        found[one.added] = _added(arms[one.first], arms[one.second], arms[one.neither])
    return found


def _added(first: Arm, second: Arm, neither: Arm) -> Arm:
    """Adds two effects, seed by seed and row by row; a seed failed where one of its three trials did."""
    parts = (first, second, neither)
    seeds = [seed for seed in first.scores if all(seed in arm.scores for arm in parts)]
    sound = [seed for seed in seeds if all(seed in arm.sound for arm in parts)]
    scores: dict[int, float | None] = dict.fromkeys(seeds)
    for seed in sound:
        scores[seed] = first.sound[seed] + second.sound[seed] - neither.sound[seed]
    return Arm(scores, _added_rows(first, second, neither, sound))


def _added_rows(
    first: Arm, second: Arm, neither: Arm, seeds: Sequence[int]
) -> dict[int, np.ndarray] | None:
    if first.rows is None or second.rows is None or neither.rows is None:
        return None
    rows: dict[int, np.ndarray] = {}
    for seed in seeds:
        if not all(seed in known for known in (first.rows, second.rows, neither.rows)):
            continue
        three = [
            np.asarray(known[seed], float) for known in (first.rows, second.rows, neither.rows)
        ]
        sizes = {len(one) for one in three}
        if len(sizes) > 1:
            raise UsageError(
                f"scores of {' and '.join(map(str, sorted(sizes)))} test rows; every trial must be "
                "scored on the same rows"
            )
        rows[seed] = three[0] + three[1] - three[2]
    return rows
