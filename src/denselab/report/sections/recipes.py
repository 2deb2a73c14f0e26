"""What each recipe changes of the one before it."""

from denselab.recipes import Recipe, differences
from denselab.report.contents import Section
from denselab.report.evidence import Evidence
from denselab.report.tables import Cell, Column, Table
from denselab.study.tuning import tuning_records

__all__ = ["recipes"]

_RATE = "optimizer.learning_rate"


def recipes(evidence: Evidence) -> Section | None:
    """Lists the arms, and each recipe's difference from the one before.

    Args:
        evidence: The study.

    Returns:
        The section.
    """
    arms = Table(
        "titles",
        "The arms",
        (Column("arm"), Column("what it is")),
        tuple((arm.name, arm.title) for arm in evidence.arms),
    )
    rows: list[tuple[Cell, ...]] = []
    for place, recipe in enumerate(evidence.recipes[1:]):
        rows += _rows(evidence, recipe, evidence.recipes[place])
    columns = (
        Column("recipe"),
        Column("against"),
        Column("field"),
        Column("before"),
        Column("after"),
    )
    changed = Table("differences", "Each recipe against the one before it", columns, tuple(rows))
    tables = (arms, changed) if rows else (arms,)
    words = ("Every recipe in full stands in study.toml, in the study's folder.",)
    return Section("recipes", "What the arms are", words if evidence.recipes else (), (), tables)


def _rows(evidence: Evidence, recipe: Recipe, before: Recipe) -> list[tuple[Cell, ...]]:
    return [
        (
            recipe.name,
            before.name,
            change.field,
            _value(evidence, before, change.field, change.before),
            _value(evidence, recipe, change.field, change.after),
        )
        for change in differences(recipe, before)
    ]


def _value(evidence: Evidence, recipe: Recipe, field: str, value: object) -> str:
    text = (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
    record = tuning_records(evidence.study).get(evidence.trained(recipe.name))
    tuned = field == _RATE and record is not None and record.chosen is not None
    return f"{text} (tuned)" if tuned else text
