"""From a table to what a dense net takes: fitted on training rows, applied to any, kept as JSON."""

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from jaxtyping import Float32, Int
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from denselab.data.tables.reading import printable
from denselab.data.tables.steps import (
    BooleanStep,
    CategoryStep,
    Encoding,
    NumberStep,
    Scaling,
    Step,
)
from denselab.data.tables.table import Table
from denselab.data.tables.targets import ClassTarget, QuantityTarget, Target
from denselab.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from denselab.data.tables.kinds import Kind

__all__ = ["Preprocessing", "PreprocessingOptions"]

_MOST_CELLS = 2**29
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class PreprocessingOptions:
    """What is made of the columns.

    Attributes:
        scaling: "standard" (mean and deviation), "robust" (median and quartiles, smoothly clipped at
            3), "quantile" (normal scores of ranks), or "none" where scaling comes later.
        encoding: "onehot", or "integer" for embeddings.
        most_levels: Most levels of a category with a slot of their own; the others share one.
        fewest_rows: Fewest training rows of such a level.

    Raises:
        UsageError: If a value makes no sense.
    """

    scaling: Scaling = "standard"
    encoding: Encoding = "onehot"
    most_levels: int = 50
    fewest_rows: int = 3

    def __post_init__(self) -> None:
        for what, given, known in (
            ("scaling", self.scaling, get_args(Scaling)),
            ("encoding", self.encoding, get_args(Encoding)),
        ):
            if given not in known:
                raise UsageError(f"{what} {given!r} is unknown; expected {' or '.join(known)}")
        if self.most_levels < 1 or self.fewest_rows < 1:
            raise UsageError(
                f"most_levels {self.most_levels} and fewest_rows {self.fewest_rows}: give at least 1"
            )


class Preprocessing(BaseModel):
    """What was fitted on the training rows of a table.

    Attributes:
        format: Version of this description.
        steps: What becomes of every column that is a feature.
        target: What is predicted.

    Example:
        >>> from denselab.data.tables.table import read_table
        >>> table = read_table({"size": [1.0, 2.0, 3.0], "y": ["a", "b", "a"]}, target="y")
        >>> fitted = Preprocessing.fit(table, np.array([0, 1]))
        >>> fitted.transform(table).tolist()
        [[-1.0], [1.0], [3.0]]
        >>> Preprocessing.from_json(fitted.to_json()) == fitted
        True
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    format: Literal[1] = 1
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    target: Target

    @classmethod
    def fit(
        cls,
        table: Table,
        rows: Int[np.ndarray, " fitted"] | None = None,
        *,
        options: PreprocessingOptions | None = None,
    ) -> "Preprocessing":
        """Finds all figures from some rows and no others.

        Args:
            table: A table that was read with a target.
            rows: Row numbers to fit on, usually the training rows; all where None.
            options: What is made of the columns.

        Returns:
            The preprocessing.

        Raises:
            DataError: If the table has no target, or a column no value in these rows.
        """
        options = options or PreprocessingOptions()
        schema = table.schema
        if schema.target is None:
            raise DataError(f"{table.name} was read without a target; name the column to predict")
        frame = table.frame if rows is None else table.frame[np.asarray(rows)]
        if not frame.height:
            raise DataError("no row to fit; give at least one training row")
        target = ClassTarget if schema.task == "classification" else QuantityTarget
        return cls(
            steps=tuple(
                _step(frame[column.name], column.kind, options) for column in schema.features
            ),
            target=target.fit(frame[schema.target]),
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for every feature that comes out, each different."""
        names: dict[str, None] = {}
        for name in (name for step in self.steps for name in step.features):
            number, free = 1, name
            while free in names:
                number += 1
                free = f"{name} ({number})"
            names[free] = None
        return tuple(names)

    @property
    def cardinalities(self) -> dict[int, int]:
        """Place of a feature that is an integer code -> number of codes, for its embedding."""
        places: dict[int, int] = {}
        place = 0
        for step in self.steps:
            if isinstance(step, CategoryStep) and step.encoding == "integer":
                places[place] = step.slots
            place += len(step.features)
        return places

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Printable names of the classes; None for a quantity."""
        return self.target.class_names if isinstance(self.target, ClassTarget) else None

    def transform(self, table: Table) -> Float32[np.ndarray, "row feature"]:
        """Makes features of any rows.

        Columns are found by name, in any order; others are not looked at, the target neither.

        Args:
            table: A table with the columns that were fitted, read with or without a target.

        Returns:
            Features, shape (row, feature), in the order of `feature_names`.

        Raises:
            DataError: If columns are missing, or hold something else than they did.
        """
        self._check_columns(table)
        widths = [len(step.features) for step in self.steps]
        if len(table) * sum(widths) > _MOST_CELLS:
            raise DataError(
                f"{len(table):,} rows of {sum(widths):,} features do not fit in memory; lower "
                "most_levels, drop columns, or give fewer rows"
            )
        out = np.empty((len(table), sum(widths)), np.float32)
        place = 0
        for step, width in zip(self.steps, widths, strict=True):
            out[:, place : place + width] = _applied(step, table, place, width)
            place += width
        return out

    def transform_target(self, table: Table) -> np.ndarray:
        """Reads the target of any rows.

        Args:
            table: A table with the target.

        Returns:
            Labels from 0 (`int32`), or quantities in their own units (`float32`), shape (row,).

        Raises:
            DataError: If the target is not there, has missing values, or a class never seen.
        """
        name = self.target.name
        if name not in table.frame.columns:
            raise DataError(f"{table.name} has no column {printable(name)}, the target")
        return self.target.encode(table.frame[name])

    def to_json(self) -> str:
        """Writes everything as JSON, numbers to the last bit.

        Returns:
            An object with `format`, `steps` and `target`.
        """
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Preprocessing":
        """Reads what `to_json` wrote, and believes none of it unchecked.

        Args:
            text: The JSON.

        Returns:
            The preprocessing.

        Raises:
            DataError: If it is no such JSON.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise DataError(
                f"the preprocessing cannot be read: {printable(where)}: {first['msg']}; "
                "fit and save it again"
            ) from error

    def _check_columns(self, table: Table) -> None:
        there = table.frame.columns
        absent = [step.name for step in self.steps if step.name not in set(there)]
        if not absent:
            return
        close = difflib.get_close_matches(absent[0], there, n=1)
        meant = f"; it has {printable(close[0])}" if close else ""
        listed = ", ".join(printable(name) for name in absent[:_NAMED])
        more = f" and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
        raise DataError(
            f"{table.name} lacks {len(absent):,} of {len(self.steps):,} columns: {listed}{more}"
            f"{meant}; give the columns under the names they had in training"
        )


def _step(
    series: "pl.Series", kind: "Kind", options: PreprocessingOptions
) -> NumberStep | BooleanStep | CategoryStep:
    if kind == "number":
        return NumberStep.fit(series, options.scaling)
    if kind == "boolean":
        return BooleanStep.fit(series)
    return CategoryStep.fit(
        series, options.encoding, most=options.most_levels, fewest=options.fewest_rows
    )


def _applied(
    step: NumberStep | BooleanStep | CategoryStep, table: Table, place: int, width: int
) -> np.ndarray:
    try:
        values = step.apply(table.frame[step.name])
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from error
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise DataError(
            f"{table.name}: column {printable(step.name)} is too far from the rows fitted for a "
            "float32; mend its values"
        )
    return narrow
