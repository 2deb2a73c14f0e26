"""What a command is told of a user's own table, and how it shows one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from denselab.data import CsvFormat, Table
    from denselab.training.description import TableFacts

__all__ = [
    "ReadingOptions",
    "TableOptions",
    "csv_format",
    "show_table",
    "table_facts",
    "table_from",
]

_SHOWN = 44


@dataclass(frozen=True)
class ReadingOptions:
    """How a file of a table is written."""

    missing: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT", help="Another text that means a missing value; may be repeated."
        ),
    ] = None
    delimiter: Annotated[
        str | None, typer.Option(help="Between fields of a CSV file: , ; | or tab.")
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None, typer.Option(help="Decimal mark of a CSV file; by default a dot.")
    ] = None
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a CSV file; by default utf-8.")
    ] = None
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header", help="Whether the first line of a CSV file names the columns."
        ),
    ] = None


@dataclass(frozen=True)
class TableOptions(ReadingOptions):
    """How a table of your own is read, and what is predicted."""

    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of FILE to predict, or its place; -1: the last."),
    ] = None
    task: Annotated[
        Literal["classification", "regression"] | None,
        typer.Option(help="What the target holds; found out if not given."),
    ] = None
    drop: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Leave a column out; may be repeated."),
    ] = None
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="NAME=KIND",
            help="Say that a column holds number, category or boolean; may be repeated.",
        ),
    ] = None


def table_from(file: str, options: TableOptions) -> "Table":
    """Reads a table; without a target too, nothing is let pass that cannot be trained with.

    Args:
        file: The file.
        options: How it is read.

    Returns:
        The table.

    Raises:
        DenselabError: If it cannot be had or used.
    """
    from denselab.data import Reading, read_table, refuse_problems
    from denselab.errors import DataError

    csv, missing = csv_format(options)
    reading = Reading(
        csv=csv,
        missing=missing,
        kinds=dict(_kind(text) for text in options.kinds or ()),
        drop=tuple(options.drop or ()),
    )
    table = read_table(file, target=options.target, task=options.task, reading=reading)
    try:
        refuse_problems(table.schema)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    return table


def csv_format(
    options: ReadingOptions, known: "TableFacts | None" = None
) -> "tuple[CsvFormat, tuple[str, ...]]":
    """Says how a file is read: as was asked for, else as the table was that a model was trained on.

    Args:
        options: What was asked for.
        known: What the model says of that table.

    Returns:
        How a text file is written, and the texts that mean a missing value.

    Raises:
        UsageError: If an option makes no sense.
    """
    from denselab.data import CsvFormat
    from denselab.data.tables import MISSING

    given = "\t" if options.delimiter == "tab" else options.delimiter
    form = CsvFormat(
        delimiter=given if given or known is None else known.delimiter,
        encoding=options.encoding or (known.encoding if known else "utf-8"),
        decimal=options.decimal or (known.decimal if known else "."),
        header=known.header if known and options.header is None else options.header,
    )
    return form, (*(known.missing if known else MISSING), *(options.missing or ()))


def table_facts(options: ReadingOptions, fingerprint: str) -> "TableFacts":
    """Notes how a table was read, for the model that is trained on it.

    Args:
        options: How it was read.
        fingerprint: SHA-256 of its features and targets.

    Returns:
        The facts.
    """
    from denselab.training.description import TableFacts

    form, missing = csv_format(options)
    return TableFacts(
        fingerprint=fingerprint,
        missing=missing,
        delimiter=form.delimiter,
        decimal="," if form.decimal == "," else ".",
        encoding=form.encoding,
        header=form.header,
    )


def show_table(about: dict[str, Any]) -> None:
    """Prints what `describe_table` found.

    Args:
        about: The description.
    """
    from denselab.cli.table import print_table

    typer.echo(f"{about['name']}: {about['rows']:,} rows ({about['source']})")
    for line in _target(about):
        typer.echo(line)
    rows = [
        [
            str(column["name"])[:_SHOWN],
            column["kind"],
            f"{column['missing']:,}",
            f"{column['distinct']:,}",
            _values(column),
            f"left out: {column['reason']}" if column["reason"] else column["role"],
        ]
        for column in about["columns"]
    ]
    print_table(["column", "kind", "missing", "distinct", "values", "used as"], rows)
    for warning in about["warnings"]:
        typer.echo(f"careful: {warning}")


def _target(about: dict[str, Any]) -> Iterator[str]:
    if about["target"] is None:
        last = about["columns"][-1]["name"]
        yield f"no target named; if it is the last column, give --target {last}"
        return
    other = "regression" if about["task"] == "classification" else "classification"
    doubtful = "whole numbers" in about["why"]
    why = f"{about['why']}; --task {other} if that is wrong" if doubtful else about["why"]
    yield f"target: {about['target']}, {about['task']} ({why})"
    if about["classes"]:
        total = sum(about["classes"].values())
        parts = [f"{k} ({v:,}, {v / total:.1%})" for k, v in list(about["classes"].items())[:20]]
        more = ", …" if len(about["classes"]) > len(parts) else ""
        yield f"classes: {len(about['classes'])}: {', '.join(parts)}{more}"


def _values(column: dict[str, Any]) -> str:
    if column["range"] is not None:
        low, high = column["range"]
        return f"{low:g} to {high:g}"
    return ", ".join(column["examples"])[:_SHOWN]


def _kind(text: str) -> tuple[str, str]:
    from denselab.errors import UsageError

    name, equals, kind = text.rpartition("=")
    if not equals or not name:
        raise UsageError(f"--kind {text}: expected NAME=KIND, such as zip=category")
    return name, kind
