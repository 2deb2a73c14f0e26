from dataclasses import replace
from math import nan

import numpy as np
import polars as pl
import pytest

from denselab.errors import UsageError
from denselab.study import Plan, ScoresRecord, manifest_for, open_study, read_study
from denselab.study.statistics import Arm, answer
from denselab.study.verdict import (
    arms_from_frame,
    measure_for,
    region_for,
    study_arms,
    study_question,
    study_rows,
    study_verdicts,
)

LABELS = np.array([0, 1, 1, 0, 1])
SEEDS = tuple(range(8))


@pytest.fixture
def predicted():
    """Probabilities for each recipe and seed; batch_norm is right more often."""
    stream = np.random.default_rng(0)

    def right(name, seed):
        hits = stream.random(len(LABELS)) < (0.9 if name == "batch_norm" else 0.4)
        of_label = np.where(hits, 0.8, 0.3)
        return np.stack(
            [
                np.where(LABELS == 0, of_label, 1 - of_label),
                np.where(LABELS == 1, of_label, 1 - of_label),
            ],
            1,
        ).astype("f4")

    return {(name, seed): right(name, seed) for name in ("plain", "batch_norm") for seed in SEEDS}


def scored(probabilities):
    of_label = probabilities[np.arange(len(LABELS)), LABELS].astype(float)
    right = probabilities.argmax(1) == LABELS
    return ScoresRecord(float(-np.log(of_label).mean()), float(right.mean()))


@pytest.fixture
def study(tmp_path, plan, dataset, trial, weights, predicted):
    eight = Plan(plan.recipes, plan.dataset, plan.fingerprint, SEEDS, plan.preset)
    with open_study(tmp_path / "study", manifest_for(eight, dataset, command="x")) as store:
        for (name, seed), probabilities in predicted.items():
            record = replace(trial(name, seed), test=scored(probabilities))
            kept = {"test": probabilities, "calibration": probabilities[:0]}
            store.add_trial(record, weights(seed), kept)
    return read_study(tmp_path / "study")


def test_verdicts_are_the_answer_from_the_test_scores(study, predicted):
    verdicts = study_verdicts(study)

    arms = {
        name: Arm({seed: scored(predicted[name, seed]).accuracy for seed in SEEDS})
        for name in ("plain", "batch_norm")
    }
    assert verdicts == answer(study_question(study), arms)
    assert [(one.arm, one.against) for one in verdicts.contrasts] == [("batch_norm", "plain")]
    assert verdicts.question.measure.name == "accuracy"
    assert verdicts.contrasts[0].n == 8


def test_kept_predictions_make_them_speak_of_new_rows(study, predicted):
    rows = study_rows(study, LABELS)

    verdicts = study_verdicts(study, rows=rows)

    assert rows["plain"][3].tolist() == (predicted["plain", 3].argmax(1) == LABELS).tolist()
    assert verdicts.contrasts[0].estimate.scope == "seeds and rows"
    assert verdicts.rows == len(LABELS)


def test_losses_are_in_nats_and_less_is_better(study):
    rows = study_rows(study, LABELS, metric="loss")

    verdicts = study_verdicts(study, metric="loss", rows=rows)

    one = verdicts.contrasts[0]
    assert one.difference < 0
    assert (one.winner, verdicts.question.region) == ("batch_norm", 0.01)
    assert one.difference == pytest.approx(
        study_verdicts(study, metric="loss").contrasts[0].difference
    )


def test_labels_in_another_order_are_noticed(study):
    with pytest.raises(UsageError, match="give the test labels of its data"):
        study_rows(study, 1 - LABELS)
    with pytest.raises(UsageError, match="4 labels for 5 test rows"):
        study_rows(study, LABELS[:4])


def test_a_trial_that_failed_has_no_score(study):
    first = study.trials[0]
    diverged = replace(first, status="diverged", test=ScoresRecord(nan, nan))
    broken = replace(study, trials=(diverged, *study.trials[1:]))

    arms = study_arms(broken)

    assert arms[first.recipe].scores[first.seed] is None
    assert study_verdicts(broken).contrasts[0].n == 7
    assert first.seed not in study_rows(broken, LABELS)[first.recipe]


def test_the_question_is_as_asked(study):
    question = study_question(study, baseline="batch_norm", region=0.25, level=0.005)

    assert question.contrasts == (("plain", "batch_norm"),)
    assert (question.region, question.level) == (0.25, 0.005)
    with pytest.raises(UsageError, match="no arm is called nobody"):
        study_question(study, baseline="nobody")
    with pytest.raises(UsageError, match="give accuracy or loss"):
        study_question(study, metric="speed")


def test_regression_has_no_accuracy_and_no_default_region(study):
    manifest = replace(study.manifest, dataset={**study.manifest.dataset, "task": "regression"})
    regression = replace(study, manifest=manifest)

    assert study_question(regression, metric="loss", region=2.0).measure.name == "squared error"
    with pytest.raises(UsageError, match="give metric loss, and a region"):
        study_question(regression)
    with pytest.raises(UsageError, match="give the largest difference that does not matter"):
        study_question(regression, metric="loss")


@pytest.mark.parametrize("make", [dict, pl.DataFrame], ids=["mapping of columns", "polars"])
def test_arms_come_from_any_frame(make):
    frame = make({"arm": ["a", "b", "a"], "seed": [0, 0, 1], "score": [0.5, None, 0.25]})

    arms = arms_from_frame(frame)

    assert {name: dict(arm.scores) for name, arm in arms.items()} == {
        "a": {0: 0.5, 1: 0.25},
        "b": {0: None},
    }


def test_a_frame_has_three_columns_and_each_seed_once():
    with pytest.raises(UsageError, match="without columns arm, seed and score"):
        arms_from_frame({"arm": ["a"], "seed": [0]})
    with pytest.raises(UsageError, match="arm a, seed 0 is there twice"):
        arms_from_frame({"arm": ["a", "a"], "seed": [0, 0], "score": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("metric", "score", "options", "expected"),
    [
        ("accuracy", 0.9, {}, ("points", 100.0, True, 0.5)),
        ("accuracy", 90.0, {}, ("points", 1.0, True, 0.5)),
        ("log-loss", 1.5, {}, ("nats", 1.0, False, 0.01)),
        ("seconds", 812.0, {"unit": "raw", "higher_is_better": False}, ("", 1.0, False, None)),
        ("error", 0.1, {"higher_is_better": False}, ("points", 100.0, False, 0.5)),
    ],
)
def test_what_scores_are_is_found_by_name_and_size(metric, score, options, expected):
    measure = measure_for(metric, {"a": Arm({0: score, 1: None})}, **options)

    found = (measure.unit, measure.scale, measure.higher_is_better, measure.region)
    assert (measure.name, found) == (metric, expected)


def test_points_end_at_a_hundred():
    for score in (-0.1, 101.0):
        with pytest.raises(UsageError, match="is not in points; give --unit raw and a --region"):
            measure_for("accuracy", {"a": Arm({0: score})})


def test_a_region_that_is_given_counts():
    measure = measure_for("accuracy", {})

    assert (region_for(measure, 0.2), region_for(measure, None)) == (0.2, 0.5)
