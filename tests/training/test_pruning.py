from dataclasses import replace

import keras
import numpy as np
import pytest

from denselab.data import hold_out_calibration, hold_out_test, load, split
from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.sparsity import sparsity_of
from denselab.training.pruning import (
    PruningPlan,
    TuningRows,
    prune_classifier,
    pruned_description,
    tuning_rows,
)
from denselab.training.saving import describe_model

STREAM = np.random.default_rng(0)
X = STREAM.normal(size=(96, 6)).astype("float32")


@pytest.fixture(scope="module")
def wine():
    return hold_out_calibration(hold_out_test(load("wine")))


def network(*ends):
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu", name="hidden"), *ends]
    )


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_rows_that_validated_a_training_watch_its_pruning(wine, preset):
    recipe = load_recipe("plain", preset=preset)

    rows = tuning_rows(wine, describe_model(recipe, wine, 5))

    training, validation = split(
        wine.y,
        seed=5,
        fraction=recipe.training.validation_fraction,
        stratified=recipe.training.stratified,
    )
    np.testing.assert_array_equal(rows.x, wine.x[training])
    np.testing.assert_array_equal(rows.validation_y, wine.y[validation])


def test_a_model_sure_of_the_wrong_class_is_still_tuned():
    # The clipped logarithm of its softmax has no gradient.
    y = np.repeat([0, 1], 48).astype(np.int32)
    model = network(keras.layers.Dense(2, activation="softmax", name="end"))
    kernel, _ = model.get_layer("end").get_weights()
    model.get_layer("end").set_weights([0 * kernel, np.array([100.0, 0.0])])
    rows = TuningRows(X[48:], y[48:], X[48:], y[48:])

    plan = PruningPlan(0.0, epochs=1, learning_rate=1e-2)
    found = prune_classifier(model, rows, plan)

    before, after = (one.get_layer("end").get_weights()[1] for one in (model, found.resting))
    assert after[0] < before[0]
    assert after[1] > before[1]


@pytest.mark.parametrize("method", ["magnitude", "structured"])
def test_one_probability_a_row_is_pruned_too(method):
    y = (X[:, 0] > 0).astype(np.int32)
    model = network(keras.layers.Dense(1, activation="sigmoid", name="end"))

    plan = PruningPlan(0.5, method, epochs=12, learning_rate=5e-2)
    found = prune_classifier(model, TuningRows(X, y, X, y), plan)

    given = found.model.predict(X, verbose=0)
    assert given.shape == (96, 1)
    assert ((given >= 0) & (given <= 1)).all()
    if method == "magnitude":
        assert sparsity_of(found.model).zeros == {"hidden": 24, "end": 4}
    else:
        assert found.model.get_layer("hidden").units == 4
    assert np.mean((given[:, 0] > 0.5) == y) > 0.7


def test_the_best_epoch_in_validation_is_kept():
    y = (X[:, 0] > 0).astype(np.int32)
    heard = []
    # What is learned on one label is wrong on the other, so that the last epoch is not the best.
    rows = TuningRows(X, y, X, 1 - y)
    model = network(keras.layers.Dense(2, activation="softmax", name="end"))

    plan = PruningPlan(0.5, epochs=10, learning_rate=5e-2)
    found = prune_classifier(model, rows, plan, on_epoch=heard.append)

    best = min(one.validation_loss for one in heard)
    assert [one.epoch for one in heard] == list(range(1, 11))
    assert best < heard[-1].validation_loss
    found.resting.compile(loss="sparse_categorical_crossentropy")
    kept = found.resting.evaluate(X, 1 - y, verbose=0)
    assert kept == pytest.approx(best, rel=1e-4)


def test_the_same_seed_gives_the_same_weights():
    y = (X[:, 0] > 0).astype(np.int32)
    ends = [keras.layers.Dropout(0.2), keras.layers.Dense(2, activation="softmax")]
    model = network(*ends)
    rows, plan = TuningRows(X, y, X, y), PruningPlan(0.5, epochs=1)

    first, again, other = (
        prune_classifier(model, rows, one).model.get_weights()
        for one in (plan, plan, replace(plan, seed=1))
    )

    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_other_data_makes_it_the_model_of_that_data(wine):
    about = describe_model(load_recipe("plain"), wine, 0)
    other = replace(wine, name="other", x=wine.x + 1)
    plan = PruningPlan(0.5)

    same, tuned, untouched = (
        pruned_description(about, wine, plan),
        pruned_description(about, other, plan),
        pruned_description(about, other, replace(plan, epochs=0)),
    )

    assert same.calibration == untouched.calibration == about.calibration is not None
    assert (tuned.dataset, tuned.fingerprint) == ("other", other.fingerprint)
    assert tuned.calibration is None
    assert untouched.fingerprint == about.fingerprint
    assert pruned_description(None, wine, plan) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sparsity": 90}, "did you mean 0.9"),
        ({"method": "random"}, "give 'magnitude', 'l1', 'gradual', 'structured'"),
        ({"method": "l1", "epochs": 0}, "l1 trains, give 1 or more"),
        ({"scope": "all"}, "give 'layer' or 'global'"),
        ({"method": "structured", "scope": "global"}, "leave scope out"),
        ({"learning_rate": float("nan")}, "give a number above 0"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(changes, expected):
    with pytest.raises(UsageError, match=expected):
        PruningPlan(**{"sparsity": 0.5, **changes})
