"""Text with delimiters: CSV and its kin, checked record by record before anything is parsed."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from denselab.data.arrays import clean_name
from denselab.data.tables.reading import LONGEST_LINE, check_size, printable
from denselab.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CsvFormat", "parse_csv"]

_DELIMITERS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
"""In this order: decimal commas look like delimiters, so commas come last."""

_CHUNK = 2**24
_HEAD = 2**18
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_MISSING = ("", "?", "NA", "NaN", "nan")
_WIDE = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"))
_WIDE_BIG = ((codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_BE, "UTF-16"))
_QUOTE, _NEWLINE = ord('"'), ord("\n")


@dataclass(frozen=True, kw_only=True)
class CsvFormat:
    """How a text file is written; what is None is found out.

    Attributes:
        delimiter: Between fields: a comma, semicolon, tab or bar; None for the one that cuts all records
            into the same number of fields.
        encoding: Of the text, such as "utf-8" (with or without byte order mark), "cp1252", "utf-16".
        decimal: The decimal mark, "." or ",".
        header: Whether the first record names the columns; None if it does unless one of its fields
            is a number or a mark for missing values.

    Raises:
        UsageError: If delimiter, encoding or decimal mark are none.
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    decimal: str = "."
    header: bool | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None and self.delimiter not in _DELIMITERS:
            raise UsageError(f"delimiter {self.delimiter!r}: give a comma, semicolon, tab or bar")
        if self.decimal not in (".", ",") or self.decimal == self.delimiter:
            raise UsageError(
                f"decimal mark {self.decimal!r} with delimiter {self.delimiter!r}: give '.' or ',', "
                "another than the delimiter"
            )
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError) as error:
            raise UsageError(
                f"encoding {self.encoding!r} is unknown; give utf-8, cp1252, latin-1 or utf-16"
            ) from error


class _Records(NamedTuple):
    fields: np.ndarray
    ends: np.ndarray
    lengths: np.ndarray


def parse_csv(content: bytes, form: CsvFormat) -> "pl.DataFrame":
    r"""Cuts text into columns of text; nothing is converted.

    Fields may be in double quotation marks, in which delimiters and line ends stand for themselves
    and a doubled mark for one. Lines without a value are left out.

    Args:
        content: The bytes of the file.
        form: What is known of it.

    Returns:
        Columns of strings with their names; an empty field is null.

    Raises:
        DataError: If it is no regular table of text; the message names the line.

    Example:
        >>> parse_csv(b"a;b\n1;x\n2;y\n", CsvFormat()).rows()
        [('1', 'x'), ('2', 'y')]
    """
    text = _one_kind_of_line_end(_utf8(content, form.encoding))
    delimiter = form.delimiter or _sniff(text)
    records = _checked(text, delimiter)
    names, has_header = _names(text[: records.ends[0]], delimiter, form.header)
    check_size(len(records.ends), len(names))
    if int((records.lengths > 1).sum()) <= has_header:
        raise DataError("has a header and no rows; give rows to train on")
    frame = _frame(text, delimiter, names)
    if frame.height != len(records.ends):
        raise DataError(
            f"reads as {frame.height:,} rows and as {len(records.ends):,}; write it again with one "
            "kind of line end"
        )
    frame = frame.slice(1) if has_header else frame
    return frame.filter(~_all_null()) if len(names) > 1 else frame


def _frame(text: bytes, delimiter: str, names: list[str]) -> "pl.DataFrame":
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        return pl.read_csv(
            io.BytesIO(text),
            has_header=False,
            separator=delimiter,
            schema=dict.fromkeys(names, pl.String),
            quote_char='"',
        )
    except (PolarsError, PanicException) as error:
        raise DataError(f"is no table that can be read ({clean_name(error)[:200]})") from error


def _all_null() -> "pl.Expr":
    import polars as pl

    return pl.all_horizontal(pl.all().is_null())


def _utf8(content: bytes, encoding: str) -> bytes:
    plain = codecs.lookup(encoding).name
    if plain not in ("utf-8", "utf-8-sig"):
        try:
            content = content.decode(encoding).encode()
        except (UnicodeError, LookupError) as error:
            raise DataError(f"is no {encoding} ({clean_name(error)[:100]})") from error
    for mark, name in (*_WIDE, *_WIDE_BIG):
        if content.startswith(mark):
            raise DataError(
                f"is {name}; save it as UTF-8, or say encoding {name.lower().replace('_', '-')}"
            )
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise DataError("holds nothing but blanks; expected a header and rows")
    nul = content.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"holds a NUL byte on line {_line(content, nul)}; it is damaged, no text, or UTF-16 "
            "without its mark: save it as UTF-8"
        )
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content), _CHUNK):
        last = start + _CHUNK >= len(content)
        try:
            decoder.decode(content[start : start + _CHUNK], last)
        except UnicodeDecodeError as error:
            where = _line(content, start + error.start)
            raise DataError(
                f"is no UTF-8 (byte {error.object[error.start]:#04x} near line {where}); save it "
                "as UTF-8, or say encoding cp1252 if it comes from an older Windows"
            ) from error
    return content


def _line(content: bytes, place: int) -> str:
    lines = content.count(b"\n", 0, place) + 1
    return f"{lines:,}"


