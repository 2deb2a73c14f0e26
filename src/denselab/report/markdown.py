"""A report as text: for READMEs and slides."""

import re
from collections.abc import Iterator, Mapping, Sequence

from denselab.report.contents import Contents, Section
from denselab.report.tables import Table, clean, shown

__all__ = ["markdown_of"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")


def markdown_of(contents: Contents, *, pictures: Mapping[str, str] | None = None) -> str:
    """Writes contents as Markdown.

    Args:
        contents: From `contents_of`.
        pictures: Name of a figure -> the address of its picture; figures without are left out.

    Returns:
        Text whose names, wherever they come from, mean nothing to Markdown or HTML.
    """
    return "\n".join(_lines(contents, pictures or {})).rstrip() + "\n"


def _lines(contents: Contents, pictures: Mapping[str, str]) -> Iterator[str]:
    yield f"# {_plain(contents.title)}: {_plain(contents.answer.headline)}"
    yield ""
    yield " · ".join(map(_plain, contents.about))
    yield ""
    for sentence in contents.answer.sentences:
        yield f"{_plain(sentence)}\n"
    findings = contents.answer.findings
    if findings:
        header = ("contrast", "verdict", "difference", "interval", "cost")
        rows = [(f.contrast, f.label, f.difference, f.interval, f.cost) for f in findings]
        yield from _table(header, rows, "-----")
    if contents.alerts:
        yield "## Before you believe it\n"
        for alert in contents.alerts:
            yield f"- **{alert.kind}** {_plain(alert.text)}"
        yield ""
    for section in contents.sections:
        yield from _section(section, pictures)


def _section(section: Section, pictures: Mapping[str, str]) -> Iterator[str]:
    yield f"## {_plain(section.title)}\n"
    for figure in section.figures:
        if figure.name in pictures:
            yield f"![{_plain(figure.title)}](<{pictures[figure.name]}>)\n"
            yield f"{_plain(figure.caption)}\n"
    for sentence in section.sentences:
        yield f"{_plain(sentence)}\n"
    for table in section.tables:
        if not table.folded:
            yield f"{_plain(table.title)}:\n"
            yield from _whole(table)
    for note in section.notes:
        yield f"- {_plain(note)}"
    yield ""


def _whole(table: Table) -> Iterator[str]:
    header = [column.title for column in table.columns]
    rows = [
        [shown(cell, column) for cell, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    yield from _table(header, rows, "".join("r" if one.form else "-" for one in table.columns))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    yield _row(header)
    yield "| " + " | ".join("---:" if side == "r" else "---" for side in sides) + " |"
    for row in rows:
        yield _row(row)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_plain, cells)) + " |"


def _plain(text: object) -> str:
    """Takes from characters what they would mean; `&` begins an entity."""
    return _SPECIAL.sub(r"\\\1", clean(text)).replace("&", "&amp;")
