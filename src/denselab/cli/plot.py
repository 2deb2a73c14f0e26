"""A curve over a logarithmic axis in plain characters, for a terminal or a pipe."""

import math
import sys
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size

__all__ = ["can_draw", "plotted"]

_HEIGHT = 12
_MOST = 100
_MARGIN = 9
_HEADROOM = 0.25


def plotted(
    xs: Sequence[float], ys: Sequence[float], *, marks: Mapping[str, float], plain: bool = False
) -> list[str]:
    """Draws a curve with marked places.

    What rises far above the curve's first value, as a loss that diverges does, is cut off at the top.

    Args:
        xs: Rising values above 0; their axis is logarithmic.
        ys: The curve; what is not finite stands at the top.
        marks: One letter -> the x it marks below the axis.
        plain: Whether to draw with ASCII alone.

    Returns:
        Lines without line breaks or colours, at most as wide as the terminal.

    Example:
        >>> lines = plotted([0.1, 1.0, 10.0], [2.0, 1.0, 2.0], marks={"v": 1.0}, plain=True)
        >>> len(lines), lines[0][:10].strip(), lines[-2].strip(), lines[-1].split()
        (15, '2|*', 'v', ['0.1', '10'])
    """
    dot, rail, corner, line = ("*", "|", "+", "-") if plain else ("•", "│", "└", "─")
    width = max(20, min(get_terminal_size().columns, _MOST) - _MARGIN - 1)
    finite = [y for y in ys if math.isfinite(y)]
    low = min(finite)
    first = next(y for y in ys if math.isfinite(y))
    high = min(max(ys), first + _HEADROOM * (first - low)) if first > low else max(finite)
    span = (high - low) or 1.0
    start, decades = math.log10(xs[0]), math.log10(xs[-1] / xs[0]) or 1.0

    def column(x: float) -> int:
        return round((math.log10(x) - start) / decades * (width - 1))

    grid = [[" "] * width for _ in range(_HEIGHT)]
    for x, y in zip(xs, ys, strict=True):
        share = min((y - low) / span, 1.0) if math.isfinite(y) else 1.0
        grid[round((1 - share) * (_HEIGHT - 1))][column(x)] = dot
    labels = {0: f"{high:.3g}", _HEIGHT - 1: f"{low:.3g}"}
    rows = [
        f"{labels.get(number, ''):>{_MARGIN - 1}}{rail}{''.join(cells).rstrip()}"
        for number, cells in enumerate(grid)
    ]
    below = [" "] * width
    for letter, x in marks.items():
        below[_free(below, column(x))] = letter
    ends = f"{xs[0]:.3g}".ljust(width - len(f"{xs[-1]:.3g}")) + f"{xs[-1]:.3g}"
    return [
        *rows,
        f"{'':{_MARGIN - 1}}{corner}{line * width}",
        f"{'':{_MARGIN}}{''.join(below).rstrip()}",
        f"{'':{_MARGIN}}{ends}",
    ]


def can_draw(text: str) -> bool:
    """Says whether stdout can show some characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _free(cells: list[str], wanted: int) -> int:
    """Finds the nearest free place, so that no mark hides another."""
    return min(
        (place for place, cell in enumerate(cells) if cell == " "), key=lambda p: abs(p - wanted)
    )
