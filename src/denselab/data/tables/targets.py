"""What is predicted, as numbers a net is trained on, and the way back."""

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from jaxtyping import Float32, Int32, Num
from pydantic import BaseModel, ConfigDict, Field, model_validator

from denselab.data.arrays import clean_name
from denselab.data.tables.kinds import levels_of, numbers_of
from denselab.data.tables.reading import printable
from denselab.data.tables.steps import Finite, Text
from denselab.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ClassTarget", "QuantityTarget", "Target"]


class ClassTarget(BaseModel):
    """Classes, numbered in their order.

    Attributes:
        kind: "classes".
        name: The column.
        levels: The classes as they stand in the table; sorted as numbers where all are numbers.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["classes"] = "classes"
    name: Text
    levels: Annotated[tuple[Text, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _check(self) -> "ClassTarget":
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("classes must differ")
        return self

    @classmethod
    def fit(cls, series: "pl.Series") -> "ClassTarget":
        """Finds the classes.

        Args:
            series: The labels of the fitted rows.

        Returns:
            The target.

        Raises:
            DataError: If there is one class only.
        """
        names = levels_of(series).names
        if len(names) < 2:
            raise DataError(
                f"the rows fitted hold one class of the target {printable(series.name)} only; "
                "give rows of at least two"
            )
        return cls(name=series.name, levels=names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Printable names, each different, in the order of the labels."""
        names: list[str] = []
        for number, level in enumerate(self.levels):
            name = clean_name(level)[:200] or f"class {number}"
            names.append(name if name not in names else f"{name} ({number})")
        return tuple(names)

    def encode(self, series: "pl.Series") -> Int32[np.ndarray, " row"]:
        """Numbers labels.

        Args:
            series: Labels of any rows.

        Returns:
            Places in `levels`.

        Raises:
            DataError: If a label is missing, or was in no fitted row.
        """
        codes, names = levels_of(series)
        name = printable(series.name)
        if (codes < 0).any():
            raise DataError(f"the target {name} is missing in {(codes < 0).sum():,} rows")
        places = {level: place for place, level in enumerate(self.levels)}
        unknown = [level for level in names if level not in places]
        if unknown:
            known = ", ".join(printable(level) for level in self.levels[:5])
            raise DataError(
                f"the target {name} holds {printable(unknown[0])}, a class of no row that was "
                f"trained on (those are {known}); take its rows out or train on some of them"
            )
        return np.array([places[level] for level in names], np.int32)[codes]

    def decode(self, labels: Num[np.ndarray, " row"]) -> np.ndarray:
        """Names classes.

        Args:
            labels: Places in `levels`, shape (row,).

        Returns:
            The classes as text, as they stand in the table.
        """
        return np.array(self.levels, object)[np.asarray(labels, np.int64)]


class QuantityTarget(BaseModel):
    r"""A quantity, and how it is brought to mean 0 and deviation 1: $(y - \mu) / \sigma$.

    Attributes:
        kind: "quantity".
        name: The column.
        mean: $\mu$ over the fitted rows.
        deviation: $\sigma$ over the fitted rows; 1 where they have one value.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["quantity"] = "quantity"
    name: Text
    mean: Finite
    deviation: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @classmethod
    def fit(cls, series: "pl.Series") -> "QuantityTarget":
        """Finds mean and deviation.

        Args:
            series: The target of the fitted rows.

        Returns:
            The target.

        Raises:
            DataError: If a value is missing or no number.
        """
        values = _present(series)
        deviation = float(values.std()) if values.min() < values.max() else 0.0
        return cls(name=series.name, mean=float(values.mean()), deviation=deviation or 1.0)

    def encode(self, series: "pl.Series") -> Float32[np.ndarray, " row"]:
        """Reads targets in their own units.

        Args:
            series: Targets of any rows.

        Returns:
            The numbers of the table, not standardised.

        Raises:
            DataError: If one is missing or no number.
        """
        return _present(series).astype(np.float32)

    def standardise(self, values: Num[np.ndarray, " row"]) -> Float32[np.ndarray, " row"]:
        """Brings targets to mean 0 and deviation 1 over the fitted rows.

        Args:
            values: Targets in their own units.

        Returns:
            Targets in standard units.
        """
        return ((np.asarray(values, np.float64) - self.mean) / self.deviation).astype(np.float32)

    def decode(self, values: Num[np.ndarray, " row"]) -> np.ndarray:
        """Brings predictions back to their own units; the inverse of `standardise`.

        Args:
            values: Predictions in standard units. A deviation is multiplied by `deviation` alone.

        Returns:
            Predictions in the units of the table, `float64`.
        """
        return np.asarray(values, np.float64) * self.deviation + self.mean


Target = Annotated[ClassTarget | QuantityTarget, Field(discriminator="kind")]
"""What is predicted."""


def _present(series: "pl.Series") -> np.ndarray:
    values = numbers_of(series)
    missing = int(np.isnan(values).sum())
    if missing:
        raise DataError(f"the target {printable(series.name)} is missing in {missing:,} rows")
    return values
