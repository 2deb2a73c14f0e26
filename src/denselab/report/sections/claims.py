"""Claims about techniques, and what this study says of them."""

from collections.abc import Mapping
from typing import Any

from denselab.report.contents import Section
from denselab.report.evidence import Evidence
from denselab.report.tables import Cell, Column, Table, clean

__all__ = ["claims"]

_DOCUMENT = "claims"


def claims(evidence: Evidence) -> Section | None:
    """Lists claims with their verdicts and figures.

    Args:
        evidence: The study; its document "claims" is a list of tables with `statement`, `verdict` and
            `figures`, a table of names and numbers or a list of lines.

    Returns:
        The section; None where no claim was tested.
    """
    document = evidence.study.documents.get(_DOCUMENT)
    known = [one for one in document or () if isinstance(one, Mapping) and "statement" in one]
    if not known:
        return None
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (str(one["statement"]), str(one.get("verdict", "")), _figures(one.get("figures")))
        for one in known
    )
    columns = (Column("claim"), Column("verdict"), Column("figures"))
    words = (
        "A claim is confirmed or refuted by a rule that was fixed beforehand; what the data cannot tell is "
        "undecided.",
    )
    return Section("claims", "Claims", words, (), (Table("claims", "Claims", columns, rows),))


def _figures(figures: Any) -> str:
    if figures is None:
        return ""
    if isinstance(figures, Mapping):
        return "; ".join(f"{clean(name)}: {_shown(value)}" for name, value in figures.items())
    if isinstance(figures, list | tuple):
        return "; ".join(map(_shown, figures))
    return _shown(figures)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " to ".join(map(_shown, value))
    return "-" if value is None else clean(value)
