"""The planned contrasts: differences with their intervals, verdicts, and what single seeds would have said."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from denselab.report.answer import LABELS
from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import CONTRAST_NAMES, FAINT, INK, axis, contrast_label, data
from denselab.report.tables import Cell, Column, Table, clean
from denselab.study.statistics import (
    ContrastVerdict,
    Verdicts,
    amount,
    contrast_sentences,
    pair_up,
    reading_sentences,
)
from denselab.study.verdict import study_arms

if TYPE_CHECKING:
    import altair

__all__ = ["contrasts"]

_LOOK = {
    "better": ("#1a9868", "triangle-right"),
    "worse": ("#c8562c", "triangle-left"),
    "equivalent": ("#2f81e0", "square"),
    "undecided": ("#7d8590", "circle"),
    "none": ("#7d8590", "diamond"),
}
"""Two lines: a narrow page has no room for two names on one."""


def contrasts(evidence: Evidence) -> Section | None:
    """Shows what is held against what, and what came of it.

    Args:
        evidence: The study.

    Returns:
        The section; None with one arm.
    """
    verdicts = evidence.verdicts
    if verdicts is None:
        return None
    within = f"±{verdicts.question.region:g} {verdicts.question.measure.unit}".rstrip()
    pairs = [one.n for one in verdicts.contrasts]
    n = f"n = {min(pairs)}" if min(pairs) == max(pairs) else f"n = {min(pairs)} to {max(pairs)}"
    forest = Figure(
        "contrasts",
        "How far the arms are apart",
        f"Small dots are seeds ({n} pairs), the mark is their mean, the line its simultaneous interval. "
        f"Shaded: {within}, differences that do not matter.",
        _forest(evidence, verdicts),
    )
    paired = any(one.n for one in verdicts.contrasts)
    figures = [forest] if paired else []
    if any(one.wrong is not None for one in verdicts.contrasts):
        figures.append(_wrong_figure(verdicts))
    words = [clean(" ".join(contrast_sentences(verdicts, one))) for one in verdicts.contrasts]
    return Section(
        "contrasts",
        "Contrasts",
        (),
        tuple(figures),
        (_table(verdicts),),
        (*words, *reading_sentences(verdicts)),
    )


def _forest(evidence: Evidence, verdicts: Verdicts) -> "altair.TopLevelMixin":
    import altair as alt

    unit = verdicts.question.measure.unit
    order = [contrast_label(one.arm, one.against) for one in verdicts.contrasts]
    rows = [_row(one, unit) for one in verdicts.contrasts if one.n]
    names = alt.Axis(
        title=None, ticks=False, domain=False, labelExpr=CONTRAST_NAMES, labelLimit=200
    )
    y = alt.Y("contrast:N", sort=order, axis=names, scale=alt.Scale(paddingInner=0.3))
    what = f"difference in {verdicts.question.measure.name}{f', {unit}' if unit else ''}"
    better = "higher" if verdicts.question.measure.higher_is_better else "lower"
    x = alt.X(
        "difference:Q", axis=axis(f"{what} ({better} is better)"), scale=alt.Scale(padding=12)
    )
    region = verdicts.question.region
    band = (
        alt.Chart(data([{"low": -region, "high": region}]))
        .mark_rect(color=FAINT, opacity=0.14)
        .encode(x="low:Q", x2="high:Q")
    )
    zero = alt.Chart(data([{"at": 0.0}])).mark_rule(color=FAINT, strokeWidth=1).encode(x="at:Q")
    dots = (
        alt.Chart(data(_differences(evidence, verdicts)))
        .mark_circle(size=22, opacity=0.55, color=FAINT, yOffset=9)
        .encode(
            x=x, y=y, tooltip=["contrast:N", "seed:N", alt.Tooltip("difference:Q", format="+.3f")]
        )
    )
    base = alt.Chart(data(rows)).encode(y=y, color=_by_verdict("color"), tooltip=_tooltip())
    line = base.mark_rule(strokeWidth=2.5).encode(x="low:Q", x2="high:Q")
    mark = base.mark_point(filled=True, size=120, opacity=1).encode(x=x, shape=_by_verdict("shape"))
    text = base.mark_text(dy=-14, fontSize=11).encode(x=x, text="words:N", color=alt.value(INK))
    height = max(120, 54 * len(rows) + 10)
    return alt.layer(band, zero, dots, line, mark, text).properties(
        width="container", height=height
    )


def _by_verdict(channel: str) -> Any:
    import altair as alt

    place = 0 if channel == "color" else 1
    scale = alt.Scale(
        domain=[LABELS[kind] for kind in _LOOK], range=[look[place] for look in _LOOK.values()]
    )
    make = alt.Color if channel == "color" else alt.Shape
    return make("verdict:N", scale=scale, legend=None)


def _tooltip() -> list[Any]:
    import altair as alt

    numbers = [alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("difference", "low", "high")]
    return ["contrast:N", "verdict:N", *numbers, "n:Q"]


def _row(one: ContrastVerdict, unit: str) -> dict[str, Any]:
    shown = "" if one.verdict == "none" else f", {LABELS[one.verdict]}"
    return {
        "contrast": contrast_label(one.arm, one.against),
        "verdict": LABELS[one.verdict],
        "difference": float(one.difference),
        "low": float(one.interval.low),
        "high": float(one.interval.high),
        "n": one.n,
        "words": f"{amount(one.difference, unit)}{shown}",
    }


def _differences(evidence: Evidence, verdicts: Verdicts) -> Iterator[dict[str, Any]]:
    measure = verdicts.question.measure
    metric = "accuracy" if measure.name == "accuracy" else "loss"
    arms = study_arms(evidence.study, metric=metric)
    for one in verdicts.contrasts:
        arm, against = arms[one.arm], arms[one.against]
        seeds = [seed for seed in arm.sound if seed in against.sound]
        values = pair_up(arm, against).differences
        for seed, value in zip(seeds, values, strict=True):
            yield {
                "contrast": contrast_label(one.arm, one.against),
                "seed": seed,
                "difference": measure.scale * float(value),
            }


def _wrong_figure(verdicts: Verdicts) -> Figure:
    import altair as alt

    order = [contrast_label(one.arm, one.against) for one in verdicts.contrasts]
    rows = [
        {
            "contrast": contrast_label(one.arm, one.against),
            "share": 100 * one.wrong.unpaired.share,
            "low": 100 * one.wrong.unpaired.low,
            "high": 100 * one.wrong.unpaired.high,
            "words": f"{100 * one.wrong.unpaired.share:.0f} of 100",
        }
        for one in verdicts.contrasts
        if one.wrong is not None
    ]
    names = alt.Axis(
        title=None, ticks=False, domain=False, labelExpr=CONTRAST_NAMES, labelLimit=200
    )
    y = alt.Y("contrast:N", sort=order, axis=names, scale=alt.Scale(paddingInner=0.5))
    title = "wrong picks, of 100 single-seed comparisons"
    x = alt.X("share:Q", axis=axis(title), scale=alt.Scale(domain=[0, 100]))
    base = alt.Chart(data(rows)).encode(y=y)
    bars = base.mark_bar(color="#c27c00", opacity=0.75, height=14).encode(x=x)
    line = base.mark_rule(strokeWidth=1.5, color=INK).encode(x="low:Q", x2="high:Q")
    text = base.mark_text(align="left", dx=8, fontSize=11, color=INK).encode(
        x="high:Q", text="words:N"
    )
    coin = (
        alt.Chart(data([{"at": 50.0}])).mark_rule(color=FAINT, strokeDash=[4, 4]).encode(x="at:Q")
    )
    chart = alt.layer(bars, coin, line, text)
    return Figure(
        "wrong-winner",
        "What one seed would have said",
        "In how many of 100 random comparisons of one seed each one would have picked the arm whose mean is "
        "behind; lines are 95 % intervals. 50, dashed, is a coin.",
        chart.properties(width="container", height=max(110, 46 * len(rows) + 10)),
    )


def _table(verdicts: Verdicts) -> Table:
    unit = verdicts.question.measure.unit
    form = ".2f" if unit == "points" else ".3g"
    columns = (
        Column("arm"),
        Column("against"),
        Column("verdict"),
        Column("n", "d"),
        Column("difference", f"+{form}"),
        Column("low", f"+{form}"),
        Column("high", f"+{form}"),
        Column("± sd", form),
        Column("p, Holm", ".2g"),
        Column("wrong winner, %", ".0f"),
        Column("correlation", "+.2f"),
        Column("seeds to decide", ",d"),
    )
    what = f"{verdicts.question.measure.name}, {unit}" if unit else verdicts.question.measure.name
    title = f"Contrasts: differences of {what}, over n pairs of seeds"
    return Table("contrasts", title, columns, tuple(map(_cells, verdicts.contrasts)))


def _cells(one: ContrastVerdict) -> tuple[Cell, ...]:
    return (
        one.arm,
        one.against,
        LABELS[one.verdict],
        one.n,
        one.difference,
        one.interval.low,
        one.interval.high,
        one.sd,
        one.p_holm,
        None if one.wrong is None else 100 * one.wrong.unpaired.share,
        one.correlation,
        one.seeds_to_decide,
    )
