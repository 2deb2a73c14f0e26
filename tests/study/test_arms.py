"""What a study compares, and what of it is missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from denselab.study import (
    BuiltModel,
    Study,
    Tuning,
    arms_of,
    missing_seeds,
    recipes_of,
)
from denselab.study.hashing import settings_hash
from denselab.study.records import trials_of
from denselab.study.tuning import DOCUMENT, RateRecord, TuningRecord


@pytest.fixture
def study(manifest):
    return Study(Path("s"), manifest, (), ())


def with_plan(study, **changes):
    return replace(
        study, manifest=replace(study.manifest, plan=replace(study.manifest.plan, **changes))
    )


def chosen(study, name, rate):
    record = TuningRecord(name, (RateRecord(rate, 0.5, 0.9, "finished"),), rate)
    return replace(study, documents={DOCUMENT: {name: record.to_json()}})


def test_everything_is_missing_at_first(study):
    assert missing_seeds(study) == {"plain": (0, 1), "batch_norm": (0, 1)}


def test_what_is_there_is_not_missing(study, trial):
    there = (trial(seed=1), trial("batch_norm", 0), trial("batch_norm", 1))
    assert missing_seeds(replace(study, trials=there)) == {"plain": (0,), "batch_norm": ()}


def test_a_failed_trial_is_not_trained_again(study, trial):
    failed = replace(trial(), status="diverged")
    assert missing_seeds(replace(study, trials=(failed,)))["plain"] == (1,)


def test_a_tuned_recipe_has_the_rate_that_was_chosen(study, trial):
    tuned = chosen(with_plan(study, tuning=Tuning()), "plain", 3e-4)
    plain, batch_norm = recipes_of(tuned)
    assert plain.optimizer.learning_rate == 3e-4
    assert batch_norm == study.manifest.plan.recipes[1]
    # Trials of the rate before are not those of the arm.
    assert missing_seeds(replace(tuned, trials=(trial(),)))["plain"] == (0, 1)
    assert arms_of(tuned)[0].settings == settings_hash(plain)


def test_a_recipe_that_shares_weights_has_the_rate_of_its_source(study, find):
    recipes = (find("alpha_dropout"), find("mc_dropout"))
    tuned = chosen(with_plan(study, recipes=recipes, tuning=Tuning()), "alpha_dropout", 0.02)
    assert [recipe.optimizer.learning_rate for recipe in recipes_of(tuned)] == [0.02, 0.02]


def test_built_models_come_after_the_recipes(study, trial):
    model = BuiltModel("mine", "two layers", "f" * 16)
    built = with_plan(study, models=(model,))
    assert [arm.name for arm in arms_of(built)] == ["plain", "batch_norm", "mine"]
    assert (arms_of(built)[2].recipe, arms_of(built)[2].settings) == (None, "f" * 16)
    own = replace(trial(), recipe="mine", settings="f" * 16)
    assert list(trials_of(arms_of(built)[2], (own, trial()))) == [0]
