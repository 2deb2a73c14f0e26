import keras
import numpy as np
import pytest

from denselab.components import (
    MCDropout,
    StochasticWeightAveraging,
    recalibrate_batch_normalization,
)
from denselab.errors import UsageError


def data(rows=60):
    x = np.random.default_rng(0).normal(2, 3, size=(rows, 4)).astype("float32")
    return x, np.tanh(x.sum(axis=1, keepdims=True))


def network(*layers, optimizer=None):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.002, momentum=0.9), loss="mse")
    return model


def state(variables):
    return [keras.ops.convert_to_numpy(variable.value) for variable in variables]


class Record(keras.callbacks.Callback):
    """Keeps the weights after each epoch and after each step."""

    def __init__(self):
        super().__init__()
        self.epochs = []
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(state(self.model.trainable_variables))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(state(self.model.trainable_variables))


def train(model, *callbacks, epochs=6):
    options = {"batch_size": 10, "epochs": epochs, "shuffle": False, "verbose": 0}
    model.fit(*data(), callbacks=list(callbacks), **options)
    assert all(np.isfinite(values).all() for values in state(model.trainable_variables))


def test_training_ends_with_the_mean_of_the_last_epochs():
    model = network(keras.layers.Dense(3, activation="relu"))
    record, average = Record(), StochasticWeightAveraging(2)
    train(model, record, average)

    assert average.averaged_epochs == 4
    for place, actual in enumerate(state(model.trainable_variables)):
        epochs = np.array([weights[place] for weights in record.epochs])
        np.testing.assert_allclose(actual, epochs[2:].mean(axis=0), rtol=1e-6, atol=1e-7)
        assert (actual != epochs[-1]).all()


def test_averaging_does_not_change_the_course_of_training():
    courses = []
    for callbacks in ([], [StochasticWeightAveraging(0)]):
        record = Record()
        train(network(keras.layers.Dense(3)), record, *callbacks)
        courses.append(record.epochs)

    np.testing.assert_equal(*courses)


def test_an_average_of_one_epoch_is_that_epoch():
    model = network()
    record = Record()
    train(model, record, StochasticWeightAveraging(5))

    np.testing.assert_equal(state(model.trainable_variables), record.epochs[-1])


def test_training_that_ends_before_the_start_keeps_its_weights():
    class StopAtOnce(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    model = network()
    record, average = Record(), StochasticWeightAveraging(2)
    train(model, record, StopAtOnce(), average)

    assert average.averaged_epochs == 0
    np.testing.assert_equal(state(model.trainable_variables), record.epochs[0])


def test_the_statistics_after_averaging_are_those_of_the_averaged_weights():
    x, _ = data()
    normalization = keras.layers.BatchNormalization()
    hidden = keras.layers.Dense(3)
    model = network(hidden, normalization)
    train(model, StochasticWeightAveraging(2, recalibrate_on=x, batch_size=20))

    kernel, bias = state(hidden.trainable_variables)
    inputs = x @ kernel + bias
    mean, variance = state(normalization.non_trainable_variables)
    np.testing.assert_allclose(mean, inputs.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance, inputs.var(axis=0), rtol=1e-4)


# Keras's own average: the facts on which the module's advice rests.
def test_keras_average_is_in_place_after_fit_and_takes_recalibration():
    decay = 0.7
    normalization = keras.layers.BatchNormalization(center=False, scale=False)
    model = network(optimizer=keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=decay))
    record = Record()
    train(model, record, epochs=1)
    expected = record.steps[0][0]
    for weights in record.steps[1:]:
        expected = decay * expected + (1 - decay) * weights[0]

    assert len(record.steps) == 6
    x, _ = data()
    np.testing.assert_allclose(state(model.trainable_variables)[0], expected, rtol=1e-5)
    averaged = keras.Sequential([keras.Input((4,)), *model.layers, normalization])
    recalibrate_batch_normalization(averaged, x)
    predictions = model.predict(x, verbose=0)
    mean, variance = state(normalization.non_trainable_variables)
    np.testing.assert_allclose(mean, predictions.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(variance, predictions.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 7, 30, 100])
