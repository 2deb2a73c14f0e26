"""Averaged weights are those that `fit` and its callbacks end with."""

import keras
import numpy as np
import pytest

from denselab.components import StochasticWeightAveraging, recalibrate_batch_normalization
from denselab.engine import Averaging, narrow, train_population
from denselab.engine.member import build_member
from denselab.engine.program import Program
from denselab.engine.state import Constants, Run
from denselab.errors import UsageError
from denselab.randomness import key_data

TRAIN, VALIDATION = np.arange(150, dtype=np.int32), np.arange(150, 203, dtype=np.int32)
EPOCHS = 6


def network(*layers, optimizer=keras.optimizers.SGD, rate=0.02, **options):
    def build():
        model = keras.Sequential(
            [keras.Input((6,)), *(layer() for layer in layers), keras.layers.Dense(3)]
        )
        model.compile(
            optimizer=optimizer(rate, **options),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    return build


def hidden():
    return keras.layers.Dense(16, "elu")


NORMALIZED = (
    keras.layers.BatchNormalization,
    hidden,
    keras.layers.BatchNormalization,
    lambda: keras.layers.Dropout(0.2),
)


def fitted(build, data, *callbacks, epochs=EPOCHS):
    """What `fit` makes of the member: same start, same batches in the same order."""
    x, y = data
    model = build_member(build, 3, (x[:1], y[:1]))
    program = Program(model, Run(), len(TRAIN), len(VALIDATION))
    constants = Constants(key_data(3, "order"), TRAIN, VALIDATION, None, {})

    def batches():
        for epoch in range(epochs):
            rows = np.asarray(program.order(constants, np.int32(epoch)))
            for start in range(0, len(rows), 32):
                yield x[rows[start : start + 32]], y[rows[start : start + 32]]

    history = model.fit(
        batches(),
        epochs=epochs,
        steps_per_epoch=-(-len(TRAIN) // 32),
        validation_data=(x[VALIDATION], y[VALIDATION]),
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
    )
    return model, history.history


def trained(build, data, **options):
    options = {"seeds": [3], "splits": [(TRAIN, VALIDATION)], "epochs": EPOCHS, **options}
    return train_population(build, *data, **options)[0]


def assert_same(member, model, tolerance=1e-5):
    theirs = [*model.trainable_weights, *model.non_trainable_weights]
    ours = [*member.trainable, *member.non_trainable]
    for value, variable in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            value, np.asarray(variable.value), atol=tolerance, rtol=tolerance
        )


def differ(a, b):
    return not np.allclose(a.trainable[0], b.trainable[0], atol=1e-4)


@pytest.fixture(autouse=True)
def _compiled_as_fit_compiles(monkeypatch):
    # The same rounding on both sides; see test_parity.py.
    monkeypatch.setattr(narrow, "compiler_options", dict)


AVERAGES = {
    "at the end": ((hidden,), {"ema_momentum": 0.9}),
    "every 7 steps": (NORMALIZED, {"ema_momentum": 0.9, "ema_overwrite_frequency": 7}),
}


@pytest.mark.parametrize("case", AVERAGES)
def test_an_exponential_average_is_that_of_fit(case, data):
    layers, options = AVERAGES[case]
    build = network(*layers, momentum=0.9, use_ema=True, **options)
    member = trained(build, data)
    model, history = fitted(build, data)
    assert_same(member, model)
    np.testing.assert_allclose(member.trace["val_loss"], history["val_loss"], rtol=1e-4)


def test_validation_during_training_is_that_of_the_raw_weights_and_only_the_end_is_averaged(data):
    averaged = trained(network(hidden, momentum=0.9, use_ema=True), data)
    raw = trained(network(hidden, momentum=0.9), data)
    np.testing.assert_allclose(averaged.trace["val_loss"], raw.trace["val_loss"], rtol=1e-5)
    assert differ(averaged, raw)


def test_early_stopping_takes_back_the_raw_weights_of_the_best_epoch_as_under_fit(data):
    build = network(hidden, optimizer=keras.optimizers.Adam, rate=0.1, use_ema=True)
    member = trained(build, data, epochs=40, patience=3, restore_best=True)
    stopping = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    model, history = fitted(build, data, stopping, epochs=40)
    assert member.epochs == len(history["loss"]) < 40
    assert_same(member, model, tolerance=1e-4)
    plain = network(hidden, optimizer=keras.optimizers.Adam, rate=0.1)
    assert not differ(member, trained(plain, data, epochs=40, patience=3, restore_best=True))


def test_early_stopping_without_restoring_ends_with_the_average_as_under_fit(data):
    build = network(hidden, optimizer=keras.optimizers.Adam, rate=0.1, use_ema=True)
    member = trained(build, data, epochs=40, patience=3)
    model, history = fitted(build, data, keras.callbacks.EarlyStopping(patience=3), epochs=40)
    assert member.epochs == len(history["loss"]) < 40
    assert_same(member, model, tolerance=1e-4)


def test_statistics_after_an_exponential_average_are_those_the_component_collects(data):
    build = network(*NORMALIZED, momentum=0.9, use_ema=True, ema_momentum=0.95)
    member = trained(build, data, recalibrate=True)
    model, _ = fitted(build, data)
    assert not np.allclose(
        member.non_trainable[0], np.asarray(model.non_trainable_weights[0].value)
    )
    recalibrate_batch_normalization(model, data[0][TRAIN])
    assert_same(member, model)


def test_an_average_over_epochs_is_that_of_the_component(data):
    build = network(hidden, rate=0.1, momentum=0.9)
    member = trained(build, data, averaging=Averaging(0))
    model, _ = fitted(build, data, StochasticWeightAveraging(0))
    assert_same(member, model)


def test_statistics_and_precedence_over_an_exponential_average_are_those_of_the_component(
    data, monkeypatch
):
    # 150 rows in batches of 40 leave a shorter last one; dropout draws the same in each.
    monkeypatch.setattr("denselab.engine.program._RECALIBRATION_CHUNK", 40)
    build = network(*NORMALIZED, rate=0.1, momentum=0.9, use_ema=True, ema_momentum=0.9)
    member = trained(build, data, averaging=Averaging(3))
    callback = StochasticWeightAveraging(3, recalibrate_on=data[0][TRAIN], batch_size=40)
    model, _ = fitted(build, data, callback)
    assert_same(member, model)


def test_training_that_stops_before_the_average_begins_keeps_its_weights(data):
    build = network(*NORMALIZED, rate=0.1)
    stop = {"on_epoch": lambda place, epoch, logs: epoch == 1}
    member = trained(build, data, averaging=Averaging(4), **stop)
    plain = trained(build, data, **stop)
    assert member.epochs == 2
    for ours, theirs in zip(member.non_trainable, plain.non_trainable, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not differ(member, plain)


def test_a_wide_population_averages_as_members_one_by_one(data):
    build = network(*NORMALIZED, rate=0.1, momentum=0.9, use_ema=True)
    options = {"epochs": 4, "validation_fraction": 0.25}
    wide = train_population(
        build, *data, seeds=[1, 2], layout="wide", averaging=Averaging(2), **options
    )
    narrowed = train_population(build, *data, seeds=[1, 2], averaging=Averaging(2), **options)
    for ours, theirs in zip(wide, narrowed, strict=True):
        pairs = zip(
            [*ours.trainable, *ours.non_trainable],
            [*theirs.trainable, *theirs.non_trainable],
            strict=True,
        )
        for a, b in pairs:
            np.testing.assert_allclose(a, b, atol=1e-4, rtol=1e-3)


def test_statistics_far_from_zero_keep_their_precision(data):
    # A mean of 1000 and a deviation of 1: the mean of squares would lose the variance in single precision.
    x = data[0] - data[0].mean(axis=0) + 1000
    member = trained(network(*NORMALIZED[:1], rate=1e-4), (x, data[1]), recalibrate=True)
    variance = x[TRAIN].astype("float64").var(axis=0)
    np.testing.assert_allclose(member.non_trainable[1], variance, rtol=1e-4)


def test_a_member_starts_from_the_weights_it_is_given(data):
    build = network(*NORMALIZED, rate=0.05)
    source = trained(build, data)
    weights = [(source.trainable, source.non_trainable)]
    still = trained(network(*NORMALIZED, rate=1e-12), data, epochs=1, initial_weights=weights)
    for ours, theirs in zip(still.trainable, source.trainable, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7)


def renormalizing():
    return keras.layers.BatchNormalization(renorm=True)


BAD = {
    "begins after the end": ({"averaging": Averaging(EPOCHS)}, "from 0 to below 6"),
    "begins before the start": ({"averaging": Averaging(-1)}, "from 0 to below 6"),
    "no epoch": ({"averaging": Averaging(True)}, "from 0 to below 6"),
    "with the best epoch": ({"averaging": Averaging(1), "restore_best": True}, "use one of them"),
    "weights of others": ({"initial_weights": []}, "one for each seed"),
    "weights of another network": (
        {"initial_weights": [([np.ones((6, 2))], [])]},
        "of the same network",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_averaged_is_refused_with_the_remedy(case, data):
    options, message = BAD[case]
    with pytest.raises(UsageError, match=message):
        trained(network(hidden), data, **options)


def test_statistics_of_renorm_are_refused_with_the_remedy(data):
    with pytest.raises(UsageError, match="renorm=False"):
        trained(network(renormalizing), data, recalibrate=True)
