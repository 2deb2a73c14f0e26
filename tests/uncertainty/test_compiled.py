import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest

from denselab.uncertainty import each_draw, predict_draws
from denselab.uncertainty.compiled import CompiledPlan
from denselab.uncertainty.plans import Request

layers = keras.layers
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="programs are compiled on JAX only"
)


class OwnNoise(layers.Layer):
    """Multiplies by random numbers that only it knows, and normalises the batch before."""

    def __init__(self, **options):
        super().__init__(**options)
        self.stream = keras.random.SeedGenerator(0)
        self.norm = layers.BatchNormalization()

    def build(self, shape):
        self.norm.build(shape)

    def call(self, inputs, training=False):
        inputs = self.norm(inputs)
        if not training:
            return inputs
        shape = keras.ops.shape(inputs)
        return inputs * keras.random.uniform(shape, 0.5, 1.5, seed=self.stream)


class Swaps(layers.Layer):
    """Mixes the rows of a batch, as MixUp does."""

    def __init__(self, **options):
        super().__init__(**options)
        self.stream = keras.random.SeedGenerator(0)

    def call(self, inputs, training=False):
        return keras.random.shuffle(inputs, seed=self.stream) if training else inputs


def chain(*parts, shape=(6,)):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input(shape), *parts])


def test_a_layer_of_no_known_kind_draws_for_each_row_by_itself(rows):
    model = chain(OwnNoise())
    whole = each_draw(model, rows, draws=5, outputs="values")
    few = each_draw(model, rows[:3], draws=5, outputs="values", chunk=2)
    np.testing.assert_allclose(few, whole[:, :3], atol=1e-6)
    shares = whole / np.asarray(model(rows))
    assert ((shares > 0.49) & (shares < 1.51)).all()
    assert len(np.unique(shares.round(6))) > 0.9 * shares.size


def test_a_layer_of_no_known_kind_shares_its_noise_on_demand(rows):
    model = chain(OwnNoise())
    drawn = each_draw(model, rows, draws=3, masks="shared", outputs="values")
    shares = drawn / np.asarray(model(rows))
    np.testing.assert_allclose(shares, np.broadcast_to(shares[:, :1], shares.shape), rtol=1e-4)
    assert not np.allclose(shares[0], shares[1])


def test_batch_normalization_inside_such_a_layer_does_not_train(rows):
    model = chain(OwnNoise())
    before = [np.asarray(value) for value in model.get_weights()]
    predict_draws(model, rows, draws=5, outputs="values")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_layer_that_mixes_rows_is_left_off(rows):
    model = chain(Swaps(), layers.Dropout(0.5))
    drawn = each_draw(model, rows, draws=20, outputs="values")
    np.testing.assert_allclose(np.abs(drawn).max(0), 2 * np.abs(rows), rtol=1e-6)


@pytest.mark.parametrize(
    "part",
    [
        layers.Bidirectional(layers.SimpleRNN(4, dropout=0.3)),
        layers.Attention(dropout=0.3),
    ],
    ids=["recurrent", "attention"],
)
def test_layers_with_dropout_inside_draw(part):
    inputs = keras.Input((5, 4))
    outputs = part([inputs, inputs]) if isinstance(part, layers.Attention) else part(inputs)
    model = keras.Model(inputs, layers.Flatten()(outputs))
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    drawn = each_draw(model, x, draws=3, outputs="values", chunk=3)
    assert not np.allclose(drawn[0], drawn[1])
    few = each_draw(model, x[:2], draws=3, outputs="values", chunk=3)
    np.testing.assert_allclose(few, drawn[:, :2], atol=1e-6)


def compilations(model, x, **options):
    return CompiledPlan(model, x, Request(0, "per_row", "auto", None))._programs


def test_a_second_call_compiles_nothing(small, rows):
    model = small(layers.Dropout(0.3))
    predict_draws(model, rows, draws=5)
    programs = compilations(model, rows)
    predict_draws(model, rows, draws=333, seed=7)
    assert compilations(model, rows) is programs
    assert programs.statistics._cache_size() == 1


def test_new_weights_are_used_without_compiling(small, rows):
    model = small(layers.Dropout(0.3))
    before = each_draw(model, rows, draws=2)
    model.layers[-1].set_weights([-value for value in model.layers[-1].get_weights()])
    assert np.abs(each_draw(model, rows, draws=2) - before).max() > 0.01
    assert compilations(model, rows).outputs._cache_size() == 1


def test_a_new_rate_is_not_taken_for_the_old_one(small, rows):
    layer = layers.Dropout(0.3)
    model = small(layer)
    before = predict_draws(model, rows, draws=50)
    layer.rate = 0.6
    after = predict_draws(model, rows, draws=50)
    assert after.standard_errors.mean() > 1.3 * before.standard_errors.mean()


def test_rows_of_a_chunk_are_cut_to_what_their_words_need():
    wide = chain(layers.Dropout(0.5), layers.Flatten(), shape=(128, 128, 3))
    x = np.zeros((300, 128, 128, 3), "float32")
    plan = CompiledPlan(wide, x, Request(0, "per_row", "values", None))
    assert plan.rows * 128 * 128 * 3 * 8 <= 2**26 < 2 * plan.rows * 128 * 128 * 3 * 8


MEMORY = """
    import resource
    import keras
    import numpy as np
    from denselab.uncertainty import predict_draws

    layers = [keras.layers.Dense(32, activation="relu"), keras.layers.Dropout(0.1)]
    ending = keras.layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((32,)), *layers, ending])
    x = np.random.default_rng(0).normal(size=(1024, 32)).astype("float32")
    peaks = []
    for draws in (10, 10_000):
        predict_draws(model, x, draws=draws)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    print(*peaks)
"""


def test_ten_thousand_draws_take_the_memory_of_ten():
    # The draws themselves would be 10,000 x 1024 x 10 numbers, 410 MB.
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEMORY)],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    few, many = map(int, run.stdout.split()[-2:])
    assert many <= 1.1 * few
