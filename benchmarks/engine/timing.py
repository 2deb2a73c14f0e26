"""What a worker measures, and its summary over rounds and repeats."""

import dataclasses
import statistics
from collections.abc import Sequence

__all__ = ["Spread", "Summary", "Timing", "summarize"]


@dataclasses.dataclass(frozen=True)
class Timing:
    """The repeats of one row in one round.

    Attributes:
        row: What was timed, such as "denselab, 8 members".
        batch: Samples a step.
        milliseconds: Time per step and member, one value a repeat.
        steps: Steps that all members together took in one repeat.
        before_seconds: Compiling, or the first epoch where both come together.
        loss: Mean training loss of the second epoch.
        round: Number of the round.
    """

    row: str
    batch: int
    milliseconds: list[float]
    steps: int
    before_seconds: float
    loss: float
    round: int = 0


@dataclasses.dataclass(frozen=True)
class Spread:
    """Repeated values in short.

    Attributes:
        median: Their median.
        low: The smallest.
        high: The largest.
        count: How many.
    """

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarizes values.

        Args:
            values: At least one.

        Returns:
            Their spread.

        Example:
            >>> Spread.of([3.0, 1.0, 2.0])
            Spread(median=2.0, low=1.0, high=3.0, count=3)
        """
        return cls(statistics.median(values), min(values), max(values), len(values))

    def times(self, factor: float) -> "Spread":
        """Changes the unit.

        Args:
            factor: What every value is multiplied by; above 0.

        Returns:
            The spread in the new unit.
        """
        return Spread(self.median * factor, self.low * factor, self.high * factor, self.count)


@dataclasses.dataclass(frozen=True)
class Summary:
    """One row over all rounds.

    Attributes:
        milliseconds: Time per step and member over all repeats.
        before_seconds: Compiling or first epoch, over rounds.
        steps: Steps of one repeat, all members together.
        loss: Median of the second epoch's loss.
        rounds: Round -> median milliseconds of its repeats.
    """

    milliseconds: Spread
    before_seconds: Spread
    steps: int
    loss: float
    rounds: dict[int, float]


def summarize(timings: Sequence[Timing], row: str, batch: int) -> Summary | None:
    """Summarizes one row.

    Args:
        timings: All that was measured.
        row: The row.
        batch: Its batch size.

    Returns:
        Median, spread and count; None if the row was not measured.
    """
    chosen = [timing for timing in timings if (timing.row, timing.batch) == (row, batch)]
    if not chosen:
        return None
    return Summary(
        milliseconds=Spread.of([value for timing in chosen for value in timing.milliseconds]),
        before_seconds=Spread.of([timing.before_seconds for timing in chosen]),
        steps=chosen[0].steps,
        loss=statistics.median(timing.loss for timing in chosen),
        rounds={timing.round: statistics.median(timing.milliseconds) for timing in chosen},
    )
