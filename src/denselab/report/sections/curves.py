"""Learning curves: validation loss and accuracy against epochs and against seconds."""

from collections.abc import Iterable, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import arm_colours, axis, data, log_ticks
from denselab.report.tables import clean
from denselab.study import TrialRecord

if TYPE_CHECKING:
    import altair

__all__ = ["curves"]

_MOST_POINTS = 100
"""Points of a curve that are drawn; a thousand epochs look no different."""

_MEASURES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy, %"}


def curves(evidence: Evidence) -> Section | None:
    """Shows how validation loss and accuracy went.

    Args:
        evidence: The study.

    Returns:
        The section; None where nothing was trained.
    """
    rows = [row for name in evidence.names for row in _rows(name, evidence.sound(name))]
    if not rows:
        return None
    names = list(dict.fromkeys(row["arm"] for row in rows))
    caption = (
        "Line: mean over the seeds that still train, drawn while at least half of them do; shaded: ± one "
        "standard deviation over them."
    )
    measures = [name for name in _MEASURES if not (evidence.regression and name == "val_accuracy")]
    figures = []
    for measure in measures:
        for against in ("epoch", "seconds"):
            beside = " Seconds are of members trained side by side." if against == "seconds" else ""
            figures.append(
                Figure(
                    f"{measure.replace('_', '-')}-by-{against}",
                    f"{_MEASURES[measure].split(',')[0].capitalize()} by {against}",
                    f"{caption}{beside}",
                    _chart(rows, measure, against, evidence.names),
                )
            )
    left_out = [name for name in evidence.names if name not in names and evidence.sound(name)]
    words = tuple(
        f"{name} trains nothing: it has the weights of {evidence.trained(name)}."
        for name in left_out
        if evidence.trained(name) != name
    )
    return Section("curves", "Learning curves", words, tuple(figures), paired=True)


def _rows(name: str, trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    trained = [trial for trial in trials if trial.epochs_run]
    if not trained:
        return []
    longest = max(trial.epochs_run for trial in trained)
    epochs = np.unique(np.linspace(0, longest - 1, min(longest, _MOST_POINTS)).round().astype(int))
    rows = []
    for epoch in epochs.tolist():
        there = [trial for trial in trained if trial.epochs_run > epoch]
        if 2 * len(there) < len(trained):
            break
        row: dict[str, Any] = {
            "arm": name,
            "epoch": epoch + 1,
            "seconds": fmean(trial.trace["seconds"][epoch] for trial in there),
            "n": len(there),
        }
        for measure in _MEASURES:
            scale = 100 if measure == "val_accuracy" else 1
            row |= _spread(measure, [scale * trial.trace[measure][epoch] for trial in there])
        rows.append(row)
    return rows


def _spread(measure: str, values: Sequence[float]) -> dict[str, float]:
    mean = fmean(values)
    sd = stdev(values) if len(values) > 1 and np.isfinite(values).all() else 0.0
    # On a logarithmic axis the band must stay above 0.
    low = max(mean - sd, mean / 10) if measure == "val_loss" else mean - sd
    return {measure: mean, f"{measure}_low": low, f"{measure}_high": mean + sd}


def _chart(
    rows: Sequence[dict[str, Any]], measure: str, against: str, names: Sequence[str]
) -> "altair.TopLevelMixin":
    import altair as alt

    x_title = "epoch" if against == "epoch" else "seconds of training, without compiling"
    x = alt.X(
        f"{against}:Q", axis=axis(x_title, grid=False), scale=alt.Scale(nice=False, zero=True)
    )
    chosen = alt.selection_point(name="chosen", fields=["arm"], bind="legend")
    legend = _legend(row["arm"] for row in rows)
    colour = alt.Color("arm:N", scale=arm_colours(names), legend=legend)
    dash = alt.StrokeDash("arm:N", scale=_dashes(names), legend=legend)
    base = alt.Chart(data(rows)).encode(x=x, color=colour)
    band = base.mark_area().encode(
        y=alt.Y(f"{measure}_low:Q"),
        y2=f"{measure}_high:Q",
        opacity=alt.condition(chosen, alt.value(0.14), alt.value(0.02)),
    )
    shown = [alt.Tooltip(f"{name}:Q", format=".4g") for name in (against, measure)]
    line = (
        base.mark_line(strokeWidth=2)
        .encode(
            y=_height(rows, measure),
            strokeDash=dash,
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.12)),
            tooltip=["arm:N", *shown, "n:Q"],
        )
        .add_params(chosen)
    )
    return alt.layer(band, line).properties(width="container", height=260)


def _height(rows: Sequence[dict[str, Any]], measure: str) -> "altair.Y":
    """Puts a measure on the vertical axis; a loss that falls far on a logarithmic one."""
    import altair as alt

    title = _MEASURES[measure]
    values = [row[measure] for row in rows if np.isfinite(row[measure])]
    if measure == "val_loss" and values and 0 < 5 * min(values) < max(values):
        marks = axis(title, "~g", values=log_ticks(values))
        return alt.Y(f"{measure}:Q", axis=marks, scale=alt.Scale(type="log", nice=False))
    return alt.Y(f"{measure}:Q", axis=axis(title), scale=alt.Scale(zero=False, nice=True))


def _legend(arms: Iterable[str]) -> "altair.Legend":
    import altair as alt

    return alt.Legend(
        title=None,
        orient="top",
        columns=3,
        symbolType="stroke",
        symbolStrokeWidth=2.5,
        symbolOpacity=1,
        values=[clean(name) for name in dict.fromkeys(arms)],
    )


def _dashes(names: Sequence[str]) -> "altair.Scale":
    """Tells lines apart for those who cannot tell their colours apart."""
    import altair as alt

    kinds = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [10, 4], [4, 1], [1, 3])
    ranges = [kinds[place % len(kinds)] for place in range(len(names))]
    return alt.Scale(domain=arm_colours(names).to_dict()["domain"], range=ranges)
