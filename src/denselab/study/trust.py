"""How far the probabilities of a study's recipes can be trusted: records, readable without JAX."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan, sqrt
from statistics import fmean, stdev
from typing import Literal, NamedTuple

from scipy.stats import t as student

__all__ = [
    "LABELS",
    "METRICS",
    "ConformalCoverage",
    "DrawCurve",
    "Method",
    "MethodScores",
    "Metric",
    "RecipeTrust",
    "smallest_sufficient",
]

Method = Literal[
    "deterministic",
    "temperature",
    "mc",
    "mc_temperature",
    "ensemble",
    "ensemble_temperature",
]
"""How a prediction is made out of trained networks."""

LABELS: Mapping[Method, str] = {
    "deterministic": "one pass",
    "temperature": "one pass, temperature",
    "mc": "MC dropout",
    "mc_temperature": "MC dropout, temperature",
    "ensemble": "ensemble",
    "ensemble_temperature": "ensemble, temperature",
}
"""What each method is called in tables and pictures."""

Metric = Literal["accuracy", "loss", "brier", "calibration_error", "aurc"]

METRICS: tuple[Metric, ...] = ("accuracy", "loss", "brier", "calibration_error", "aurc")
"""Accuracy (0 to 1), log loss (nats), Brier score (0 to 2), expected calibration error in 15 bins (0 to
1), and area under the risk-coverage curve (0 to 1); all but the first are better when lower."""

_GOOD_ENOUGH: Mapping[Metric, float] = {"loss": 0.005, "calibration_error": 0.002}
"""How far the mean over seeds may be from that of the most draws, to call fewer draws as good."""


@dataclass(frozen=True)
class MethodScores:
    """What one method reaches on the test rows.

    Attributes:
        method: The method.
        passes: What a prediction costs, in passes of one network: multiply-adds of the arithmetic.
        values: Metric -> one value a seed; for an ensemble those of the ensembles that leave one
            member out.
        whole: Metric -> the value of the ensemble of all members; empty for other methods.
        reliability: Rows, mean confidence and accuracy (0 where there is no row) in each of 15 bins of
            confidence, of the first seed or of the whole ensemble.
    """

    method: Method
    passes: float
    values: Mapping[Metric, tuple[float, ...]]
    whole: Mapping[Metric, float]
    reliability: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] = ((), (), ())

    def value(self, metric: Metric) -> float:
        """Gives the mean over seeds, or the value of the whole ensemble."""
        return self.whole[metric] if self.whole else fmean(self.values[metric])

    def deviation(self, metric: Metric) -> float:
        """Gives the deviation over seeds; for an ensemble the jackknife's standard error.

        Returns:
            NaN below two values.
        """
        values = self.values[metric]
        if len(values) < 2:
            return nan
        if self.whole:
            return (len(values) - 1) / sqrt(len(values)) * stdev(values)
        return stdev(values)

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values."""
        return {
            "method": self.method,
            "passes": self.passes,
            "spread": "jackknife standard error" if self.whole else "standard deviation",
            "reliability": [list(part) for part in self.reliability],
            "scores": {
                metric: {
                    "value": self.value(metric),
                    "spread": None if len(values) < 2 else self.deviation(metric),
                    "values": list(values),
                }
                for metric, values in self.values.items()
            },
        }


class DrawCurve(NamedTuple):
    """Quality against the number of draws.

    Attributes:
        draws: Numbers of draws, rising.
        values: Metric -> for each number of draws one value a seed.
        sufficient: The smallest number that is as good as the greatest; see `smallest_sufficient`.
    """

    draws: tuple[int, ...]
    values: Mapping[Metric, tuple[tuple[float, ...], ...]]
    sufficient: int

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values."""
        values = {metric: [list(at) for at in values] for metric, values in self.values.items()}
        return {"draws": list(self.draws), "values": values, "sufficient": self.sufficient}


class ConformalCoverage(NamedTuple):
    """How often conformal sets hold the truth.

    Attributes:
        nominal: The coverage they were fitted for.
        coverage: The share of test rows covered, one value a seed; fitted on the calibration slice.
        size: Mean number of classes in a set, likewise.
        resplit: The coverage where calibration and test rows are pooled and split anew, in the same
            sizes, one value a split; the first seed's network predicts.
    """

    nominal: float
    coverage: tuple[float, ...]
    size: tuple[float, ...]
    resplit: tuple[float, ...]


@dataclass(frozen=True)
class RecipeTrust:
    """How far the probabilities of one recipe can be trusted.

    Attributes:
        recipe: Its name.
        seeds: Seeds of the trials, in the order of all values.
        methods: What each method reaches; those that need what is not there are left out.
        temperatures: Method -> the temperature of each seed's network, of the one ensemble.
        curve: Quality against the number of draws; None without a stochastic layer.
        conformal: Coverage of conformal sets; None without a calibration slice.
        notes: What is left out, and why.
    """

    recipe: str
    seeds: tuple[int, ...]
    methods: tuple[MethodScores, ...]
    temperatures: Mapping[str, tuple[float, ...]]
    curve: DrawCurve | None
    conformal: ConformalCoverage | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values."""
        conformal = self.conformal
        return {
            "recipe": self.recipe,
            "seeds": list(self.seeds),
            "methods": [method.to_json() for method in self.methods],
            "temperatures": {name: list(values) for name, values in self.temperatures.items()},
            "curve": None if self.curve is None else self.curve.to_json(),
            "conformal": None
            if conformal is None
            else {
                "nominal": conformal.nominal,
                "coverage": list(conformal.coverage),
                "size": list(conformal.size),
                "resplit": list(conformal.resplit),
            },
            "notes": list(self.notes),
        }


def smallest_sufficient(
    draws: tuple[int, ...], values: Mapping[Metric, Iterable[tuple[float, ...]]]
) -> int:
    """Finds the smallest number of draws that is as good as the greatest.

    As good means: of log loss and calibration error, the mean difference over seeds to the greatest
    number, and the upper end of its 95 % t interval where there are two seeds or more, is at most
    0.005 nats and 0.2 points. Every greater number must be as good, too.

    Args:
        draws: Numbers of draws, rising.
        values: Metric -> for each number of draws one value a seed.

    Returns:
        One of `draws`.

    Example:
        >>> smallest_sufficient((1, 10, 100), {"loss": [(1.9,), (1.402,), (1.4,)]})
        10
    """
    tables = {metric: tuple(table) for metric, table in values.items()}
    enough = draws[-1]
    for place in reversed(range(len(draws))):
        ends = [
            _upper_end([a - b for a, b in zip(table[place], table[-1], strict=True)]) - margin
            for metric, margin in _GOOD_ENOUGH.items()
            if (table := tables.get(metric)) is not None
        ]
        if max(ends) > 0:
            break
        enough = draws[place]
    return enough


def _upper_end(differences: list[float]) -> float:
    if len(differences) < 2:
        return fmean(differences)
    half = float(student.ppf(0.975, len(differences) - 1)) * stdev(differences)
    return fmean(differences) + half / sqrt(len(differences))
