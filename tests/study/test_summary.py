"""Figures of a study, worked out by hand."""

import json
from dataclasses import replace
from math import inf, isnan, nan
from pathlib import Path

import numpy as np
import pytest

from denselab.study import (
    RecipeRecord,
    ScoresRecord,
    Spread,
    Study,
    TimeToTarget,
    read_study,
    summarize,
)


@pytest.fixture
def study(manifest):
    """Makes the study of some trials."""

    def make(*trials, recipes=()):
        return Study(Path("studies/toy"), manifest, trials, recipes)

    return make


@pytest.fixture
def plain(study):
    """Summarizes trials of the plain rung."""
    return lambda *trials, **options: summarize(study(*trials, **options)).recipes[0]


def scored(trial, accuracy, loss=1.0):
    return replace(
        trial, test=ScoresRecord(loss, accuracy), validation=ScoresRecord(loss, accuracy)
    )


def traced(trial, accuracies, seconds):
    columns = {name: (0.0,) * len(seconds) for name in trial.trace}
    trace = {**columns, "val_accuracy": tuple(accuracies), "seconds": tuple(seconds)}
    return replace(trial, trace=trace, seconds=seconds[-1] if seconds else 0.0)


@pytest.mark.parametrize(
    ("values", "mean", "sd"),
    [
        ((0.5, 0.7), 0.6, 0.1414213562373095),
        ((1.0, 2.0, 3.0, 4.0), 2.5, 1.2909944487358056),
        ((0.5,), 0.5, None),
        ((), None, None),
        ((0.5, nan), None, None),
        ((0.5, inf), None, None),
    ],
    ids=str,
)
def test_the_deviation_is_that_of_a_sample(values, mean, sd):
    spread = Spread(values).to_json()
    assert spread["mean"] == (mean if mean is None else pytest.approx(mean))
    assert spread["sd"] == (sd if sd is None else pytest.approx(sd))


def test_accuracies_are_over_the_trials_that_did_not_fail(plain, trial):
    failed = replace(scored(trial(seed=1), 0.9), status="diverged")
    summary = plain(scored(trial(), 0.5), failed)
    assert summary.test_accuracy.values == (0.5,)
    assert (summary.n, summary.failed, summary.seeds) == (1, 1, (0,))


def test_values_are_in_the_order_of_the_seeds_not_of_their_end(plain, trial):
    summary = plain(scored(trial(seed=1), 0.7, 0.2), scored(trial(seed=0), 0.5, 0.4))
    assert summary.seeds == (0, 1)
    assert summary.test_accuracy.values == summary.validation_accuracy.values == (0.5, 0.7)
    assert summary.test_loss.values == (0.4, 0.2)


def test_test_and_validation_are_not_mixed_up(plain, trial):
    summary = plain(
        replace(trial(), test=ScoresRecord(0.1, 0.2), validation=ScoresRecord(0.3, 0.4))
    )
    assert summary.test_accuracy.values == (0.2,)
    assert summary.validation_accuracy.values == (0.4,)
    assert summary.test_loss.values == (0.1,)


def test_epochs_are_means_and_the_best_one_counts(plain, trial):
    summary = plain(
        replace(trial(seed=0, epochs=4), best_epoch=1), replace(trial(seed=1), best_epoch=2)
    )
    assert summary.epochs_run == 3.5
    assert summary.epochs_to_best == 2.5


def test_seconds_per_epoch_are_the_median(study, trial, manifest):
    seconds = [(4, 2.0), (2, 20.0), (3, 9.0)]
    trials = [replace(trial(seed=s, epochs=n), seconds=t) for s, (n, t) in enumerate(seconds)]
    three = replace(manifest, plan=replace(manifest.plan, seeds=(0, 1, 2)))
    summary = summarize(replace(study(*trials), manifest=three))
    assert summary.recipes[0].seconds_per_epoch == 3.0


def test_a_recipe_that_trains_nothing_has_no_times(plain, trial):
    summary = plain(replace(scored(trial(epochs=0), 0.5), seconds=0.0))
    assert (summary.n, summary.epochs_run, summary.time_to_plain) == (1, 0.0, None)
    assert isnan(summary.epochs_to_best)
    assert isnan(summary.seconds_per_epoch)