def _one_kind_of_line_end(text: bytes) -> bytes:
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    if b"\r" in text and b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    text = text.lstrip(b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


def _sniff(text: bytes) -> str:
    """Takes the delimiter that cuts the first records into equally many fields, at least two."""
    cut = text.rfind(b"\n", 0, _HEAD) if len(text) > _HEAD else len(text) - 1
    head = text[: cut + 1] or text[:_HEAD]
    most, found = 0, ","
    for delimiter in _DELIMITERS:
        records = _records(head, delimiter)
        fields = records.fields[records.lengths > 1]
        if len(fields) and fields[0] > 1 and (fields == fields[0]).all():
            return delimiter
        if len(fields) and fields[0] >= max(most, 2):
            most, found = int(fields[0]), delimiter
    return found


def _checked(text: bytes, delimiter: str) -> _Records:
    if b"\n" not in text[: LONGEST_LINE + 1]:
        raise DataError(
            f"has a line of more than {LONGEST_LINE:,} bytes; give one row a line, and leave "
            "out columns of long text"
        )
    if b'"' in text:
        _check_quotes(text, delimiter)
    records = _records(text, delimiter)
    lengths = records.lengths
    if len(lengths) == 0 or records.ends[-1] != len(text) - 1:
        raise DataError("ends within quotation marks; close the quotation mark that was opened")
    if lengths.max() > LONGEST_LINE:
        line = _line(text, int(records.ends[lengths.argmax()]) - int(lengths.max()) + 1)
        raise DataError(
            f"has {lengths.max():,} bytes in the record that begins on line {line}; at most "
            f"{LONGEST_LINE:,} are read: leave out columns of long text, or close a quotation mark"
        )
    uneven = (records.fields != records.fields[0]) & (lengths > 1)
    if uneven.any():
        row = int(uneven.argmax())
        line = _line(text, int(records.ends[row]))
        raise DataError(
            f"has {records.fields[row]:,} fields on line {line} and {records.fields[0]:,} on the "
            f"first (delimiter {delimiter!r}); give every row the same, and put quotation marks "
            "round text that holds the delimiter"
        )
    return records


def _records(text: bytes, delimiter: str) -> _Records:
    """Counts the fields of every record, a chunk at a time."""
    fields, ends, carried = [], [], 0
    for start, values, inside in _chunks(text):
        breaks = np.flatnonzero((values == _NEWLINE) & ~inside)
        before = np.cumsum((values == ord(delimiter)) & ~inside, dtype=np.int64)
        at_breaks = before[breaks]
        fields.append(np.diff(at_breaks, prepend=-carried) + 1)
        ends.append(breaks + start)
        carried = int(before[-1] - at_breaks[-1]) if len(breaks) else carried + int(before[-1])
    places = np.concatenate(ends)
    return _Records(np.concatenate(fields), places, np.diff(places, prepend=-1))


def _chunks(text: bytes) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields a place, the bytes from there on, and which of them stand within quotation marks."""
    odd = False
    whole = np.frombuffer(text, np.uint8)
    for start in range(0, len(whole), _CHUNK):
        values = whole[start : start + _CHUNK]
        # The parity of a count survives the overflow of a byte.
        parity = np.cumsum(values == _QUOTE, dtype=np.uint8) & 1
        inside = parity.astype(bool) ^ odd
        odd = bool(inside[-1])
        yield start, values, inside


def _check_quotes(text: bytes, delimiter: str) -> None:
    whole = np.frombuffer(text, np.uint8)
    edges = np.array([_QUOTE, _NEWLINE, ord(delimiter)], np.uint8)
    for start, values, inside in _chunks(text):
        places = np.flatnonzero(values == _QUOTE)
        opening = inside[places]
        before = whole[np.maximum(places + start - 1, 0)]
        after = whole[np.minimum(places + start + 1, len(whole) - 1)]
        fits = np.where(opening, np.isin(before, edges), np.isin(after, edges))
        fits |= places + start == 0
        if not fits.all():
            line = _line(text, int(places[fits.argmin()]) + start)
            raise DataError(
                f"has a quotation mark in the middle of a field on line {line}; put the field in "
                "quotation marks and double those inside"
            )


def _names(first: bytes, delimiter: str, header: bool | None) -> tuple[list[str], bool]:
    try:
        raw = next(csv.reader(io.StringIO(first.decode(), newline=""), delimiter=delimiter), [""])
    except csv.Error as error:
        raise DataError(f"has a first line that cannot be read ({error})") from error
    check_size(1, len(raw))
    cells = [clean_name(cell) for cell in raw]
    if header is None:
        header = not any(_NUMBER.fullmatch(cell) or cell in _MISSING[1:] for cell in cells)
    if not header:
        return [f"column_{number}" for number in range(1, len(cells) + 1)], False
    if "" in cells:
        raise DataError(
            f"column {cells.index('') + 1} has no name; name it, take it out, or say that there is "
            "no header"
        )
    name, count = Counter(cells).most_common(1)[0]
    if count > 1:
        raise DataError(
            f"the column name {printable(name)} occurs {count:,} times; give each its own"
        )
    return cells, True
