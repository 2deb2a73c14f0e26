"""Reliability diagrams: how often a method is right when it is so sure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from denselab.errors import UsageError
from denselab.report.drawing import PALETTE
from denselab.report.measures import table

if TYPE_CHECKING:
    import altair

__all__ = ["Reliability", "reliability_chart", "wilson_interval"]

_FAINT = "#59636e"


class Reliability(NamedTuple):
    """Confidence and accuracy in bins, as `uncertainty.reliability_curve` gives them.

    Attributes:
        counts: Examples in each bin, shape (bin,).
        confidence: Mean probability of the predicted class, shape (bin,); anything where empty.
        accuracy: Share of them predicted right, shape (bin,); anything where empty.
    """

    counts: Float[np.ndarray, " bin"]
    confidence: Float[np.ndarray, " bin"]
    accuracy: Float[np.ndarray, " bin"]


def reliability_chart(
    curves: Mapping[str, Reliability], *, title: str = "How sure, and how often right"
) -> "altair.HConcatChart":
    """Shows reliability diagrams side by side: accuracy over confidence, and how many rows there are.

    Args:
        curves: Method -> its curve; counts of several seeds may be summed.
        title: What stands above.

    Returns:
        The chart.

    Raises:
        UsageError: If there is no curve.
    """
    import altair as alt

    if not curves:
        raise UsageError("there is no curve to draw; give at least one")
    tallest = max(float((curve.counts / curve.counts.sum()).max()) for curve in curves.values())
    panels = [
        _reliability_panel(name, curve, (PALETTE[place % len(PALETTE)], tallest), first=not place)
        for place, (name, curve) in enumerate(curves.items())
    ]
    subtitle = (
        "a point a bin of confidence, with its 95 % interval; below the diagonal it is too sure. "
        "Bars: share of the rows"
    )
    return alt.hconcat(*panels).properties(title=alt.Title(title, subtitle=subtitle, offset=18))


def _reliability_panel(
    name: str, curve: Reliability, look: tuple[str, float], *, first: bool
) -> "altair.VConcatChart":
    import altair as alt

    bins = _bins(curve)
    gap = sum(one["share"] * abs(one["accuracy"] - one["confidence"]) for one in bins)
    title = alt.Title(name, subtitle=f"calibration error {gap:.1%}", fontSize=12)
    upper = _reliability_curve(bins, look[0], first=first)
    lower = _reliability_bars(bins, look, first=first)
    return alt.vconcat(
        upper.properties(width=180, height=180, title=title),
        lower.properties(width=180, height=42),
        spacing=16,
        bounds="flush",
    )


def _reliability_curve(bins: Sequence[dict[str, float]], colour: str, *, first: bool) -> Any:
    import altair as alt

    unit, base = alt.Scale(domain=[0, 1]), alt.Chart(table(bins))
    x = alt.X("confidence:Q", scale=unit, axis=_percent(labels=False, title=None))
    y = alt.Y(
        "accuracy:Q", scale=unit, axis=_percent(labels=first, title="right" if first else None)
    )
    diagonal = (
        alt.Chart(table([{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
        .mark_line(strokeDash=[4, 4], color=_FAINT, strokeWidth=1)
        .encode(x=alt.X("a:Q", scale=unit), y=alt.Y("b:Q", scale=unit))
    )
    interval = base.mark_rule(color=colour, strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q")
    line = base.mark_line(color=colour, strokeWidth=2, opacity=0.5).encode(x=x, y=y)
    points = base.mark_point(filled=True, color=colour, size=55, opacity=1).encode(x=x, y=y)
    return alt.layer(diagonal, interval, line, points)


def _reliability_bars(
    bins: Sequence[dict[str, float]], look: tuple[str, float], *, first: bool
) -> Any:
    import altair as alt

    colour, tallest = look
    x = alt.X(
        "start:Q",
        scale=alt.Scale(domain=[0, 1], padding=0, nice=False),
        axis=_percent(labels=True, title="confidence"),
    )
    axis = alt.Axis(
        format=".0%",
        values=[0, tallest],
        title="rows" if first else None,
        labels=first,
        grid=False,
        ticks=False,
        labelFlush=True,
    )
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, tallest]), axis=axis)
    bars = alt.Chart(table(bins)).mark_bar(color=colour, opacity=0.75, orient="vertical")
    return bars.encode(x=x, x2="end:Q", y=y, y2=alt.datum(0))


def _percent(*, labels: bool, title: str | None) -> "altair.Axis":
    import altair as alt

    values = [0, 0.5, 1]
    # A label that stood out over its axis would push the title of its panel up.
    return alt.Axis(
        format=".0%", values=values, labels=labels, ticks=False, title=title, labelFlush=True
    )


def _bins(curve: Reliability) -> list[dict[str, float]]:
    """Lists the bins that are not empty."""
    counts = np.asarray(curve.counts, float)
    edges = np.linspace(0, 1, len(counts) + 1)
    some = counts > 0
    accuracy = np.asarray(curve.accuracy, float)[some]
    low, high = wilson_interval(accuracy, counts[some])
    columns = {
        "confidence": np.asarray(curve.confidence, float)[some],
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "share": counts[some] / counts.sum(),
        "start": edges[:-1][some],
        "end": edges[1:][some],
    }
    return [
        {name: float(values[place]) for name, values in columns.items()}
        for place in range(int(some.sum()))
    ]


def wilson_interval(share: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gives Wilson's 95 % interval of a share; within 0 and 1 also for shares of 0 and 1."""
    z = 1.96
    centre = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
    inside = share * (1 - share) / counts + z**2 / (4 * counts**2)
    half = z * np.sqrt(inside) / (1 + z**2 / counts)
    return centre - half, centre + half
