"""The doctor sees what a training sees: the same rows, scaled alike, and the same first weights."""

import keras
import numpy as np
import pytest

from denselab.cli.setups import fit_arguments, recipe_request
from denselab.data import Dataset, load, split
from denselab.engine.member import build_member
from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.training import build_network, compile_network
from denselab.training.train import splits_for

SMALL = ["network.depth=2", "network.width=16"]


@pytest.fixture
def recipe():
    return lambda name="tuned/plain", *settings: load_recipe(name, settings=[*SMALL, *settings])


def test_rows_are_those_of_the_split_standardised_by_the_training_part(recipe):
    data, asked = load("wine"), recipe()
    ((train, held),) = splits_for(asked, data, [3])
    mean, deviation = data.x[train].mean(axis=0), data.x[train].std(axis=0)

    request = recipe_request(asked, data, seed=3)

    np.testing.assert_allclose(request.x, (data.x[train] - mean) / deviation, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(request.y, data.y[train])
    kept, labels = request.validation_data
    np.testing.assert_allclose(kept, (data.x[held] - mean) / deviation, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(labels, data.y[held])


def test_rows_stay_as_they_are_where_a_recipe_does_not_scale(recipe):
    data, asked = load("digits"), recipe("published/plain")
    train, _ = split(data.y, seed=0, fraction=0.33, stratified=False)

    request = recipe_request(asked, data, seed=0)

    np.testing.assert_array_equal(request.x, data.x[train].reshape(len(train), 64))
    assert request.x.dtype == np.float32


def test_the_network_starts_with_the_weights_that_are_trained(recipe):
    data, asked = load("wine"), recipe()
    request = recipe_request(asked, data, seed=5)
    rows = len(request.x)

    def build():
        model = build_network(asked, features=13, classes=3)
        return compile_network(model, asked, train_rows=rows)

    trained = build_member(build, 5, (data.x[:1], data.y[:1]))

    for ours, theirs in zip(request.model.weights, trained.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(ours.value), np.asarray(theirs.value))


def test_looking_leaves_the_randomness_of_keras_alone(recipe):
    keras.utils.set_random_seed(7)
    expected = keras.ops.convert_to_numpy(keras.random.normal((4,)))
    keras.utils.set_random_seed(7)

    recipe_request(recipe(), load("wine"), seed=0)

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(keras.random.normal((4,))), expected)


def test_fit_would_be_asked_for_what_the_recipe_says(recipe):
    arguments = fit_arguments(recipe("tuned/plain", "schedule.kind=reduce_on_plateau"))

    stop, plateau = arguments["callbacks"]
    assert (arguments["epochs"], arguments["batch_size"]) == (50, 32)
    assert (stop.patience, stop.restore_best_weights, stop.monitor) == (10, True, "val_loss")
    assert (plateau.patience, plateau.factor) == (5, 0.5)
    assert plateau.min_lr == pytest.approx(1e-3 * recipe().optimizer.learning_rate)
    assert fit_arguments(recipe("tuned/one_cycle"))["callbacks"] == []


def test_a_regression_has_no_recipe(recipe):
    values = np.linspace(0, 1, 20, dtype=np.float32)
    data = Dataset(name="line", x=values[:, None], y=values, task="regression", source="made up")

    with pytest.raises(UsageError, match="give data with classes"):
        recipe_request(recipe(), data, seed=0)
