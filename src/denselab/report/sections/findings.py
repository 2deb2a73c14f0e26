"""What the doctor found in the recipes of a study: one table of findings, the worst first."""

from collections.abc import Mapping
from typing import Any

from denselab.report.contents import Section
from denselab.report.evidence import Evidence
from denselab.report.tables import Cell, Column, Table, clean

__all__ = ["findings"]

_DOCUMENT = "findings"
_SEVERITIES = ("error", "warning", "note")
_SHOWN = 3
_FIELDS = ("severity", "id", "evidence", "threshold", "why", "remedy")


def findings(evidence: Evidence) -> Section | None:
    """Lists findings: errors and warnings in the open, notes for those who want to know.

    Args:
        evidence: The study; its document "findings" is a list of tables with `arm`, `severity`, `id`,
            `evidence`, `threshold`, `why` and `remedy`, all text.

    Returns:
        The section; None where nobody has diagnosed the study.
    """
    document = evidence.study.documents.get(_DOCUMENT)
    if not isinstance(document, list):
        return None
    found = [
        {field: str(one[field]) for field in ("arm", *_FIELDS)}
        for one in document
        if isinstance(one, Mapping) and all(field in one for field in ("arm", *_FIELDS))
    ]
    loud = [one for one in found if one["severity"] != "note"]
    quiet = [one for one in found if one["severity"] == "note"]
    tables = [_table("findings", "Errors and warnings", loud)] if loud else []
    if quiet:
        tables.append(_table("finding-notes", "Notes", quiet, folded=True))
    return Section(
        "findings", "What the doctor found", (_sentence(found),), (), tuple(tables), _NOTES
    )


_NOTES = (
    "Before any training, of the network, the split and the rows of the first seed. An error is an exact "
    "contradiction, a warning a risk, a note a soft rule that healthy programs break, too.",
    "`denselab diagnose --recipe NAME --fix` applies remedies and says whether they are shown to help.",
)


def _sentence(found: list[dict[str, str]]) -> str:
    counts: dict[str, int] = dict.fromkeys(_SEVERITIES, 0)
    for one in found:
        counts[one["severity"]] = counts.get(one["severity"], 0) + 1
    words = [f"{count} {clean(kind)}{'' if count == 1 else 's'}" for kind, count in counts.items()]
    ill = dict.fromkeys(clean(one["arm"]) for one in found if one["severity"] != "note")
    return f"{', '.join(words)}" + (f"; look at {', '.join(ill)}." if ill else ".")


def _table(name: str, title: str, found: list[dict[str, str]], *, folded: bool = False) -> Table:
    columns = (
        Column("severity"),
        Column("finding"),
        Column("arms"),
        Column("evidence"),
        Column("threshold"),
        Column("why"),
        Column("remedy"),
    )
    return Table(name, title, columns, tuple(_rows(found)), folded=folded)


def _rows(found: list[dict[str, str]]) -> list[tuple[Cell, ...]]:
    """Makes one row of what differs in its evidence alone, and of what is the same in several arms."""
    evidence: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        key = tuple(one[field] for field in ("arm", *_FIELDS) if field != "evidence")
        evidence.setdefault(key, []).append(one["evidence"])
    arms: dict[tuple[str, ...], list[str]] = {}
    for (arm, severity, identity, *words), given in evidence.items():
        more = f"; and {len(given) - _SHOWN} more" if len(given) > _SHOWN else ""
        row = (severity, identity, "; ".join(given[:_SHOWN]) + more, *words)
        arms.setdefault(row, []).append(arm)
    rows = [(row[0], row[1], ", ".join(names), *row[2:]) for row, names in arms.items()]
    return sorted(rows, key=_place)


def _place(row: tuple[Any, ...]) -> int:
    return _SEVERITIES.index(row[0]) if row[0] in _SEVERITIES else len(_SEVERITIES)
