"""Verdicts on a study, and on scores that came from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import Any, Literal

import numpy as np

from denselab.errors import UsageError
from denselab.study.arms import arms_of
from denselab.study.reading import Study, read_predictions
from denselab.study.records import TrialRecord, trials_of
from denselab.study.statistics import (
    ACCURACY,
    FIRST_LOOK,
    LOG_LOSS,
    Arm,
    Interaction,
    Measure,
    Question,
    Verdicts,
    answer,
    planned_contrasts,
    with_interactions,
)

__all__ = [
    "QUESTION_DOCUMENT",
    "arms_from_frame",
    "interactions_of",
    "measure_for",
    "region_for",
    "study_arms",
    "study_question",
    "study_rows",
    "study_verdicts",
]

QUESTION_DOCUMENT = "question"
"""Name of the document that holds the question of a study."""

Metric = Literal["accuracy", "loss"]

_LOSSES = ("loss", "log_loss", "logloss", "nll", "cross_entropy", "crossentropy")
_SCORE_TOLERANCE = 1e-4


def study_verdicts(
    study: Study,
    *,
    metric: Metric = "accuracy",
    contrasts: Sequence[tuple[str, str]] | None = None,
    baseline: str | None = None,
    region: float | None = None,
    rows: Mapping[str, Mapping[int, np.ndarray]] | None = None,
) -> Verdicts:
    """Judges the planned contrasts of a study, at its first look, by its test scores.

    For a later look, or where there may be none but intervals, `answer` the `study_question` with
    another level.

    Args:
        study: From `read_study`; trials that are not done yet are left out.
        metric: "accuracy" or "loss", decided before the scores were seen.
        contrasts: Pairs (arm, against); by default each recipe against the one before it.
        baseline: Contrast every other recipe with this one instead.
        region: Differences up to this size do not matter: in points of accuracy, by default 0.5, or in
            nats, by default 0.01.
        rows: From `study_rows`. Without them intervals speak of new seeds on these test rows alone.

    Returns:
        The verdicts.

    Raises:
        UsageError: If a name is not known or a number makes no sense.
    """
    question = study_question(
        study, metric=metric, contrasts=contrasts, baseline=baseline, region=region
    )
    return answer(question, study_arms(study, metric=metric, rows=rows))


def study_question(
    study: Study,
    *,
    metric: Metric = "accuracy",
    contrasts: Sequence[tuple[str, str]] | None = None,
    baseline: str | None = None,
    region: float | None = None,
    level: float = FIRST_LOOK,
) -> Question:
    """Asks a question of a study; it looks at no score.

    Args:
        study: From `read_study`.
        metric: "accuracy" or "loss".
        contrasts: As in `study_verdicts`.
        baseline: As in `study_verdicts`.
        region: As in `study_verdicts`.
        level: Family-wise error of this look, see `look_level`.

    Returns:
        The question.

    Raises:
        UsageError: If a name is not known or a number makes no sense.
    """
    if metric not in ("accuracy", "loss"):
        raise UsageError(f"metric {metric!r}; give accuracy or loss")
    measure = ACCURACY if metric == "accuracy" else LOG_LOSS
    if study.manifest.dataset.get("task") == "regression":
        if metric == "accuracy":
            raise UsageError("regression has no accuracy; give metric loss, and a region")
        measure = Measure("squared error", higher_is_better=False)
    names = study.manifest.plan.names
    family = planned_contrasts(names, baseline=baseline, contrasts=contrasts)
    return Question(measure, family, region_for(measure, region), level=level)


def study_arms(
    study: Study,
    *,
    metric: Metric = "accuracy",
    rows: Mapping[str, Mapping[int, np.ndarray]] | None = None,
) -> dict[str, Arm]:
    """Takes the test scores of every recipe out of a study.

    Args:
        study: From `read_study`.
        metric: "accuracy" or "loss".
        rows: From `study_rows`.

    Returns:
        Name of a recipe -> its scores, in the order of the plan; a trial without a finite score failed.
        After them stand the made-up arms of the interactions that the study asks about.
    """

    def score(trial: TrialRecord) -> float | None:
        value: float = getattr(trial.test, metric)
        return None if trial.failed or not isfinite(value) else value

    arms = {
        recipe.name: Arm(
            {seed: score(trial) for seed, trial in trials_of(recipe, study.trials).items()},
            None if rows is None else rows.get(recipe.name),
        )
        for recipe in arms_of(study)
    }
    return with_interactions(arms, interactions_of(study))


def interactions_of(study: Study) -> tuple[Interaction, ...]:
    """Lists the interactions that a study asks about.

    Args:
        study: From `read_study`.

    Returns:
        What its question names; nothing for most.
    """
    known = study.documents.get(QUESTION_DOCUMENT, {}).get("interactions") or ()
    return tuple(Interaction(*one) for one in known)


def study_rows(
    study: Study, labels: np.ndarray, *, metric: Metric = "accuracy"
) -> dict[str, dict[int, np.ndarray]]:
    """Scores every test row by the predictions that a study keeps.

    Args:
        study: From `read_study`.
        labels: Class numbers of the test rows, or targets of a regression, as the study had them, shape (rows,).
        metric: "accuracy" gives 1 where the most probable class is right, "loss" the cross-entropy, or the
            squared error of a regression.

    Returns:
        Name of a recipe -> seed -> score of each row; only trials whose predictions were kept and that
        did not fail.

    Raises:
        CorruptStudyError: If a file is gone or not as it was written.
        UsageError: If labels are not those of the study's test rows.
    """
    return {
        recipe.name: {
            seed: _rows(study, trial, np.asarray(labels), metric)
            for seed, trial in trials_of(recipe, study.trials).items()
            if not trial.failed and trial.predictions is not None
        }
        for recipe in arms_of(study)
    }


def arms_from_frame(frame: Any) -> dict[str, Arm]:
    """Takes arms from a data frame of any library, or a mapping of columns.

    Args:
        frame: With columns "arm", "seed" and "score"; a score of None or NaN is a trial that failed.

    Returns:
        Name of an arm -> its scores, in the order in which they come.

    Raises:
        UsageError: If a column is missing, or an arm has a seed twice.

    Example:
        >>> frame = {"arm": ["a", "a", "b"], "seed": [0, 1, 0], "score": [0.5, None, 0.75]}
        >>> {name: dict(arm.scores) for name, arm in arms_from_frame(frame).items()}
        {'a': {0: 0.5, 1: None}, 'b': {0: 0.75}}
    """
    try:
        columns = [list(frame[name]) for name in ("arm", "seed", "score")]
    except (KeyError, TypeError, IndexError) as error:
        raise UsageError(
            "a frame without columns arm, seed and score; give it all three"
        ) from error
    scores: dict[str, dict[int, float | None]] = {}
    for arm, seed, score in zip(*columns, strict=True):
        own = scores.setdefault(str(arm), {})
        if int(seed) in own:
            raise UsageError(f"arm {arm}, seed {seed} is there twice; give each once")
        number = nan if score is None else float(score)
        own[int(seed)] = None if number != number else number
    return {name: Arm(own) for name, own in scores.items()}


def measure_for(
    metric: str,
    arms: Mapping[str, Arm],
    *,
    unit: Literal["points", "raw"] | None = None,
    higher_is_better: bool | None = None,
) -> Measure:
    """Finds out what scores from elsewhere are.

    Args:
        metric: Its name; a loss by its name (loss, log_loss, nll, cross_entropy) is in nats.
        arms: The scores. In points, scores from 0 to 1 are shares, others up to 100 are points already.
        unit: "points" for accuracies and their like, "raw" for anything else; by default by name.
        higher_is_better: By default all but losses.

    Returns:
        The measure; its region is None where somebody must say what does not matter.

    Raises:
        UsageError: If scores in points are not from 0 to 100.

    Example:
        >>> measure_for("accuracy", {"a": Arm({0: 0.91})}).scale
        100.0
    """
    is_loss = metric.casefold().replace("-", "_").replace(" ", "_") in _LOSSES
    if unit is None:
        unit = "raw" if is_loss else "points"
    better = not is_loss if higher_is_better is None else higher_is_better
    if unit == "raw":
        known = replace(LOG_LOSS, name=metric) if is_loss else Measure(metric)
        return replace(known, higher_is_better=better)
    scores = [score for arm in arms.values() for score in arm.sound.values()]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    if low < 0 or high > 100:
        raise UsageError(
            f"{metric} from {low:g} to {high:g} is not in points; give --unit raw and a --region"
        )
    return replace(
        ACCURACY, name=metric, scale=100.0 if high <= 1 else 1.0, higher_is_better=better
    )


def region_for(measure: Measure, region: float | None) -> float:
    """Takes the region that was given, or else the default of the measure.

    Args:
        measure: What is scored.
        region: What was given, if anything.

    Returns:
        The region.

    Raises:
        UsageError: If none was given and the measure has no default.
    """
    if region is not None:
        return region
    if measure.region is None:
        raise UsageError(
            f"no region for {measure.name}; give the largest difference that does not matter (--region)"
        )
    return measure.region


def _rows(study: Study, trial: TrialRecord, labels: np.ndarray, metric: Metric) -> np.ndarray:
    probabilities = read_predictions(study, trial)["test"]
    if probabilities.shape[:1] != labels.shape:
        raise UsageError(
            f"{len(labels)} labels for {len(probabilities)} test rows of {study.folder}; give those of its data"
        )
    if study.manifest.dataset.get("task") == "regression":
        rows = np.square(probabilities[:, 0].astype(np.float64) - labels)
    elif metric == "accuracy":
        rows = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    else:
        right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        rows = -np.log(np.maximum(right, np.finfo(np.float32).tiny))
    # Labels in another order would pass for rows, and every interval would be wrong.
    if not np.isclose(rows.mean(), getattr(trial.test, metric), rtol=_SCORE_TOLERANCE, atol=1e-6):
        raise UsageError(
            f"{study.folder}: labels give {trial.recipe}, seed {trial.seed} another {metric} than is on record; "
            "give the test labels of its data"
        )
    return rows
