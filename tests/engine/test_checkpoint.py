"""A member that was interrupted anywhere ends with the bytes of one that was not."""

import dataclasses
import hashlib
import json
import logging
import threading
import time

import jax
import keras
import numpy as np
import pytest

from denselab.components import OneCycle
from denselab.engine import Averaging, Checkpoint, Plateau, narrow, train_population
from denselab.errors import UsageError

ROWS = 150
"""Of 203 rows: batches of 32 make four whole ones and a shorter one."""


def network(*layers, optimizer):
    def build():
        hidden = [layer() for layer in layers]
        model = keras.Sequential([keras.Input((6,)), *hidden, keras.layers.Dense(3)])
        model.compile(
            optimizer=optimizer(),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model

    return build


def dense():
    return keras.layers.Dense(16, "selu")


MODELS = {
    "batch norm, dropout, nadam, plateau, early stopping": (
        network(
            keras.layers.BatchNormalization,
            dense,
            lambda: keras.layers.Dropout(0.2),
            keras.layers.BatchNormalization,
            optimizer=lambda: keras.optimizers.Nadam(0.05),
        ),
        {
            "epochs": 12,
            "patience": 2,
            "restore_best": True,
            "plateau": Plateau(factor=0.5, patience=1),
        },
    ),
    "alpha dropout, sgd with momentum, one cycle": (
        network(
            dense,
            lambda: keras.layers.AlphaDropout(0.1),
            optimizer=lambda: keras.optimizers.SGD(OneCycle(0.1, 30), momentum=0.9),
        ),
        {"epochs": 6},
    ),
    "averages of weights": (
        network(
            dense,
            keras.layers.BatchNormalization,
            optimizer=lambda: keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9),
        ),
        {"epochs": 6, "averaging": Averaging(2), "recalibrate": True},
    ),
    "tiny": (network(optimizer=lambda: keras.optimizers.SGD(0.01, momentum=0.9)), {"epochs": 4}),
}


def digest(member):
    parts = [*member.trainable, *member.non_trainable, np.int64(member.best_epoch)]
    parts += [values for name, values in sorted(member.trace.items()) if name != "seconds"]
    return member.status, hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def trained(case, data, **options):
    build, own = MODELS[case]
    # On one core, so that there is one program to compile.
    options = {"cores": 1, "seeds": [4, 5], "validation_fraction": 1 - ROWS / 203, **own, **options}
    return train_population(build, *data, **options)


def interrupted(case, data, after, **options):
    """Stops a training when so many checkpoints have been taken, and gives the last of each member."""
    last, taken = {}, 0

    def save(place, checkpoint):
        nonlocal taken
        # As a file would give it back.
        header = json.loads(json.dumps(checkpoint.header))
        last[place] = Checkpoint(checkpoint.arrays, header)
        taken += 1
        if taken == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(case, data, on_checkpoint=save, checkpoint_seconds=1e-9, **options)
    return last


def began_anew(population):
    """Picks the notes on checkpoints; others say that JAX was started before the engine could."""
    return [note for note in population.notes if "began anew" in note]


def place_of(checkpoint):
    return int(checkpoint.arrays["epoch"]), int(checkpoint.arrays["step"])


@pytest.fixture
def short_segments(monkeypatch):
    monkeypatch.setattr(narrow, "_FIRST_BUDGET", 1)
    monkeypatch.setattr(narrow, "_SEGMENT_SECONDS", 0.0)


@pytest.mark.parametrize("case", MODELS)
def test_interrupted_anywhere_and_resumed_is_uninterrupted(case, data, short_segments):
    straight = [digest(member) for member in trained(case, data)]
    after = np.random.default_rng(len(case)).integers(5, 35)
    last = interrupted(case, data, after)
    again = trained(case, data, resume=last)
    assert [digest(member) for member in again] == straight
    assert began_anew(again) == []


def test_an_interruption_hands_over_a_checkpoint_of_every_member_at_work(data, short_segments):
    # One where another test of this process started JAX with a single device.
    at_work = min(2, len(jax.local_devices()))
    seen, heard_of = {}, set()
    both, stopping = threading.Barrier(at_work), threading.Event()

    def stop(place, epoch):
        heard_of.add(place)
        if len(heard_of) == at_work:
            stopping.set()
            raise KeyboardInterrupt

    def wait(place, epoch, logs):
        if epoch == 0:
            both.wait(timeout=300)
        else:
            stopping.wait()
            time.sleep(0.001)

    options = {"on_checkpoint": seen.__setitem__, "checkpoint_seconds": 1e9, "cores": 2}
    with pytest.raises(KeyboardInterrupt):
        trained("tiny", data, epochs=100, on_progress=stop, on_epoch=wait, **options)
    assert set(seen) == set(range(at_work))
    straight = [digest(member) for member in trained("tiny", data, epochs=100)]
    again = trained("tiny", data, epochs=100, resume=seen)
    assert [digest(member) for member in again] == straight


