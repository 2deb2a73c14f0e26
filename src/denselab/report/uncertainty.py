"""Pictures of how good uncertainty is: methods beside each other, reliability, number of draws."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float

from denselab.errors import UsageError
from denselab.report.drawing import PALETTE

if TYPE_CHECKING:
    import altair

__all__ = [
    "MEASURES",
    "Measure",
    "Reliability",
    "comparison_chart",
    "draws_chart",
    "reliability_chart",
]

_INK, _FAINT = "#1f2328", "#59636e"
_LEVEL = 0.95


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


def comparison_chart(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    measures: Sequence[str] = (
        "accuracy",
        "negative_log_likelihood",
        "expected_calibration_error",
        "aurc",
    ),
    title: str = "How right, and how sure when right",
) -> "altair.HConcatChart":
    """Shows methods under one another: a dot a seed, the mean, and its 95 % interval.

    Args:
        scores: Method -> name of a score -> one value a seed; a single value stands without interval.
        measures: Which scores, a panel each; those of `MEASURES` have titles and formats.
        title: What stands above.

    Returns:
        The chart.

    Raises:
        UsageError: If there is no method, or one lacks a score.
    """
    import altair as alt

    for method, has in scores.items():
        if missing := [name for name in measures if not len(has.get(name, ()))]:
            raise UsageError(f"{method} has no {missing[0]}; give a value a seed for each measure")
    if not scores:
        raise UsageError("there is no method to draw; give at least one")
    panels = [
        _comparison_panel(scores, name, first=not place) for place, name in enumerate(measures)
    ]
    seeds = max(len(values) for has in scores.values() for values in has.values())
    subtitle = (
        "each dot is one seed; the diamond is the mean, the line its 95 % interval over seeds "
        f"(n up to {seeds})"
    )
    return alt.hconcat(*panels).properties(title=alt.Title(title, subtitle=subtitle, offset=18))


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


def draws_chart(
    quality: Mapping[str, Mapping[int, Sequence[float]]],
    *,
    references: Mapping[str, Mapping[str, float]] | None = None,
    title: str = "What more draws bring",
) -> "altair.HConcatChart":
    """Shows scores against the number of draws, on a logarithmic axis.

    Args:
        quality: Name of a score -> number of draws -> one value a seed.
        references: Name of a score -> other method -> its mean, drawn as a line across.
        title: What stands above.

    Returns:
        The chart.

    Raises:
        UsageError: If there is nothing to draw, or a number of draws below 1.
    """
    import altair as alt

    numbers = [number for by_number in quality.values() for number in by_number]
    if not numbers or min(numbers) < 1:
        raise UsageError("there is nothing to draw; give scores for numbers of draws from 1 on")
    panels = [
        _draws_panel(name, by_number, (references or {}).get(name, {}))
        for name, by_number in quality.items()
    ]
    subtitle = "thin lines: seeds; thick line: their mean; shaded: one standard deviation"
    # Names of references stand to the right of their panel.
    spacing = 200 if references else 70
    together = alt.hconcat(*panels, spacing=spacing, bounds="flush")
    return together.properties(title=alt.Title(title, subtitle=subtitle, offset=18))


def _measure(name: str) -> Measure:
    return MEASURES.get(name, Measure(name.replace("_", " "), ".3f", ""))


def _rows(values: Sequence[dict[str, Any]]) -> "altair.Data":
    import altair as alt

    return alt.Data(values=list(values))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Gives mean and ends of its t interval; the ends are the mean for a single value."""
    from scipy.stats import t

    array = np.asarray(values, float)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, mean, mean
    half = t.ppf((1 + _LEVEL) / 2, len(array) - 1) * array.std(ddof=1) / math.sqrt(len(array))
    return mean, mean - float(half), mean + float(half)


def _comparison_panel(
    scores: Mapping[str, Mapping[str, Sequence[float]]], name: str, *, first: bool
) -> Any:
    import altair as alt

    measure, methods = _measure(name), list(scores)
    seeds = [
        {"method": method, "value": float(value)}
        for method in methods
        for value in scores[method][name]
    ]
    means = []
    for method in methods:
        mean, low, high = _spread(scores[method][name])
        means.append({"method": method, "mean": mean, "low": low, "high": high})
    axis = alt.Axis(labels=first, ticks=False, domain=False, title=None, labelFontSize=12)
    y = alt.Y("method:N", sort=methods, axis=axis, scale=alt.Scale(paddingInner=0.4))
    form = alt.Axis(format=measure.form, tickCount=3, title=_direction(measure), orient="bottom")
    x = alt.X("value:Q", scale=alt.Scale(zero=False, nice=True, padding=8), axis=form)
    colours = alt.Color(
        "method:N", scale=alt.Scale(domain=methods, range=list(_colours(methods))), legend=None
    )
    dots = (
        alt.Chart(_rows(seeds)).mark_circle(size=42, opacity=0.45).encode(x=x, y=y, color=colours)
    )
    base = alt.Chart(_rows(means)).encode(y=y)
    line = base.mark_rule(strokeWidth=2.5, yOffset=0).encode(x="low:Q", x2="high:Q", color=colours)
    mark = base.mark_point(
        shape="diamond", filled=True, size=110, opacity=1, stroke="#ffffff", strokeWidth=1
    ).encode(x="mean:Q", color=colours)
    text = base.mark_text(dy=-15, fontSize=11, color=_INK).encode(
        x="mean:Q", text=alt.Text("mean:Q", format=measure.form)
    )
    height = 52 * len(methods)
    title = alt.Title(measure.title, fontSize=12)
    return alt.layer(dots, line, mark, text).properties(width=190, height=height, title=title)


