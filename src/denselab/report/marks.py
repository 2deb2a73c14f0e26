"""What the charts of a report share: colours of arms, axes, and rows of data."""

from collections.abc import Iterable, Sequence
from math import ceil, floor, isfinite, log10
from typing import TYPE_CHECKING, Any

from denselab.report.drawing import PALETTE
from denselab.report.tables import clean

if TYPE_CHECKING:
    import altair

__all__ = [
    "CONTRAST_NAMES",
    "FAINT",
    "INK",
    "arm_colours",
    "arm_shapes",
    "axis",
    "contrast_label",
    "data",
    "log_ticks",
    "rounded",
]

INK, FAINT = "#1f2328", "#59636e"
_AGAINST = " \u2212 "
CONTRAST_NAMES = (
    f"[split(datum.label, '{_AGAINST}')[0], '\u2212 ' + split(datum.label, '{_AGAINST}')[1]]"
)
"""Vega's expression that breaks the label of a contrast into two lines."""

_SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "triangle-right")
_DIGITS = 5


def arm_colours(names: Sequence[str]) -> "altair.Scale":
    """Gives every arm the colour it has in all charts."""
    import altair as alt

    colours = [PALETTE[place % len(PALETTE)] for place in range(len(names))]
    return alt.Scale(domain=[clean(name) for name in names], range=colours)


def arm_shapes(names: Sequence[str]) -> "altair.Scale":
    """Gives every arm a shape as well, for those who cannot tell the colours apart."""
    import altair as alt

    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(names))]
    return alt.Scale(domain=[clean(name) for name in names], range=shapes)


def contrast_label(arm: str, against: str) -> str:
    """Names a contrast on an axis."""
    return f"{clean(arm)}{_AGAINST}{clean(against)}"


def axis(title: str, form: str = "", **options: Any) -> "altair.Axis":
    """Makes an axis with its unit in the title."""
    import altair as alt

    settings = {"tickCount": 5, **options}
    return alt.Axis(title=title, **({"format": form} if form else {}), **settings)


def log_ticks(values: Iterable[float]) -> list[float]:
    """Chooses the marks of a logarithmic axis: 1, 2 and 5 of each power of ten, fewer of many powers.

    Example:
        >>> log_ticks([0.3, 4.0])
        [0.5, 1.0, 2.0]
        >>> log_ticks([0.001, 500.0])
        [0.001, 0.01, 0.1, 1.0, 10.0, 100.0]
    """
    known = [value for value in values if value > 0]
    low, high = min(known), max(known)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1, 2, 5) if len(powers) <= 4 else (1,)
    marks = [float(f"{step}e{power}") for power in powers for step in steps]
    inside = [mark for mark in marks if 0.999 * low <= mark <= 1.001 * high]
    return inside if len(inside) > 1 else [float(f"{value:.2g}") for value in (low, high)]


def data(rows: Iterable[dict[str, Any]]) -> "altair.Data":
    """Puts rows into a chart; names are cleaned, numbers rounded to five digits."""
    import altair as alt

    return alt.Data(values=[{key: rounded(value) for key, value in row.items()} for row in rows])


def rounded(value: Any) -> Any:
    """Rounds a number to five digits, and gives None for one that is not finite."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    return value
