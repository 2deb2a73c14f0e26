"""What a column holds, by rules that can be read; and its values as numbers, levels or truth values."""

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float64, Int32

from denselab.data.tables.reading import printable
from denselab.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Given",
    "Inferred",
    "Kind",
    "Levels",
    "check_given",
    "infer_kind",
    "levels_of",
    "numbers_of",
    "truths_of",
]

Kind = Literal[
    "number", "category", "boolean", "text", "date", "identifier", "constant", "empty", "mixed"
]
"""What a column holds."""

Given = Literal["number", "category", "boolean"]
"""What a user may say that a column holds."""

_EXACT_INTEGERS = 2**53
_LARGEST = float(np.finfo(np.float32).max)
_FEW = 20
_SPELLINGS = 6
_LONGEST_LEVEL = 200
_WORDS_OF_TEXT = 4
_MIXED_SHARE = 0.1
_PAIRS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})
_TRUE = ("true", "yes", "t", "y", "on", "1", "1.0")
_FALSE = ("false", "no", "f", "n", "off", "0", "0.0")
_DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))"
_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?(Z|[+-]\d{2}:?\d{2})?"
_DATE = rf"^({_DAY}([T ]{_TIME})?|{_TIME})$"
_CODE = r"^0\d+$"
_INTEGER = r"^[+-]?\d+$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:inf|infinity)$"
_COMMA = r"^[+-]?\d+,\d+$"
_ID_NAME = re.compile(r"(?i:(^|[_ .-])(id|uuid|guid|index|key|nr|no)$|^unnamed)|[a-z]I[dD]$")


class Inferred(NamedTuple):
    """What a column was found to hold.

    Attributes:
        kind: What it holds.
        why: The rule that said so, in words.
        problem: Why nothing can be trained with it as it is, and what to do; empty if it can.
    """

    kind: Kind
    why: str
    problem: str = ""


class Levels(NamedTuple):
    """A column as codes.

    Attributes:
        codes: For every row its place in `names`, or -1 where the value is missing.
        names: The different values, as text, sorted.
    """

    codes: Int32[np.ndarray, " row"]
    names: tuple[str, ...]


def infer_kind(series: "pl.Series") -> Inferred:
    """Says what a column holds.

    The first rule that fits decides: no values: empty; dates and times: date; one value and none
    missing: constant; two words such as yes and no: boolean; whole numbers that all differ and follow
    on one another, or all differ under a name such as "id": identifier; numbers: number, but category
    where whole numbers have leading zeros; numbers among text (a tenth of the different values or more): mixed;
    text of four words and more that hardly repeats: text; other text that hardly repeats: identifier;
    other text: category.

    Args:
        series: The column, with nulls where values are missing.

    Returns:
        The kind, the rule, and the problem if there is one.

    Example:
        >>> import polars as pl
        >>> infer_kind(pl.Series(["3", "1.5", None])).kind
        'number'
    """
    import polars as pl

    values = series.drop_nulls()
    if not len(values):
        return Inferred(
            "empty", "no value", "has no value at all; take it out, or mend how it was written"
        )
    if series.dtype.is_temporal():
        return _date(values)
    distinct = values.unique()
    is_text = series.dtype == pl.String
    if is_text and distinct.str.contains(_DATE).all():
        return _date(values)
    if len(distinct) == 1 and len(values) == len(series):
        return Inferred("constant", "one value")
    if series.dtype == pl.Boolean or _is_pair(distinct, is_text):
        return Inferred("boolean", "two words for yes and no")
    return (
        _text(series, values, distinct)
        if is_text
        else _number(series, distinct, distinct.dtype.is_integer())
    )


def numbers_of(series: "pl.Series") -> Float64[np.ndarray, " row"]:
    """Reads a column as numbers.

    Args:
        series: The column, with nulls where values are missing.

    Returns:
        Its values, NaN where they are missing.

    Raises:
        DataError: If one is no number, infinite, or beyond the range of float32.

    Example:
        >>> import polars as pl
        >>> numbers_of(pl.Series(["1", None])).tolist()
        [1.0, nan]
    """
    import polars as pl

    name = printable(series.name)
    if series.dtype.is_temporal():
        raise DataError(f"column {name} holds {series.dtype}; expected numbers")
    read = series.cast(pl.Float64, strict=False)
    if read.null_count() > series.null_count():
        wrong = series.filter(read.is_null() & series.is_not_null())
        raise DataError(
            f"column {name} holds {printable(wrong[0])}; expected numbers: mend the value, or list "
            "it among those that mean missing"
        )
    numbers = read.to_numpy().astype(np.float64)
    if problem := _range_problem(numbers):
        raise DataError(f"column {name} {problem}")
    return numbers


def levels_of(series: "pl.Series") -> Levels:
    """Reads a column as codes of its different values.

    Whole numbers are written without a decimal point, so that 3, 3.0 and "3" are one level.

    Args:
        series: The column, with nulls where values are missing.

    Returns:
        Codes and levels; levels sorted as numbers where all are numbers, else as text.

    Raises:
        DataError: If the column holds dates.

    Example:
        >>> import polars as pl
        >>> levels_of(pl.Series(["b", None, "a", "b"])).codes.tolist()
        [1, -1, 0, 1]
    """
    import polars as pl

    if series.dtype.is_temporal():
        raise DataError(
            f"column {printable(series.name)} holds {series.dtype}; expected categories"
        )
    if series.dtype.is_float() and (series % 1 == 0).all() and (series.abs() < 2**53).all():
        text = series.cast(pl.Int64, strict=False).cast(pl.String)
    elif series.dtype == pl.Boolean:
        text = series.cast(pl.Int8).replace_strict({1: "true", 0: "false"}, return_dtype=pl.String)
    else:
        text = series.cast(pl.String)
    names = _in_order(text.drop_nulls().unique())
    places = pl.Series(range(len(names)), dtype=pl.Int32)
    codes = text.replace_strict(pl.Series(names, dtype=pl.String), places, default=-1)
    return Levels(codes.fill_null(-1).to_numpy().astype(np.int32), tuple(names))


