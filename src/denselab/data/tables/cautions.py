"""What to be careful about in a table: repeated rows, features that give the target away, rare classes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from denselab.data.tables.kinds import Kind, levels_of, numbers_of
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

_MOST_ORDINAL = 3


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
    if schema.target is None or not features:
        return
    contradicting = (
        frame.select(*features, schema.target).n_unique() - frame.select(features).n_unique()
    )
    if contradicting and schema.task == "classification":
        yield f"{contradicting:,} rows have the features of another row and another class"


def _leaking(frame: "pl.DataFrame", schema: Schema) -> Iterator[str]:
    if schema.target is None:
        return
    target = frame[schema.target]
    advice = "if it is not known when you predict, drop it"
    for column in schema.features:
        how = _gives_away(frame[column.name], column.kind, target, schema)
        if how:
            yield f"{printable(column.name)} {how} the target {printable(target.name)}; {advice}"


def _gives_away(feature: "pl.Series", kind: Kind, target: "pl.Series", schema: Schema) -> str:
    codes, names = levels_of(feature)
    aims = levels_of(target).codes
    if len(names) <= len(codes) / _REPEATS and _decides(codes, aims):
        same = len(names) == len(np.unique(aims)) and _decides(aims, codes)
        return "is the same as" if same else "decides"
    if kind != "number" or feature.null_count():
        return ""
    values = numbers_of(feature)
    if schema.task == "regression":
        return "rises and falls with" if _in_step(values, numbers_of(target)) else ""
    return "alone separates the classes of" if _separates(values, aims) else ""


def _decides(codes: np.ndarray, aims: np.ndarray) -> bool:
    """Whether rows of one code never differ in what is aimed at."""
    pairs = np.unique(np.stack([codes, aims], axis=1), axis=0)
    return len(pairs) == len(np.unique(codes)) and len(pairs) > 1


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
    if not schema.classes or schema.why == "as said" or len(schema.classes) < _MOST_ORDINAL:
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
