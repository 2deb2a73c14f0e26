"""Every trial as a point, and the table of what came out of each arm."""

from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import INK, arm_colours, arm_shapes, axis, data
from denselab.report.tables import Cell, Column, Table, clean
from denselab.study import RecipeSummary

if TYPE_CHECKING:
    import altair

__all__ = ["seeds"]


def seeds(evidence: Evidence) -> Section | None:
    """Shows the test score of every seed.

    Args:
        evidence: The study.

    Returns:
        The section; None while no trial is done.
    """
    if not any(evidence.sound(name) for name in evidence.names):
        return None
    figure = Figure(
        "seeds",
        "Each seed by itself",
        f"A small mark is one trial ({_numbers(evidence)} seeds an arm), the large one their mean, the "
        "line ± one standard deviation over seeds. Touch a mark to see the same seed in every arm.",
        _chart(evidence),
    )
    tables = (_summary(evidence), _trials(evidence))
    return Section("seeds", "Seeds", (), (figure,), tables)


def _numbers(evidence: Evidence) -> str:
    numbers = [len(evidence.sound(name)) for name in evidence.names]
    low, high = min(numbers), max(numbers)
    return f"n = {low}" if low == high else f"n = {low} to {high}"


def _chart(evidence: Evidence) -> "altair.TopLevelMixin":
    import altair as alt

    accuracy = not evidence.regression
    points = [
        {"arm": name, "seed": str(trial.seed), "score": _score(trial.test, accuracy)}
        for name in evidence.names
        for trial in evidence.sound(name)
    ]
    order = [clean(name) for name in evidence.names]
    names = alt.Axis(title=None, ticks=False, domain=False)
    y = alt.Y("arm:N", sort=order, axis=names, scale=alt.Scale(padding=0.7))
    title = "test accuracy, %" if accuracy else "test loss"
    x = alt.X("score:Q", axis=axis(title), scale=alt.Scale(zero=False, padding=12))
    colour = alt.Color("arm:N", scale=arm_colours(evidence.names), legend=None)
    shape = alt.Shape("arm:N", scale=arm_shapes(evidence.names), legend=None)
    same = alt.selection_point(name="same_seed", fields=["seed"], on="pointerover", empty=False)
    marks = (
        alt.Chart(data(points))
        .mark_point(filled=True)
        .encode(
            x=x,
            y=y,
            color=colour,
            shape=shape,
            opacity=alt.condition(same, alt.value(1), alt.value(0.45)),
            size=alt.condition(same, alt.value(110), alt.value(36)),
            tooltip=["arm:N", "seed:N", alt.Tooltip("score:Q", format=".2f", title=title)],
        )
        .add_params(same)
    )
    base = alt.Chart(data(_means(evidence, accuracy))).encode(y=y, color=colour)
    line = base.mark_rule(strokeWidth=2, yOffset=13).encode(x="low:Q", x2="high:Q")
    mean = base.mark_point(filled=True, size=120, opacity=1, yOffset=13).encode(
        x=_x("mean"), shape=shape
    )
    text = base.mark_text(dy=28, fontSize=11).encode(
        x=_x("mean"), text="words:N", color=alt.value(INK)
    )
    height = 62 * len(order)
    return alt.layer(marks, line, mean, text).properties(width="container", height=height)


def _x(field: str) -> "altair.X":
    """Puts a field on the axis that another layer describes."""
    import altair as alt

    return alt.X(f"{field}:Q")


def _means(evidence: Evidence, accuracy: bool) -> list[dict[str, Any]]:
    scale = 100 if accuracy else 1
    rows = []
    for one in evidence.summary.recipes:
        spread = one.test_accuracy if accuracy else one.test_loss
        if not spread.values:
            continue
        mean, sd = scale * spread.mean, scale * spread.sd
        about = "" if sd != sd else f" ± {sd:.2f}"
        known = 0.0 if sd != sd else sd
        rows.append(
            {
                "arm": one.name,
                "mean": mean,
                "low": mean - known,
                "high": mean + known,
                "words": f"{mean:.2f}{about}",
            }
        )
    return rows


def _summary(evidence: Evidence) -> Table:
    columns = (
        Column("arm"),
        Column("n", "d"),
        Column("failed", "d"),
        Column("test accuracy, %", ".2f"),
        Column("± sd", ".2f"),
        Column("validation accuracy, %", ".2f"),
        Column("± sd", ".2f"),
        Column("test loss", ".4f"),
        Column("± sd", ".4f"),
    )
    rows = tuple(_summary_row(one) for one in evidence.summary.recipes)
    if evidence.regression:
        keep = [place for place, one in enumerate(columns) if place not in (3, 4, 5, 6)]
        columns = tuple(columns[place] for place in keep)
        rows = tuple(tuple(row[place] for place in keep) for row in rows)
    return Table(
        "arms", "What came out of each arm: mean ± standard deviation over n seeds", columns, rows
    )


def _summary_row(one: RecipeSummary) -> tuple[Cell, ...]:
    return (
        one.name,
        one.n,
        one.failed,
        100 * one.test_accuracy.mean,
        100 * one.test_accuracy.sd,
        100 * one.validation_accuracy.mean,
        100 * one.validation_accuracy.sd,
        one.test_loss.mean,
        one.test_loss.sd,
    )


def _trials(evidence: Evidence) -> Table:
    columns = (
        Column("arm"),
        Column("seed", "d"),
        Column("status"),
        Column("test accuracy", ".4f"),
        Column("test loss", ".4f"),
        Column("validation accuracy", ".4f"),
        Column("validation loss", ".4f"),
        Column("epochs", "d"),
        Column("best epoch", "d"),
        Column("seconds", ".2f"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            name,
            trial.seed,
            trial.status,
            trial.test.accuracy,
            trial.test.loss,
            trial.validation.accuracy,
            trial.validation.loss,
            trial.epochs_run,
            trial.best_epoch + 1 if trial.best_epoch >= 0 else None,
            trial.seconds,
        )
        for name in evidence.names
        for trial in evidence.trials[name]
    )
    return Table("trials", "Every trial", columns, rows, folded=True)


def _score(scores: Any, accuracy: bool) -> float:
    return 100 * scores.accuracy if accuracy else scores.loss
