import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from denselab.uncertainty import each_draw, predict_draws
from denselab.uncertainty.loop import LoopPlan
from denselab.uncertainty.plans import Request

layers = keras.layers

KINDS = [
    layers.Dropout(0.3),
    layers.AlphaDropout(0.3),
    layers.GaussianDropout(0.3),
    layers.GaussianNoise(0.3),
    layers.Dropout(0.3, noise_shape=(1, None)),
]


def drawn_by_loop(model, x, draws, masks="per_row", chunk=None):
    plan = LoopPlan(model, x, Request(0, masks, "values", chunk))
    found = np.empty((draws, len(x), plan.reading.columns), np.float32)
    for piece, first, slab in plan.outputs(np.arange(len(x)), 0, draws):
        found[first : first + len(slab), piece] = slab
    return found


def with_every_kind():
    parts = [part for layer in KINDS for part in (layers.Dense(8, activation="tanh"), layer)]
    ending = layers.Dense(3, activation="softmax")
    return keras.Sequential([keras.Input((6,)), *parts, ending])


@pytest.mark.backends
@pytest.mark.parametrize("masks", ["per_row", "shared"])
def test_the_plain_loop_and_the_front_door_draw_the_same(masks, rows):
    model = with_every_kind()
    loop = drawn_by_loop(model, rows, 9, masks)
    front = each_draw(model, rows, draws=9, masks=masks, outputs="values")
    # Rounding, which five noisy layers pass on.
    np.testing.assert_allclose(loop, front, atol=1e-5)


@pytest.mark.backends
def test_batches_of_the_loop_change_nothing_beyond_rounding(small, rows):
    model = small(layers.Dropout(0.3))
    whole = drawn_by_loop(model, rows, 5)
    np.testing.assert_allclose(drawn_by_loop(model, rows, 5, chunk=8), whole, atol=1e-6)


@pytest.mark.backends
def test_statistics_of_the_loop_are_those_of_its_draws(small, rows):
    model = small(layers.Dropout(0.3))
    plan = LoopPlan(model, rows, Request(0, "per_row", "auto", None))
    [(piece, found)] = plan.statistics(np.arange(len(rows)), 0, 9)
    drawn = drawn_by_loop(model, rows, 9)
    np.testing.assert_array_equal(piece, np.arange(len(rows)))
    np.testing.assert_allclose(found.mean.T, drawn.mean(0), atol=1e-6)


SCRIPT = """
import sys, keras, numpy as np
from denselab.uncertainty import predict_draws, to_mc
model = keras.saving.load_model(sys.argv[1])
found = predict_draws(model, np.load(sys.argv[2]), draws=12, seed=5)
drawn = to_mc(model).predict(np.load(sys.argv[2]), verbose=0)
assert not np.allclose(drawn, model.predict(np.load(sys.argv[2]), verbose=0))
np.savez(sys.argv[3], mean=found.probabilities, information=found.mutual_information)
"""


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="compares others with JAX")
@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_another_backend_gives_the_same_answers(backend, rows, tmp_path):
    pytest.importorskip(backend, reason=f"install denselab[{backend}]")
    model = with_every_kind()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "rows.npy", rows)
    files = [str(tmp_path / name) for name in ("model.keras", "rows.npy", "found.npz")]
    subprocess.run(
        [sys.executable, "-c", SCRIPT, *files],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
    )
    found = np.load(files[2])
    expected = predict_draws(model, rows, draws=12, seed=5)
    np.testing.assert_allclose(found["mean"], expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(found["information"], expected.mutual_information, atol=1e-5)
