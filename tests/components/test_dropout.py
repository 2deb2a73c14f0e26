import keras
import numpy as np
import pytest

from denselab.components import MCAlphaDropout, MCDropout
from denselab.errors import UsageError

DRAWS = 20_000
ALPHA = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717


def draws(layer, value):
    """What 20,000 inputs of one value become under `predict`."""
    model = keras.Sequential([keras.Input((DRAWS,)), layer])
    return model.predict(np.full((1, DRAWS), value, "float32"), verbose=0)[0].astype("float64")


def two_points(kind, rate, value):
    """Where an input of this value goes when it is kept, and when it is dropped."""
    if kind is MCDropout:
        return value / (1 - rate), 0.0
    scale = ((1 - rate) * (1 + rate * ALPHA**2)) ** -0.5
    return scale * value - scale * ALPHA * rate, scale * ALPHA - scale * ALPHA * rate


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_predictions_have_the_mean_and_variance_of_the_closed_form(kind, rate):
    actual = draws(kind(rate, seed=7), 1.5)
    kept, dropped = two_points(kind, rate, 1.5)
    mean = (1 - rate) * kept + rate * dropped
    variance = (1 - rate) * rate * (kept - dropped) ** 2
    fourth = (1 - rate) * (kept - mean) ** 4 + rate * (dropped - mean) ** 4

    assert abs(actual.mean() - mean) < 5 * np.sqrt(variance / DRAWS)
    error_of_variance = np.sqrt((fourth - variance**2) / DRAWS)
    assert abs(((actual - mean) ** 2).mean() - variance) < 5 * error_of_variance
    np.testing.assert_allclose(
        np.unique(actual.round(5)), sorted([kept, dropped]), rtol=1e-5, atol=1e-5
    )


def test_alpha_dropout_keeps_mean_zero_and_variance_one():
    x = np.random.default_rng(0).normal(size=(1, DRAWS)).astype("float32")
    model = keras.Sequential([keras.Input((DRAWS,)), MCAlphaDropout(0.3, seed=7)])
    actual = model.predict(x, verbose=0)[0].astype("float64")

    assert abs(actual.mean()) < 5 / np.sqrt(DRAWS)
    # The variance's standard error needs the fourth moment; the draws' own is near enough.
    error_of_variance = np.sqrt(((actual**2 - 1) ** 2).mean() / DRAWS)
    assert abs((actual**2).mean() - 1) < 5 * error_of_variance


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
def test_a_functional_model_draws_anew_at_each_prediction(kind, run_eagerly):
    inputs = keras.Input((100,))
    model = keras.Model(inputs, kind(0.5)(inputs))
    model.compile(run_eagerly=run_eagerly)
    x = np.ones((2, 100))
    first, second = (model.predict(x, verbose=0) for _ in range(2))

    assert (first != second).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
def test_compiled_and_eager_predictions_agree(kind):
    x = np.random.default_rng(0).normal(size=(4, 50)).astype("float32")
    compiled = keras.Sequential([keras.Input((50,)), kind(0.3, seed=5)]).predict(x, verbose=0)
    eager = keras.ops.convert_to_numpy(kind(0.3, seed=5)(x))

    np.testing.assert_allclose(compiled, eager, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
def test_training_draws_what_keras_own_layer_draws(kind):
    stock = {MCDropout: keras.layers.Dropout, MCAlphaDropout: keras.layers.AlphaDropout}[kind]
    x = np.random.default_rng(0).normal(size=(4, 50)).astype("float32")
    ours, theirs = (
        keras.ops.convert_to_numpy(layer(0.3, seed=5)(x, training=True)) for layer in (kind, stock)
    )

    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
def test_a_rate_of_zero_leaves_the_input_alone(kind):
    np.testing.assert_array_equal(draws(kind(0), 1.5), 1.5)


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
def test_layers_without_a_seed_draw_apart(kind):
    x = np.ones((1, 100), "float32")
    first, second = (keras.ops.convert_to_numpy(kind(0.5)(x)) for _ in range(2))

    assert (first != second).any()


@pytest.mark.parametrize("kind", [MCDropout, MCAlphaDropout])
@pytest.mark.parametrize("rate", [-0.1, 1, 1.5])
def test_a_rate_out_of_range_is_refused_with_the_remedy(kind, rate):
    with pytest.raises(UsageError, match=r"from 0 to below 1, such as 0\.1"):
        kind(rate)
