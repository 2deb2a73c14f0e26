"""Members do not depend on each other, on their place, on cores, segments or interruptions."""

import hashlib
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from denselab.engine import narrow, train_population
from denselab.errors import UsageError


def build():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(16, activation="selu"),
            keras.layers.BatchNormalization(),
            keras.layers.AlphaDropout(0.1),
            keras.layers.Dense(3),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def digest(member):
    parts = [*member.trainable, *member.non_trainable]
    parts += [values for name, values in sorted(member.trace.items()) if name != "seconds"]
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


OPTIONS = {"epochs": 6, "validation_fraction": 0.25, "patience": 3, "restore_best": True}


@pytest.fixture(scope="module")
def alone(data):
    (member,) = train_population(build, *data, seeds=[5], **OPTIONS)
    return digest(member)


def test_a_member_is_the_same_alone_and_among_others_in_any_place(data, alone):
    population = train_population(build, *data, seeds=[9, 2, 5, 7], **OPTIONS)
    assert digest(population[2]) == alone
    assert len({digest(member) for member in population}) == 4


def test_a_member_is_the_same_on_one_core_as_on_all(data, alone):
    population = train_population(build, *data, seeds=[5, 6], cores=1, **OPTIONS)
    assert digest(population[0]) == alone


@pytest.mark.parametrize("budget", [1, 3, 1000])
def test_a_member_is_the_same_however_it_is_cut_into_segments(data, alone, monkeypatch, budget):
    monkeypatch.setattr(narrow, "_FIRST_BUDGET", budget)
    monkeypatch.setattr(narrow, "_SEGMENT_SECONDS", 0.0)
    (member,) = train_population(build, *data, seeds=[5], **OPTIONS)
    assert digest(member) == alone


def test_a_member_is_the_same_in_a_process_bound_to_one_core(data, alone, tmp_path):
    np.savez(tmp_path / "data.npz", x=data[0], y=data[1])
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        f"import sys, runpy; m = runpy.run_path({__file__!r})\n"
        "import numpy as np; d = np.load(sys.argv[1])\n"
        "(member,) = m['train_population'](m['build'], d['x'], d['y'], seeds=[5], **m['OPTIONS'])\n"
        "print(m['digest'](member))"
    )
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot bind a process to a core")
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "data.npz")],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=True,
    )
    assert run.stdout.split()[-1] == alone


def test_a_wide_population_agrees_with_members_one_by_one(data):
    options = {"epochs": 2, "validation_fraction": 0.25}
    wide = train_population(build, *data, seeds=[1, 2, 3], layout="wide", **options)
    narrowed = train_population(build, *data, seeds=[1, 2, 3], **options)
    for ours, theirs in zip(wide, narrowed, strict=True):
        for a, b in zip(ours.trainable, theirs.trainable, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(ours.trace["val_loss"], theirs.trace["val_loss"], rtol=1e-4)


def test_a_wide_population_narrows_as_members_stop(data):
    stop_at = {0: 1, 1: 3, 2: 1}
    population = train_population(
        build,
        *data,
        seeds=range(3),
        layout="wide",
        epochs=4,
        on_epoch=lambda place, epoch, logs: epoch + 1 == stop_at[place],
    )
    assert [member.epochs for member in population] == [1, 3, 1]
    again = train_population(build, *data, seeds=[1], epochs=3)
    for a, b in zip(population[1].trainable, again[0].trainable, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4, rtol=2e-3)


def test_a_diverging_member_ends_alone_and_touches_no_other(data, alone):
    population = train_population(
        build, *data, seeds=[4, 5], scalars={"optimizer.learning_rate": [1e30, 1e-2]}, **OPTIONS
    )
    assert [member.status for member in population] in (
        ["diverged", "finished"],
        ["diverged", "stopped"],
    )
    assert population[0].epochs < 6
    assert digest(population[1]) == alone


def test_scalars_give_what_a_model_built_with_them_gives(data):
    def decayed(rate, decay):
        def build_decayed():
            model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
            model.compile(
                optimizer=keras.optimizers.AdamW(rate, weight_decay=decay),
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            )
            return model

        return build_decayed

    varied = train_population(
        decayed(1.0, 1.0),
        *data,
        seeds=[1, 1],
        epochs=3,
        scalars={"optimizer.learning_rate": [1e-3, 1e-2], "optimizer.weight_decay": [0.5, 0.01]},
    )
    for member, rate, decay in zip(varied, [1e-3, 1e-2], [0.5, 0.01], strict=True):
        (own,) = train_population(decayed(rate, decay), *data, seeds=[1], epochs=3)
        np.testing.assert_allclose(member.trainable[0], own.trainable[0], rtol=1e-5, atol=1e-7)


def test_the_scalar_of_a_schedule_reaches_the_compiled_program(data):
    def scheduled():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        rate = keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
        model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        return model

    x, y = data
    rates = [0.01, 0.02]
    population = train_population(
        scheduled,
        x,
        np.eye(3)[y],
        seeds=[0, 0],
        epochs=2,
        scalars={"optimizer.schedule.initial_learning_rate": rates},
    )
    seen = [float(member.trace["learning_rate"][0]) for member in population]
    np.testing.assert_allclose(seen, [rate * 0.5 ** (7 / 10) for rate in rates], rtol=1e-5)


def test_hooks_see_every_epoch_and_can_stop_a_member(data):
    seen, done = [], []

    def on_epoch(place, epoch, logs):
        seen.append((place, epoch, sorted(logs)))
        return place == 1 and epoch == 2

    population = train_population(
        build,
        *data,
        seeds=[1, 2],
        epochs=5,
        on_epoch=on_epoch,
        on_member=lambda place, member: done.append((place, member.epochs)),
    )
    assert [member.epochs for member in population] == [5, 3]
    assert [epoch for place, epoch, _ in seen if place == 0] == [0, 1, 2, 3, 4]
    assert seen[0][2] == ["accuracy", "learning_rate", "loss"]
    assert sorted(done) == [(0, 5), (1, 3)]


def test_an_interruption_hands_over_what_is_done_and_then_raises(data):
    done = []

    def interrupt_once(place, member):
        done.append(place)
        if len(done) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_population(build, *data, seeds=range(8), epochs=2, on_member=interrupt_once)
    assert 1 <= len(done) < 8
    assert len(set(done)) == len(done)


def test_uint8_features_stay_small_and_train_as_their_floats_do(data):
    x = np.round(data[0] * 20 + 100).clip(0, 255)
    mean, scale = x.mean(0).astype(np.float32), (1 / x.std(0)).astype(np.float32)
    runs = [
        train_population(
            build, x.astype(dtype), data[1], seeds=[1], epochs=2, standardizations=[(mean, scale)]
        )[0]
        for dtype in (np.uint8, np.float32, np.float64)
    ]
    assert len({digest(member) for member in runs}) == 1


def test_any_keras_model_trains_not_only_stacks(data):
    def two_inputs():
        a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
        hidden = keras.layers.Dense(8, activation="tanh")
        joined = keras.layers.Concatenate()([hidden(a), hidden(b)])
        model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(joined))
        model.compile(optimizer="adam", loss="huber", metrics=["mae"])
        return model

    x, y = data
    inputs = {"a": x, "b": x[:, ::-1]}
    population = train_population(two_inputs, inputs, y[:, None], seeds=[0, 1], epochs=30)
    assert all(member.trace["loss"][-1] < 0.5 * member.trace["loss"][0] for member in population)
    assert "mae" in population[0].trace


