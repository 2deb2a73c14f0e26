"""The page: one HTML file that needs no other, asks for none, and runs only its own two scripts."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from denselab.report.assemble import contents_of
from denselab.report.contents import Contents, Figure
from denselab.report.drawing import page_look
from denselab.report.tables import Table, csv_text, shown
from denselab.study import Study
from denselab.study.statistics import Verdicts

__all__ = ["page_of", "script_safe", "write_report"]

_TEMPLATE = files("denselab.report") / "template"
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_report(study: Study, path: Path, *, verdicts: Verdicts | None = None) -> Contents:
    """Writes the report of a study as one HTML page, whole or not at all.

    Args:
        study: From `read_study`; finished or not.
        path: The file.
        verdicts: The answer to the study's question, where it was worked out already.

    Returns:
        What stands in it.

    Raises:
        CorruptStudyError: If predictions that are on record are gone or not as they were written.
        ExhaustedError: If the disk is full.
        UsageError: If it cannot be written to.
    """
    from denselab.study.files import write_whole, writing

    with suppress(OSError):
        _bundling()  # Takes as long as all the rest, so it goes on beside it.
    contents = contents_of(study, verdicts=verdicts)
    page = page_of(contents).encode()
    with writing(path):
        write_whole(path, page)
    return contents


def page_of(contents: Contents) -> str:
    """Lays contents out as a page.

    Args:
        contents: From `contents_of`.

    Returns:
        HTML.
    """
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(lambda name: _read(name)),
    )
    environment.globals.update(shown=shown, csv_link=_csv_link)
    library, behaviour = _vega(), _read("page.js")
    return environment.get_template("page.html").render(
        contents=contents,
        policy=_policy((library, behaviour)),
        style=_markup(_read("page.css")),
        library=_markup(library),
        behaviour=_markup(behaviour),
        charts=_markup(script_safe(_charts(contents))),
    )


def script_safe(value: object) -> str:
    r"""Writes JSON that cannot end the script element it stands in.

    Args:
        value: Plain values.

    Returns:
        JSON without `<`, `>`, `&` and the line ends that JavaScript knows and JSON does not.

    Example:
        >>> script_safe({"name": "</script>"})
        '{"name":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for one, other in _UNSAFE.items():
        text = text.replace(one, other)
    return text


def _charts(contents: Contents) -> dict[str, Any]:
    """Gives the specifications of all charts; rows that several of them show stand there once."""
    specifications, datasets = {}, {}
    for figure in _figures(contents):
        look = page_look(figure.chart)
        look.pop("title", None)
        look.pop("$schema", None)
        look["description"] = f"{figure.title}. {figure.caption}"
        if not figure.fixed:
            look["autosize"] = {"type": "fit-x", "contains": "padding"}
        rows: Mapping[str, Any] = look.pop("datasets", {})
        look["datasets"] = list(rows)
        datasets.update(rows)
        specifications[figure.name] = look
    return {"charts": specifications, "datasets": datasets}


def _figures(contents: Contents) -> Iterable[Figure]:
    return (figure for section in contents.sections for figure in section.figures)


def _csv_link(table: Table) -> str:
    text = base64.b64encode(csv_text(table).encode("utf-8-sig")).decode()
    return f"data:text/csv;charset=utf-8;base64,{text}"


def _policy(scripts: Iterable[str]) -> str:
    """Allows these scripts to run and nothing to be fetched or sent."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'"
        for one in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "connect-src 'none'; base-uri 'none'; form-action 'none'"
    )


_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_BUNDLE = f"import sys, vl_convert; sys.stdout.write(vl_convert.javascript_bundle({_SNIPPET!r}))"


@cache
def _bundling() -> subprocess.Popen[str]:
    """Begins to bundle Vega, Vega-Lite and Vega-Embed, in a process of its own."""
    command = [sys.executable, "-I", "-X", "utf8", "-c", _BUNDLE]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )


@cache
def _vega() -> str:
    """Gives the bundle."""
    bundle = ""
    with suppress(OSError):
        bundle, _ = _bundling().communicate()
    if not bundle:  # No process could be made of this interpreter.
        import vl_convert

        bundle = vl_convert.javascript_bundle(_SNIPPET)
    # A comment or string of a later version could hold either, and end the script there.
    return bundle.replace("</script", "<\\/script").replace("<!--", "\\u003c!--")


def _read(name: str) -> str:
    return (_TEMPLATE / name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Marks our own text, and what `script_safe` wrote, as not to be escaped."""
    from markupsafe import Markup

    return Markup(text)
