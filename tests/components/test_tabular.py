import keras
import numpy as np
import pytest

from denselab.components import FrontScale, ParametricActivation, PeriodicEmbedding
from denselab.errors import UsageError

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_a_front_scale_starts_as_nothing_and_multiplies_by_what_it_learned():
    layer = FrontScale()
    np.testing.assert_array_equal(numbers(layer(X)), X)
    layer.set_weights([np.array([2.0, 0.0, -1.0])])
    np.testing.assert_allclose(numbers(layer(X)), X * [2.0, 0.0, -1.0], rtol=1e-6)


def test_a_front_scale_learns_which_feature_matters():
    model = keras.Sequential([keras.Input((3,)), FrontScale()])
    model.compile(keras.optimizers.SGD(0.3), loss="mse")
    model.fit(X, X * [3.0, 0.0, 1.0], epochs=200, verbose=0)
    np.testing.assert_allclose(model.layers[0].get_weights()[0], [3.0, 0.0, 1.0], atol=1e-3)


@pytest.mark.parametrize("name", ["relu", "selu", "mish"])
def test_a_parametric_activation_goes_from_linear_to_the_activation(name):
    layer = ParametricActivation(name)
    full = numbers(keras.activations.get(name)(keras.ops.convert_to_tensor(X)))
    np.testing.assert_allclose(numbers(layer(X)), full, atol=1e-6)
    layer.set_weights([np.array([0.0, 0.25, 1.0])])
    expected = X + np.array([0.0, 0.25, 1.0]) * (full - X)
    np.testing.assert_allclose(numbers(layer(X)), expected, atol=1e-6)


def test_a_periodic_embedding_is_the_formula_of_the_paper():
    layer = PeriodicEmbedding(size=3, waves=5, frequency=0.7, seed=1)
    found = numbers(layer(X))
    wave, phase, kernel, bias = layer.get_weights()
    for feature in range(3):
        cosines = np.cos(2 * np.pi * (X[:, feature, None] * wave[feature] + phase[feature]))
        expected = np.column_stack([X[:, feature], cosines @ kernel[feature] + bias[feature]])
        np.testing.assert_allclose(found[:, 3 * feature : 3 * feature + 3], expected, atol=1e-5)


def test_first_waves_are_as_slow_as_asked_for():
    layer = PeriodicEmbedding(waves=2000, frequency=0.3, seed=0)
    layer(X)
    assert layer.get_weights()[0].std() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("wrong", [{"size": 1}, {"waves": 0}, {"frequency": 0.0}])
def test_an_embedding_without_numbers_waves_or_length_is_refused(wrong):
    with pytest.raises(
        UsageError, match="give a size from 2, waves from 1 and a frequency above 0"
    ):
        PeriodicEmbedding(**wrong)