def truths_of(series: "pl.Series") -> Float64[np.ndarray, " row"]:
    """Reads a column as truth values.

    Args:
        series: The column, with nulls where values are missing.

    Returns:
        1 where it is true, yes, t, y, on or 1, 0 where it is the opposite, NaN where it is missing.

    Raises:
        DataError: If a value is neither.

    Example:
        >>> import polars as pl
        >>> truths_of(pl.Series(["Yes", "no"])).tolist()
        [1.0, 0.0]
    """
    codes, names = levels_of(series)
    known = {**dict.fromkeys(_TRUE, 1.0), **dict.fromkeys(_FALSE, 0.0)}
    for name in names:
        if name.lower() not in known:
            raise DataError(
                f"column {printable(series.name)} holds {printable(name)}; expected true or false, "
                "yes or no, 1 or 0"
            )
    return np.array([*(known[name.lower()] for name in names), np.nan])[codes]


def check_given(kind: str, column: str) -> None:
    """Refuses a kind that cannot be given.

    Args:
        kind: What the user said that a column holds.
        column: The column.

    Raises:
        DataError: If it is none of `Given`.
    """
    if kind not in get_args(Given):
        raise DataError(
            f"column {printable(column)} cannot be {printable(kind)}; give number, category or "
            "boolean, or drop the column"
        )


def _date(values: "pl.Series") -> Inferred:
    return Inferred(
        "date",
        "dates or times",
        f"holds dates such as {printable(values[0])}, which a dense net cannot read; turn them into "
        "numbers that matter (days since the first, month, weekday), or drop the column",
    )


def _is_pair(distinct: "pl.Series", is_text: bool) -> bool:
    return is_text and len(distinct) <= _SPELLINGS and _lower(distinct) in _PAIRS


def _lower(distinct: "pl.Series") -> set[str]:
    return {value.lower() for value in distinct.to_list()}


def _number(series: "pl.Series", distinct: "pl.Series", exact: bool) -> Inferred:
    import polars as pl

    numbers = distinct.cast(pl.Float64).to_numpy().astype(np.float64)
    if problem := _range_problem(numbers):
        return Inferred("number", "numbers", problem)
    whole = bool((numbers % 1 == 0).all())
    if exact and np.abs(numbers).max() >= _EXACT_INTEGERS:
        return Inferred(
            "identifier",
            "whole numbers beyond 2**53",
            "holds whole numbers beyond 2**53, which no float keeps apart; drop it if it is an "
            "identifier, say that it is a category, or scale it down",
        )
    differ = len(distinct) == len(series) > _FEW
    if whole and differ and numbers.max() - numbers.min() + 1 == len(series):
        return Inferred("identifier", "whole numbers that count the rows")
    if whole and differ and _ID_NAME.search(series.name):
        return Inferred("identifier", "whole numbers that all differ, under the name of a key")
    return Inferred("number", "whole numbers" if whole else "numbers")


def _range_problem(numbers: np.ndarray) -> str:
    if np.isinf(numbers).any():
        return (
            "holds infinite numbers, or some beyond the range of floats; mend them, or write them "
            "as missing"
        )
    if (np.abs(numbers) > _LARGEST).any():
        return "holds numbers beyond 3.4e38, the end of float32; scale them down"
    return ""


def _text(series: "pl.Series", values: "pl.Series", distinct: "pl.Series") -> Inferred:
    import polars as pl

    is_number = distinct.str.contains(_NUMBER)
    if is_number.all():
        if distinct.str.contains(_CODE).any() and distinct.str.contains(r"^\d+$").all():
            return Inferred("category", "whole numbers with leading zeros, so codes")
        exact = bool(distinct.str.contains(_INTEGER).all())
        return _number(series, distinct.cast(pl.Float64).unique(), exact)
    with_comma = distinct.str.contains(_COMMA)
    if (with_comma | is_number).all() and with_comma.any():
        return Inferred(
            "mixed",
            "numbers with commas",
            f"holds {printable(distinct.filter(with_comma)[0])}; if that is a decimal comma say so "
            "(decimal ','), if it separates thousands take it out",
        )
    share = float(is_number.to_numpy().mean())
    if share >= _MIXED_SHARE:
        odd = ", ".join(printable(value) for value in distinct.filter(~is_number).sort()[:3])
        return Inferred(
            "mixed",
            "numbers among text",
            f"holds numbers and text such as {odd}; mend the text, list it among the values that "
            "mean missing, or say that the column is a category",
        )
    return _words(values, distinct)


def _words(values: "pl.Series", distinct: "pl.Series") -> Inferred:
    words = float((distinct.str.count_matches(r"\s+") + 1).to_numpy().mean())
    longest = int(distinct.str.len_chars().to_numpy().max())
    hardly_repeats = len(distinct) > max(_FEW, len(values) / 2)
    if longest > _LONGEST_LEVEL or (hardly_repeats and words >= _WORDS_OF_TEXT):
        return Inferred("text", "sentences that hardly repeat")
    if hardly_repeats:
        return Inferred("identifier", "text that hardly repeats")
    return Inferred("category", "text that repeats")


def _in_order(distinct: "pl.Series") -> list[str]:
    names = sorted(distinct.to_list())
    if names and distinct.str.contains(_NUMBER).all():
        names.sort(key=float)
    return names