def test_the_first_layer_gets_the_moments_of_the_data_for_any_batch_size(batch_size):
    x, _ = data(30)
    normalization = keras.layers.BatchNormalization(momentum=0.97)
    model = network(normalization)
    recalibrate_batch_normalization(model, x, batch_size=batch_size)

    mean, variance = state(normalization.non_trainable_variables)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype="float64"), rtol=1e-6)
    np.testing.assert_allclose(variance, x.var(axis=0, dtype="float64"), rtol=1e-5)
    assert normalization.momentum == 0.97


def test_a_later_layer_gets_the_moments_of_what_reaches_it_in_training():
    # Two batches by hand: the first layer normalises each by its own moments.
    x, _ = data(30)
    first, second = (
        keras.layers.BatchNormalization(epsilon=1e-3, center=False, scale=False) for _ in range(2)
    )
    model = network(first, keras.layers.ReLU(), second)
    recalibrate_batch_normalization(model, x, batch_size=20)

    batches = [x[:20].astype("float64"), x[20:].astype("float64")]
    reaching = np.concatenate(
        [np.maximum((b - b.mean(axis=0)) / np.sqrt(b.var(axis=0) + 1e-3), 0) for b in batches]
    )
    mean, variance = state(second.non_trainable_variables)
    np.testing.assert_allclose(mean, reaching.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, reaching.var(axis=0), rtol=1e-5)


def test_recalibration_reaches_nested_models_and_leaves_all_else_alone():
    inner = keras.Sequential([keras.layers.BatchNormalization(), MCDropout(0.5, seed=3)])
    frozen = keras.layers.BatchNormalization(trainable=False)
    model = network(inner, frozen)
    moved = inner.layers[0].non_trainable_variables
    others = [v for v in model.variables if not any(v is statistic for statistic in moved)]
    before = state(others)
    recalibrate_batch_normalization(model, data()[0])

    np.testing.assert_equal(state(others), before)
    np.testing.assert_allclose(state(moved)[0], data()[0].mean(axis=0), rtol=1e-5)


def test_inputs_of_the_wrong_shape_leave_everything_as_it_was():
    normalization = keras.layers.BatchNormalization(momentum=0.97)
    model = network(MCDropout(0.5, seed=3), normalization)
    before = state(model.variables)
    with pytest.raises(Exception, match="shape"):
        recalibrate_batch_normalization(model, np.ones((10, 7)))

    np.testing.assert_equal(state(model.variables), before)
    assert normalization.momentum == 0.97


def test_a_model_without_batch_normalization_is_left_alone():
    model = network(MCDropout(0.5, seed=3))
    before = state(model.variables)
    recalibrate_batch_normalization(model, data()[0])

    np.testing.assert_equal(state(model.variables), before)


def test_batch_normalization_without_data_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match="give recalibrate_on the training inputs"):
        train(network(keras.layers.BatchNormalization()), StochasticWeightAveraging(1))


def test_frozen_batch_normalization_needs_no_data():
    frozen = keras.layers.BatchNormalization(trainable=False)
    average = StochasticWeightAveraging(1)
    train(network(frozen), average)

    assert average.averaged_epochs == 5


def test_a_start_after_the_end_is_refused_with_the_remedy():
    with pytest.raises(UsageError, match="give start_epoch below 6"):
        train(network(), StochasticWeightAveraging(6))


@pytest.mark.parametrize("start", [-1, 1.5, True])
def test_a_start_that_is_no_epoch_is_refused_with_the_remedy(start):
    with pytest.raises(UsageError, match="a whole number from 0"):
        StochasticWeightAveraging(start)


@pytest.mark.parametrize(("rows", "batch_size"), [(0, 10), (10, 0)])
def test_nothing_to_collect_from_is_refused_with_the_remedy(rows, batch_size):
    with pytest.raises(UsageError, match="give one or more of both"):
        recalibrate_batch_normalization(network(), data(rows)[0], batch_size=batch_size)


def test_renorm_is_refused_with_the_remedy():
    model = network(keras.layers.BatchNormalization(renorm=True))
    with pytest.raises(UsageError, match="renorm=False"):
        recalibrate_batch_normalization(model, data()[0])
