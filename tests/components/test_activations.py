import keras
import numpy as np
import pytest

from denselab.components import RReLU
from denselab.errors import UsageError

DRAWS = 20_000


def test_it_predicts_with_the_mean_slope():
    model = keras.Sequential([keras.Input((4,)), RReLU(0.1, 0.3)])
    actual = model.predict(np.array([[-10.0, -1.0, 0.0, 10.0]]), verbose=0)

    np.testing.assert_allclose(actual, [[-2.0, -0.2, 0.0, 10.0]], rtol=1e-6)


def test_its_slopes_have_the_moments_of_the_uniform_distribution():
    lower, upper = 0.1, 0.4
    layer = RReLU(lower, upper, seed=7)
    slopes = -keras.ops.convert_to_numpy(layer(np.full(DRAWS, -1.0), training=True))
    slopes = slopes.astype("float64")
    mean, variance = (lower + upper) / 2, (upper - lower) ** 2 / 12
    fourth = (upper - lower) ** 4 / 80

    assert slopes.min() >= lower - 1e-7
    assert slopes.max() <= upper + 1e-7
    assert abs(slopes.mean() - mean) < 5 * np.sqrt(variance / DRAWS)
    error_of_variance = np.sqrt((fourth - variance**2) / DRAWS)
    assert abs(((slopes - mean) ** 2).mean() - variance) < 5 * error_of_variance


def test_it_leaves_positive_inputs_alone_in_training():
    x = np.linspace(0, 5, 50).astype("float32")

    np.testing.assert_array_equal(keras.ops.convert_to_numpy(RReLU()(x, training=True)), x)


def test_equal_bounds_make_it_a_leaky_relu():
    x = np.random.default_rng(0).normal(size=(3, 50)).astype("float32")
    ours = keras.ops.convert_to_numpy(RReLU(0.2, 0.2)(x, training=True))
    stock = keras.ops.convert_to_numpy(keras.layers.LeakyReLU(0.2)(x))

    np.testing.assert_allclose(ours, stock, rtol=1e-6)


@pytest.mark.parametrize(("lower", "upper"), [(-0.1, 0.3), (0.4, 0.3), (0.1, 1.1)])
def test_slopes_out_of_range_are_refused_with_the_remedy(lower, upper):
    with pytest.raises(UsageError, match="give 0 <= lower <= upper <= 1"):
        RReLU(lower, upper)
