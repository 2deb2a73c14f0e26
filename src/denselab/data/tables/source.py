"""From whatever holds a table to columns with names: files, frames, arrays, mappings."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from denselab.data.arrays import clean_name
from denselab.data.tables.arrays_file import read_npy, read_npz
from denselab.data.tables.delimited import CsvFormat, parse_csv
from denselab.data.tables.parquet import parse_parquet
from denselab.data.tables.reading import SUFFIXES, check_size, printable, read_table_file
from denselab.errors import DataError, UnsafeFileError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MISSING", "Source", "is_table_file", "open_source"]

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")
"""Texts that stand for a missing value."""

_REFUSED = {
    "c": "complex numbers; give real and imaginary parts as two columns",
    "V": "records; give one column for each field",
    "S": "bytes; give text",
    "m": "durations; give numbers, e.g. seconds",
}


class Source(NamedTuple):
    """A table as it came.

    Attributes:
        frame: Columns of numbers, truth values, text or dates; nulls where values are missing.
        name: What the table is called.
        words: Where it came from.
    """

    frame: "pl.DataFrame"
    name: str
    words: str


def is_table_file(text: str) -> bool:
    """Tells a table's file name from the name of a data set, by its ending; a folder is none.

    Args:
        text: What was typed.

    Returns:
        Whether it is a file name.

    Example:
        >>> is_table_file("houses.csv"), is_table_file("digits")
        (True, False)
    """
    named = Path(text).suffix.lower() in SUFFIXES or "/" in text
    return named and not os.path.isdir(text)


def open_source(source: Any, form: CsvFormat, missing: Sequence[str] = MISSING) -> Source:
    """Brings a table to columns, whatever it came in.

    Args:
        source: A path, a frame of pandas, polars or pyarrow, a mapping of names to columns, or a NumPy
            array of two axes.
        form: How a text file is written.
        missing: Texts that stand for a missing value.

    Returns:
        The table.

    Raises:
        DataError: If it is no table of plain values.
        UnsafeFileError: If a file could run code or exhaust the memory.
    """
    if not isinstance(source, str | Path):
        frame, words = _in_memory(source)
        return Source(_plain(frame, missing, form.decimal), "table", words)
    if "://" in str(source):
        raise DataError(
            f"{clean_name(source)} is an address; download the file yourself and give its path"
        )
    path = Path(source)
    content, kind = read_table_file(path)
    try:
        frame = _parsed(content, kind, form)
        frame = _plain(frame, missing, form.decimal)
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path} {error}") from error
    header = ", no header" if kind == "CSV" and frame.columns[0] == "column_1" else ""
    return Source(frame, clean_name(path.stem) or "table", f"{clean_name(path)}, {kind}{header}")


def _parsed(content: bytes, kind: str, form: CsvFormat) -> "pl.DataFrame":
    if kind == "CSV":
        return parse_csv(content, form)
    if kind == "Parquet":
        return parse_parquet(content)
    file = io.BytesIO(content)
    return _from_arrays(read_npz(file) if kind == "NumPy archive" else read_npy(file, len(content)))


def _in_memory(source: Any) -> tuple["pl.DataFrame", str]:
    import polars as pl

    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.DataFrame):
        return source, "polars frame"
    if isinstance(source, np.ndarray):
        return _from_arrays({"x": source}), "NumPy array"
    if isinstance(source, Mapping):
        arrays = {str(name): _one_column(values, str(name)) for name, values in source.items()}
        return _from_columns(arrays), "mapping of columns"
    return _foreign_frame(source)


def _foreign_frame(source: Any) -> tuple["pl.DataFrame", str]:
    import narwhals as nw

    try:
        frame = nw.from_native(source, eager_only=True)
    except TypeError as error:
        raise DataError(
            f"cannot read a table from {type(source).__name__}; give a path, a frame of pandas, "
            "polars or pyarrow, a mapping of columns, or a NumPy array"
        ) from error
    except (nw.exceptions.NarwhalsError, ValueError) as error:
        raise DataError(f"the frame cannot be read ({clean_name(error)[:200]})") from error
    library = frame.implementation.name.lower()
    if library == "pyarrow":
        return frame.to_polars(), "pyarrow table"
    columns = {str(name): _one_column(frame[name].to_numpy(), str(name)) for name in frame.columns}
    return _from_columns(columns), f"{library} frame"


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> "pl.DataFrame":
    """Takes `x` of two axes apart into columns; other arrays are one column each."""
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if values.ndim == 2 and (name == "x" or values.shape[1] == 1):
            check_size(len(values), values.shape[1])
            one = values.shape[1] == 1 and name != "x"
            new = {f"{name}_{i + 1}": values[:, i] for i in range(values.shape[1])}
            columns |= {name: values[:, 0]} if one else new
        elif values.ndim == 1:
            columns[name] = values
        else:
            raise DataError(
                f"{printable(name)} has shape {values.shape}; expected (rows, columns) for x and "
                "(rows,) for others"
            )
    return _from_columns(columns)


def _one_column(values: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"column {printable(name)} is no plain column ({error})") from error
    if array.ndim != 1:
        raise DataError(
            f"column {printable(name)} has shape {array.shape}; expected one value a row, (rows,)"
        )
    return array


def _from_columns(columns: Mapping[str, np.ndarray]) -> "pl.DataFrame":
    import polars as pl

    if not columns:
        raise DataError("there are no columns; give a table with features and a target")
    lengths = {name: len(values) for name, values in columns.items()}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise DataError(
                f"{printable(first)} has {lengths[first]:,} rows and {printable(name)} {length:,}; "
                "give every column the same"
            )
    check_size(lengths[first], len(columns))
    return pl.DataFrame([_series(name, values) for name, values in columns.items()])


def _series(name: str, values: np.ndarray) -> "pl.Series":
    import polars as pl

    kind = values.dtype.kind
    if kind in _REFUSED:
        raise DataError(f"{printable(name)} ({values.dtype}) holds {_REFUSED[kind]}")
    if kind in "biuf":
        native = values.dtype.newbyteorder("=")
        wide = np.float64 if native == np.longdouble or native == np.float16 else native
        return pl.Series(name, np.ascontiguousarray(values, wide))
    if kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    return pl.Series(name, [_text(value, name) for value in values.tolist()], pl.String)


def _text(value: Any, name: str) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str | int | float | np.generic) or not hasattr(value, "__len__"):
        text = str(value)
        return None if text in ("NaT", "<NA>") else text
    raise DataError(
        f"column {printable(name)} holds {type(value).__name__}; expected one number or text a row"
    )


def _plain(frame: "pl.DataFrame", missing: Sequence[str], decimal: str) -> "pl.DataFrame":
    """Brings all columns to numbers, truth values, text and dates, with printable names."""
    import polars as pl

    check_size(frame.height, frame.width)
    if not frame.height or not frame.width:
        raise DataError("has no rows or no columns; give rows to train on")
    names = [clean_name(name) for name in frame.columns]
    if "" in names:
        raise DataError(f"column {names.index('') + 1} has no name; name it or take it out")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the column name {printable(twice)} occurs twice; give each its own")
    return pl.DataFrame(
        [
            _plain_series(frame.to_series(place), name, list(missing), decimal)
            for place, name in enumerate(names)
        ]
    )


def _plain_series(series: "pl.Series", name: str, missing: list[str], decimal: str) -> "pl.Series":
    import polars as pl

    series = series.alias(name)
    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype.is_decimal():
        series = series.cast(pl.Float64)
    if series.dtype == pl.String:
        series = series.str.strip_chars()
        if decimal == ",":
            series = series.str.replace(r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$", "${1}.${2}")
        return series.set(series.is_in(missing), None)
    if series.dtype.is_float():
        return series.fill_nan(None)
    if series.dtype.is_numeric() or series.dtype.is_temporal():
        return series
    if series.dtype in (pl.Boolean, pl.Null):
        return series
    raise DataError(
        f"column {printable(name)} holds {printable(series.dtype)}; expected one number, truth "
        "value or text a row: take it apart into columns, or take it out"
    )
