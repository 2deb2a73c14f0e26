import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.uncertainty import each_draw, predict_draws, to_mc

layers = keras.layers
pytestmark = pytest.mark.backends


@pytest.fixture
def plain(small):
    return small(layers.Dropout(0.5), ending=None, outputs=2)


def predict(model, x):
    return model.predict(x, verbose=0)


@pytest.mark.parametrize("layer", [layers.AlphaDropout(0.5), layers.GaussianNoise(0.5)])
def test_plain_predict_draws_anew_every_time(layer, small, rows):
    model = to_mc(small(layer))
    assert not np.allclose(predict(model, rows), predict(model, rows))


def test_training_given_to_a_layer_of_a_functional_model_is_no_obstacle(rows):
    inputs = keras.Input((6,))
    model = to_mc(keras.Model(inputs, layers.Dropout(0.5)(inputs, training=True)))
    assert not np.allclose(predict(model, rows), predict(model, rows))


def test_the_plain_model_still_predicts_without_noise(plain, rows):
    before = predict(plain, rows)
    predict(to_mc(plain), rows)
    np.testing.assert_array_equal(predict(plain, rows), before)


def test_weights_are_shared_not_copied(plain):
    ours, theirs = to_mc(plain).trainable_variables, plain.trainable_variables
    assert [id(value) for value in ours] == [id(value) for value in theirs]


def test_its_mean_is_that_of_the_draws(plain, rows):
    model = to_mc(plain)
    several = np.stack([predict(model, rows) for _ in range(200)])
    expected = predict_draws(plain, rows, draws=2000, outputs="values")
    errors = np.sqrt(several.var(0) / 200 + expected.standard_errors**2)
    assert (np.abs(several.mean(0) - expected.mean) < 5 * errors).all()


def test_draws_of_it_are_draws_of_the_plain_model(plain, rows):
    ours = each_draw(to_mc(plain), rows, draws=5, outputs="values")
    np.testing.assert_allclose(ours, each_draw(plain, rows, draws=5, outputs="values"), atol=1e-6)


def test_batch_normalization_does_not_train_in_predict_and_does_in_fit(plain, rows):
    model = to_mc(plain)
    norm = plain.layers[1]
    before = [value.copy() for value in norm.get_weights()]
    predict(model, rows)
    for old, new in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.compile("sgd", "mse")
    model.fit(rows, rows[:, :2], verbose=0)
    assert not np.array_equal(before[2], norm.get_weights()[2])


LOAD = """
import sys, keras, numpy as np
import denselab.uncertainty
model = keras.saving.load_model(sys.argv[1])
x = np.ones((4, 6), "float32")
np.save(sys.argv[2], np.stack([model.predict(x, verbose=0) for _ in range(2)]))
np.save(sys.argv[3], denselab.uncertainty.each_draw(model, x, draws=3, outputs="values"))
"""


def test_saved_it_draws_on_in_a_fresh_process(plain, tmp_path):
    model = to_mc(plain)
    files = [str(tmp_path / name) for name in ("model.keras", "twice.npy", "draws.npy")]
    model.save(files[0])
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", LOAD, *files]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    first, second = np.load(files[1])
    assert not np.allclose(first, second)
    expected = each_draw(plain, np.ones((4, 6)), draws=3, outputs="values")
    np.testing.assert_allclose(np.load(files[2]), expected, atol=1e-6)


def test_a_model_without_a_stochastic_layer_is_refused():
    with pytest.raises(UsageError, match=r"add a keras\.layers\.Dropout"):
        to_mc(keras.Sequential([keras.Input((6,)), layers.Dense(2)]))
