"""A network under the microscope: what its layers are like through depth, while it trains."""

from collections.abc import Mapping, Sequence
from math import log10
from typing import TYPE_CHECKING, Any

from denselab.errors import UsageError
from denselab.report.marks import FAINT, axis, data
from denselab.report.tables import clean

if TYPE_CHECKING:
    import altair

__all__ = ["microscope_chart"]

_STEPS = 6
_FADING = ("#c9d1d9", "#0969da")
_MAPS = {
    "dead": ("dead units, share", False),
    "saturated": ("saturated units, share", False),
    "gradient": ("gradient of the kernel, log10 of its norm", True),
    "ratio": ("update over weights, log10", True),
}
_WIDTH, _HEIGHT = 330, 190


def microscope_chart(records: Sequence[Mapping[str, Any]]) -> "altair.VConcatChart":
    """Draws what a `Doctor` has seen of the layers: through depth, and over time.

    Above stand mean and deviation of every layer's outputs through depth, a line for each of up to six steps,
    from the first (pale) to the last. Below, one row a layer and one column a look: shares of dead and of
    saturated units, size of the gradients, and of the updates against the weights.

    Args:
        records: `Doctor.records` or `doctor.observe(...)`: one row a step and layer.

    Returns:
        The chart; `save_chart` makes a picture of it.

    Raises:
        UsageError: If there are no records.

    Example:
        >>> row = {"step": 1, "layer": "dense", "depth": 1, "mean": 0.1, "deviation": 1.0, "dead": 0.0}
        >>> type(microscope_chart([row])).__name__
        'VConcatChart'
    """
    import altair as alt

    if not records:
        raise UsageError("no records to draw; train with the callback Doctor(x, y) first")
    steps = sorted({int(row["step"]) for row in records})
    chosen = sorted({steps[round(i * (len(steps) - 1) / (_STEPS - 1))] for i in range(_STEPS)})
    lines = alt.hconcat(
        *(_through_depth(records, name, chosen) for name in ("mean", "deviation")), spacing=40
    )
    maps = [panel for name in _MAPS if (panel := _over_time(records, name)) is not None]
    pairs = [
        alt.hconcat(*maps[i : i + 2], spacing=40).resolve_scale(color="independent")
        for i in range(0, len(maps), 2)
    ]
    return alt.vconcat(lines, *pairs, spacing=30).resolve_scale(color="independent")


def _through_depth(records: Sequence[Mapping[str, Any]], name: str, steps: Sequence[int]) -> Any:
    import altair as alt

    known = [
        {
            "depth": row["depth"],
            "layer": clean(row["layer"]),
            "step": str(row["step"]),
            name: row[name],
        }
        for row in records
        if row["step"] in steps and row.get(name) is not None
    ]
    spread = [row[name] for row in known]
    logarithmic = bool(spread) and min(spread) > 0 and max(spread) > 20 * min(spread)
    order = [str(step) for step in steps]
    colours = alt.Color(
        "step:N",
        sort=order,
        scale=alt.Scale(domain=order, range=_shades(len(order))),
        legend=alt.Legend(title="step", orient="top"),
    )
    title = f"{name} of the outputs"
    return (
        alt.Chart(data(known))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X(
                "depth:Q", axis=axis("layer, from the input", "d"), scale=alt.Scale(nice=False)
            ),
            y=alt.Y(
                f"{name}:Q",
                axis=axis(f"{title}{', logarithmic' if logarithmic else ''}", "~g"),
                scale=alt.Scale(type="log") if logarithmic else alt.Scale(zero=False),
            ),
            color=colours,
            tooltip=["layer:N", "step:N", alt.Tooltip(f"{name}:Q", format=".4g")],
        )
        .properties(width=_WIDTH, height=_HEIGHT, title=title)
    )


def _over_time(records: Sequence[Mapping[str, Any]], name: str) -> Any:
    import altair as alt

    title, logarithmic = _MAPS[name]
    known = [
        {
            "step": row["step"],
            "depth": row["depth"],
            "layer": clean(row["layer"]),
            "value": log10(row[name]) if logarithmic else row[name],
        }
        for row in records
        if row.get(name) is not None and (row[name] > 0 or not logarithmic)
    ]
    if not known:
        return None
    scale = alt.Scale(scheme="viridis") if logarithmic else alt.Scale(scheme="reds", domain=[0, 1])
    looks = len({row["step"] for row in known})
    return (
        alt.Chart(data(known))
        .mark_rect(stroke=FAINT, strokeWidth=0.2)
        .encode(
            x=alt.X(
                "step:O",
                axis=alt.Axis(
                    title="step", labelAngle=0, labelOverlap=True, ticks=False, domain=False
                ),
                scale=alt.Scale(paddingInner=0.0 if looks > 40 else 0.04),
            ),
            y=alt.Y(
                "depth:O",
                axis=alt.Axis(title="layer", labelOverlap=True, ticks=False, domain=False),
            ),
            color=alt.Color(
                "value:Q", scale=scale, legend=alt.Legend(title=None, gradientLength=_HEIGHT - 20)
            ),
            tooltip=["layer:N", "step:Q", alt.Tooltip("value:Q", format=".3g")],
        )
        .properties(width=_WIDTH - 60, height=_HEIGHT, title=title)
    )


def _shades(count: int) -> list[str]:
    """Mixes colours from pale, the first step, to full, the last."""
    first, last = ([int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in _FADING)
    shares = [place / max(1, count - 1) for place in range(count)]
    mixed = [
        [round(a + share * (b - a)) for a, b in zip(first, last, strict=True)] for share in shares
    ]
    return [_FADING[1]] if count == 1 else [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in mixed]
