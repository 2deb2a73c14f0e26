"""How one column becomes features: frozen figures, fitted on some rows, applied to any."""

import statistics
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from jaxtyping import Float64
from pydantic import BaseModel, ConfigDict, Field, model_validator

from denselab.data.arrays import clean_name
from denselab.data.tables.kinds import levels_of, numbers_of, truths_of
from denselab.errors import DataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BooleanStep", "CategoryStep", "Encoding", "NumberStep", "Scaling", "Step"]

Scaling = Literal["none", "standard", "robust", "quantile"]
"""How numbers are scaled."""

Encoding = Literal["onehot", "integer"]
"""How categories are encoded."""

_KNOTS = 1001
_CLIP = 3.0
_LONGEST = 2**20
_SHOWN = 80

Text = Annotated[str, Field(max_length=_LONGEST)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Rows = Float64[np.ndarray, "row feature"]


class NumberStep(BaseModel):
    r"""A column of numbers: imputed, scaled, and with a mark where values were missing.

    A missing value becomes the median of the fitted rows. With centre $c$ and scale $s$,
    `standard` gives $(x - c) \cdot s$ with the mean and one over the deviation; `robust` gives
    $z / \sqrt{1 + (z / 3)^2}$ of $z = (x - c) \cdot s$ with the median and one over the distance of the
    quartiles (where that is 0, two over the whole range), so that nothing leaves (-3, 3); `quantile`
    gives the normal score of the value's rank, linear between `knots` and constant beyond them.

    Attributes:
        kind: "number".
        name: The column.
        median: What stands in for missing values.
        indicator: Whether a feature says that the value was missing: 1 there, else 0.
        scaling: How the number is scaled.
        center: $c$.
        scale: $s$; 0 for what never changed in the fitted rows, which maps to 0.
        knots: Values of the quantiles, rising; empty unless `scaling` is "quantile".
        scores: Normal scores of the knots.

    References:
        Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
        2024, section 3 (robust scaling and smooth clipping).
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["number"] = "number"
    name: Text
    median: Finite
    indicator: bool
    scaling: Scaling
    center: Finite = 0.0
    scale: Finite = 1.0
    knots: tuple[Finite, ...] = ()
    scores: tuple[Finite, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "NumberStep":
        rising = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        if len(self.knots) != len(self.scores) or not rising:
            raise ValueError("knots must rise, and have one score each")
        if (self.scaling == "quantile") != bool(self.knots):
            raise ValueError("quantile scaling and no other has knots")
        return self

    @classmethod
    def fit(cls, series: "pl.Series", scaling: Scaling) -> "NumberStep":
        """Finds the figures of a column.

        Args:
            series: The fitted rows of the column.
            scaling: How it is to be scaled.

        Returns:
            The step.

        Raises:
            DataError: If no row has a value, or one is no number.
        """
        values = numbers_of(series)
        missing = np.isnan(values)
        if missing.all():
            raise DataError(f"column {series.name!r} has no value in the rows fitted; drop it")
        median = float(np.median(values[~missing]))
        filled = np.where(missing, median, values)
        figures = _FIGURES[scaling](filled)
        return cls(
            name=series.name,
            median=median,
            indicator=bool(missing.any()),
            scaling=scaling,
            **figures,
        )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what comes out."""
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)

    def apply(self, series: "pl.Series") -> Rows:
        """Makes features of any rows.

        Args:
            series: The column.

        Returns:
            One feature, or two with the mark, shape (row, feature).

        Raises:
            DataError: If a value is no number.
        """
        values = numbers_of(series)
        missing = np.isnan(values)
        scaled = self._scaled(np.where(missing, self.median, values))
        return np.stack([scaled, missing][: len(self.features)], axis=1).astype(np.float64)

    def _scaled(self, filled: np.ndarray) -> np.ndarray:
        if self.scaling == "quantile":
            return np.interp(filled, self.knots, self.scores)
        scaled = (filled - self.center) * self.scale
        return scaled / np.sqrt(1 + (scaled / _CLIP) ** 2) if self.scaling == "robust" else scaled


class BooleanStep(BaseModel):
    """A column of truth values: 1, 0, and the commoner of them where the value is missing.

    Attributes:
        kind: "boolean".
        name: The column.
        common: What stands in for missing values.
        indicator: Whether a feature says that the value was missing.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["boolean"] = "boolean"
    name: Text
    common: bool
    indicator: bool

    @classmethod
    def fit(cls, series: "pl.Series") -> "BooleanStep":
        """Finds the commoner value of a column.

        Args:
            series: The fitted rows of the column.

        Returns:
            The step.

        Raises:
            DataError: If no row has a value, or one is no truth value.
        """
        values = truths_of(series)
        missing = np.isnan(values)
        if missing.all():
            raise DataError(f"column {series.name!r} has no value in the rows fitted; drop it")
        common = bool(values[~missing].mean() >= 0.5)
        return cls(name=series.name, common=common, indicator=bool(missing.any()))

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what comes out."""
        return (self.name, f"{self.name} is missing") if self.indicator else (self.name,)

    def apply(self, series: "pl.Series") -> Rows:
        """Makes features of any rows.

        Args:
            series: The column.

        Returns:
            One feature, or two with the mark, shape (row, feature).

        Raises:
            DataError: If a value is no truth value.
        """
        values = truths_of(series)
        missing = np.isnan(values)
        filled = np.where(missing, float(self.common), values)
        return np.stack([filled, missing][: len(self.features)], axis=1).astype(np.float64)


