"""How scores are shown in pictures: their titles, formats, and which way is better."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import altair

__all__ = ["MEASURES", "Measure", "direction", "measure_named", "table"]


class Measure(NamedTuple):
    """How a score is shown.

    Attributes:
        title: What it is called.
        form: Format of its values, as d3 writes it.
        better: "higher" or "lower".
    """

    title: str
    form: str
    better: str


MEASURES = {
    "accuracy": Measure("accuracy", ".1%", "higher"),
    "negative_log_likelihood": Measure("log loss, nats", ".3f", "lower"),
    "brier_score": Measure("Brier score", ".3f", "lower"),
    "expected_calibration_error": Measure("calibration error (ECE)", ".1%", "lower"),
    "aurc": Measure("area under risk and coverage", ".4f", "lower"),
}
"""Names of `uncertainty.Scores` -> how they are shown."""


def measure_named(name: str) -> Measure:
    """Looks up how a score is shown; an unknown one by its own name."""
    return MEASURES.get(name, Measure(name.replace("_", " "), ".3f", ""))


def table(values: Sequence[dict[str, Any]]) -> "altair.Data":
    """Makes rows the data of a chart."""
    import altair as alt

    return alt.Data(values=list(values))


def direction(measure: Measure) -> str | None:
    """Says which way is better, for the title of an axis."""
    return {"higher": "better →", "lower": "← better"}.get(measure.better)
