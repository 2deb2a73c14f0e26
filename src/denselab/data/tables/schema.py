"""What a table holds and what is made of it: columns, target, task."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from denselab.data.arrays import clean_name
from denselab.data.dataset import Task
from denselab.data.tables.kinds import (
    Inferred,
    Kind,
    check_given,
    infer_kind,
    levels_of,
    numbers_of,
    truths_of,
)
from denselab.data.tables.reading import printable
from denselab.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Column", "Schema", "infer_schema", "position", "refuse_problems"]

Role = Literal["feature", "target", "left out"]

_LEFT_OUT = {
    "identifier": "names the row and says nothing about others",
    "text": "a dense net reads numbers and categories; turn it into features of your own",
    "constant": "never changes",
}
_MOST_LABELS, _FEWEST_ROWS = 20, 5
_MOST_CLASSES = 1000
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column as it was found.

    Attributes:
        name: Its name.
        kind: What it holds.
        why: The rule that said so, in words.
        role: Whether it is a feature, the target, or left out.
        reason: Why it is left out; empty if it is not.
        problem: Why nothing can be trained with it as it is; empty if it can.
        missing: Number of rows without a value.
        distinct: Number of different values.
        examples: The first different values, as text.
        range: The smallest and the largest number; None for what holds no numbers.
    """

    name: str
    kind: Kind
    why: str
    role: Role = "feature"
    reason: str = ""
    problem: str = ""
    missing: int = 0
    distinct: int = 0
    examples: tuple[str, ...] = ()
    range: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Schema:
    """All columns, what is predicted, and how that was decided.

    Attributes:
        columns: The columns in their order.
        target: Name of the column that is predicted; None in a table without labels.
        task: Whether it holds classes or a quantity.
        why: What decided the task, in words.
        classes: Name of a class -> its rows; None unless the task is classification.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    task: Task | None = None
    why: str = ""
    classes: Mapping[str, int] | None = field(default=None, repr=False)

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that are trained on."""
        return tuple(column for column in self.columns if column.role == "feature")

    @property
    def left_out(self) -> tuple[Column, ...]:
        """The columns that are not, each with its reason."""
        return tuple(column for column in self.columns if column.role == "left out")

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def position(names: list[str], wanted: str | int, what: str) -> str:
    """Finds a column by name or by place.

    Args:
        names: The columns there are.
        wanted: A name, or a place from 0; -1 is the last.
        what: What it is wanted for, for the message.

    Returns:
        The name.

    Raises:
        DataError: If there is none.

    Example:
        >>> position(["age", "price"], -1, "target")
        'price'
    """
    if wanted in names:
        return str(wanted)
    place = str(wanted)
    if place.lstrip("-").isdigit() and -len(names) <= int(place) < len(names):
        return names[int(place)]
    close = difflib.get_close_matches(place, names, n=1)
    meant = f"; did you mean {printable(close[0])}?" if close else ";"
    listed = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    raise DataError(f"there is no column {printable(wanted)} ({what}){meant} there are {listed}")


def infer_schema(
    frame: "pl.DataFrame",
    *,
    target: str | None,
    task: Task | None,
    kinds: Mapping[str, str],
    drop: frozenset[str],
) -> Schema:
    """Looks through all columns.

    Args:
        frame: Columns of numbers, truth values, text and dates.
        target: The column to predict; None in a table without labels.
        task: What it holds; None to find out.
        kinds: Column -> what it holds, where that is known better.
        drop: Columns to leave out.

    Returns:
        What was found. Nothing is refused for its features here; see `refuse_problems`.

    Raises:
        DataError: If the target cannot be predicted, or a kind does not fit.
    """
    columns = [_column(series, kinds.get(series.name), series.name in drop) for series in frame]
    if target is None:
        return Schema(columns=tuple(columns))
    place = frame.columns.index(target)
    columns[place] = replace(columns[place], role="target", reason="", problem="")
    chosen, why = _task(frame[target], task)
    classes = _class_counts(frame[target]) if chosen == "classification" else None
    return Schema(columns=tuple(columns), target=target, task=chosen, why=why, classes=classes)


def refuse_problems(schema: Schema) -> None:
    """Refuses a table with columns that nothing can be trained with.

    Args:
        schema: What was found.

    Raises:
        DataError: If there are such columns, or no features; it names them and what to do.
    """
    wrong = [column for column in schema.columns if column.problem]
    if wrong:
        others = [printable(column.name) for column in wrong[1:]]
        listed = ", ".join(others[:_NAMED]) + (", …" if len(others) > _NAMED else "")
        also = f" (as much is wrong with {listed})" if others else ""
        raise DataError(f"column {printable(wrong[0].name)} {wrong[0].problem}{also}")
    if not schema.features:
        reasons = "; ".join(
            f"{printable(column.name)}: {column.reason}" for column in schema.left_out[:_NAMED]
        )
        raise DataError(f"has no feature to train on ({reasons or 'no other column'}); give some")


