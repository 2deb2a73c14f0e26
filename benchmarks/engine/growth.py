"""How time grows with members, depth and samples."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from engine import rows
from engine.plan import Plan
from engine.timing import Spread, Summary, Timing, summarize

__all__ = ["Curve", "trace_growth"]


@dataclasses.dataclass(frozen=True)
class Curve:
    """One quantity against another.

    Attributes:
        x: What grows.
        y: What is measured, with its unit.
        points: Value of x -> spread of y.
    """

    x: str
    y: str
    points: dict[int, Spread]

    @property
    def exponent(self) -> float:
        """The power of x that y follows: the slope of a straight line through the logarithms of the medians.

        0 is flat, 1 linear; NaN below two points.
        """
        if len(self.points) < 2:
            return float("nan")
        medians = [spread.median for spread in self.points.values()]
        return float(np.polyfit(np.log(list(self.points)), np.log(medians), 1)[0])


def trace_growth(plan: Plan, timings: Sequence[Timing]) -> list[Curve]:
    """Gathers the curves of growth; what was not measured is left out.

    Args:
        plan: The sizes.
        timings: All that was measured.

    Returns:
        Time against members, depth and samples, and compile time against depth.
    """

    def curve(
        x: str, y: str, names: dict[int, str], value: Callable[[int, Summary], Spread]
    ) -> Curve:
        found = {size: summarize(timings, row, plan.batch) for size, row in names.items()}
        return Curve(x, y, {size: value(size, s) for size, s in found.items() if s is not None})

    def per_step(size: int, summary: Summary) -> Spread:
        return summary.milliseconds

    def per_epoch(size: int, summary: Summary) -> Spread:
        return summary.milliseconds.times(size / plan.batch / 1e3)

    depths = {depth: rows.layers(depth) for depth in plan.depths}
    members = {count: rows.population(count) for count in plan.sizes[plan.batch]}
    samples = {count: rows.samples(count) for count in plan.growing_samples}
    step = "ms per step and member"
    return [
        curve("members", step, members, per_step),
        curve("hidden layers", step, depths, per_step),
        curve("training samples", "seconds per epoch and member", samples, per_epoch),
        curve("hidden layers", "seconds to compile", depths, lambda _, s: s.before_seconds),
    ]
