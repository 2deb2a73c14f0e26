"""The learning rates that were tried for each arm."""

from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import arm_colours, arm_shapes, axis, data, log_ticks
from denselab.report.tables import Cell, Column, Table, clean
from denselab.study.tuning import RateRecord, TuningRecord, tuning_records

if TYPE_CHECKING:
    import altair

__all__ = ["tuning"]


def tuning(evidence: Evidence) -> Section | None:
    """Shows validation scores against the learning rate.

    Args:
        evidence: The study.

    Returns:
        The section; None where nothing was tuned.
    """
    known = tuning_records(evidence.study)
    records = {name: known[name] for name in evidence.names if name in known}
    rows = [row for record in records.values() for row in _rows(record, evidence.regression)]
    if not rows:
        return None
    words = (
        "Every arm had the same budget: as many learning rates, each trained at full length on one split of "
        "its own seed. Validation rows alone decided.",
    )
    caption = (
        "One training a point (n = 1, so no spread); the large mark is the rate that was chosen. A choice at "
        "an end of the line may have a better one beyond it. Rates that diverged are in the table."
    )
    figure = Figure("tuning", "Learning rates tried", caption, _chart(evidence, rows))
    return Section("tuning", "Tuning", words, (figure,), (_table(records),))


def _rows(record: TuningRecord, regression: bool) -> list[dict[str, Any]]:
    rows = []
    for one in record.tried:
        score = _score(one, regression)
        if score is not None:
            chosen = one.learning_rate == record.chosen
            rows.append(
                {
                    "arm": record.recipe,
                    "rate": float(one.learning_rate),
                    "score": score,
                    "chosen": "chosen" if chosen else "tried",
                }
            )
    return rows


def _score(one: RateRecord, regression: bool) -> float | None:
    if one.status == "diverged":
        return None
    if regression:
        return one.loss
    return None if one.accuracy is None else 100 * one.accuracy


def _chart(evidence: Evidence, rows: list[dict[str, Any]]) -> "altair.TopLevelMixin":
    import altair as alt

    title = "validation loss" if evidence.regression else "validation accuracy, %"
    x = alt.X(
        "rate:Q",
        axis=axis(
            "learning rate (logarithmic)",
            "~g",
            grid=False,
            values=log_ticks(row["rate"] for row in rows),
        ),
        scale=alt.Scale(type="log", nice=False, padding=16),
    )
    y = alt.Y("score:Q", axis=axis(title), scale=alt.Scale(zero=False, padding=12))
    tuned = [clean(name) for name in dict.fromkeys(row["arm"] for row in rows)]
    legend = alt.Legend(title=None, orient="top", columns=3, values=tuned)
    colour = alt.Color("arm:N", scale=arm_colours(evidence.names), legend=legend)
    shape = alt.Shape("arm:N", scale=arm_shapes(evidence.names), legend=legend)
    size = alt.condition("datum.chosen === 'chosen'", alt.value(170), alt.value(40))
    base = alt.Chart(data(rows)).encode(x=x, y=y, color=colour)
    line = base.mark_line(strokeWidth=1.5, opacity=0.7)
    shown = [alt.Tooltip("rate:Q", format=".3g"), alt.Tooltip("score:Q", format=".4g", title=title)]
    points = base.mark_point(filled=True, opacity=1).encode(
        shape=shape, size=size, tooltip=["arm:N", *shown, "chosen:N"]
    )
    return alt.layer(line, points).properties(width="container", height=280)


def _table(records: dict[str, TuningRecord]) -> Table:
    columns = (
        Column("arm"),
        Column("learning rate", "g"),
        Column("validation accuracy", ".4f"),
        Column("validation loss", ".4f"),
        Column("status"),
        Column("chosen"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            record.recipe,
            one.learning_rate,
            one.accuracy,
            one.loss,
            one.status,
            _chosen(record) if one.learning_rate == record.chosen else "",
        )
        for record in records.values()
        for one in record.tried
    )
    return Table("tuning", "Learning rates tried", columns, rows, folded=True)


def _chosen(record: TuningRecord) -> str:
    return f"chosen, the {record.boundary} tried" if record.boundary else "chosen"