def test_a_recipe_without_trials_is_listed(study):
    summary = summarize(study())
    assert [(one.name, one.n, one.parameters) for one in summary.recipes] == [
        ("plain", 0, None),
        ("batch_norm", 0, None),
    ]


def test_compile_time_and_notes_are_those_of_the_recipe(plain, trial):
    other = RecipeRecord("plain", "other settings", compile_seconds=9.0)
    own = RecipeRecord("plain", trial().settings, compile_seconds=2.0, notes=("one core",))
    summary = plain(trial(), recipes=(own, other))
    assert (summary.compile_seconds, summary.notes) == (2.0, ("one core",))


def test_time_to_plain_is_the_time_to_its_mean_final_validation_accuracy(study, trial):
    """The target is 0.6; seed 0 of batch_norm reaches it after 3 s, seed 1 after 2 s."""
    summary = summarize(
        study(
            traced(scored(trial(seed=0), 0.5), [0.4, 0.5], [5.0, 10.0]),
            traced(scored(trial(seed=1), 0.7), [0.6, 0.7], [4.0, 8.0]),
            traced(trial("batch_norm", 0), [0.1, 0.3, 0.6, 0.9], [1.0, 2.0, 3.0, 4.0]),
            traced(trial("batch_norm", 1), [0.1, 0.8, 0.2], [1.0, 2.0, 3.0]),
        )
    )
    plain, other = (one.time_to_plain for one in summary.recipes)
    assert plain == TimeToTarget(target=0.6, seconds=4.0, reached=1, n=2)
    assert other == TimeToTarget(target=0.6, seconds=2.5, reached=2, n=2)


@pytest.mark.parametrize("rows", range(3, 100, 7))
def test_a_trial_alone_reaches_its_own_accuracy_in_spite_of_float32(study, trial, rows):
    accuracy = (rows - 1) / rows
    stored = float(np.float32(accuracy))
    summary = summarize(study(traced(scored(trial(), accuracy), [0.0, stored], [1.0, 2.0])))
    assert summary.recipes[0].time_to_plain == TimeToTarget(accuracy, 2.0, 1, 1)


def test_a_target_nobody_reaches_has_no_time(study, trial):
    summary = summarize(
        study(scored(trial(), 0.9), traced(trial("batch_norm"), [0.1, nan], [1.0, 2.0]))
    )
    time = summary.recipes[1].time_to_plain
    assert (time.reached, time.n, time.to_json()["seconds"]) == (0, 1, None)


def test_failed_trials_of_plain_do_not_move_the_target(study, trial):
    failed = replace(scored(trial(seed=1), 0.1), status="diverged")
    summary = summarize(study(scored(trial(), 0.9), failed, trial("batch_norm")))
    assert summary.recipes[1].time_to_plain.target == 0.9


def test_there_is_no_time_to_plain_without_plain(study, trial):
    summary = summarize(study(trial("batch_norm")))
    assert summary.recipes[1].time_to_plain is None


def test_json_has_the_promised_keys(folder):
    summary = summarize(read_study(folder)).to_json()
    assert {"study", "dataset", "recipes", "versions", "hardware"} <= set(summary)
    assert summary["study"] == str(folder)
    assert summary["dataset"]["name"] == "toy"
    plain = summary["recipes"][0]
    assert {
        "name",
        "n",
        "test_accuracy",
        "validation_accuracy",
        "test_loss",
        "epochs_run",
        "epochs_to_best",
        "seconds_per_epoch",
        "compile_seconds",
        "parameters",
        "failed",
    } <= set(plain)
    assert set(plain["test_accuracy"]) == {"mean", "sd", "values"}
    assert (plain["name"], plain["n"], plain["parameters"]) == ("plain", 2, 21)


def test_json_has_no_value_that_is_not_finite(study, trial):
    regression = replace(trial(), test=ScoresRecord(inf, nan), validation=ScoresRecord(nan, nan))
    trials = (regression, replace(trial(seed=1), status="diverged"), trial("batch_norm", 0))
    text = json.dumps(summarize(study(*trials)).to_json(), allow_nan=False)
    assert json.loads(text)["recipes"][0]["test_accuracy"]["values"] == [None]
