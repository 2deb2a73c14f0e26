import numpy as np
import pytest

from denselab.data import from_arrays, hold_out_test
from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.training import load_model, train_rates, train_recipe

SHORT = [
    "network.depth=2",
    "network.width=16",
    "training.epochs=40",
    "optimizer.learning_rate=1e-2",
]


def line(offset=0.0, factor=1.0):
    """A target that is a plane with a little noise, in any units."""
    stream = np.random.default_rng(0)
    x = stream.normal(size=(240, 3)).astype("float32")
    y = x @ [1.0, -2.0, 0.5] + 0.1 * stream.normal(size=240)
    return hold_out_test(from_arrays(x, offset + factor * y, task="regression", name="line"))


def recipe(*settings):
    return load_recipe("plain", preset="tuned", settings=[*SHORT, *settings])


@pytest.fixture(scope="module")
def result():
    return train_recipe(recipe(), line(), seeds=[0, 1])


def test_a_plane_is_found(result):
    unexplained = [trial.test.loss / line().test_y.var() for trial in result.trials]
    assert max(unexplained) < 0.05


def test_a_trial_of_a_regression_has_values_and_no_accuracy(result):
    trial = result.trials[0]
    errors = trial.predictions.test[:, 0].astype("float64") - line().test_y
    assert trial.predictions.test.shape == (48, 1)
    assert trial.test.loss == pytest.approx(np.square(errors).mean(), rel=1e-6)
    assert np.isnan([trial.test.accuracy, trial.validation.accuracy]).all()
    assert "accuracy" not in trial.trace


def test_the_units_of_a_target_do_not_matter(result):
    far = train_recipe(recipe(), line(offset=1e6, factor=1e3), seeds=[0]).trials[0]
    found = (far.predictions.test - 1e6) / 1e3
    # float32 tells targets near a million apart by 0.06, which is 6e-5 of a unit of the plain target.
    np.testing.assert_allclose(found, result.trials[0].predictions.test, atol=0.02)


def test_the_loss_of_the_trace_is_of_a_target_of_deviation_1(result):
    trial = result.trials[0]
    best = trial.trace["val_loss"][trial.best_epoch]
    assert best * line().y.var() == pytest.approx(trial.validation.loss, rel=1e-4)


def test_a_saved_model_answers_in_the_units_of_the_target(result, tmp_path):
    path = tmp_path / "line.keras"
    result.save_model(1, path)
    found = load_model(path).model.predict(line().test_x, verbose=0)
    np.testing.assert_allclose(found, result.trials[1].predictions.test, atol=1e-5)


def test_rates_are_tuned_on_a_regression_too():
    found = {}
    train_rates(recipe(), line(), rates=[1e-6, 1e-2], seed=0, on_trial=found.__setitem__)
    assert found[1e-2].validation.loss < found[1e-6].validation.loss


def test_draws_of_a_regression_are_averaged():
    dropout = ["network.dropout.kind=dropout", "network.dropout.rate=0.2", "prediction.draws=3"]
    asked = recipe(*dropout, "network.dropout.monte_carlo=true")
    trial = train_recipe(asked, line(), seeds=[0]).trials[0]
    assert trial.test.loss < line().test_y.var()


def test_mixup_is_of_classes():
    with pytest.raises(UsageError, match=r"mixup = 0.2, which keeps the label.*set it to 0"):
        train_recipe(recipe("training.mixup=0.2"), line(), seeds=[0])


def test_a_target_that_never_changes_is_learned():
    data = hold_out_test(
        from_arrays(np.eye(40, dtype="float32"), np.full(40, 7.0), task="regression")
    )
    assert train_recipe(recipe(), data, seeds=[0]).trials[0].test.loss < 1
