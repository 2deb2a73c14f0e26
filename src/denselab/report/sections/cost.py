"""Accuracy against what it costs to train."""

from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import INK, arm_colours, arm_shapes, axis, data, log_ticks
from denselab.report.tables import Cell, Column, Table
from denselab.study import RecipeSummary

if TYPE_CHECKING:
    import altair

__all__ = ["cost"]


def cost(evidence: Evidence) -> Section | None:
    """Shows what accuracy costs.

    Args:
        evidence: The study.

    Returns:
        The section; None where no training was timed.
    """
    points = [point for name in evidence.names for point in _points(evidence, name)]
    if not points:
        return None
    means = [_mean(name, points) for name in dict.fromkeys(point["arm"] for point in points)]
    shared = [name for name in evidence.names if evidence.trained(name) != name]
    words = tuple(
        f"{name} stands at the cost of {evidence.trained(name)}, whose weights it has."
        for name in shared
    )
    caption = (
        "Small marks are trials, large ones the means of n seeds. Seconds are of whole trainings, early "
        "stopping included, with members side by side and without compiling: good for ratios, not for "
        "what one training alone would take."
    )
    figure = Figure("cost", "Score and training time", caption, _chart(evidence, points, means))
    return Section("cost", "Cost", words, (figure,), (_table(evidence),))


def _table(evidence: Evidence) -> Table:
    columns = (
        Column("arm"),
        Column("n", "d"),
        Column("seconds a training", ".3g"),
        Column("± sd", ".2g"),
        Column("epochs", ".1f"),
        Column("best epoch", ".1f"),
        Column("seconds an epoch", ".3g"),
        Column("compiling, s", ".1f"),
        Column("weights", ",d"),
    )
    rows = tuple(_row(evidence, one) for one in evidence.summary.recipes)
    return Table(
        "cost",
        "What each arm costs; seconds side by side, mean ± standard deviation",
        columns,
        rows,
    )


def _row(evidence: Evidence, one: RecipeSummary) -> tuple[Cell, ...]:
    own = evidence.trained(one.name) == one.name
    seconds = list(evidence.training_seconds(one.name).values()) if own else []
    return (
        one.name,
        one.n,
        fmean(seconds) if seconds else None,
        stdev(seconds) if len(seconds) > 1 else None,
        one.epochs_run or None,
        one.epochs_to_best,
        one.seconds_per_epoch,
        one.compile_seconds or None,
        one.parameters,
    )


def _points(evidence: Evidence, name: str) -> list[dict[str, Any]]:
    seconds = evidence.training_seconds(name)
    return [
        {
            "arm": name,
            "seed": str(trial.seed),
            "seconds": seconds[trial.seed],
            "score": trial.test.loss if evidence.regression else 100 * trial.test.accuracy,
        }
        for trial in evidence.sound(name)
        if trial.seed in seconds
    ]


def _mean(name: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    own = [point for point in points if point["arm"] == name]
    return {
        "arm": name,
        "seconds": fmean(point["seconds"] for point in own),
        "score": fmean(point["score"] for point in own),
        "n": len(own),
    }


def _chart(
    evidence: Evidence, points: list[dict[str, Any]], means: list[dict[str, Any]]
) -> "altair.TopLevelMixin":
    import altair as alt

    title = "test loss" if evidence.regression else "test accuracy, %"
    x = alt.X(
        "seconds:Q",
        axis=axis(
            "seconds of one training, side by side (logarithmic)",
            "~g",
            values=log_ticks(point["seconds"] for point in points),
        ),
        scale=alt.Scale(type="log", nice=False, padding=40),
    )
    y = alt.Y("score:Q", axis=axis(title), scale=alt.Scale(zero=False, padding=16))
    colour = alt.Color("arm:N", scale=arm_colours(evidence.names), legend=None)
    shape = alt.Shape("arm:N", scale=arm_shapes(evidence.names), legend=None)
    shown = [
        alt.Tooltip("seconds:Q", format=".3g"),
        alt.Tooltip("score:Q", format=".4g", title=title),
    ]
    small = (
        alt.Chart(data(points))
        .mark_point(filled=True, size=26, opacity=0.35)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=["arm:N", "seed:N", *shown])
    )
    base = alt.Chart(data(means)).encode(x=x, y=y)
    large = base.mark_point(filled=True, size=150, opacity=1).encode(
        color=colour, shape=shape, tooltip=["arm:N", *shown, "n:Q"]
    )
    text = base.mark_text(dy=-14, fontSize=11, color=INK).encode(text="arm:N")
    return alt.layer(small, large, text).properties(width="container", height=340)
