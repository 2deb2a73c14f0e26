import random

import keras
import numpy as np
import pytest

from denselab.components import LearningRateRangeTest, OneCycle
from denselab.errors import UsageError

BACKEND = keras.backend.backend()


def data(rows=240):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return x, np.tanh(x.sum(axis=1, keepdims=True))


def network(**compile_options):
    """A network with everything that a sweep could leave changed."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"], **compile_options)
    return model


def state(model):
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


def sweep(model, rows=240, **options):
    callback = LearningRateRangeTest(1e-5, 1.0, **options)
    model.fit(*data(rows), batch_size=8, callbacks=[callback], verbose=0)
    return callback


def test_the_rates_grow_by_a_constant_factor_over_the_whole_fit():
    callback = sweep(network(), divergence=1e9)

    np.testing.assert_allclose(callback.rates, np.geomspace(1e-5, 1.0, 30), rtol=1e-9)
    assert len(callback.losses) == 30


@pytest.mark.skipif(BACKEND == "torch", reason="torch knows only one step an execution")
def test_with_several_steps_an_execution_there_is_one_rate_for_each_execution():
    callback = sweep(network(steps_per_execution=4), divergence=1e9)

    np.testing.assert_allclose(callback.rates, np.geomspace(1e-5, 1.0, 8), rtol=1e-9)


def test_a_loss_is_that_of_its_own_batch():
    # At rates this small the weights stay, so each loss can be computed alone.
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = data()
    callback = LearningRateRangeTest(1e-12, 1e-11, divergence=1e9)
    model.fit(x, y, batch_size=8, shuffle=False, callbacks=[callback], verbose=0)

    errors = (model.predict(x, verbose=0) - y) ** 2
    np.testing.assert_allclose(callback.losses, errors.reshape(30, 8).mean(axis=1), rtol=1e-5)


class DrawAtEachStep(keras.callbacks.Callback):
    """Uses up random numbers, as a user's code may."""

    def on_train_batch_end(self, batch, logs=None):
        random.random()
        np.random.random()


def test_it_puts_back_variables_seeds_and_random_states_bit_for_bit():
    model = network()
    model.optimizer.build(model.trainable_variables)
    model.evaluate(*data(), verbose=0)  # builds the metrics, for which fit would shuffle once more
    before = state(model)
    expected = []
    for swept in (False, True):
        random.seed(5)
        np.random.seed(5)
        if swept:
            callback = LearningRateRangeTest(1e-5, 1.0)
            callbacks = [callback, DrawAtEachStep()]
            model.fit(*data(), batch_size=8, callbacks=callbacks, verbose=0)
        expected.append((random.random(), np.random.random()))

    assert len(callback.losses) > 10
    for earlier, later in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(earlier, later)
    assert expected[0] == expected[1]
    assert not model.stop_training


# TensorFlow shuffles with tf.data, which keeps a state of its own.
@pytest.mark.parametrize("shuffle", [False] if BACKEND == "tensorflow" else [False, True])
def test_the_next_fit_goes_as_if_there_had_been_no_sweep(shuffle):
    weights = []
    for swept in (False, True):
        model = network()
        if swept:
            callback = LearningRateRangeTest(1e-5, 1.0, divergence=1e9)
            model.fit(*data(), batch_size=8, shuffle=shuffle, callbacks=[callback], verbose=0)
            assert callback.rates[-1] == pytest.approx(1.0)
        model.fit(*data(), batch_size=8, shuffle=shuffle, epochs=2, verbose=0)
        weights.append(state(model))

    for alone, after_sweep in zip(*weights, strict=True):
        np.testing.assert_array_equal(alone, after_sweep)


def linear_regression():
    """Least squares: gradient descent diverges above the rate 1 / (largest eigenvalue)."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile("sgd", "mse")
    x, _ = data(5000)
    limit = 1 / np.linalg.eigvalsh(x.T @ x / len(x)).max()
    return model, x, x.sum(axis=1, keepdims=True), limit


def test_its_suggestions_lie_below_the_rate_at_which_training_diverges():
    model, x, y, limit = linear_regression()
    callback = LearningRateRangeTest(1e-4, 100.0)
    model.fit(x, y, batch_size=50, callbacks=[callback], verbose=0)

    for rate in callback.suggestions().values():
        assert limit / 1000 < rate < limit


def test_it_ends_early_when_the_loss_diverges_and_still_puts_everything_back():
    model, x, y, limit = linear_regression()
    callback = LearningRateRangeTest(1e-4, 1e4)
    model.fit(x, y, batch_size=50, callbacks=[callback], verbose=0)

    assert limit < callback.rates[-1] < 1e3
    assert callback.losses[-1] > 4 * min(callback.smoothed_losses)
    np.testing.assert_array_equal(model.get_weights()[0], 0)


def test_losses_that_are_not_finite_end_it_and_are_left_out():
    model, x, y, _ = linear_regression()
    callback = LearningRateRangeTest(1e-4, 1e30, divergence=float("inf"))
    model.fit(x, y, batch_size=50, callbacks=[callback], verbose=0)

    assert not np.isfinite(callback.losses[-1])
    assert np.isfinite(callback.losses[:-1]).all()
    assert all(np.isfinite(rate) for rate in callback.suggestions().values())


def test_it_ends_after_the_steps_it_was_given():
    callback = sweep(network(), steps=7, divergence=1e9)

    np.testing.assert_allclose(callback.rates, np.geomspace(1e-5, 1.0, 7), rtol=1e-9)


def test_after_an_interruption_restore_puts_everything_back():
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                raise KeyboardInterrupt

    model = network()
    model.optimizer.build(model.trainable_variables)
    before = state(model)
    callback = LearningRateRangeTest(1e-2, 1.0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data(), batch_size=8, callbacks=[callback, Interrupt()], verbose=0)
    callback.restore()
    callback.restore()

    for earlier, later in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(earlier, later)


def test_a_scheduled_rate_is_refused_with_the_remedy():
    model = network()
    model.compile(keras.optimizers.SGD(OneCycle(0.1, 30)), "mse")
    with pytest.raises(UsageError, match="compile the model with a number"):
        sweep(model)


def test_a_model_that_is_not_built_is_refused_with_the_remedy():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if BACKEND != "tensorflow":
        sweep(model)  # the other backends build it before callbacks begin
        return
    with pytest.raises(UsageError, match="give it a keras"):
        sweep(model)


def test_a_fit_of_unknown_length_is_refused_with_the_remedy():
    def batches():
        while True:
            yield data(8)

    model = network()
    with pytest.raises(UsageError, match="give steps, such as steps=100"):
        model.fit(batches(), shuffle=False, callbacks=[LearningRateRangeTest()], verbose=0)


def test_a_fit_of_one_step_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match="give fit more epochs"):
        sweep(network(), rows=8)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"minimum_rate": 0.0}, "0 < minimum_rate < maximum_rate"),
        ({"minimum_rate": 1.0, "maximum_rate": 0.1}, "0 < minimum_rate < maximum_rate"),
        ({"steps": 1}, "a whole number from 2"),
        ({"window": 0}, "a whole number from 1"),
        ({"divergence": 1.0}, "a factor above 1"),
    ],
    ids=str,
)
def test_an_argument_out_of_range_is_refused_with_the_remedy(arguments, remedy):
    with pytest.raises(UsageError, match=remedy):
        LearningRateRangeTest(**arguments)
