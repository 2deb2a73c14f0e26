"""Mean and variance of activations through the depth of each arm's network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.marks import arm_colours, axis, data
from denselab.report.tables import Column, Table, clean

if TYPE_CHECKING:
    import altair

__all__ = ["activations"]

_DOCUMENT = "activations"
_FIELDS = ("arm", "layer", "when", "mean", "variance")


def activations(evidence: Evidence) -> Section | None:
    """Shows what became of activations through depth.

    Args:
        evidence: The study; its document "activations" is a list of tables with `arm`, `layer` (from
            1), `when` ("start" or "end"), `mean` and `variance`.

    Returns:
        The section; None where they were not measured.
    """
    document = evidence.study.documents.get(_DOCUMENT)
    rows = [
        {field: one[field] for field in _FIELDS}
        for one in document or ()
        if isinstance(one, Mapping) and all(field in one for field in _FIELDS)
    ]
    if not rows:
        return None
    figures = tuple(
        Figure(
            f"activation-{measure}",
            f"Activation {measure} through depth",
            "Of each hidden layer's outputs, over units and rows; dashed at the start, solid at the end of "
            "the training. A net that normalises itself stays near mean 0 and variance 1.",
            _chart(rows, measure, evidence.names),
        )
        for measure in ("mean", "variance")
    )
    columns = (
        Column("arm"),
        Column("layer", "d"),
        Column("when"),
        Column("mean", ".4g"),
        Column("variance", ".4g"),
    )
    cells = tuple(tuple(row[field] for field in _FIELDS) for row in rows)
    table = Table("activations", "Activations of every layer", columns, cells, folded=True)
    return Section("activations", "Activations", (), figures, (table,), paired=True)


def _chart(
    rows: list[dict[str, Any]], measure: str, names: tuple[str, ...]
) -> "altair.TopLevelMixin":
    import altair as alt

    positive = measure == "variance" and all(row[measure] > 0 for row in rows)
    scale = alt.Scale(type="log") if positive else alt.Scale(zero=False)
    there = [clean(name) for name in dict.fromkeys(str(row["arm"]) for row in rows)]
    legend = alt.Legend(title=None, orient="top", columns=3, values=there)
    layers = sorted({row["layer"] for row in rows})
    marks = layers[:: max(1, len(layers) // 10)]
    dash = alt.Scale(domain=["start", "end"], range=[[4, 3], [1, 0]])
    shown = ["arm:N", "layer:Q", "when:N", alt.Tooltip(f"{measure}:Q", format=".4g")]
    return (
        alt.Chart(data(rows))
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=20))
        .encode(
            x=alt.X(
                "layer:Q", axis=axis("hidden layer", "d", values=marks), scale=alt.Scale(nice=False)
            ),
            y=alt.Y(
                f"{measure}:Q",
                axis=axis(f"{measure} of activations"),
                scale=scale,
            ),
            color=alt.Color("arm:N", scale=arm_colours(names), legend=legend),
            strokeDash=alt.StrokeDash("when:N", scale=dash, legend=None),
            tooltip=shown,
        )
        .properties(width="container", height=260)
    )
