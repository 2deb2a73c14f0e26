import keras
import numpy as np
import pytest

from denselab.engine import Predictor, narrow, reuse, train_population


def build(width=4, rate=0.05):
    def model():
        layers = [keras.Input((6,)), keras.layers.Dense(width, "elu"), keras.layers.Dense(3)]
        made = keras.Sequential(layers)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        made.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)
        return made

    return model


@pytest.fixture
def made(monkeypatch):
    """What was compiled."""
    names = []

    def counting(name, make):
        return reuse.kept(name, lambda: names.append(name) or make())

    monkeypatch.setattr(narrow, "kept", counting)
    return names


def train(build_model, data, **options):
    return train_population(build_model, *data, seeds=[0], epochs=2, **options)[0]


def test_a_program_of_one_key_is_compiled_once_and_trains_to_the_same_bytes(data, made):
    first = train(build(), data, program_key="test of one key")
    again = train(build(), data, program_key="test of one key")
    alone = train(build(), data)

    assert len(made) == 2  # the one that was kept, and the one without a key
    assert all(map(np.array_equal, first.trainable, again.trainable))
    assert all(map(np.array_equal, first.trainable, alone.trainable))


def test_variables_may_differ_under_one_key(data, made):
    train(build(rate=0.05), data, program_key="test of rates")
    slow = train(build(rate=1e-6), data, program_key="test of rates")

    assert len(made) == 1
    assert slow.trace["learning_rate"][-1] == np.float32(1e-6)


def test_other_shapes_or_another_run_are_compiled_anew(data, made):
    x, y = data
    train(build(), data, program_key="test of shapes")
    train(build(), (x[:100], y[:100]), program_key="test of shapes")
    train(build(), data, program_key="test of shapes", batch_size=16)

    assert len(made) == 3


def test_only_the_last_used_are_kept(monkeypatch):
    monkeypatch.setattr(reuse, "_KEPT", type(reuse._KEPT)())
    monkeypatch.setattr(reuse, "_MOST", 2)
    for name in ("a", "b", "a", "c"):
        reuse.kept(name, object)

    assert [reuse.is_kept(name) for name in "abc"] == [True, False, True]


def test_the_spread_of_draws_is_their_deviation(data):
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.compile(optimizer="sgd", loss="mse")
    population = train_population(
        lambda: model, data[0], data[0][:, :2], seeds=[3], epochs=1, batch_size=64
    )

    class Noise(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seeds = keras.random.SeedGenerator(0)

        def call(self, x):
            return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)

    noisy = keras.Model(inputs, Noise()(model(inputs)))
    draws = 400
    predict = Predictor(noisy, draws=draws, values=True, spread=True)
    plain = Predictor(noisy, draws=draws, values=True)
    (found,), (means,) = (p(population.members, data[0]) for p in (predict, plain))

    np.testing.assert_allclose(found[..., 0], means, atol=1e-5)
    # The deviation of 400 normal draws has a standard error of 1 / sqrt(800) a cell.
    assert abs(found[..., 1].mean() - 1) < 5 / np.sqrt(800 * found[..., 1].size) + 1 / draws
