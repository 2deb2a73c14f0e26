"""Once with the real training: a small study of digits, interrupted, resumed, used."""

import numpy as np
import pytest

from denselab.data import hold_out_test, load
from denselab.errors import InterruptedTrainingError
from denselab.recipes import load_recipe
from denselab.study import (
    compare_recipes,
    plan_study,
    read_study,
    read_weights,
    summarize,
    with_sources,
)

SETTINGS = ["network.depth=2", "network.width=16", "training.epochs=2"]


def find(name):
    return load_recipe(name, preset="tuned", settings=SETTINGS)


@pytest.fixture(scope="module")
def digits():
    return hold_out_test(load("digits"))


@pytest.fixture(scope="module")
def plan(digits):
    recipes, _ = with_sources([find("mc_dropout")], find)
    return plan_study(recipes, digits, seeds=[0, 1], preset="tuned")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, plan, digits):
    """The study, after one interruption."""
    folder = tmp_path_factory.mktemp("real") / "study"

    def stop_when_one_is_done(progress):
        if progress.finished:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedTrainingError, match="go on with: the same again"):
        compare_recipes(
            plan, digits, folder=folder, command="the same again", progress=stop_when_one_is_done
        )
    assert 1 <= len(read_study(folder).trials) < 4
    compare_recipes(plan, digits, folder=folder, command="the same again")
    return folder


def test_every_trial_is_there_once(folder, plan):
    study = read_study(folder)
    there = {(trial.recipe, trial.seed) for trial in study.trials}
    assert there == {(recipe.name, seed) for recipe in plan.recipes for seed in plan.seeds}
    assert len(study.trials) == 4
    assert {trial.epochs_run for trial in study.trials} == {0, 2}


def test_a_resumed_study_has_the_bytes_of_an_uninterrupted_one(folder, plan, digits):
    from denselab.training import train_recipe

    study = read_study(folder)
    straight = train_recipe(find("alpha_dropout"), digits, seeds=plan.seeds)
    for trial in straight.trials:
        (stored,) = (t for t in study.trials if (t.recipe, t.seed) == ("alpha_dropout", trial.seed))
        assert (stored.test.loss, stored.test.accuracy) == trial.test
        assert stored.trace["val_loss"] == tuple(trial.trace["val_loss"].tolist())
        weights = read_weights(study, stored)
        assert weights.keys() == trial.weights.keys()
        for name, value in trial.weights.items():
            np.testing.assert_array_equal(weights[name], value, strict=True)


def test_the_weights_of_alpha_dropout_are_those_of_mc_dropout(folder):
    study = read_study(folder)
    by_key = {(trial.recipe, trial.seed): trial for trial in study.trials}
    for seed in (0, 1):
        one, other = (
            read_weights(study, by_key[name, seed]) for name in ("alpha_dropout", "mc_dropout")
        )
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], strict=True)


def test_a_saved_model_is_the_best_member(folder, digits):
    import keras

    study = read_study(folder)
    for recipe in study.recipes:
        (best,) = (
            t for t in study.trials if (t.recipe, t.seed) == (recipe.recipe, recipe.model_seed)
        )
        model = keras.saving.load_model(folder / recipe.model.name)
        assert model.count_params() >= best.parameters
        if recipe.recipe == "alpha_dropout":
            right = model.predict(digits.test_x, verbose=0).argmax(axis=1) == digits.test_y
            assert right.mean() == pytest.approx(best.test.accuracy, abs=1e-9)


def test_the_summary_counts_the_weights_that_keras_counts(folder):
    study = read_study(folder)
    for trial in study.trials:
        inputs = {"input_mean", "input_scale"}
        sizes = {n: v.size for n, v in read_weights(study, trial).items() if n not in inputs}
        assert trial.parameters == sum(n for name, n in sizes.items() if "seed" not in name)
    assert [recipe.n for recipe in summarize(study).recipes] == [2, 2]


def test_a_member_that_turns_nan_is_counted_never_best_and_touches_no_other(
    tmp_path, digits, monkeypatch
):
    from denselab.training import train, train_recipe

    recipe = find("plain")
    plan = plan_study([recipe], digits, seeds=[0, 1], preset="tuned")
    straight = train_recipe(recipe, digits, seeds=[1]).trials[0]
    original = train.train_population

    def with_a_broken_member(*arguments, **options):
        rates = {"optimizer.learning_rate": [float("nan"), recipe.optimizer.learning_rate]}
        return original(*arguments, **{**options, "scalars": rates})

    monkeypatch.setattr(train, "train_population", with_a_broken_member)
    summary = compare_recipes(plan, digits, folder=tmp_path / "study", command="again")
    study = read_study(tmp_path / "study")
    by_seed = {trial.seed: trial for trial in study.trials}
    assert summary.failed == 1
    assert (by_seed[0].status, by_seed[1].status) == ("diverged", "finished")
    assert study.recipes[0].model_seed == 1
    for name, value in read_weights(study, by_seed[1]).items():
        np.testing.assert_array_equal(value, straight.weights[name], strict=True)
