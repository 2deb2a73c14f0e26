"""Recipe and data become trials that can be believed: scored, restorable, the same every time."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from denselab.data import from_arrays, hold_out_test, load, split
from denselab.errors import DataError, UsageError
from denselab.recipes import load_recipe
from denselab.training import restore_recipe, score, train_recipe

SMALL = ["network.depth=2", "network.width=32", "training.epochs=6"]


@pytest.fixture(scope="module")
def digits():
    return hold_out_test(load("digits"))


@pytest.fixture(scope="module")
def recipes():
    names = ("plain", "batch_norm", "alpha_dropout", "mc_dropout", "one_cycle")
    return {name: load_recipe(name, preset="tuned", settings=SMALL) for name in names}


@pytest.fixture(scope="module")
def results(digits, recipes):
    trained = {
        name: train_recipe(recipes[name], digits, seeds=[0, 1])
        for name in ("plain", "batch_norm", "alpha_dropout")
    }
    source = trained["alpha_dropout"]
    trained["mc_dropout"] = train_recipe(recipes["mc_dropout"], digits, seeds=[0, 1], source=source)
    return trained


def test_scores_are_those_keras_gives_for_the_saved_model(digits, results, tmp_path):
    for name in ("plain", "batch_norm"):
        result = results[name]
        result.save_model(1, tmp_path / f"{name}.keras")
        model = keras.models.load_model(tmp_path / f"{name}.keras")
        trial = result.trials[1]
        loss, accuracy = model.evaluate(digits.test_x, digits.test_y, verbose=0)
        assert accuracy == pytest.approx(trial.test.accuracy, abs=1e-6)
        assert loss == pytest.approx(trial.test.loss, rel=1e-3)
        probabilities = model.predict(digits.test_x, verbose=0)
        np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)


def test_validation_scores_are_those_of_the_best_epoch(results):
    for trial in results["plain"].trials:
        assert trial.validation.loss == pytest.approx(trial.trace["val_loss"].min(), rel=1e-4)
        assert trial.best_epoch == trial.trace["val_loss"].argmin()


def test_the_saved_model_loads_in_a_fresh_process_without_custom_objects(digits, results, tmp_path):
    results["mc_dropout"].save_model(0, tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", digits.test_x)
    program = (
        "import sys, numpy as np, keras, denselab.components\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "x = np.load(sys.argv[2])\n"
        "print(*{model.predict(x, verbose=0)[0, 0] for _ in range(4)})"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "model.keras"), str(tmp_path / "x.npy")],
        capture_output=True,
        text=True,
        check=True,
        env={"KERAS_BACKEND": "jax", "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert len(run.stdout.split()) == 4  # its dropout is active: four predictions, four values


def test_monte_carlo_dropout_shares_the_weights_and_trains_nothing(results):
    for ours, theirs in zip(
        results["mc_dropout"].trials, results["alpha_dropout"].trials, strict=True
    ):
        assert ours.seconds == 0
        assert not ours.trace
        for path, value in theirs.weights.items():
            np.testing.assert_array_equal(ours.weights[path], value)
        assert ours.test.loss != theirs.test.loss


def test_a_trial_is_the_same_in_another_company(digits, recipes, results):
    again = train_recipe(recipes["plain"], digits, seeds=[1])
    first = results["plain"].trials[1]
    assert again.trials[0].test == first.test
    for path, value in first.weights.items():
        assert again.trials[0].weights[path].tobytes() == value.tobytes()


def test_standardisation_is_fitted_on_the_training_rows_alone(digits, recipes, results):
    training = recipes["plain"].training
    rows, _ = split(
        digits.y, seed=1, fraction=training.validation_fraction, stratified=training.stratified
    )
    mean = digits.x[rows].astype(np.float64).mean(0)
    np.testing.assert_allclose(results["plain"].trials[1].weights["input_mean"], mean, rtol=1e-5)


def test_a_restored_result_is_as_good_a_source_as_the_trained_one(digits, recipes, results):
    restored = restore_recipe(recipes["alpha_dropout"], digits, results["alpha_dropout"].trials)
    again = train_recipe(recipes["mc_dropout"], digits, seeds=[0, 1], source=restored)
    assert [t.test for t in again.trials] == [t.test for t in results["mc_dropout"].trials]


def test_trials_and_progress_are_told_while_it_works(digits, recipes):
    told, progress = [], []
    train_recipe(
        recipes["one_cycle"],
        digits,
        seeds=[4, 5, 6],
        on_trial=lambda trial: told.append(trial.seed),
        on_progress=progress.append,
    )
    assert sorted(told) == [4, 5, 6]
    assert progress[-1].members == 3
    assert max(p.epoch for p in progress) == 6
    assert [p.finished for p in progress] == sorted(p.finished for p in progress)


def test_constant_features_do_no_harm(recipes, tmp_path):
    stream = np.random.default_rng(0)
    y = stream.integers(0, 2, 300)
    x = np.concatenate(
        [stream.normal(size=(300, 3)) + 2 * y[:, None], np.full((300, 1), 7.0)], axis=1
    )
    data = hold_out_test(from_arrays(x, y))
    result = train_recipe(recipes["plain"], data, seeds=[0])
    assert result.trials[0].test.accuracy > 0.8
    result.save_model(0, tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    moved = data.test_x.copy()
    moved[:, 3] = -1e6
    np.testing.assert_allclose(
        model.predict(moved, verbose=0), model.predict(data.test_x, verbose=0), atol=1e-5
    )


def test_a_diverged_trial_is_marked_and_has_no_scores(digits):
    settings = [*SMALL, "optimizer.name=sgd", "optimizer.learning_rate=1e30"]
    wild = load_recipe("plain", preset="tuned", settings=settings)
    (trial,) = train_recipe(wild, digits, seeds=[0]).trials
    assert trial.failed
    assert np.isnan(trial.test.loss) or trial.test.accuracy < 0.5


def test_scores_by_hand():
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    result = score(probabilities, np.array([1, 0, 0]))
    assert result.loss == pytest.approx(-(np.log(0.75) + np.log(0.5)) / 3)
    assert result.accuracy == 1.0
    assert score(np.array([[0.0, 1.0]]), np.array([0])).loss == pytest.approx(87.3, abs=0.1)


def test_bad_input_is_refused_with_the_remedy(digits, recipes, results):
    with pytest.raises(UsageError, match="hold_out_test"):
        train_recipe(recipes["plain"], load("digits"), seeds=[0])
    with pytest.raises(UsageError, match="alpha_dropout; give its result"):
        train_recipe(recipes["mc_dropout"], digits, seeds=[0])
    with pytest.raises(UsageError, match="no other recipe"):
        train_recipe(recipes["plain"], digits, seeds=[0], source=results["plain"])
    trial = results["plain"].trials[0]
    other = load_recipe("plain", preset="tuned", settings=["network.depth=3", "network.width=32"])
    with pytest.raises(DataError, match="hidden_3/kernel are nothing"):
        restore_recipe(other, digits, [trial]).save_model(0, None)


def test_a_folder_that_cannot_be_written_is_told_and_nothing_is_left(
    results, tmp_path, monkeypatch
):
    import errno

    def full(self, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    from denselab.errors import ExhaustedError

    with pytest.raises(ExhaustedError, match="disk is full"):
        results["plain"].save_model(0, tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


def test_a_fresh_process_trains_one_member_on_each_core():
    program = (
        "from denselab.data import hold_out_test, load\n"
        "from denselab.recipes import load_recipe\n"
        "from denselab.training import train_recipe\n"
        "short = load_recipe('plain', settings=['network.depth=1', 'training.epochs=1'])\n"
        "result = train_recipe(short, hold_out_test(load('digits')), seeds=[0, 1])\n"
        "import jax\n"
        "print(jax.local_device_count(), result.notes)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"KERAS_BACKEND": "jax", "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert run.stdout.split() == [str(max(2, os.cpu_count() or 1)), "()"]


def test_a_warm_start_goes_on_from_the_weights_of_its_own_seed(digits, recipes, results):
    still = ["optimizer.learning_rate=1e-12", "training.epochs=1"]
    warm = load_recipe("one_cycle_warm", preset="tuned", settings=[*SMALL, *still])
    source = results["alpha_dropout"]

    moved = train_recipe(warm, digits, seeds=[0, 1], source=source)

    for trial, began in zip(moved.trials, source.trials, strict=True):
        for name, value in began.weights.items():
            np.testing.assert_allclose(trial.weights[name], value, atol=1e-6)
        assert len(trial.trace["loss"]) == 1  # It trained.


def test_a_warm_start_without_its_source_is_refused(digits):
    warm = load_recipe("one_cycle_warm", preset="tuned", settings=SMALL)
    with pytest.raises(UsageError, match="alpha_dropout; give its result as source"):
        train_recipe(warm, digits, seeds=[0])