def _column(series: "pl.Series", given: str | None, dropped: bool) -> Column:
    found = infer_kind(series)
    if given is not None:
        found = _as_given(series, given)
    reason = "asked for" if dropped else _LEFT_OUT.get(found.kind, "")
    if found.problem and not dropped:
        reason = ""
    numbers = found.kind in ("number", "identifier", "constant") and not found.problem
    distinct = series.drop_nulls().unique(maintain_order=True)
    return Column(
        name=series.name,
        kind=found.kind,
        why=found.why,
        role="left out" if reason else "feature",
        reason=reason,
        problem="" if dropped else found.problem,
        missing=series.null_count(),
        distinct=len(distinct),
        examples=tuple(clean_name(value)[:40] for value in distinct.head(3).to_list()),
        range=_range(series) if numbers else None,
    )


def _as_given(series: "pl.Series", given: str) -> Inferred:
    check_given(given, series.name)
    if given == "number":
        numbers_of(series)
        return Inferred("number", "as said")
    if given == "boolean":
        truths_of(series)
        return Inferred("boolean", "as said")
    levels_of(series)
    return Inferred("category", "as said")


def _range(series: "pl.Series") -> tuple[float, float] | None:
    try:
        numbers = numbers_of(series.drop_nulls())
    except DataError:
        return None
    return (float(numbers.min()), float(numbers.max())) if len(numbers) else None


def _task(target: "pl.Series", task: Task | None) -> tuple[Task, str]:
    _check_target(target)
    if task not in (None, "classification", "regression"):
        raise UsageError(f"task {task!r} is unknown; expected classification or regression")
    found, why = _found_task(target)
    if task == "regression":
        _check_quantity(target)
    elif (task or found) == "classification":
        _check_labels(target)
    else:
        _check_quantity(target)
    return (task, "as said") if task is not None else (found, why)


def _check_target(target: "pl.Series") -> None:
    name = printable(target.name)
    if len(target) < 2:
        raise DataError("has one row; give at least two, one to train on and one to validate on")
    if missing := target.null_count():
        first = int(target.is_null().to_numpy().argmax())
        raise DataError(
            f"the target {name} is missing in {missing:,} of {len(target):,} rows, the first of "
            f"them row {first + 1:,}; take those rows out"
        )
    if infer_kind(target).kind == "date":
        raise DataError(f"the target {name} holds dates; give numbers, e.g. days since the first")


def _found_task(target: "pl.Series") -> tuple[Task, str]:
    kind = infer_kind(target).kind
    if kind in ("category", "boolean", "text", "mixed") or not _is_numeric(target):
        return "classification", "the target holds text or truth values"
    numbers = numbers_of(target)
    if (numbers % 1 != 0).any():
        return "regression", "the target holds fractions"
    labels = len(np.unique(numbers))
    if labels <= _MOST_LABELS and len(numbers) >= _FEWEST_ROWS * labels:
        return "classification", f"the target holds {labels} different whole numbers"
    return "regression", f"the target holds {labels:,} different whole numbers"


def _is_numeric(target: "pl.Series") -> bool:
    try:
        numbers_of(target)
    except DataError:
        return target.dtype.is_numeric()
    return True


def _check_quantity(target: "pl.Series") -> None:
    try:
        numbers = numbers_of(target)
    except DataError as error:
        raise DataError(f"the target cannot be a quantity: {error}") from error
    if numbers.min() == numbers.max():
        raise DataError(f"the target {printable(target.name)} has one value; give one that varies")


def _check_labels(target: "pl.Series") -> None:
    name = printable(target.name)
    if target.dtype.is_float() or infer_kind(target).kind == "number":
        numbers = numbers_of(target)
        if (numbers % 1 != 0).any():
            raise DataError(
                f"the target {name} holds fractions such as {numbers[numbers % 1 != 0][0]:g}; say "
                "that the task is regression, or give whole numbers or names as classes"
            )
    if str(target.dtype) == "UInt8" and target.max() == 255:
        raise DataError(
            f"the target {name} holds the uint8 label 255, which mostly is a missing label (-1 "
            "wrapped round); take those rows out, or give another type if 255 is a class"
        )
    names = list(levels_of(target).names)
    if len(names) == 1:
        raise DataError(
            f"the target {name} has one class only ({printable(names[0])}); give at least two"
        )
    if len(names) == len(target):
        raise DataError(
            f"all {len(target):,} labels of the target {name} differ; give labels that repeat, or "
            "say that the task is regression if it is a quantity"
        )
    if len(names) > _MOST_CLASSES:
        raise DataError(
            f"the target {name} has {len(names):,} classes; at most {_MOST_CLASSES:,} are told "
            "apart: give coarser ones, or say that the task is regression"
        )


def _class_counts(target: "pl.Series") -> dict[str, int]:
    codes, names = levels_of(target)
    return dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