class CategoryStep(BaseModel):
    """A column of categories: a slot for every level, one for rare levels, one for missing values.

    `onehot` gives a feature a slot, 1 where it applies and 0 elsewhere. A value that no fitted row had
    goes to the slot of the rare levels; if there is none, all features are 0, since a slot that was never
    on in training would answer with weights that were never trained. `integer` gives one feature, the
    number of the slot, for an embedding: 0 for rare levels and values never seen, then 1 for missing
    values if the fitted rows had any, then the levels.

    Attributes:
        kind: "category".
        name: The column.
        levels: The levels with a slot of their own, sorted.
        pooled: Whether rare levels of the fitted rows share a slot.
        indicator: Whether missing values have a slot.
        encoding: One-hot or integer.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: Literal["category"] = "category"
    name: Text
    levels: tuple[Text, ...]
    pooled: bool
    indicator: bool
    encoding: Encoding

    @model_validator(mode="after")
    def _check(self) -> "CategoryStep":
        if len(set(self.levels)) < len(self.levels):
            raise ValueError("levels must differ")
        if not (self.levels or self.pooled or self.indicator):
            raise ValueError("a category needs a slot")
        return self

    @classmethod
    def fit(
        cls, series: "pl.Series", encoding: Encoding, *, most: int, fewest: int
    ) -> "CategoryStep":
        """Finds the levels of a column.

        Args:
            series: The fitted rows of the column.
            encoding: One-hot or integer.
            most: Most levels with a slot of their own; the commonest have one.
            fewest: Fewest fitted rows of a level with a slot of its own.

        Returns:
            The step.
        """
        codes, names = levels_of(series)
        counts = np.bincount(codes[codes >= 0], minlength=len(names))
        by_rows = sorted(range(len(names)), key=lambda place: (-counts[place], place))
        kept = sorted(place for place in by_rows[:most] if counts[place] >= fewest)
        return cls(
            name=series.name,
            levels=tuple(names[place] for place in kept),
            pooled=len(kept) < len(names),
            indicator=bool((codes < 0).any()),
            encoding=encoding,
        )

    @property
    def slots(self) -> int:
        """Number of slots; of an integer code the size of its embedding."""
        always = 1 if self.encoding == "integer" else int(self.pooled)
        return always + int(self.indicator) + len(self.levels)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what comes out, in the order of the slots."""
        if self.encoding == "integer":
            return (self.name,)
        rare = [f"{self.name}: rare"] * self.pooled
        missing = [f"{self.name} is missing"] * self.indicator
        levels = [f"{self.name}={clean_name(level)[:_SHOWN]}" for level in self.levels]
        return (*rare, *missing, *levels)

    def apply(self, series: "pl.Series") -> Rows:
        """Makes features of any rows.

        Args:
            series: The column.

        Returns:
            A feature a slot, or the number of the slot, shape (row, feature).

        Raises:
            DataError: If the column holds dates.
        """
        codes, names = levels_of(series)
        other = 0 if self.encoding == "integer" or self.pooled else -1
        first = other + 1
        places = {level: first + self.indicator + i for i, level in enumerate(self.levels)}
        missing = first if self.indicator else other
        slots = np.array([*(places.get(name, other) for name in names), missing])[codes]
        if self.encoding == "integer":
            return slots[:, None].astype(np.float64)
        return (slots[:, None] == np.arange(self.slots)).astype(np.float64)


Step = Annotated[NumberStep | BooleanStep | CategoryStep, Field(discriminator="kind")]
"""What becomes of one column."""


def _standard(filled: np.ndarray) -> dict[str, Any]:
    deviation = float(filled.std())
    # Rounding can leave a constant column a tiny deviation.
    varies = filled.min() < filled.max() and deviation > 0
    return {"center": float(filled.mean()), "scale": 1 / deviation if varies else 0.0}


def _robust(filled: np.ndarray) -> dict[str, Any]:
    low, median, high = (float(value) for value in np.quantile(filled, [0.25, 0.5, 0.75]))
    span = float(filled.max() - filled.min())
    scale = 1 / (high - low) if high > low else 2 / span if span > 0 else 0.0
    return {"center": median, "scale": scale}


def _quantile(filled: np.ndarray) -> dict[str, Any]:
    count = min(len(filled), _KNOTS)
    # The middle of every step of the empirical distribution, so that no score is infinite.
    shares = (np.arange(count) + 0.5) / count
    values = np.quantile(filled, shares, method="hazen")
    normal = statistics.NormalDist()
    scores = np.array([normal.inv_cdf(share) for share in shares])
    knots, places, repeats = np.unique(values, return_inverse=True, return_counts=True)
    means = np.bincount(places, scores) / repeats
    # A value that never changes has the middle score, 0, up to rounding.
    means = means if len(knots) > 1 else np.zeros(1)
    return {"knots": tuple(knots.tolist()), "scores": tuple(means.tolist())}


def _none(filled: np.ndarray) -> dict[str, Any]:
    return {"center": 0.0, "scale": 1.0}


_FIGURES = {"none": _none, "standard": _standard, "robust": _robust, "quantile": _quantile}
