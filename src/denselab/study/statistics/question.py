"""The question that a verdict answers, asked before the scores are seen."""

from dataclasses import dataclass
from math import isfinite

from denselab.errors import UsageError
from denselab.study.statistics.looks import FIRST_LOOK

__all__ = ["ACCURACY", "LOG_LOSS", "Measure", "Question"]


@dataclass(frozen=True)
class Measure:
    """What is scored, and in which unit differences are told.

    Attributes:
        name: Name of the metric.
        unit: Unit of differences, such as "points" or "nats"; may be empty.
        scale: Scores are multiplied by this to be in the unit.
        higher_is_better: Whether more is better.
        region: Differences up to this size do not matter, in the unit; None if somebody must say.
    """

    name: str
    unit: str = ""
    scale: float = 1.0
    higher_is_better: bool = True
    region: float | None = None


ACCURACY = Measure("accuracy", "points", scale=100.0, region=0.5)
"""Half a point of accuracy, one test row of 200, is taken not to matter."""

LOG_LOSS = Measure("loss", "nats", higher_is_better=False, region=0.01)
"""Of log loss 0.01 nats: the geometric mean probability of the true class changes by 1 %."""


@dataclass(frozen=True)
class Question:
    """What is asked of the scores.

    Attributes:
        measure: What is scored.
        contrasts: The planned family: pairs (arm, against), see `planned_contrasts`.
        region: Differences up to this size do not matter, in the unit of the measure.
        level: Family-wise error of this look, see `look_level`.
        test_fraction: Share of rows that each seed split off for testing, where every seed tests on rows
            of its own; None where all test on the same rows.
        primary: Whether there may be verdicts; other metrics are shown with intervals alone.

    Raises:
        UsageError: If there is no contrast or a number makes no sense.
    """

    measure: Measure
    contrasts: tuple[tuple[str, str], ...]
    region: float
    level: float = FIRST_LOOK
    test_fraction: float | None = None
    primary: bool = True

    def __post_init__(self) -> None:
        if not self.contrasts:
            raise UsageError("no contrasts; give at least one pair of arms")
        if not (isfinite(self.region) and self.region >= 0):
            raise UsageError(
                f"a region of {self.region:g}; give the largest difference that does not matter, 0 or more"
            )
        if not 0 < self.level < 1:
            raise UsageError(f"a level of {self.level:g}; give one between 0 and 1, such as 0.04")
        if self.test_fraction is not None and not 0 < self.test_fraction < 1:
            raise UsageError(
                f"a test fraction of {self.test_fraction:g}; give the share of rows that each seed "
                "tests on, such as 0.2"
            )

    @property
    def contrast_level(self) -> float:
        """How often the interval of one contrast may miss, so that all hold together."""
        return self.level / len(self.contrasts)
