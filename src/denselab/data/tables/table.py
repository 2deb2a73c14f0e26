"""The door for a user's own table: read, looked through, refused where nothing can be trained."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denselab.data.arrays import clean_name
from denselab.data.dataset import Task
from denselab.data.tables.cautions import cautions, duplicated_rows
from denselab.data.tables.delimited import CsvFormat
from denselab.data.tables.schema import Schema, infer_schema, position, refuse_problems
from denselab.data.tables.source import MISSING, open_source
from denselab.errors import DataError, UnsafeFileError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Reading", "Table", "describe_table", "read_table"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a table is read, where what is found by itself will not do.

    Attributes:
        csv: How a text file is written.
        missing: Texts that stand for a missing value.
        kinds: Column -> "number", "category" or "boolean", where that is known better.
        drop: Columns to leave out.

    Example:
        >>> Reading(kinds={"zip": "category"}, drop=("name",)).drop
        ('name',)
    """

    csv: CsvFormat = field(default_factory=CsvFormat)
    missing: Sequence[str] = MISSING
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop: Collection[str] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Table:
    """A table that was read.

    Attributes:
        name: What it is called.
        frame: Its columns: numbers, truth values, text, dates; null where a value is missing.
        schema: What was found in them.
        source: Where it came from, in words.
    """

    name: str
    frame: "pl.DataFrame" = field(repr=False)
    schema: Schema = field(repr=False)
    source: str

    def __len__(self) -> int:
        return self.frame.height


def read_table(
    source: Any,
    *,
    target: str | int | None = None,
    task: Task | None = None,
    reading: Reading | None = None,
) -> Table:
    """Reads a table and says what is in it.

    With a target, columns that nothing can be trained with are refused: dates, numbers among text,
    infinite numbers, whole numbers beyond 2**53, columns without a value. Identifiers, free text and
    constant columns are left out; `table.schema.left_out` says why. Without a target, as for rows
    that are to be predicted, nothing is refused for what it holds.

    Args:
        source: A path of CSV, Parquet, npy or npz; a frame of pandas, polars or pyarrow; a mapping
            of names to columns; a NumPy array of two axes, whose columns are x_1, x_2, and so on.
        target: The column to predict, by name or by place (-1 is the last).
        task: What it holds; found out if None: text, truth values and up to 20 different whole
            numbers, each in five rows on average, are classes; other numbers are a quantity.
        reading: What is known better than it would be found out.

    Returns:
        The table.

    Raises:
        DataError: If it cannot be read or trained on.
        UnsafeFileError: If a file could run code or exhaust the memory.
        UsageError: If an option makes no sense.

    Example:
        >>> table = read_table({"size": [1, 2, 3, 4], "sort": ["a", "b", "a", "b"]}, target="sort")
        >>> table.schema.task, dict(table.schema.classes)
        ('classification', {'a': 2, 'b': 2})
    """
    reading = reading or Reading()
    found = open_source(source, reading.csv, reading.missing)
    try:
        names = found.frame.columns
        chosen = None if target is None else position(names, target, "target")
        drop = frozenset(position(names, name, "drop") for name in reading.drop)
        kinds = {position(names, name, "kind"): kind for name, kind in reading.kinds.items()}
        if chosen in drop:
            raise DataError(
                f"{chosen!r} is the target and cannot be dropped; choose another target"
            )
        schema = infer_schema(found.frame, target=chosen, task=task, kinds=kinds, drop=drop)
        if chosen is not None:
            refuse_problems(schema)
    except (DataError, UnsafeFileError) as error:
        raise type(error)(f"{_where(source, found.words)}: {error}") from error
    return Table(name=found.name, frame=found.frame, schema=schema, source=found.words)


def _where(source: Any, words: str) -> str:
    return clean_name(source) if isinstance(source, str | Path) else words


def describe_table(table: Table) -> dict[str, object]:
    """Describes a table in plain values, ready for JSON.

    Args:
        table: The table.

    Returns:
        `name`, `source`, `rows`, `duplicated_rows`; `target`, `task`, `why` and `classes` (with rows);
        `columns`, each with what was found; `left_out`, name -> reason; and `warnings`.

    Example:
        >>> table = read_table({"size": [1, 2, 3, 4], "sort": ["a", "b", "a", "b"]}, target="sort")
        >>> describe_table(table)["columns"][0]["kind"]
        'number'
    """
    schema = table.schema
    return {
        "name": table.name,
        "source": table.source,
        "rows": len(table),
        "duplicated_rows": duplicated_rows(table.frame),
        "target": schema.target,
        "task": schema.task,
        "why": schema.why,
        "classes": None if schema.classes is None else dict(schema.classes),
        "columns": [asdict(column) for column in schema.columns],
        "left_out": {column.name: column.reason for column in schema.left_out},
        "warnings": list(cautions(table.frame, schema)),
    }
