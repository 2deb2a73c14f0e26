"""Growth as one picture, a panel for each curve."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.growth import Curve

__all__ = ["draw"]


def draw(curves: Sequence[Curve], path: Path) -> None:
    """Draws medians as points on a line and the spread as upright strokes.

    Args:
        curves: What to draw.
        path: SVG or PNG file.

    Raises:
        ImportError: If altair or vl-convert-python is not installed.
    """
    import altair

    panels = altair.concat(*(_panel(curve) for curve in curves), columns=2)
    panels.configure(background="white", font="sans-serif").save(str(path))


def _panel(curve: Curve) -> Any:
    import altair

    points = [
        {"x": x, "median": spread.median, "low": spread.low, "high": spread.high}
        for x, spread in curve.points.items()
    ]
    base = altair.Chart(altair.Data(values=points))
    across = altair.X("x:Q", title=curve.x).scale(zero=True)
    up = altair.Y("median:Q", title=curve.y).scale(zero=True)
    spread = base.mark_rule(opacity=0.5).encode(x=across, y=altair.Y("low:Q"), y2="high:Q")
    line = base.mark_line(point=True).encode(x=across, y=up)
    return (line + spread).properties(width=280, height=180)
