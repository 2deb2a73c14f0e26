"""What a training found out, as plain values: the data, the model, its scores beside those of no model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from denselab.cli.model_folder import MODEL
from denselab.cli.training_data import TrainingData
from denselab.data import Dataset, describe_table
from denselab.training import RecipeResult
from denselab.training.ensembles import conformal_scores, mean_predictions
from denselab.training.measures import (
    Measure,
    class_baseline,
    class_measures,
    most_confused,
    value_baseline,
    value_measures,
)
from denselab.training.predicting import half_width

__all__ = ["COVERAGE", "findings", "finite", "measured"]

COVERAGE = 0.9
"""Share of rows that sets and intervals of the report hold the truth of."""


def findings(
    result: RecipeResult, given: TrainingData, places: Sequence[int], folder: Path
) -> dict[str, Any]:
    """Sums up a training.

    Args:
        result: What was trained.
        given: What it was trained on.
        places: Places of the trials that did not fail.
        folder: Where the model is left.

    Returns:
        Plain values, ready for JSON; scores are None where every trial failed.
    """
    data, trials = result.dataset, result.trials
    good = bool(places)
    return {
        "model": str(folder / MODEL) if good else None,
        "report": str(folder / "report.md") if good else None,
        "dataset": {"name": data.name, "fingerprint": data.fingerprint, "task": data.task},
        "table": _table(given),
        "rows": {
            "train": data.n,
            "calibration": 0 if data.calibration_y is None else len(data.calibration_y),
            "test": 0 if data.test_y is None else len(data.test_y),
        },
        "features": data.features,
        "recipe": result.recipe.name,
        "seeds": [trials[place].seed for place in places],
        "failed_seeds": [trial.seed for trial in trials if trial.failed],
        "parameters": result.parameters * len(places),
        "epochs_run": [len(trial.trace.get("loss", ())) for trial in trials],
        "seconds": max((trial.seconds for trial in trials), default=0.0),
        "compile_seconds": result.compile_seconds,
        **(_scored(result, places) if good else dict.fromkeys(_SCORED)),
        "notes": list(result.notes),
    }


_SCORED = ("scores", "baseline", "baseline_of", "confused", "coverage")


def measured(found: Mapping[str, Measure]) -> dict[str, dict[str, float | None]]:
    """Brings scores to plain values, None for what is no number."""
    return {
        name: {what: finite(value) for what, value in one._asdict().items()}
        for name, one in found.items()
    }


def finite(value: float) -> float | None:
    """Gives a number as JSON can hold it."""
    return value if math.isfinite(value) else None


def _table(given: TrainingData) -> dict[str, Any] | None:
    if given.table is None:
        return None
    about = describe_table(given.table)
    schema = given.table.schema
    return {
        **{name: about[name] for name in ("source", "rows", "target", "task", "why", "classes")},
        "columns": [column.name for column in schema.features],
        "left_out": about["left_out"],
        "warnings": about["warnings"],
    }


def _scored(result: RecipeResult, places: Sequence[int]) -> dict[str, Any]:
    data = result.dataset
    said = mean_predictions(result, places, "test")
    assert data.test_y is not None
    if data.class_names is None:
        scores = value_measures(said[:, 0], data.test_y)
        baseline = value_baseline(data.y, data.test_y)
        answers = "the mean of the training rows"
        confused = []
    else:
        scores = class_measures(said, data.test_y)
        baseline = class_baseline(data.y, data.test_y, len(data.class_names))
        common = int(np.bincount(data.y).argmax())
        answers = f"the commonest class, {data.class_names[common]}"
        confused = [
            {
                "class": data.class_names[one.label],
                "predicted": data.class_names[one.predicted],
                "rows": one.rows,
                "of": one.of,
            }
            for one in most_confused(said.argmax(axis=1), data.test_y)
        ]
    return {
        "scores": measured(scores),
        "baseline": {name: finite(value) for name, value in baseline.items()},
        "baseline_of": answers,
        "confused": confused,
        "coverage": _coverage(result, data, places, said),
    }


def _coverage(
    result: RecipeResult, data: Dataset, places: Sequence[int], said: np.ndarray
) -> dict[str, Any] | None:
    """Says how large sets or intervals are on test rows, and how many truths they hold."""
    kept = conformal_scores(result, places)
    labels = data.test_y
    if kept is None or labels is None:
        return None
    half = half_width(kept, COVERAGE)
    about: dict[str, Any] = {"asked": COVERAGE, "calibration_rows": len(kept.scores)}
    if data.classes is None:
        covered = np.abs(said[:, 0] - labels) <= half
        return {**about, "covered": float(covered.mean()), "width": finite(2 * half)}
    inside = 1 - said <= half
    covered = inside[np.arange(len(labels)), labels]
    return {
        **about,
        "covered": float(covered.mean()),
        "set_size": float(inside.sum(axis=1).mean()),
    }
