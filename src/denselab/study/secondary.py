"""What else a comparison shows: every measure beside the primary one, with intervals and without verdicts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from statistics import fmean
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from denselab.recipes import weights_source
from denselab.study.arms import arms_of, recipes_of
from denselab.study.judgement import labels_of
from denselab.study.reading import Study, read_predictions
from denselab.study.records import TrialRecord, epochs_to, trials_of
from denselab.study.solo_times import solo_times
from denselab.study.statistics import (
    Arm,
    Ratio,
    Verdicts,
    pair_up,
    ratio_interval,
    restricted_mean,
    restricted_ratio,
    rows_estimate,
    seeds_estimate,
)
from denselab.study.verdict import study_arms, study_rows

__all__ = [
    "LEVEL",
    "TARGET_SHARE",
    "Secondary",
    "calibration_error",
    "judged_beside",
    "secondary_measures",
]

LEVEL = 0.05
"""How often one interval may miss; each is for itself, so of twenty one does."""

TARGET_SHARE = 0.97
"""The target of "epochs to a target", as a share of the best validation accuracy that the first arm reaches."""

_BINS = 15


@dataclass(frozen=True)
class Secondary:
    """One measure of one contrast.

    Attributes:
        arm: Name of the arm.
        against: Name of the other.
        measure: What is measured, with its unit.
        kind: "difference" (arm minus other) or "ratio" (arm over other).
        better: Which way is better.
        arm_mean: Mean of the arm.
        against_mean: Mean of the other.
        estimate: The difference or ratio.
        low: Lower end of its 95 % interval; NaN where there is none.
        high: Upper end.
        n: Number of pairs: of seeds, or of rounds of timing.
        note: What else to know, such as how many never reached the target; mostly empty.
    """

    arm: str
    against: str
    measure: str
    kind: Literal["difference", "ratio"]
    better: Literal["higher", "lower"]
    arm_mean: float
    against_mean: float
    estimate: float
    low: float
    high: float
    n: int
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """Lists its attributes; what is not finite is None."""
        return {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in vars(self).items()
        }


def secondary_measures(
    study: Study, contrasts: Sequence[tuple[str, str]], *, primary: str = "accuracy"
) -> tuple[Secondary, ...]:
    """Measures all that is known of contrasts beside their verdicts.

    Accuracy, log loss and calibration error of the test rows; epochs and seconds to a validation
    accuracy; solo seconds of an epoch and of a prediction, where they were measured. Intervals of
    accuracy and log loss speak of new seeds and new test rows, of calibration and epochs of new seeds,
    of solo seconds of new timings. A run that misses the target counts as the longest that any may take.

    Args:
        study: From `read_study`.
        contrasts: Pairs (arm, against) of names of its arms; others, such as interactions, are left out.
        primary: The metric that has verdicts, "accuracy" or "loss", which is left out too.

    Returns:
        One entry a contrast and measure, contrast by contrast.

    Raises:
        CorruptStudyError: If predictions are gone or not as they were written.
    """
    names = study.manifest.plan.names
    wanted = [(arm, against) for arm, against in contrasts if arm in names and against in names]
    if not wanted:
        return ()
    made = [
        measure
        for family in (_scores(study, primary), _times_to_target(study), _solo(study))
        for measure in family
    ]
    found = (measure(*pair) for pair in wanted for measure in made)
    return tuple(one for one in found if one is not None)


def judged_beside(study: Study, verdicts: Verdicts | None) -> tuple[Secondary, ...]:
    """Measures what else is known of the contrasts that have verdicts.

    Args:
        study: From `read_study`.
        verdicts: The answer to its question; None where nothing is contrasted.

    Returns:
        As `secondary_measures`.
    """
    if verdicts is None:
        return ()
    question = verdicts.question
    primary = "accuracy" if question.measure.name == "accuracy" else "loss"
    return secondary_measures(study, question.contrasts, primary=primary)


def calibration_error(
    probabilities: Float[np.ndarray, "row class"], labels: Int[np.ndarray, " row"]
) -> float:
    r"""Measures the gap between confidence and accuracy in 15 bins, as `uncertainty` does, on NumPy alone.

    Args:
        probabilities: Predicted class probabilities.
        labels: True classes.

    Returns:
        The expected calibration error, 0 to 1.

    Example:
        >>> print(f"{calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])):.2f}")
        0.40

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    gaps = np.bincount(place, right - confidence, minlength=_BINS)
    return float(abs(gaps).sum() / len(labels))


_Maker = Callable[[str, str], Secondary | None]


def _scores(study: Study, primary: str) -> Iterator[_Maker]:
    if study.manifest.dataset.get("task") == "regression":
        return  # Its loss is the primary metric, and there is no other.
    labels = labels_of(study)
    for metric in (one for one in _METRICS if one != primary):
        rows = None if labels is None else study_rows(study, labels, metric=metric)
        title, scale = _METRICS[metric]
        arms = study_arms(study, metric=metric, rows=rows)
        yield _difference(title, arms, scale=scale, higher=metric == "accuracy")
    if labels is not None:
        title = "calibration error (ECE), points"
        yield _difference(title, _calibrations(study, labels), scale=100, higher=False)


