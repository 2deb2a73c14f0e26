"""What to be careful about in a table: repeated rows, features that give the target away, rare classes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from denselab.data.tables.kinds import levels_of, numbers_of
from denselab.data.tables.reading import printable
from denselab.data.tables.schema import Schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["cautions", "duplicated_rows"]

_IMBALANCE = 10
_FEW_ROWS = 10
_MUCH_MISSING = 0.5
_REPEATS = 2
"""Rows per value from which on a feature that decides the target is no accident of small numbers."""

_FIRST = 1000
_FEWEST_GRADES = 3


def cautions(frame: "pl.DataFrame", schema: Schema) -> tuple[str, ...]:
    """Says what to be careful about.

    Args:
        frame: The columns.
        schema: What was found in them.

    Returns:
        One sentence each, without a stop.
    """
    found = [*_repeated(frame, schema), *_leaking(frame, schema), *_unbalanced(schema)]
    return (*found, *_ordinal(frame, schema), *_sparse(frame, schema))


def duplicated_rows(frame: "pl.DataFrame") -> int:
    """Counts the rows that repeat an earlier one in all columns.

    Args:
        frame: The columns.

    Returns:
        Their number.

    Example:
        >>> import polars as pl
        >>> duplicated_rows(pl.DataFrame({"a": [1, 1, 2], "b": ["x", "x", "x"]}))
        1
    """
    return frame.height - frame.n_unique()


def _repeated(frame: "pl.DataFrame", schema: Schema) -> Iterator[str]:
    copies = duplicated_rows(frame)
    if copies:
        yield (
            f"{copies:,} of {frame.height:,} rows repeat an earlier one; copies may fall on both "
            "sides of a split and flatter the test"
        )
    features = [column.name for column in schema.features]
    if schema.task != "classification" or not features:
        return
    contradicting = (
        frame.select(*features, str(schema.target)).n_unique() - frame.select(features).n_unique()
    )
    if contradicting:
        yield f"{contradicting:,} rows have the features of another row and another class"


def _leaking(frame: "pl.DataFrame", schema: Schema) -> Iterator[str]:
    if schema.target is None:
        return
    target = frame[schema.target]
    quantity = numbers_of(target) if schema.task == "regression" else None
    aims = levels_of(target).codes if quantity is None else _places(quantity)
    advice = "if it is not known when you predict, drop it"
    for column in schema.features:
        feature = frame[column.name]
        numbers = numbers_of(feature) if column.kind == "number" else None
        codes = levels_of(feature).codes if numbers is None else _places(numbers)
        how = _determines(codes, aims)
        if not how and numbers is not None and not column.missing:
            how = _follows(numbers, aims, quantity)
        if how:
            yield f"{printable(column.name)} {how} the target {printable(target.name)}; {advice}"


def _determines(codes: np.ndarray, aims: np.ndarray) -> str:
    values = _different(codes)
    if values > len(codes) / _REPEATS or not _decides(codes, aims):
        return ""
    same = values == _different(aims) and _decides(aims, codes)
    return "is the same as" if same else "decides"


def _follows(numbers: np.ndarray, aims: np.ndarray, quantity: np.ndarray | None) -> str:
    if quantity is not None:
        # What holds for all rows holds for the first, and sorting those is cheap.
        parts = ((numbers[:_FIRST], quantity[:_FIRST]), (numbers, quantity))
        return "rises and falls with" if all(_in_step(*part) for part in parts) else ""
    return "alone separates the classes of" if _separates(numbers, aims) else ""


def _different(codes: np.ndarray) -> int:
    return int(np.count_nonzero(np.bincount(codes + 1)))


def _places(numbers: np.ndarray) -> np.ndarray:
    return np.unique(numbers, return_inverse=True)[1]


def _decides(codes: np.ndarray, aims: np.ndarray) -> bool:
    """Whether rows of one code never differ in what is aimed at."""
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    return bool((aims == aims[first][places]).all()) and aims.min() != aims.max()


def _in_step(values: np.ndarray, target: np.ndarray) -> bool:
    """Whether one is a strictly rising or falling function of the other."""
    order = np.lexsort((target, values))
    steps, rises = np.diff(values[order]), np.diff(target[order])
    rising = ((steps > 0) == (rises > 0)).all() and (rises >= 0).all()
    order = np.lexsort((-target, values))
    steps, falls = np.diff(values[order]), np.diff(-target[order])
    falling = ((steps > 0) == (falls > 0)).all() and (falls >= 0).all()
    return len(values) > _FEW_ROWS and bool(rising or falling)


def _separates(values: np.ndarray, aims: np.ndarray) -> bool:
    """Whether every class has an interval of its own."""
    if len(values) <= _FEW_ROWS:
        return False
    classes = np.unique(aims)
    low = np.array([values[aims == label].min() for label in classes])
    high = np.array([values[aims == label].max() for label in classes])
    order = np.argsort(low)
    return bool((high[order][:-1] < low[order][1:]).all())


def _unbalanced(schema: Schema) -> Iterator[str]:
    if not schema.classes:
        return
    by_rows = sorted(schema.classes.items(), key=lambda item: item[1])
    (rare, few), (common, many) = by_rows[0], by_rows[-1]
    if many >= _IMBALANCE * few:
        yield (
            f"classes are unbalanced: {many:,} rows of {printable(common)}, {few:,} of "
            f"{printable(rare)}; accuracy flatters the common class"
        )
    small = [printable(name) for name, rows in schema.classes.items() if rows < _FEW_ROWS]
    if small:
        yield f"fewer than {_FEW_ROWS} rows of class {', '.join(small[:5])}; no test can judge them"


def _ordinal(frame: "pl.DataFrame", schema: Schema) -> Iterator[str]:
    if not schema.classes or schema.why == "as said" or len(schema.classes) < _FEWEST_GRADES:
        return
    if all(name.lstrip("+-").isdigit() for name in schema.classes):
        yield (
            f"{printable(schema.target)} holds whole numbers; if they are a quantity or grades, say "
            "that the task is regression"
        )


def _sparse(frame: "pl.DataFrame", schema: Schema) -> Iterator[str]:
    for column in schema.features:
        share = column.missing / max(frame.height, 1)
        if share > _MUCH_MISSING:
            yield f"{printable(column.name)} is missing in {share:.0%} of the rows"
