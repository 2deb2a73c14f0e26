"""Tables: as they are shown, and as CSV that no spreadsheet takes for formulas."""

import csv
import io
import re
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

__all__ = ["Cell", "Column", "Table", "clean", "csv_text", "shown"]

Cell: TypeAlias = str | float | int | None

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Its heading, with the unit.
        form: How numbers are shown, as `format` takes it; empty for text.
    """

    title: str
    form: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Its name, for the file it becomes; no other table of a report has it.
        title: What it lists.
        columns: Its columns.
        rows: As many cells a row as there are columns; None where nothing is known.
        folded: Whether a reader must open it.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False


def shown(cell: Cell, column: Column) -> str:
    """Writes a cell for a reader.

    Args:
        cell: The cell.
        column: Its column.

    Returns:
        Text without control characters; "-" where there is nothing.

    Example:
        >>> shown(0.12345, Column("share", ".2f")), shown(None, Column("share", ".2f"))
        ('0.12', '-')
    """
    if cell is None or (isinstance(cell, float) and not isfinite(cell)):
        return "-"
    if isinstance(cell, str):
        return clean(cell)
    return format(cell, column.form).replace("-", "\u2212")


def clean(text: object) -> str:
    r"""Takes escape sequences and control characters out of text that came from elsewhere.

    Args:
        text: Anything.

    Returns:
        One line of it.

    Example:
        >>> clean("a\x1b[31m red\nname")
        'a red name'
    """
    plain = _ESCAPES.sub("", str(text))
    return "".join(one if one.isprintable() else " " for one in plain)


def csv_text(table: Table) -> str:
    """Writes a table as CSV, numbers in full.

    Args:
        table: The table.

    Returns:
        Lines that end in CR and LF; text that a spreadsheet would take for a formula begins with an
        apostrophe.

    Example:
        >>> table = Table("t", "a table", (Column("recipe"), Column("n", "d")), (("=cmd", 3),))
        >>> csv_text(table).splitlines()
        ['recipe,n', "'=cmd,3"]
    """
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow([_safe(column.title) for column in table.columns])
    writer.writerows([[_safe(cell) for cell in row] for row in table.rows])
    return stream.getvalue()


def _safe(cell: Cell) -> str | float | int:
    if cell is None or (isinstance(cell, float) and not isfinite(cell)):
        return ""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text
