"""Measures beside the primary one: their figures by hand, and what they leave out."""

import math
from dataclasses import replace

import numpy as np
import pytest

from denselab.study import open_study, read_study
from denselab.study.judgement import DATA_DOCUMENT
from denselab.study.records import ScoresRecord
from denselab.study.secondary import TARGET_SHARE, calibration_error, secondary_measures
from denselab.study.solo_times import solo_times
from denselab.uncertainty import expected_calibration_error

CURVES = {"plain": (0.2, 0.6, 1.0), "batch_norm": (0.98, 0.98, 1.0)}
SURE = {"plain": 0.9, "batch_norm": 0.6}
CONTRAST = [("batch_norm", "plain")]


@pytest.fixture
def make(tmp_path, manifest, trial, weights):
    """Makes a study of two recipes and two seeds that predict every test row right."""

    def made(curves=CURVES, *, times=None, failed=(), documents=None):
        with open_study(tmp_path / "study", manifest) as store:
            store.put_document(DATA_DOCUMENT, {"test_labels": [0, 1], **(documents or {})})
            for name, curve in curves.items():
                for seed in (0, 1):
                    sure = SURE[name] + 0.01 * seed
                    test = np.array([[sure, 1 - sure], [1 - sure, sure]], "f4")
                    one = trial(name, seed)
                    accuracies = {**one.trace, "val_accuracy": curve}
                    one = replace(
                        one,
                        trace=accuracies,
                        test=ScoresRecord(float(-np.log(np.float32(sure))), 1.0),
                        status="diverged" if (name, seed) in failed else one.status,
                    )
                    kept = {"test": test, "calibration": test[:0]}
                    store.add_trial(one, weights(seed), kept)
            if times is not None:
                from denselab.study.solo_times import _key

                recipes = store.study.manifest.plan.recipes
                store.put_document("solo_times", {"of": _key(recipes), **times})
        return read_study(tmp_path / "study")

    return made


def measured(study, **options):
    found = secondary_measures(study, CONTRAST, **options)
    return {one.measure: one for one in found}


def test_differences_are_paired_over_seeds(make):
    found = measured(make())
    loss = found["log loss, nats"]
    gaps = [math.log(0.9 + 0.01 * s) - math.log(0.6 + 0.01 * s) for s in (0, 1)]
    assert loss.estimate == pytest.approx(np.mean(gaps), rel=1e-5)
    assert (loss.kind, loss.better, loss.n) == ("difference", "lower", 2)
    error = found["calibration error (ECE), points"]
    assert error.against_mean == pytest.approx(9.5, abs=1e-4)
    assert error.arm_mean == pytest.approx(39.5, abs=1e-4)
    assert error.estimate == pytest.approx(30.0, abs=1e-4)


def test_the_primary_metric_is_left_to_its_verdict(make):
    study = make()
    assert "test accuracy, points" not in measured(study)
    assert "log loss, nats" not in measured(study, primary="loss")
    assert "test accuracy, points" in measured(study, primary="loss")


def test_epochs_to_a_target_are_compared_as_a_ratio(make):
    found = measured(make())
    epochs = found[f"epochs to a validation accuracy of {100 * TARGET_SHARE:.1f} %"]
    assert (epochs.arm_mean, epochs.against_mean) == (1.0, 3.0)
    assert epochs.estimate == pytest.approx(1 / 3)


def test_a_run_that_misses_the_target_counts_as_the_longest(make):
    slow = {**CURVES, "batch_norm": (0.1, 0.2, 0.3)}
    (epochs,) = (one for name, one in measured(make(slow)).items() if name.startswith("epochs"))
    assert epochs.arm_mean == 3.0
    assert epochs.note == "missed by 2 and 0 of 2"


def test_a_failed_run_never_reaches_the_target(make):
    study = make(failed=[("batch_norm", 0)])
    (epochs,) = (one for name, one in measured(study).items() if name.startswith("epochs"))
    assert epochs.arm_mean == 2.0
    assert epochs.note == "missed by 1 and 0 of 2"


def test_where_nobody_reaches_the_target_nobody_was_faster(make):
    # Half of the first arm's seeds set a target that the other half, and the other arm, miss.
    study = make({"plain": (0.5, 0.5, 0.5), "batch_norm": (0.1, 0.1, 0.1)})
    others = tuple(
        replace(one, trace={**one.trace, "val_accuracy": (0.1,) * 3}) if one.seed else one
        for one in study.trials
    )
    kept = tuple(one for one in others if (one.recipe, one.seed) != ("batch_norm", 0))
    (epochs,) = (
        one
        for one in secondary_measures(replace(study, trials=kept), CONTRAST)
        if one.measure.startswith("epochs")
    )
    assert epochs.note == "missed by 1 and 1 of 1"
    assert math.isnan(epochs.estimate)
    assert epochs.to_json()["estimate"] is None


def test_seconds_to_a_target_join_epochs_with_solo_seconds(make):
    times = {
        "epoch": {"plain": [1.0, 1.0], "batch_norm": [6.0, 6.0]},
        "predict": {"plain": [0.1, 0.1], "batch_norm": [0.2, 0.2]},
    }
    found = measured(make(times=times))
    seconds = found["solo seconds to a validation accuracy of 97.0 %"]
    assert (seconds.arm_mean, seconds.against_mean) == (6.0, 3.0)
    assert seconds.estimate == pytest.approx(2.0)
    assert found["solo seconds an epoch"].estimate == pytest.approx(6.0)
    assert found["solo seconds a prediction of 2 rows"].estimate == pytest.approx(2.0)


def test_times_of_other_recipes_do_not_count(make):
    study = make(times={"epoch": {}, "predict": {}})
    assert solo_times(study) is not None
    known = study.documents["solo_times"]
    changed = replace(study, documents={**study.documents, "solo_times": {**known, "of": "other"}})
    assert solo_times(changed) is None


def test_made_up_arms_of_interactions_are_left_out(make):
    assert secondary_measures(make(), [("plain + batch_norm", "plain")]) == ()


def test_the_calibration_error_is_that_of_the_uncertainty_room():
    stream = np.random.default_rng(0)
    for _ in range(20):
        p = stream.dirichlet(np.ones(4), size=200).astype("f4")
        y = stream.integers(0, 4, 200)
        expected = float(expected_calibration_error(p, y))
        assert calibration_error(p, y) == pytest.approx(expected, abs=2e-6)
