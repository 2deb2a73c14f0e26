"""What else each contrast brings and costs: measures beside the primary one, with intervals."""

from math import isfinite
from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import CONTRAST_NAMES, FAINT, INK, axis, contrast_label, data, log_ticks
from denselab.report.tables import Column, Table, clean
from denselab.study.secondary import TARGET_SHARE, Secondary, judged_beside

if TYPE_CHECKING:
    import altair

__all__ = ["secondary"]

_BETTER, _WORSE, _OPEN = "#1a9868", "#c8562c", "#7d8590"


def secondary(evidence: Evidence) -> Section | None:
    """Shows the measures that have intervals and no verdict.

    Args:
        evidence: The study.

    Returns:
        The section; None where nothing is contrasted.
    """
    found = judged_beside(evidence.study, evidence.verdicts)
    if not found:
        return None
    words = (
        "Each interval holds by itself in 95 % of studies, so one in twenty misses; only the primary metric "
        "was decided on beforehand and has verdicts.",
    )
    figure = Figure(
        "secondary",
        "What else changes",
        "The mark is the estimate, the line its 95 % interval. Colour: the interval lies on the better "
        "or on the worse side of no difference.",
        _chart(found),
        fixed=True,
    )
    return Section("secondary", "Other measures", words, (figure,), (_table(found),), _notes(found))


def _notes(found: tuple[Secondary, ...]) -> tuple[str, ...]:
    solo = any(one.measure.startswith("solo") for one in found)
    timed = (
        "Solo seconds: one network at a time on one core, rounds interleaved, compiling apart."
        if solo
        else "No solo seconds: they were not measured here; `denselab compare` does it at its end unless "
        "--no-timing or --budget is given."
    )
    return (
        "Log loss speaks of new seeds and new test rows, calibration and epochs of new seeds, seconds of new "
        "timings.",
        f"The validation accuracy to reach is {100 * TARGET_SHARE:g} % of what the first arm reaches on average. A "
        "run that misses it counts as the longest that any of the two arms had.",
        timed,
    )


def _table(found: tuple[Secondary, ...]) -> Table:
    columns = (
        Column("arm"),
        Column("against"),
        Column("measure"),
        Column("mean of the arm", ".4g"),
        Column("of the other", ".4g"),
        Column("arm \u2212 other", "+.3g"),
        Column("arm ÷ other", ".3g"),
        Column("low", ".3g"),
        Column("high", ".3g"),
        Column("n", "d"),
        Column("note"),
    )
    rows = tuple(
        (
            one.arm,
            one.against,
            one.measure,
            one.arm_mean,
            one.against_mean,
            one.estimate if one.kind == "difference" else None,
            one.estimate if one.kind == "ratio" else None,
            one.low,
            one.high,
            one.n,
            one.note,
        )
        for one in found
    )
    title = "Other measures of each contrast, with 95 % intervals; n pairs of seeds, or rounds of timing"
    return Table("secondary", title, columns, rows)


def _chart(found: tuple[Secondary, ...]) -> "altair.TopLevelMixin":
    import altair as alt

    measures = list(dict.fromkeys(one.measure for one in found))
    order = list(dict.fromkeys(contrast_label(one.arm, one.against) for one in found))
    panels = [
        _panel([one for one in found if one.measure == name], order, first=not place % 2)
        for place, name in enumerate(measures)
    ]
    return alt.concat(*panels, columns=2, spacing=28)


def _panel(found: list[Secondary], order: list[str], *, first: bool) -> Any:
    import altair as alt

    one, known = found[0], [_row(one) for one in found if one.estimate == one.estimate]
    ratio = one.kind == "ratio"
    y = alt.Y(
        "contrast:N",
        sort=order,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(
            title=None,
            ticks=False,
            domain=False,
            labels=first,
            labelLimit=200,
            labelExpr=CONTRAST_NAMES,
        ),
    )
    way = f"{one.better} is better"
    ends = [end for row in known for end in (row["low"], row["high"])]
    marks = {"values": log_ticks([*ends, 1.0])} if ratio else {}
    x = alt.X(
        "estimate:Q",
        axis=axis(f"arm ÷ other ({way})" if ratio else f"arm \u2212 other ({way})", "~g", **marks),
        scale=alt.Scale(type="log" if ratio else "linear", nice=not ratio, padding=14),
    )
    colour = alt.Color("colour:N", scale=None)
    nothing = alt.Chart(data([{"at": 1.0 if ratio else 0.0}]))
    rule = nothing.mark_rule(color=FAINT, strokeDash=[4, 4]).encode(x="at:Q")
    base = alt.Chart(data(known)).encode(y=y, color=colour)
    numbers = [alt.Tooltip(f"{name}:Q", format=".3g") for name in ("estimate", "low", "high")]
    line = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q").encode(x="low:Q")
    mark = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=x, tooltip=["contrast:N", "measure:N", *numbers, "n:Q", "note:N"]
    )
    text = base.mark_text(dy=-10, fontSize=10).encode(x=x, text="words:N", color=alt.value(INK))
    title = alt.Title(clean(one.measure), fontSize=12, anchor="start")
    return alt.layer(rule, line, mark, text).properties(
        width=300, height=34 * len(order) + 10, title=title
    )


def _row(one: Secondary) -> dict[str, Any]:
    ratio, bounded = one.kind == "ratio", isfinite(one.low) and isfinite(one.high)
    return {
        "contrast": contrast_label(one.arm, one.against),
        "measure": one.measure,
        "estimate": one.estimate,
        # Without an interval, or with one that has no end, the mark stands alone.
        "low": one.low if bounded else one.estimate,
        "high": one.high if bounded else one.estimate,
        "n": one.n,
        "note": one.note,
        "colour": _colour(one),
        "words": f"\u00d7 {one.estimate:.3g}"
        if ratio
        else f"{one.estimate:+.3g}".replace("-", "\u2212"),
    }


def _colour(one: Secondary) -> str:
    nothing = 1.0 if one.kind == "ratio" else 0.0
    if not (one.low > nothing or one.high < nothing):
        return _OPEN
    return _BETTER if (one.low > nothing) == (one.better == "higher") else _WORSE
