"""The goals of the engine as formulas over rows, so that whether they are reached is computed and never typed."""

import dataclasses
from collections.abc import Callable, Sequence

from engine import rows
from engine.plan import Plan
from engine.timing import Timing, summarize

__all__ = ["Goal", "Outcome", "judge", "list_goals"]

Look = Callable[[str], float]
"""Row -> milliseconds per step and member."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """Something to reach.

    Attributes:
        text: What is divided by what, in words.
        formula: The measured value from the rows.
        limit: The value to reach.
        at_least: Whether more is better; otherwise the limit must not be passed.
    """

    text: str
    formula: Callable[[Look], float]
    limit: float
    at_least: bool = True


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a goal.

    Attributes:
        goal: The goal.
        value: From the medians of all rounds; None if a row is missing.
        low: The lowest value of any round by itself.
        high: The highest.
    """

    goal: Goal
    value: float | None
    low: float | None
    high: float | None

    @property
    def verdict(self) -> str:
        """`reached`, `not reached` or `not measured`."""
        if self.value is None:
            return "not measured"
        goal = self.goal
        good = self.value >= goal.limit if goal.at_least else self.value <= goal.limit
        return "reached" if good else "not reached"


def list_goals(plan: Plan, cores: int, device: str) -> list[Goal]:
    """Lists the goals for this machine.

    Args:
        plan: The sizes that were measured.
        cores: Cores of the population.
        device: The accelerator's name, or "".

    Returns:
        The goals; ratios are times of the other over times of ours, per step and member.
    """
    one, many = rows.population(1), rows.population(plan.largest)
    goals = [
        Goal("one member against Keras `fit` on JAX", _ratio(rows.KERAS_JAX, one), 1.5),
        Goal("one member against Keras `fit` on TensorFlow", _ratio(rows.KERAS_TENSORFLOW, one), 4),
        Goal(
            f"{plan.largest} members on {cores} cores against one single-thread member",
            _ratio(rows.ONE_CORE, many),
            0.9 * cores,
        ),
        Goal(
            f"{plan.largest} members against a pool of torch processes",
            _ratio(rows.TORCH_POOL, many),
            1.5,
        ),
        Goal(
            f"{plan.largest} members against a pool of Keras `fit` on JAX",
            _ratio(rows.KERAS_POOL, many),
            3,
        ),
        Goal(
            f"{plan.largest} members, per member, against Keras `fit` on TensorFlow",
            _ratio(rows.KERAS_TENSORFLOW, many),
            8,
        ),
        _flat(plan, cores),
        Goal(
            "time of a step when half of the members stop early, over the same when none does",
            _ratio(rows.HALF_STOP, rows.ALL_RUN),
            1.05,
            at_least=False,
        ),
    ]
    if device and {1, 64} <= set(plan.on_accelerator):
        alone, wide = rows.population(1, device), rows.population(64, device)
        text = f"64 members on {device}, all together, over one"
        goals.append(Goal(text, lambda look: 64 * look(wide) / look(alone), 2, at_least=False))
    return goals


def judge(goal: Goal, timings: Sequence[Timing], batch: int) -> Outcome:
    """Holds a goal against what was measured.

    Args:
        goal: The goal.
        timings: All that was measured.
        batch: The batch size.

    Returns:
        The value from the medians, and its range over rounds taken by themselves.
    """

    def look(row: str, number: int | None = None) -> float:
        summary = summarize(timings, row, batch)
        if summary is None:
            raise LookupError(row)
        return summary.milliseconds.median if number is None else summary.rounds[number]

    def value(number: int | None = None) -> float | None:
        try:
            return goal.formula(lambda row: look(row, number))
        except LookupError:
            return None

    by_round = [value(number) for number in sorted({timing.round for timing in timings})]
    known = [one for one in by_round if one is not None]
    return Outcome(goal, value(), min(known, default=None), max(known, default=None))


def _ratio(other: str, row: str) -> Callable[[Look], float]:
    return lambda look: look(other) / look(row)


def _flat(plan: Plan, cores: int) -> Goal:
    """Populations that fill all cores evenly must cost the same per member."""
    counts = [count for count in plan.sizes[plan.batch] if count >= cores and count % cores == 0]

    def deviation(look: Look) -> float:
        if len(counts) < 2:
            raise LookupError("no two populations that fill the cores evenly")
        first = look(rows.population(counts[0]))
        return max(abs(look(rows.population(count)) / first - 1) for count in counts)

    span = f"from {counts[0]} to {counts[-1]} members" if counts else "over populations"
    return Goal(f"largest change of the time per member {span}", deviation, 0.1, at_least=False)