def test_a_member_becomes_a_keras_model_with_its_weights(data):
    x, y = data
    population = train_population(build, x, y, seeds=[1, 2], epochs=3)
    model = population.model(1)
    for ours, theirs in zip(population[1].trainable, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, np.asarray(theirs.value))
    accuracy = model.evaluate(x, y, verbose=0)[1]
    assert accuracy > 0.7


def test_training_leaves_the_random_state_of_python_numpy_and_keras_alone(data):
    import random

    random.seed(1)
    np.random.seed(1)
    keras.utils.set_random_seed(1)
    expected = (random.random(), np.random.rand(), float(keras.random.uniform(())))
    keras.utils.set_random_seed(1)
    train_population(build, *data, seeds=[1], epochs=1)
    assert (random.random(), np.random.rand(), float(keras.random.uniform(()))) == expected


def own_step():
    class OwnStep(keras.Sequential):
        def train_step(self, state, data):
            return super().train_step(state, data)

    model = OwnStep([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile(optimizer="adam", loss="mse")
    return model


BAD = {
    "no model": (lambda: 3, {}, "compiled keras.Model"),
    "not compiled": (lambda: keras.Sequential([keras.Input((6,))]), {}, "model.compile"),
    "own train_step": (own_step, {}, "train_step of its own"),
    "no seeds": (build, {"seeds": []}, "at least one"),
    "negative seed": (build, {"seeds": [-1]}, "from 0 to"),
    "no epochs": (build, {"epochs": 0}, "at least 1"),
    "misspelt option": (build, {"batchsize": 8}, "did you mean 'batch_size'"),
    "validation of everything": (build, {"validation_fraction": 1.0}, "below 1"),
    "layout": (build, {"layout": "deep"}, "'narrow' or 'wide'"),
    "rows that are not there": (build, {"splits": [([0, 500], [1])]}, "0 to 202"),
    "splits for others": (build, {"splits": []}, "each of 1 seeds"),
    "unknown scalar": (build, {"scalars": {"optimizer.speed": [1]}}, "names nothing"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_the_remedy(case, data):
    build_model, options, message = BAD[case]
    with pytest.raises(UsageError, match=message):
        train_population(build_model, *data, **{"seeds": [0], **options})


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones((3, 6)), np.ones(4), "same number of rows"),
        (np.ones((0, 6)), np.ones(0), "at least 1"),
        (np.array([["a"] * 6] * 4), np.ones(4), "must be numbers"),
        (np.ones((3, 6), complex), np.ones(3), "must be numbers"),
    ],
    ids=["lengths differ", "no rows", "text", "complex"],
)
def test_bad_arrays_are_refused(x, y, message):
    with pytest.raises(UsageError, match=message):
        train_population(build, x, y, seeds=[0])
