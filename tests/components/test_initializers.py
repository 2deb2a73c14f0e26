import keras
import numpy as np
import pytest

from denselab.components import FanInUniform, Symmetric
from denselab.errors import UsageError


def numbers(initializer, shape):
    return keras.ops.convert_to_numpy(initializer(shape)).astype("float64")


@pytest.mark.parametrize("shape", [(7, 4), (3, 3, 2, 4)], ids=["dense", "convolution"])
def test_symmetric_units_are_equal_and_inputs_are_not(shape):
    weights = numbers(Symmetric("he_normal"), shape).reshape(-1, 4)

    assert (weights == weights[:, :1]).all()
    assert len(np.unique(weights[:, 0])) == len(weights)


def test_a_symmetric_column_has_the_variance_of_its_initializer():
    inputs = 20_000
    column = numbers(Symmetric(keras.initializers.HeNormal(seed=7)), (inputs, 2))[:, 0]

    # The variance of a normal sample has the standard error sqrt(2 / n) of itself; HeNormal's is
    # truncated, which makes it less.
    assert abs((column**2).mean() * inputs / 2 - 1) < 5 * np.sqrt(2 / inputs)


def distance_between_units(kernel_initializer):
    """How far apart the hidden units are after training, before a layer of constant weights."""
    hidden = keras.layers.Dense(5, activation="tanh", kernel_initializer=kernel_initializer)
    output = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(0.3))
    model = keras.Sequential([keras.Input((3,)), hidden, output])
    model.compile(keras.optimizers.Adam(0.05), loss="mse")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    model.fit(x, np.sin(x.sum(axis=1)), epochs=5, verbose=0)
    kernel = model.get_weights()[0]
    return np.abs(kernel - kernel[:, :1]).max()


def test_training_never_separates_symmetric_units():
    assert distance_between_units("he_normal") > 0.1
    # 10 Adam steps of 0.05 that differ in rounding only.
    assert distance_between_units(Symmetric("he_normal")) < 1e-4


def test_fan_in_uniform_has_the_moments_of_its_distribution():
    count, fan_in = 20_000, 50
    biases = numbers(FanInUniform(fan_in, seed=7), (count,))
    bound = fan_in**-0.5
    variance, fourth = bound**2 / 3, bound**4 / 5

    assert np.abs(biases).max() <= bound * (1 + 1e-6)
    assert abs(biases.mean()) < 5 * np.sqrt(variance / count)
    assert abs((biases**2).mean() - variance) < 5 * np.sqrt((fourth - variance**2) / count)


def test_a_seed_repeats_the_biases_and_none_draws_others():
    seeded = [numbers(FanInUniform(50, seed=1), (10,)) for _ in range(2)]
    unseeded = [numbers(FanInUniform(50), (10,)) for _ in range(2)]

    np.testing.assert_array_equal(*seeded)
    assert (unseeded[0] != unseeded[1]).all()


def test_symmetric_biases_are_refused_with_the_remedy():
    with pytest.raises(UsageError, match="'zeros' to the bias"):
        Symmetric()((5,))


@pytest.mark.parametrize("fan_in", [0, -3, 2.5, True])
def test_a_fan_in_that_is_no_count_is_refused_with_the_remedy(fan_in):
    with pytest.raises(UsageError, match="a whole number from 1"):
        FanInUniform(fan_in)
