"""The learning rates that are tried for each arm before its seeds are trained, and the choice.

Every arm has the same budget: as many rates, each trained at full length, on one split of its own seed.
The choice looks at validation rows alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from denselab.errors import UsageError
from denselab.randomness import integer_seed
from denselab.recipes import Recipe

if TYPE_CHECKING:
    from denselab.study.reading import Study

__all__ = [
    "DOCUMENT",
    "RateRecord",
    "Tuning",
    "TuningRecord",
    "candidate_rates",
    "rate_record",
    "tuning_name",
    "tuning_records",
    "with_rate",
]

DOCUMENT = "tuning"
"""Name of the document that holds what was tried."""

_STEP = 10**0.5
"""Rates are spaced by half a decade."""


@dataclass(frozen=True)
class Tuning:
    """How the learning rate of each arm is chosen.

    Attributes:
        rates: How many rates are tried for every arm.
        seed: The seed whose split, first weights and order all of them have; none of a study's own
            seeds should be it.

    Raises:
        UsageError: If fewer than two rates are to be tried.
    """

    rates: int = 8
    seed: int = integer_seed(0, "tuning")

    def __post_init__(self) -> None:
        if not 2 <= self.rates <= 100:
            raise UsageError(f"{self.rates} rates to try; give from 2 to 100, or tune nothing")


@dataclass(frozen=True)
class RateRecord:
    """What a learning rate led to.

    Attributes:
        learning_rate: The rate; with a schedule its highest value.
        loss: Loss on the validation rows, of the weights the training ended with.
        accuracy: Accuracy on them, from 0 to 1.
        status: How the training ended; "diverged" counts as the worst.
    """

    learning_rate: float
    loss: float | None
    accuracy: float | None
    status: str


@dataclass(frozen=True)
class TuningRecord:
    """The tuning of one arm.

    Attributes:
        recipe: Name of the recipe.
        tried: What has been tried, in rising order of the rate.
        chosen: The rate of highest validation accuracy, of equals the one of lower loss; None until
            all have been tried, or where all diverged.
        boundary: "lowest" or "highest" where the choice is the end of what was tried, so that a
            better one may lie beyond; "" otherwise.
    """

    recipe: str
    tried: tuple[RateRecord, ...]
    chosen: float | None = None
    boundary: str = ""

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values."""
        return {
            "recipe": self.recipe,
            "chosen": self.chosen,
            "boundary": self.boundary,
            "tried": [vars(one) for one in self.tried],
        }


def candidate_rates(recipe: Recipe, tuning: Tuning) -> tuple[float, ...]:
    """Lists the rates that are tried for a recipe: half a decade apart, around its own.

    Args:
        recipe: The recipe.
        tuning: How many.

    Returns:
        Rising rates, rounded to three digits; the recipe's own is among them.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> candidate_rates(load_recipe("plain", preset="tuned"), Tuning(rates=4))
        (0.0001, 0.000316, 0.001, 0.00316)
    """
    middle = recipe.optimizer.learning_rate
    places = range(-(tuning.rates // 2), tuning.rates - tuning.rates // 2)
    return tuple(middle if k == 0 else float(f"{middle * _STEP**k:.3g}") for k in places)


def tuning_name(recipe: str) -> str:
    """Names the tuning of a recipe where progress is shown."""
    return f"{recipe} (tuning)"


def with_rate(record: TuningRecord, tried: RateRecord, wanted: Iterable[float]) -> TuningRecord:
    """Adds what a rate led to, and chooses when all rates have been tried.

    Args:
        record: What is known so far.
        tried: What another rate led to.
        wanted: All rates that are to be tried.

    Returns:
        The new record.
    """
    others = [one for one in record.tried if one.learning_rate != tried.learning_rate]
    known = tuple(sorted([*others, tried], key=lambda one: one.learning_rate))
    if {one.learning_rate for one in known} != set(wanted):
        return TuningRecord(record.recipe, known)
    best = min(known, key=_rank)
    if _rank(best)[0] == inf:
        return TuningRecord(record.recipe, known)
    ends = {known[0].learning_rate: "lowest", known[-1].learning_rate: "highest"}
    boundary = ends.get(best.learning_rate, "")
    return TuningRecord(record.recipe, known, best.learning_rate, boundary)


def tuning_records(study: "Study") -> dict[str, TuningRecord]:
    """Reads what was tried in a study.

    Args:
        study: The study.

    Returns:
        Name of a recipe -> its tuning, as far as it came.
    """
    return {name: _parsed(value) for name, value in study.documents.get(DOCUMENT, {}).items()}


def _rank(one: RateRecord) -> tuple[float, float]:
    if one.status == "diverged" or one.loss is None:
        return inf, inf
    return -one.accuracy if one.accuracy is not None else one.loss, one.loss


def _parsed(value: Mapping[str, Any]) -> TuningRecord:
    tried = tuple(RateRecord(**one) for one in value["tried"])
    return TuningRecord(value["recipe"], tried, value["chosen"], value["boundary"])


def rate_record(learning_rate: float, loss: float, accuracy: float, status: str) -> RateRecord:
    """Makes the record of a rate; what is not finite is None."""
    return RateRecord(learning_rate, _finite(loss), _finite(accuracy), status)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