_METRICS: Mapping[Any, tuple[str, float]] = {
    "accuracy": ("test accuracy, points", 100.0),
    "loss": ("log loss, nats", 1.0),
}


def _calibrations(study: Study, labels: np.ndarray) -> dict[str, Arm]:
    def error(trial: TrialRecord) -> float | None:
        if trial.failed or trial.predictions is None:
            return None
        return calibration_error(read_predictions(study, trial)["test"], labels)

    return {
        arm.name: Arm({s: error(t) for s, t in trials_of(arm, study.trials).items()})
        for arm in arms_of(study)
    }


def _difference(title: str, arms: Mapping[str, Arm], *, higher: bool, scale: float = 1.0) -> _Maker:
    def measure(arm: str, against: str) -> Secondary | None:
        pairs = pair_up(arms[arm], arms[against])
        if not len(pairs.differences):
            return None
        estimate = (
            seeds_estimate(pairs.differences) if pairs.rows is None else rows_estimate(pairs.rows)
        )
        low, high = estimate.interval(LEVEL)
        return Secondary(
            arm=arm,
            against=against,
            measure=title,
            kind="difference",
            better="higher" if higher else "lower",
            arm_mean=scale * float(pairs.arm.mean()),
            against_mean=scale * float(pairs.against.mean()),
            estimate=scale * estimate.mean,
            low=scale * low,
            high=scale * high,
            n=estimate.n,
        )

    return measure


def _times_to_target(study: Study) -> Iterator[_Maker]:
    """Compares epochs to a target, and seconds where an epoch of each arm was timed alone."""
    sources = _sources(study)
    trials = {arm.name: trials_of(arm, study.trials) for arm in arms_of(study)}
    target = _target(trials[study.manifest.plan.names[0]].values())
    if not isfinite(target):
        return
    epochs = {
        name: {seed: epochs_to(trial, target) for seed, trial in trials[sources[name]].items()}
        for name in trials
    }
    most = {name: max((t.epochs_run for t in trials[name].values()), default=0) for name in trials}
    title = f"epochs to a validation accuracy of {100 * target:.1f} %"
    yield _restricted(title, epochs, most, sources)
    times = solo_times(study)
    if times is None:
        return
    each = {name: fmean(times.epoch[sources[name]]) for name in trials}
    seconds = {
        name: {seed: each[name] * count for seed, count in epochs[name].items()} for name in trials
    }
    longest = {name: each[name] * most[name] for name in trials}
    yield _restricted(
        f"solo seconds to a validation accuracy of {100 * target:.1f} %", seconds, longest, sources
    )


def _sources(study: Study) -> dict[str, str]:
    """Names the arm that each arm's weights were trained as; mostly itself."""
    recipes = recipes_of(study)
    own = {arm.name: arm.name for arm in arms_of(study)}
    return own | {one.name: weights_source(one, recipes).name for one in recipes}


def _target(trials: Any) -> float:
    best = [max(t.trace["val_accuracy"]) for t in trials if not t.failed and t.epochs_run]
    return TARGET_SHARE * fmean(best) if best else nan


def _restricted(
    title: str,
    times: Mapping[str, Mapping[int, float]],
    longest: Mapping[str, float],
    sources: Mapping[str, str],
) -> _Maker:
    def measure(arm: str, against: str) -> Secondary | None:
        seeds = sorted(times[arm].keys() & times[against].keys())
        horizon = max(longest[sources[name]] for name in (arm, against))
        if sources[arm] == sources[against] or not seeds or not horizon:
            return None
        a, b = ([times[name][seed] for seed in seeds] for name in (arm, against))
        found = restricted_ratio(a, b, horizon=horizon, level=LEVEL)
        means = [restricted_mean(one, horizon=horizon) for one in (a, b)]
        missed = [sum(time == inf for time in one) for one in (a, b)]
        note = f"missed by {missed[0]} and {missed[1]} of {len(seeds)}" if any(missed) else ""
        if sum(missed) == 2 * len(seeds):
            found = Ratio(nan, nan, nan, len(seeds))  # Nobody reached it, so nobody was faster.
        return _ratio(arm, against, title, found, (means[0], means[1]), note)

    return measure


def _solo(study: Study) -> Iterator[_Maker]:
    times = solo_times(study)
    if times is None:
        return
    sources = _sources(study)
    yield _timed("solo seconds an epoch", times.epoch, sources)
    rows = int(study.manifest.dataset["test_rows"])
    yield _timed(f"solo seconds a prediction of {rows:,} rows", times.predict)


def _timed(
    title: str, seconds: Mapping[str, Sequence[float]], sources: Mapping[str, str] | None = None
) -> _Maker:
    def measure(arm: str, against: str) -> Secondary | None:
        own = [sources[name] if sources else name for name in (arm, against)]
        if own[0] == own[1] or not all(name in seconds for name in own):
            return None
        a, b = (seconds[name] for name in own)
        found = ratio_interval(a, b, level=LEVEL)
        return _ratio(arm, against, title, found, (fmean(a), fmean(b)), "")

    return measure


def _ratio(
    arm: str, against: str, title: str, found: Ratio, means: tuple[float, float], note: str
) -> Secondary:
    return Secondary(
        arm,
        against,
        title,
        "ratio",
        "lower",
        *means,
        found.ratio,
        found.low,
        found.high,
        found.n,
        note,
    )