def test_training_goes_on_where_the_checkpoint_is_and_keeps_its_clock(data, short_segments):
    last = interrupted("tiny", data, 12, seeds=[4])
    clock = last[0].arrays["clock"]
    slow = {**last[0].arrays, "clock": clock + [0.0, 100.0] * (np.arange(len(clock)) > 0)[:, None]}
    epochs = []
    again = trained(
        "tiny",
        data,
        seeds=[4],
        resume={0: Checkpoint(slow, last[0].header)},
        on_progress=lambda place, epoch: epochs.append(epoch),
    )
    assert epochs[0] == place_of(last[0])[0] > 0
    assert again[0].trace["seconds"][-1] > 100
    assert again[0].epochs == 4


def test_a_member_that_turns_nan_at_some_step_ends_alone_and_touches_no_other(data, short_segments):
    straight = [digest(member) for member in trained("tiny", data)]
    last = interrupted("tiny", data, 7)
    arrays = dict(last[0].arrays)
    arrays["model/trainable/0"] = np.full_like(arrays["model/trainable/0"], np.nan)
    again = trained("tiny", data, resume={**last, 0: Checkpoint(arrays, last[0].header)})
    assert again[0].status == "diverged"
    assert digest(again[1]) == straight[1]


def test_a_wide_population_resumes_at_the_end_of_an_epoch(data):
    straight = trained("tiny", data, layout="wide")
    last = interrupted("tiny", data, 3, layout="wide")
    # A kill between two checkpoints leaves members at different epochs.
    assert [place_of(last[place]) for place in (0, 1)] == [(2, 0), (1, 0)]
    again = trained("tiny", data, layout="wide", resume=last)
    for ours, theirs in zip(again, straight, strict=True):
        np.testing.assert_allclose(ours.trace["val_loss"], theirs.trace["val_loss"], rtol=1e-4)


MISFITS = {
    "other library": ({"keras": "2.0"}, {}, {}, "keras 2.0 there and"),
    "other format": ({"format": 2}, {}, {}, "format 2 there and 1 here"),
    "other seed": ({}, {}, {"seeds": [9]}, "seed 5 there and 9 here"),
    "other rows": ({}, {}, {"validation_fraction": 0.5}, "its data, rows, options"),
    "other options": ({}, {}, {"epochs": 7}, "its data, rows, options"),
    "other layout": ({}, {}, {"layout": "wide"}, "device cpu narrow there and cpu wide here"),
    "no array": ({}, {"epoch": None}, {}, "its arrays are not those"),
    "other shape": ({}, {"epoch": np.zeros(2, "i4")}, {}, "its arrays are not those"),
    "within an epoch": ({}, {}, {"on_epoch": lambda *_: False}, "on_epoch wants whole ones"),
}


@pytest.fixture(scope="module")
def small(data):
    """A checkpoint after three steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrow, "_FIRST_BUDGET", 3)
        return interrupted("tiny", data, 1, seeds=[5])[0]


@pytest.mark.parametrize("case", MISFITS)
def test_a_checkpoint_of_something_else_is_not_used_and_a_note_says_why(case, data, small, caplog):
    header, arrays, options, words = MISFITS[case]
    arrays = {
        name: array for name, array in {**small.arrays, **arrays}.items() if array is not None
    }
    other = dataclasses.replace(small, header={**small.header, **header}, arrays=arrays)
    options = {"seeds": [5], "epochs": 4, **options}
    with caplog.at_level(logging.WARNING):
        resumed = trained("tiny", data, resume={0: other}, **options)
    (note,) = began_anew(resumed)
    assert words in note
    assert note.startswith(f"seed {options['seeds'][0]} ")
    assert note in caplog.text
    assert resumed[0].epochs == options["epochs"]


def test_an_interval_of_nothing_is_refused(data):
    with pytest.raises(UsageError, match="checkpoint_seconds must be above 0"):
        train_population(lambda: None, *data, seeds=[0], checkpoint_seconds=0)
