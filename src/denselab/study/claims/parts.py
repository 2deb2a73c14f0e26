"""The parts a claim is made of: one table a kind of rule, with what it needs to be decided.

To add a kind of rule: a table here, a function in `rules.py`. To add a claim: a file in `catalogue/`.
"""

from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, model_validator

from denselab.recipes.table import Table, problem

__all__ = [
    "KINDS",
    "MC_DRAWS",
    "Difference",
    "DrawCost",
    "EnoughDraws",
    "EpochsRatio",
    "Interaction",
    "Metric",
    "Need",
    "Oscillation",
    "Part",
    "Prediction",
    "Ranking",
    "SameProgram",
    "SeedShare",
    "TimeRatio",
]

MC_DRAWS = 100
"""Draws of MC dropout wherever claims predict by draws."""

Metric: TypeAlias = Literal[
    "accuracy", "loss", "first_validation_loss", "off_centre", "zero_derivatives"
]
"""accuracy, loss: of the test rows. first_validation_loss: after the first epoch. off_centre: mean over
layers of the absolute activation mean after training. zero_derivatives: percent of the activation's
derivatives that are exactly 0 after training, mean over layers."""

Expectation: TypeAlias = Literal["better", "worse", "equivalent", "not_worse"]

_Positive = Field(gt=0)
_Region = Field(ge=0, description="Differences up to this size do not matter.")


class Need(NamedTuple):
    """Something that must be measured before a part can be decided.

    Attributes:
        what: "rows", "layers", "target", "epoch", "predict", "draws", "trust" or "program".
        arm: The arm; for rows the metric.
    """

    what: str
    arm: str


class Part(Table):
    """One part of a claim; a kind of rule is a table with these fields and its own."""

    intervals: ClassVar[int] = 1
    """How many intervals its decision rests on; they share the error that the claim may make."""

    kind: str = Field(description="Kind of rule.")
    says: str = Field(min_length=1, max_length=200, description="What it says, in a few words.")

    @model_validator(mode="after")
    def _bounds_leave_something(self) -> Self:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and low > high:
            raise problem(self, "low", f"must not be above high = {high:g}")
        return self

    def arms(self) -> tuple[str, ...]:
        """Names the arms it is about."""
        named = (getattr(self, name, None) for name in ("arm", "against", "control"))
        return tuple(name for name in named if isinstance(name, str))

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset()


def _metric_needs(metric: str, arms: tuple[str, ...]) -> frozenset[Need]:
    if metric in ("accuracy", "loss"):
        return frozenset({Need("rows", metric)})
    if metric in ("off_centre", "zero_derivatives"):
        return frozenset(Need("layers", arm) for arm in arms)
    return frozenset()


class Difference(Part):
    """The paired difference of two arms in a metric."""

    arm: str
    against: str
    metric: Metric
    expect: Expectation
    region: float = _Region

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return _metric_needs(self.metric, self.arms())


class Interaction(Part):
    """A difference of differences: (first - second) - (third - fourth)."""

    of: list[str] = Field(min_length=4, max_length=4)
    metric: Metric
    expect: Expectation
    region: float = _Region

    def arms(self) -> tuple[str, ...]:
        """Names the four arms."""
        return tuple(self.of)

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return _metric_needs(self.metric, self.arms())


class Ranking(Part):
    """An order of arms, best first: each must be better than the next."""

    order: list[str] = Field(min_length=2)
    metric: Metric
    region: float = _Region

    def arms(self) -> tuple[str, ...]:
        """Names the arms, best first."""
        return tuple(self.order)

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return _metric_needs(self.metric, self.arms())


class EpochsRatio(Part):
    """Ratio of the restricted mean epochs to a validation accuracy that pilot seeds fixed."""

    arm: str
    against: str
    expect: Literal["below", "above"]
    bound: float = Field(default=1.0, gt=0)
    target_of: str
    target_share: float = Field(default=0.97, gt=0, le=1)

    def arms(self) -> tuple[str, ...]:
        """Names the arms, the one that the target is of included."""
        return tuple(dict.fromkeys((self.arm, self.against, self.target_of)))

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset({Need("target", self.target_of)})


class TimeRatio(Part):
    """Ratio of solo times: of an epoch, of a whole training, or of a prediction."""

    arm: str
    against: str
    of: Literal["epoch", "training", "predict"]
    expect: Literal["below", "above", "within"]
    low: float = Field(default=1.0, gt=0)
    high: float = Field(default=1.0, gt=0)

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        what = "predict" if self.of == "predict" else "epoch"
        return frozenset(Need(what, arm) for arm in self.arms())


class SeedShare(Part):
    """The share of seeds in which a quantity keeps its bounds, in every layer where it has layers."""

    intervals: ClassVar[int] = 0

    arm: str
    quantity: Literal[
        "activation_moments", "zero_derivatives", "column_spread", "distinct_units", "rate_range"
    ]
    expect: Literal["kept", "broken"] = "kept"
    when: list[Literal["start", "end"]] = Field(default=["start", "end"], min_length=1)
    low: float = 0.0
    high: float = 0.0
    mean_low: float = -0.1
    mean_high: float = 0.1
    last_layer: bool = True
    share: float = Field(default=0.95, gt=0, le=1)

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        if self.quantity == "rate_range":
            return frozenset()
        return frozenset({Need("layers", self.arm)})


class Oscillation(Part):
    """Whether the training loss of an arm swings, and more than that of its control."""

    intervals: ClassVar[int] = 0

    arm: str
    control: str
    lobe: float = Field(default=-0.2, gt=-1, lt=0)
    cycles: float = Field(default=2.0, gt=0)
    share: float = Field(default=0.95, gt=0, le=1)


class Prediction(Part):
    """Two ways to predict with the same trained networks."""

    arm: str
    # No ensembles: their values over seeds leave one member out, and are no independent pairs.
    method: Literal["mc", "temperature", "mc_temperature"]
    than: Literal["deterministic", "mc", "temperature"]
    metric: Literal["accuracy", "loss", "brier", "calibration_error", "aurc"]
    expect: Expectation
    region: float = _Region

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset({Need("trust", self.arm)})


class EnoughDraws(Part):
    """Whether so many draws are as good as the most that were taken."""

    arm: str
    draws: Literal[1, 2, 5, 10, 30, 100]
    metric: Literal["accuracy", "loss", "brier", "calibration_error", "aurc"]
    region: float = _Region

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset({Need("trust", self.arm)})


class DrawCost(Part):
    """What draws cost in single predictions, as a multiple of their number."""

    arm: str
    way: Literal["compiled", "loop"]
    low: float = _Positive
    high: float = _Positive

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset({Need("draws", self.arm)})


class SameProgram(Part):
    """Whether two arms predict with the very same compiled program."""

    intervals: ClassVar[int] = 0

    arm: str
    against: str

    def needs(self) -> frozenset[Need]:
        """Lists what must be measured."""
        return frozenset(Need("program", arm) for arm in self.arms())


KINDS: dict[str, type[Part]] = {
    "difference": Difference,
    "interaction": Interaction,
    "ranking": Ranking,
    "epochs_ratio": EpochsRatio,
    "time_ratio": TimeRatio,
    "seed_share": SeedShare,
    "oscillation": Oscillation,
    "prediction": Prediction,
    "enough_draws": EnoughDraws,
    "draw_cost": DrawCost,
    "same_program": SameProgram,
}
"""Kind of rule -> its table."""
