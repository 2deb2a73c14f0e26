"""Tables and text on stdout: fitted to a terminal, plain and unbroken in a pipe."""

import sys
import textwrap
from collections.abc import Sequence
from shutil import get_terminal_size

import typer

from denselab.data.arrays import clean_name

__all__ = ["aligned", "print_table", "print_text"]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: str = "") -> None:
    """Prints a table to stdout.

    Args:
        header: Names of the columns; a line break in one begins its second line.
        rows: The cells.
        right: One letter a column, "r" for those that are flush right and anything else for the
            others; columns without a letter are flush left.
    """
    lines = _header_lines(header)
    # Names may come from anywhere, and a terminal would obey what it finds in them.
    rows = [[clean_name(cell) for cell in row] for row in rows]
    least = sum(_widths([*lines, *rows])) + len(header) - 1
    if not sys.stdout.isatty() or least > get_terminal_size().columns:
        typer.echo(aligned([*lines, *rows], right=right))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    gap = 1 if least + len(header) <= console.width else 0
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap, 0, 0))
    for name, side in zip(header, right.ljust(len(header)), strict=True):
        table.add_column(Text(name), justify="right" if side == "r" else "left", vertical="bottom")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def print_text(text: str) -> None:
    """Prints a line of text to stdout, broken between words where a terminal is too narrow.

    Args:
        text: The line.
    """
    text = clean_name(text)
    if sys.stdout.isatty():
        width = max(get_terminal_size().columns, 20)
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    typer.echo(text)


def _header_lines(header: Sequence[str]) -> list[list[str]]:
    """Breaks names into lines that stand at the foot of the header."""
    parts = [name.split("\n") for name in header]
    height = max(map(len, parts))
    padded = [[""] * (height - len(part)) + part for part in parts]
    return [list(line) for line in zip(*padded, strict=True)]


def aligned(rows: Sequence[Sequence[str]], *, right: str = "") -> str:
    """Writes rows as lines whose columns stand under one another.

    Args:
        rows: The cells, as many in each row.
        right: See `print_table`.

    Returns:
        The lines, with two blanks between columns and none at their ends.

    Example:
        >>> print(aligned([["recipe", "n"], ["plain", "12"]], right=" r"))
        recipe   n
        plain   12
    """
    widths = _widths(rows)
    sides = right.ljust(len(widths))
    return "\n".join(
        "  ".join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, sides, strict=True)
        ).rstrip()
        for row in rows
    )


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
