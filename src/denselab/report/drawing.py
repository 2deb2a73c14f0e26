"""From a chart to a file: one look, in light and in dark, written whole or not at all."""

import hashlib
import html
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denselab.errors import UsageError

if TYPE_CHECKING:
    import altair

__all__ = [
    "FORMATS",
    "GREY",
    "PALETTE",
    "chart_html",
    "chart_png",
    "chart_svg",
    "page_look",
    "save_chart",
]

FORMATS = (".png", ".svg", ".html")

PALETTE = ("#7d8590", "#c58703", "#2898f9", "#bf2230", "#6732fa", "#ac1aa4")
"""Colours that stand at least 3:1 off white and off near-black, found by a search for the six that are
farthest apart to eyes of every kind."""

GREY = PALETTE[0]

_PAPER, _INK, _FAINT, _LINE = "#ffffff", "#1f2328", "#59636e", "#d7dce2"
_DARK = {_PAPER: "#0d1117", _INK: "#e6edf3", _FAINT: "#9da7b3", _LINE: "#30363d"}
"""What each colour of the light look becomes in the dark one; the palette stays."""

_VARIABLES = {
    _PAPER: "var(--paper)",
    _INK: "var(--ink)",
    _FAINT: "var(--faint)",
    _LINE: "var(--line)",
}
"""What each of them is on a page whose style decides between light and dark."""

_PAGE_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif"
_FONT = "Helvetica, Arial, sans-serif"
_SCALE = 2.0


def chart_svg(chart: "altair.TopLevelMixin") -> str:
    """Draws a chart as SVG that follows the reader's light or dark preference.

    Args:
        chart: The chart.

    Returns:
        The text of a picture that needs no other file.
    """
    import vl_convert

    svg = vl_convert.vegalite_to_svg(_look(chart), allowed_base_urls=[])
    rules = "".join(
        f'[{kind}="{light}"]{{{kind}:{dark}}}'
        for light, dark in _DARK.items()
        for kind in ("fill", "stroke")
    )
    head, mark, rest = svg.partition(">")
    return f"{head}{mark}<style>@media (prefers-color-scheme:dark){{{rules}}}</style>{rest}"


def chart_png(chart: "altair.TopLevelMixin", *, dark: bool = False) -> bytes:
    """Draws a chart as PNG, at twice its size.

    Args:
        chart: The chart.
        dark: Whether to draw it for a dark page.

    Returns:
        The bytes of the picture.
    """
    import vl_convert

    look = _recoloured(_look(chart), _DARK) if dark else _look(chart)
    return vl_convert.vegalite_to_png(look, scale=_SCALE, allowed_base_urls=[])


def chart_html(chart: "altair.TopLevelMixin", title: str) -> str:
    """Draws a chart as a page of its own, without scripts.

    Args:
        chart: The chart.
        title: What the page is called.

    Returns:
        The text of the page.
    """
    style = (
        f"body{{margin:24px;background:{_PAPER};color-scheme:light dark}}svg{{max-width:100%;"
        f"height:auto}}@media (prefers-color-scheme:dark){{body{{background:{_DARK[_PAPER]}}}}}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head>\n"
        f"<body>{chart_svg(chart)}</body></html>\n"
    )


def save_chart(chart: "altair.TopLevelMixin", path: Path, *, dark: bool = False) -> None:
    """Draws a chart into a file, whole or not at all.

    Args:
        chart: The chart.
        path: The file; its ending is one of `FORMATS`.
        dark: Whether a PNG is for a dark page; the others follow the reader.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If it cannot be written to, or has another ending.
    """
    from denselab.study.files import write_whole, writing

    if path.suffix == ".png":
        content = chart_png(chart, dark=dark)
    elif path.suffix == ".svg":
        content = chart_svg(chart).encode()
    elif path.suffix == ".html":
        content = chart_html(chart, path.stem).encode()
    else:
        raise UsageError(f"{path}: ends in {path.suffix!r}; give one of {', '.join(FORMATS)}")
    with writing(path):
        write_whole(path, content)


def page_look(chart: "altair.TopLevelMixin") -> dict[str, Any]:
    """Gives a chart's specification for a page of ours, which draws it itself.

    Args:
        chart: The chart.

    Returns:
        A Vega-Lite specification whose colours are variables of the page's style, but for the palette.
        Its rows stand under "datasets", equal ones under equal names.
    """
    rows: dict[str, Any] = {}
    look = _recoloured(_named_rows(_look(chart), rows), _VARIABLES)
    config = look["config"]
    for part in ("text", "title"):
        config[part] = {**config[part], "font": _PAGE_FONT}
    look["config"] = {**config, "background": None, "padding": 4, "font": _PAGE_FONT}
    return {**look, "datasets": rows}


def _named_rows(value: Any, rows: dict[str, Any]) -> Any:
    """Takes rows out of a specification and leaves the hash of what they hold as their name."""
    if isinstance(value, list):
        return [_named_rows(inside, rows) for inside in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"values"} and all(isinstance(row, dict) for row in value["values"]):
        name = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        rows[name] = value["values"]
        return {"name": name}
    return {key: _named_rows(inside, rows) for key, inside in value.items()}


def _look(chart: "altair.TopLevelMixin") -> dict[str, Any]:
    """Gives a chart's specification with the fonts and colours of all our pictures."""
    # Altair has checked every part when it was made; checking the whole again takes as long.
    look = chart.to_dict(validate=False)
    text = {"font": _FONT, "color": _INK}
    look["config"] = {
        "font": _FONT,
        "background": _PAPER,
        "padding": 16,
        "view": {"stroke": None},
        "axis": {
            "labelColor": _INK,
            "titleColor": _FAINT,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "domainColor": _LINE,
            "gridColor": _LINE,
            "tickColor": _LINE,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "labelLimit": 170,
        },
        "title": {
            **text,
            "fontSize": 13,
            "fontWeight": 600,
            "anchor": "start",
            "subtitleColor": _FAINT,
            "subtitleFontSize": 11,
            "subtitlePadding": 4,
            "offset": 10,
        },
        "text": text,
        "legend": {"labelColor": _INK, "titleColor": _FAINT},
        "concat": {"spacing": 28},
    }
    return look


def _recoloured(value: Any, colours: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _recoloured(inside, colours) for key, inside in value.items()}
    if isinstance(value, list):
        return [_recoloured(inside, colours) for inside in value]
    return colours.get(value, value) if isinstance(value, str) else value
