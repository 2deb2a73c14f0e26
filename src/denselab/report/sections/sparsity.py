"""Accuracy against the share of zeros, one line for each way to get there."""

from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.drawing import PALETTE
from denselab.report.evidence import Evidence
from denselab.report.marks import FAINT, axis, data
from denselab.report.tables import Cell, Column, Table
from denselab.study.sparse import METHODS, REGION, Curve, CurvePoint, sparsity_curve

if TYPE_CHECKING:
    import altair

__all__ = ["sparsity"]

_SHAPES = ("circle", "square", "diamond", "triangle-up")


def sparsity(evidence: Evidence) -> Section | None:
    """Shows what accuracy sparse networks keep.

    Args:
        evidence: The study.

    Returns:
        The section; None where nothing becomes sparse.
    """
    curve = sparsity_curve(evidence.study)
    if curve is None:
        return None
    seeds = sorted({len(point.accuracies) for point in (curve.dense, *curve.points)})
    n = f"n = {seeds[0]}" if len(seeds) == 1 else f"n = {seeds[0]} to {seeds[-1]}"
    figure = Figure(
        "sparsity",
        "Accuracy against sparsity",
        f"Difference of test accuracy from the dense network, with its 95 % interval over new seeds and new test rows, "
        f"each for itself ({n} pairs). Shaded: ±{REGION:g} point. "
        "structured: the share of parameters that is gone with whole units.",
        _chart(curve),
    )
    return Section(
        "sparsity", "Sparsity", tuple(_sentences(curve)), (figure,), (_table(curve),), _NOTES
    )


_NOTES = (
    "All arms train as many epochs and end with their last weights; zeros are exact and fixed for the last part of the "
    "training. Structured arms begin with the dense network's most salient units and train 0.3 times as long again.",
    "What sparsity pays in bytes and milliseconds is another question: `denselab prune` measures it.",
)


def _sentences(curve: Curve) -> list[str]:
    """Says how far each way goes before it loses a point."""
    said = [f"Dense: {curve.dense.mean:.2f} ± {curve.dense.deviation:.2f} % (mean ± deviation)."]
    for method in METHODS:
        points = [point for point in curve.points if point.method == method]
        kept = [point for point in points if point.difference >= -REGION]
        if kept:
            best = max(kept, key=lambda point: point.share)
            said.append(
                f"{method}: {100 * best.share:g} % at {best.difference:+.2f} points "
                f"({best.low:+.2f} to {best.high:+.2f}).".replace("-", "\u2212")
            )
        elif points:
            said.append(
                f"{method}: more than {REGION:g} point behind at every share that was tried."
            )
    return said


def _table(curve: Curve) -> Table:
    columns = (
        Column("arm"),
        Column("zeros, %", ".4g"),
        Column("n", "d"),
        Column("test accuracy, %", ".2f"),
        Column("± sd", ".2f"),
        Column("minus dense, points", "+.2f"),
        Column("low", "+.2f"),
        Column("high", "+.2f"),
        Column("log loss", ".4f"),
        Column("l1 strength", ".3g"),
        Column("weights, zeros included", ",d"),
    )
    rows = tuple(_row(point, curve) for point in (curve.dense, *curve.points))
    return Table("sparsity", "Accuracy against sparsity, mean ± standard deviation", columns, rows)


def _row(point: CurvePoint, curve: Curve) -> tuple[Cell, ...]:
    held = point != curve.dense
    return (
        point.arm,
        100 * point.share,
        len(point.accuracies),
        point.mean,
        point.deviation,
        point.difference if held else None,
        point.low if held else None,
        point.high if held else None,
        point.loss,
        point.strength,
        point.parameters,
    )


def _chart(curve: Curve) -> "altair.TopLevelMixin":
    import altair as alt

    shares = sorted({point.share for point in curve.points})
    order = [f"{100 * share:g}" for share in shares]
    rows = [_point(point) for point in curve.points]
    methods = [one for one in METHODS if any(row["method"] == one for row in rows)]
    x = alt.X(
        "share:N",
        sort=order,
        axis=alt.Axis(title="zeros, % of the weights", labelAngle=0),
        scale=alt.Scale(domain=order, padding=0.5),
    )
    y = alt.Y("difference:Q", axis=axis("accuracy minus dense, points"))
    places = [METHODS.index(one) for one in methods]
    colour = alt.Color(
        "method:N",
        scale=alt.Scale(domain=methods, range=[PALETTE[place] for place in places]),
        legend=alt.Legend(title=None, orient="top"),
    )
    shape = alt.Shape(
        "method:N",
        scale=alt.Scale(domain=methods, range=[_SHAPES[place] for place in places]),
        legend=None,
    )
    offset = alt.XOffset("method:N", scale=alt.Scale(domain=methods))
    band = alt.Chart(data([{"low": -REGION, "high": REGION}]))
    region = band.mark_rect(color=FAINT, opacity=0.14).encode(y="low:Q", y2="high:Q")
    zero = alt.Chart(data([{"at": 0.0}])).mark_rule(color=FAINT).encode(y="at:Q")
    base = alt.Chart(data(rows)).encode(x=x, color=colour, xOffset=offset)
    line = base.mark_rule(strokeWidth=2).encode(y="low:Q", y2="high:Q")
    numbers = [alt.Tooltip(f"{one}:Q", format="+.2f") for one in ("difference", "low", "high")]
    mark = base.mark_point(filled=True, size=80, opacity=1).encode(
        y=y, shape=shape, tooltip=["arm:N", *numbers, alt.Tooltip("mean:Q", format=".2f"), "n:Q"]
    )
    return alt.layer(region, zero, line, mark).properties(width="container", height=320)


def _point(point: CurvePoint) -> dict[str, Any]:
    known = point.low == point.low
    return {
        "arm": point.arm,
        "method": point.method,
        "share": f"{100 * point.share:g}",
        "difference": point.difference,
        "low": point.low if known else point.difference,
        "high": point.high if known else point.difference,
        "mean": point.mean,
        "n": len(point.accuracies),
    }
