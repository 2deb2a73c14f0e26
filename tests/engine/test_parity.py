"""The engine trains to the same weights as `fit` on the same batches."""

import jax
import keras
import numpy as np
import pytest

from denselab.engine import Plateau, narrow, train_population
from denselab.engine.member import build_member
from denselab.engine.program import Program
from denselab.engine.state import Constants, Run
from denselab.randomness import key_data

EPOCHS = 8  # of 7 steps each: 56 in all


def network(*layers, optimizer):
    def build():
        model = keras.Sequential([keras.Input((6,)), *(layer() for layer in layers)])
        model.compile(
            optimizer=optimizer(),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    return build


def dense(units=16, activation=None, **options):
    return lambda: keras.layers.Dense(units, activation=activation, **options)


def elu_he(**options):
    return dense(16, "elu", kernel_initializer="he_normal", **options)


def selu_lecun():
    return dense(16, "selu", kernel_initializer="lecun_normal")


def decaying():
    return keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(0.1, 8 * 7), momentum=0.9, nesterov=True
    )


MODELS = {
    "plain": network(elu_he(), elu_he(), dense(3), optimizer=lambda: keras.optimizers.Nadam(1e-3)),
    "batch_norm": network(
        keras.layers.BatchNormalization,
        dense(16),
        keras.layers.BatchNormalization,
        lambda: keras.layers.Activation("elu"),
        dense(3),
        optimizer=lambda: keras.optimizers.Nadam(1e-3),
    ),
    "self_normalizing": network(
        selu_lecun(),
        selu_lecun(),
        dense(3),
        optimizer=lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
    ),
    "alpha_dropout": network(
        selu_lecun(),
        lambda: keras.layers.AlphaDropout(0.1),
        dense(3),
        optimizer=lambda: keras.optimizers.SGD(1e-2, momentum=0.9),
    ),
    "schedule": network(elu_he(), dense(3), optimizer=decaying),
    "weight_decay": network(
        elu_he(), dense(3), optimizer=lambda: keras.optimizers.AdamW(1e-3, weight_decay=0.1)
    ),
    "l1": network(
        elu_he(kernel_regularizer="l1"), dense(3), optimizer=lambda: keras.optimizers.Adam(1e-3)
    ),
}


def fitted(build, x, y, *, callbacks=(), epochs=EPOCHS, split=None):
    """What `fit` makes of the member: same start, same batches, one call of fit for each epoch's order."""
    train, validation = split or (np.arange(len(x), dtype=np.int32), np.arange(0, dtype=np.int32))
    model = build_member(build, 3, (x[:1], y[:1]))
    program = Program(model, Run(), len(train), len(validation))
    constants = Constants(key_data(3, "order"), train, validation, None, {})

    def batches():
        for epoch in range(epochs):
            rows = np.asarray(program.order(constants, np.int32(epoch)))
            for start in range(0, len(rows), 32):
                chosen = rows[start : start + 32]
                yield x[chosen], y[chosen]

    history = model.fit(
        batches(),
        epochs=epochs,
        steps_per_epoch=-(-len(train) // 32),
        validation_data=(x[validation], y[validation]) if len(validation) else None,
        verbose=0,
        shuffle=False,
        callbacks=list(callbacks),
    )
    return model, history.history


def assert_same_weights(member, model, tolerance=1e-6):
    for ours, theirs in zip(member.trainable, model.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs.value), atol=tolerance, rtol=tolerance)
    for ours, theirs in zip(member.non_trainable, model.non_trainable_weights, strict=True):
        np.testing.assert_allclose(ours, np.asarray(theirs.value), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_weights_after_56_steps_are_those_of_fit(name, data, monkeypatch):
    # The bias before a BatchNormalization has gradient 0 but for rounding, which Nadam blows up to its learning
    # rate; so both sides are compiled with the same options, and the rounding is the same.
    monkeypatch.setattr(narrow, "compiler_options", dict)
    x, y = data
    (member,) = train_population(MODELS[name], x, y, seeds=[3], epochs=EPOCHS)
    model, history = fitted(MODELS[name], x, y)
    assert_same_weights(member, model)
    np.testing.assert_allclose(member.trace["loss"], history["loss"], rtol=1e-5)
    np.testing.assert_allclose(member.trace["accuracy"], history["accuracy"], rtol=1e-6)
    start = build_member(MODELS[name], 3, (x[:1], y[:1]))
    assert not np.allclose(member.trainable[0], np.asarray(start.trainable_weights[0].value))


def test_early_stopping_stops_and_restores_as_the_callback_does(data):
    x, y = data
    split = (np.arange(150, dtype=np.int32), np.arange(150, 203, dtype=np.int32))
    build = network(dense(64, "relu"), dense(3), optimizer=lambda: keras.optimizers.Adam(3e-2))
    (member,) = train_population(
        build, x, y, seeds=[3], splits=[split], epochs=60, patience=4, restore_best=True
    )
    stopping = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    model, history = fitted(build, x, y, epochs=60, split=split, callbacks=[stopping])
    assert member.status == "stopped"
    assert member.epochs == len(history["loss"]) < 60
    assert member.best_epoch == stopping.best_epoch
    np.testing.assert_allclose(member.trace["val_loss"], history["val_loss"], rtol=2e-4)
    assert_same_weights(member, model, tolerance=1e-4)


def test_a_plateau_reduces_the_rate_as_the_callback_does(data):
    x, y = data
    split = (np.arange(150, dtype=np.int32), np.arange(150, 203, dtype=np.int32))
    build = network(dense(64, "relu"), dense(3), optimizer=lambda: keras.optimizers.Adam(3e-2))
    (member,) = train_population(
        build, x, y, seeds=[3], splits=[split], epochs=20, plateau=Plateau(0.5, 2, 1e-3)
    )
    plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=2, min_lr=1e-3)
    _, history = fitted(build, x, y, epochs=20, split=split, callbacks=[plateau])
    # The callback logs the rate after it acted, the trace the rate in force.
    np.testing.assert_allclose(member.trace["learning_rate"][0], 3e-2, rtol=1e-6)
    np.testing.assert_allclose(
        member.trace["learning_rate"][1:], history["learning_rate"][1:], rtol=1e-6
    )
    assert member.trace["learning_rate"][-1] < 1e-2


def test_the_order_of_rows_is_a_permutation_that_changes_every_epoch(data):
    x, y = data
    model = build_member(MODELS["plain"], 0, (x[:1], y[:1]))
    rows = np.arange(100, 203, dtype=np.int32)
    program = Program(model, Run(), len(rows), 0)
    constants = Constants(key_data(0, "order"), rows, None, None, {})
    first, second = (np.asarray(jax.jit(program.order)(constants, epoch)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == rows.tolist()
    assert (first != second).sum() > 80
