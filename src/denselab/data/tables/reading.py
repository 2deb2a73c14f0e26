"""Opens a table's file: looked at before it is believed, and never more of it than fits."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from denselab.data.arrays import clean_name
from denselab.errors import DataError, UnsafeFileError

__all__ = ["LONGEST_LINE", "MOST_CELLS", "SUFFIXES", "check_size", "printable", "read_table_file"]

SUFFIXES = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".data": "CSV",
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".npz": "NumPy archive",
    ".npy": "NumPy array",
}
"""Ending of a file name -> what the file is to hold."""

_MOST_BYTES = 2**30
MOST_CELLS = 2**28
"""Most rows times columns of a table; 2 GiB as float64."""

LONGEST_LINE = 2**20
"""Most bytes of a row of text."""

_MOST_COLUMNS = 10_000
_MAGIC = (
    (b"PAR1", "Parquet"),
    (b"\x93NUMPY", "NumPy array"),
    (b"PK\x03\x04", "NumPy archive"),
    (b"PK\x05\x06", "NumPy archive"),
)
_STRANGERS = (
    (b"\x1f\x8b", "packed with gzip; unpack it first, e.g. with gunzip"),
    (b"BZh", "packed with bzip2; unpack it first, e.g. with bunzip2"),
    (b"\xfd7zXZ", "packed with xz; unpack it first, e.g. with unxz"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; unpack it first, e.g. with unzstd"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook; save the sheet as CSV (UTF-8)"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV or Parquet"),
    (b"\x89HDF", "an HDF5 file; export the table as CSV or Parquet"),
    (b"\x80\x04\x95", "a Python pickle, which runs code when it is read; save CSV or Parquet"),
    (b"\x80\x05\x95", "a Python pickle, which runs code when it is read; save CSV or Parquet"),
)


def read_table_file(path: Path) -> tuple[bytes, str]:
    """Reads a whole file, after a look at what it is.

    Args:
        path: The file.

    Returns:
        Its bytes, and what they are: a value of `SUFFIXES`.

    Raises:
        DataError: If it is not there, no plain file, empty, too large, or nothing that can be read.
        UnsafeFileError: If it is a pickle.
    """
    expected = SUFFIXES.get(path.suffix.lower())
    if expected is None:
        endings = ", ".join(SUFFIXES)
        raise DataError(f"{path}: files ending in {path.suffix!r} are not read; give {endings}")
    content = _content(path, text=expected == "CSV")
    found = _kind(content, path)
    if (found or "CSV") != expected:
        raise DataError(
            f"{path} ends as {expected} and holds {found or 'something else'}; save it as "
            f"{expected}, or rename it"
        )
    return content, expected


def check_size(rows: int, columns: int) -> None:
    """Refuses a table that does not fit in the memory of a usual machine.

    Args:
        rows: How many rows there are.
        columns: How many columns.

    Raises:
        DataError: If there are too many.
    """
    if columns > _MOST_COLUMNS:
        raise DataError(
            f"has {columns:,} columns; at most {_MOST_COLUMNS:,} are read: keep those that matter"
        )
    if rows * columns > MOST_CELLS:
        raise DataError(
            f"has {rows:,} rows of {columns:,} columns; at most {MOST_CELLS:,} cells are read: "
            "keep fewer rows or columns"
        )


def _content(path: Path, *, text: bool) -> bytes:
    try:
        # Without O_NONBLOCK, opening a pipe waits for somebody to write into it.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}); check the path") from error
    except ValueError as error:  # A NUL in the path.
        raise DataError(f"cannot read {str(path)!r} ({error}); check the path") from error
    about = os.fstat(number)
    if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
        os.close(number)
        raise DataError(f"{path} {_why_not(about)}")
    with os.fdopen(number, "rb") as file:
        if text:
            _check_lines(file, path)
        content = file.read(_MOST_BYTES)
    if not content:
        raise DataError(f"{path} is empty; expected a table with a header and rows")
    return content


def _check_lines(file: BinaryIO, path: Path) -> None:
    """Looks for a line without end, before there is memory taken for the whole file; rewinds."""
    run, line = 0, 1
    while piece := file.read(LONGEST_LINE):
        ends = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
        if run + min(ends, default=len(piece)) > LONGEST_LINE:
            raise DataError(
                f"{path} has a line of more than {LONGEST_LINE:,} bytes that begins on line {line}; at "
                "most so many are read: give one row a line, leave out columns of long text, or "
                "close a quotation mark"
            )
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        run = len(piece) - 1 - last if ends else run + len(piece)
        line += piece.count(b"\n")
    file.seek(0)


def _why_not(about: os.stat_result) -> str:
    if stat.S_ISREG(about.st_mode):
        return (
            f"has {about.st_size:,} bytes; at most {_MOST_BYTES:,} are read: keep fewer rows, or "
            "save it as Parquet"
        )
    what = "a folder" if stat.S_ISDIR(about.st_mode) else "a device or pipe"
    return f"is {what}; give a plain file"


def _kind(content: bytes, path: Path) -> str | None:
    for magic, what in _STRANGERS:
        if content.startswith(magic):
            error = UnsafeFileError if "pickle" in what else DataError
            raise error(f"{path} is {what}")
    found = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    if found == "NumPy archive" and b"[Content_Types].xml" in content[:4096]:
        raise DataError(f"{path} is an Excel workbook; save the sheet as CSV (UTF-8)")
    return found


def printable(text: object, most: int = 40) -> str:
    r"""Quotes a value for a message: one line, no controls, not long.

    Args:
        text: The value.
        most: Most characters to show.

    Returns:
        The value in quotation marks.

    Example:
        >>> print(printable("a\x1b[31mb"))
        'ab'
    """
    cleaned = clean_name(text)
    return repr(cleaned if len(cleaned) <= most else cleaned[: most - 1] + "…")