def _direction(measure: Measure) -> str | None:
    return {"higher": "better →", "lower": "← better"}.get(measure.better)


def _colours(methods: Sequence[str]) -> Sequence[str]:
    return [PALETTE[place % len(PALETTE)] for place in range(len(methods))]


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

    unit, base = alt.Scale(domain=[0, 1]), alt.Chart(_rows(bins))
    x = alt.X("confidence:Q", scale=unit, axis=_percent(labels=False, title=None))
    y = alt.Y(
        "accuracy:Q", scale=unit, axis=_percent(labels=first, title="right" if first else None)
    )
    diagonal = (
        alt.Chart(_rows([{"a": 0, "b": 0}, {"a": 1, "b": 1}]))
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
    bars = alt.Chart(_rows(bins)).mark_bar(color=colour, opacity=0.75, orient="vertical")
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
    low, high = _wilson(accuracy, counts[some])
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


def _wilson(share: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gives Wilson's 95 % interval of a share; within 0 and 1 also for shares of 0 and 1."""
    z = 1.96
    centre = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
    inside = share * (1 - share) / counts + z**2 / (4 * counts**2)
    half = z * np.sqrt(inside) / (1 + z**2 / counts)
    return centre - half, centre + half


def _draws_panel(
    name: str, by_number: Mapping[int, Sequence[float]], references: Mapping[str, float]
) -> Any:
    import altair as alt

    measure = _measure(name)
    seeds = [
        {"draws": int(number), "value": float(value), "seed": place}
        for number, values in sorted(by_number.items())
        for place, value in enumerate(values)
    ]
    means = []
    for number, values in sorted(by_number.items()):
        array = np.asarray(values, float)
        sd = float(array.std(ddof=1)) if len(array) > 1 else 0.0
        mean = float(array.mean())
        means.append({"draws": int(number), "mean": mean, "low": mean - sd, "high": mean + sd})
    numbers = sorted(by_number)
    x = alt.X(
        "draws:Q",
        scale=alt.Scale(type="log", domain=[numbers[0], numbers[-1]], nice=False),
        axis=alt.Axis(values=_ticks(numbers), format="~s", title="draws", grid=False),
    )
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(format=measure.form, tickCount=4, title=_direction(measure), labelFlush=True),
    )
    colour = PALETTE[2]
    base = alt.Chart(_rows(means)).encode(x=x)
    band = base.mark_area(color=colour, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q")
    thin = (
        alt.Chart(_rows(seeds))
        .mark_line(color=colour, strokeWidth=0.8, opacity=0.45)
        .encode(x=x, y=y, detail="seed:N")
    )
    thick = base.mark_line(color=colour, strokeWidth=2.5).encode(y="mean:Q")
    points = base.mark_point(filled=True, color=colour, size=45, opacity=1).encode(y="mean:Q")
    layers = [band, thin, thick, points, *_reference_lines(references, numbers[-1])]
    title = alt.Title(measure.title, fontSize=12)
    return alt.layer(*layers).properties(width=300, height=220, title=title)


def _reference_lines(references: Mapping[str, float], last: int) -> "list[altair.Chart]":
    import altair as alt

    layers = []
    for place, (method, value) in enumerate(references.items()):
        colour = [PALETTE[0], PALETTE[1], *PALETTE[3:]][place % (len(PALETTE) - 1)]
        rows = _rows([{"value": float(value), "method": method, "draws": last}])
        base = alt.Chart(rows).encode(y="value:Q")
        layers.append(base.mark_rule(color=colour, strokeDash=[5, 4], strokeWidth=1.5))
        layers.append(
            base.mark_text(align="left", dx=6, color=colour, fontSize=11).encode(
                x="draws:Q", text="method:N"
            )
        )
    return layers


def _ticks(numbers: Sequence[int]) -> list[int]:
    """Gives powers of ten within the numbers, or a few of the numbers where there are too few."""
    powers = [10**k for k in range(8) if numbers[0] <= 10**k <= numbers[-1]]
    return powers if len(powers) > 1 else [numbers[0], numbers[-1]]
