"""What a study knows about the arms of a claim, and the quantities that rules are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from statistics import fmean
from typing import Any

import numpy as np

from denselab.recipes import Recipe
from denselab.study.records import TrialRecord
from denselab.study.statistics import ACCURACY, LOG_LOSS, Arm, Measure

__all__ = [
    "MEASURES",
    "Evidence",
    "difference_arm",
    "metric_arm",
    "swings",
]

MEASURES: Mapping[str, Measure] = {
    "accuracy": ACCURACY,
    "loss": LOG_LOSS,
    "first_validation_loss": Measure(
        "validation loss after the first epoch", "nats", higher_is_better=False
    ),
    "off_centre": Measure("mean absolute activation mean", higher_is_better=False),
    "zero_derivatives": Measure(
        "share of derivatives that are 0", "points", higher_is_better=False
    ),
    "brier": Measure("Brier score", higher_is_better=False),
    "calibration_error": Measure("calibration error", "points", 100.0, higher_is_better=False),
    "aurc": Measure("area under the risk-coverage curve", higher_is_better=False),
}
"""Name of a metric -> what it is, and which way is better."""

LayerTable = Mapping[str, Sequence[float]]
"""Quantity -> one value a hidden layer."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the arms of one claim, under the names that the claim gives them.

    Attributes:
        trials: Arm -> seed -> trial.
        recipes: Arm -> its recipe, with the rate that tuning chose.
        rows: Metric -> arm -> seed -> score of each test row; may be empty.
        targets: Arm -> validation accuracy that its pilot seeds reach on average.
        layers: Arm -> seed -> "start" and "end" -> what its hidden layers are like.
        seconds: What is timed -> arm -> one solo time a round, rounds in the same order for all arms.
        trusts: Arm -> what prediction by draws, temperature and ensemble reach, see `RecipeTrust`.
        programs: Arm -> digest of its compiled prediction.
        level: How often the interval of one part may miss.
    """

    trials: Mapping[str, Mapping[int, TrialRecord]]
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Mapping[int, np.ndarray]]] = field(default_factory=dict)
    targets: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Mapping[int, Mapping[str, LayerTable]]] = field(default_factory=dict)
    seconds: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    trusts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    level: float = 0.04

    def sound(self, arm: str) -> dict[int, TrialRecord]:
        """Gives the trials of an arm that did not fail."""
        return {seed: one for seed, one in self.trials[arm].items() if not one.failed}


def metric_arm(evidence: Evidence, name: str, metric: str) -> Arm:
    """Takes the scores of an arm in a metric.

    Args:
        evidence: What is known.
        name: The arm.
        metric: One of `MEASURES`.

    Returns:
        Seed -> score; None where the trial failed or has none.
    """
    scores = {
        seed: _score(evidence, name, trial, metric) for seed, trial in evidence.trials[name].items()
    }
    return Arm(scores, evidence.rows.get(metric, {}).get(name))


def difference_arm(first: Arm, second: Arm) -> Arm:
    """Takes the difference of two arms for an arm, to contrast it with another difference.

    Args:
        first: The one.
        second: The other.

    Returns:
        Seed -> first minus second; None where one of them failed.
    """
    scores: dict[int, float | None] = {}
    for seed in first.scores.keys() | second.scores.keys():
        a, b = first.scores.get(seed), second.scores.get(seed)
        scores[seed] = None if a is None or b is None else a - b
    if first.rows is None or second.rows is None:
        return Arm(scores)
    rows = {
        seed: np.subtract(first.rows[seed], second.rows[seed], dtype=float)
        for seed in first.rows.keys() & second.rows.keys()
    }
    return Arm(scores, rows)


def swings(losses: Sequence[float]) -> tuple[float, float]:
    r"""Measures how a training loss swings about its trend.

    The trend of the logarithm is its moving mean over a tenth of the epochs, $r$ what is left of it; a
    polynomial would leave waves of its own. The lobe is the least autocorrelation
    $\sum_t r_t r_{t+k} / \sum_t r_t^2$ over lags up to half the epochs; cycles are half the changes of sign.

    Args:
        losses: Loss after each epoch.

    Returns:
        The lobe, from -1 to 1, and the number of cycles; NaN where there are fewer than 12 epochs, a loss
        is not finite, or nothing is left of the trend.

    Example:
        >>> swinging = [np.exp(-t / 50 + 0.1 * np.sin(t / 3)) for t in range(100)]
        >>> lobe, cycles = swings(swinging)
        >>> print(f"{lobe:.1f}, {cycles:.1f} cycles")
        -0.9, 6.0 cycles
    """
    values = np.asarray(losses, float)
    if len(values) < 12 or not np.isfinite(values).all() or (values <= 0).any():
        return nan, nan
    logs, window = np.log(values), np.ones(2 * max(3, len(values) // 20) + 1)
    trend = np.convolve(logs, window, "same") / np.convolve(np.ones(len(logs)), window, "same")
    rest = logs - trend
    total = float(rest @ rest)
    if total < 1e-20:
        return nan, nan
    lags = range(1, len(rest) // 2 + 1)
    lobe = min(float(rest[:-lag] @ rest[lag:]) / total for lag in lags)
    signs = np.sign(rest[rest != 0])
    return lobe, float((signs[1:] != signs[:-1]).sum()) / 2


def _score(evidence: Evidence, name: str, trial: TrialRecord, metric: str) -> float | None:
    if trial.failed:
        return None
    if metric in ("accuracy", "loss"):
        value = float(getattr(trial.test, metric))
    elif metric == "first_validation_loss":
        value = trial.trace["val_loss"][0] if trial.epochs_run else nan
    else:
        table = evidence.layers.get(name, {}).get(trial.seed, {}).get("end", {})
        values = table.get("mean" if metric == "off_centre" else "zero", ())
        scale = 1.0 if metric == "off_centre" else 100.0
        value = scale * fmean(map(abs, values)) if values else nan
    return value if isfinite(value) else None
