"""Pictures of how good uncertainty is: methods beside each other, and what more draws bring."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from denselab.errors import UsageError
from denselab.report.drawing import PALETTE
from denselab.report.measures import direction, measure_named, table

if TYPE_CHECKING:
    import altair

__all__ = ["comparison_chart", "draws_chart"]

_INK = "#1f2328"
_LEVEL = 0.95


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
        measures: Which scores, a panel each; those of `measures.MEASURES` have titles and formats.
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

    measure, methods = measure_named(name), list(scores)
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
    form = alt.Axis(format=measure.form, tickCount=3, title=direction(measure), orient="bottom")
    x = alt.X("value:Q", scale=alt.Scale(zero=False, nice=True, padding=8), axis=form)
    colours = alt.Color(
        "method:N", scale=alt.Scale(domain=methods, range=list(_colours(methods))), legend=None
    )
    dots = (
        alt.Chart(table(seeds)).mark_circle(size=42, opacity=0.45).encode(x=x, y=y, color=colours)
    )
    base = alt.Chart(table(means)).encode(y=y)
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


def _colours(methods: Sequence[str]) -> Sequence[str]:
    return [PALETTE[place % len(PALETTE)] for place in range(len(methods))]


def _draws_panel(
    name: str, by_number: Mapping[int, Sequence[float]], references: Mapping[str, float]
) -> Any:
    import altair as alt

    measure = measure_named(name)
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
        axis=alt.Axis(format=measure.form, tickCount=4, title=direction(measure), labelFlush=True),
    )
    colour = PALETTE[2]
    base = alt.Chart(table(means)).encode(x=x)
    band = base.mark_area(color=colour, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q")
    thin = (
        alt.Chart(table(seeds))
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
        rows = table([{"value": float(value), "method": method, "draws": last}])
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
