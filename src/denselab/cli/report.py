"""`denselab report`: a study as one page to read, as pictures, and as text."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import JsonOption, command_app, grouped

if TYPE_CHECKING:
    from denselab.report import Contents

__all__ = ["ReportOptions", "app", "report"]

app = command_app()


@dataclass(frozen=True)
class ReportOptions:
    """What is written, and where to."""

    out: Annotated[
        Path | None,
        typer.Option(help="The page; by default report.html in the study's folder."),
    ] = None
    png: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw its pictures as PNG, too.")
    ] = None
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write it as Markdown, too, with tables."),
    ] = None
    as_json: JsonOption = False


@app.command()
@grouped
def report(
    study: Annotated[Path, typer.Argument(help="A folder that denselab compare made.")],
    *,
    asked: ReportOptions,
) -> None:
    """Write a study as one page to read, as pictures, and as text.

    It says what helps, by how much, at what cost, and whether the difference is real. The page comes
    from the records alone, needs no other file and asks for nothing from any network.
    A study that is not finished can be reported, too.
    """
    from denselab.report import markdown_of, write_pictures, write_report
    from denselab.study import read_study

    page = study / "report.html" if asked.out is None else asked.out
    contents = write_report(read_study(study), page)
    pictures = {} if asked.png is None else write_pictures(contents, asked.png)
    if asked.markdown is not None:
        _write(asked.markdown, markdown_of(contents, pictures=_addresses(pictures, asked.markdown)))
    files = {
        "report": str(page),
        "pictures": [str(path) for path in pictures.values()],
        "markdown": None if asked.markdown is None else str(asked.markdown),
    }
    if asked.as_json:
        typer.echo(json.dumps({"study": str(study), **_about(contents), **files}))
        return
    _show(contents)
    typer.echo(f"\nReport: {page} ({page.stat().st_size / 1e6:.1f} MB)")
    if asked.markdown is not None:
        typer.echo(f"Markdown: {asked.markdown}")
    if asked.png is not None:
        typer.echo(f"Pictures: {asked.png} ({len(pictures)})")


def _write(path: Path, text: str) -> None:
    from denselab.study.files import write_whole, writing

    with writing(path):
        write_whole(path, text.encode())


def _addresses(pictures: Mapping[str, Path], markdown: Path) -> dict[str, str]:
    """Says where pictures are, seen from the text that shows them."""
    folder = markdown.parent
    return {name: Path(os.path.relpath(path, folder)).as_posix() for name, path in pictures.items()}


def _about(contents: "Contents") -> dict[str, Any]:
    answer = contents.answer
    return {
        "headline": answer.headline,
        "sentences": list(answer.sentences),
        "findings": [vars(one) for one in answer.findings],
        "alerts": [vars(alert) for alert in contents.alerts],
    }


def _show(contents: "Contents") -> None:
    from denselab.cli.table import print_table, print_text

    answer = contents.answer
    print_text(answer.headline)
    for sentence in answer.sentences:
        print_text(sentence)
    if answer.findings:
        typer.echo()
        header = ["contrast", "verdict", "difference", "interval", "cost"]
        rows = [[f.contrast, f.label, f.difference, f.interval, f.cost] for f in answer.findings]
        print_table(header, rows)
    for alert in contents.alerts:
        typer.echo()
        print_text(f"{alert.kind}: {alert.text}")
