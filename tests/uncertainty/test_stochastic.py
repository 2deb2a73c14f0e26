import keras
import numpy as np
import pytest

from denselab.uncertainty.stochastic import always_off, replaced, stochastic_layers

layers = keras.layers
pytestmark = pytest.mark.backends


class Own(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.streams = [keras.random.SeedGenerator(0)]

    def call(self, inputs):
        return inputs


def chain(*parts, shape=(6,)):
    return keras.Sequential([keras.Input(shape), *parts])


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (layers.Dropout(0.1, name="noisy"), (6,)),
        (layers.AlphaDropout(0.1, name="noisy"), (6,)),
        (layers.GaussianDropout(0.1, name="noisy"), (6,)),
        (layers.GaussianNoise(0.1, name="noisy"), (6,)),
        (layers.SpatialDropout1D(0.1, name="noisy"), (5, 6)),
        (layers.LSTM(3, dropout=0.1, name="noisy"), (5, 6)),
        (layers.GRU(3, recurrent_dropout=0.1, name="noisy"), (5, 6)),
        (Own(name="noisy"), (6,)),
        (chain(layers.Dense(6), chain(layers.Dropout(0.1, name="noisy"))), (6,)),
        (layers.TimeDistributed(layers.Dropout(0.1, name="noisy")), (5, 6)),
    ],
    ids=[
        "Dropout",
        "AlphaDropout",
        "GaussianDropout",
        "GaussianNoise",
        "SpatialDropout",
        "LSTM with dropout",
        "GRU with recurrent dropout",
        "a layer with a stream of its own",
        "nested twice",
        "wrapped",
    ],
)
def test_a_stochastic_layer_is_found(part, shape):
    assert [layer.name for layer in stochastic_layers(chain(part, shape=shape))] == ["noisy"]


@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (layers.Dense(3), (6,)),
        (layers.Dropout(0.0), (6,)),
        (layers.LSTM(3), (5, 6)),
        (layers.RandomFlip(), (8, 8, 3)),
        (layers.BatchNormalization(), (6,)),
    ],
    ids=["Dense", "rate 0", "LSTM without dropout", "image augmentation", "BatchNormalization"],
)
def test_a_layer_that_draws_nothing_is_left_out(part, shape):
    assert stochastic_layers(chain(part, shape=shape)) == ()


def test_a_layer_used_twice_is_listed_once():
    inputs = keras.Input((6,))
    drop = layers.Dropout(0.1)
    model = keras.Model(inputs, drop(layers.Dense(6)(drop(inputs))))
    assert stochastic_layers(model) == (drop,)


def test_replaced_calls_hold_inside_and_are_gone_outside():
    dense = layers.Dense(2)
    model = chain(dense)
    rows = np.ones((1, 6), "float32")
    before = keras.ops.convert_to_numpy(model(rows))
    with replaced([(dense, lambda inputs: inputs[:, :2])]):
        inside = keras.ops.convert_to_numpy(model(rows))
    assert np.asarray(inside).tolist() == [[1, 1]]
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(model(rows)))
    assert "call" not in dense.__dict__


def test_the_outermost_replacement_holds():
    layer = layers.Dense(2)
    with replaced([(layer, lambda: "outer")]):
        with replaced([(layer, lambda: "inner")]):
            assert layer.call() == "outer"
        assert layer.call() == "outer"


def test_an_attribute_of_the_layer_comes_back():
    layer = layers.Dense(2, activation="tanh")
    with replaced([(layer, len)], name="activation"):
        assert layer.activation is len
    assert layer.activation is keras.activations.tanh


def test_layers_come_back_after_an_error():
    layer = layers.Dense(2)
    with pytest.raises(KeyError), replaced([(layer, len)]):
        raise KeyError
    assert "call" not in layer.__dict__
    with replaced([(layer, len)]):
        assert layer.call is len


def test_batch_normalization_stays_in_inference_mode_whatever_it_is_told():
    norm = layers.BatchNormalization()
    model = chain(norm)
    rows = np.random.default_rng(0).normal(5, 3, size=(50, 6)).astype("float32")
    expected = np.asarray(keras.ops.convert_to_numpy(norm(rows, training=False)))
    before = [np.asarray(keras.ops.convert_to_numpy(value)) for value in norm.variables]
    with replaced(always_off(model)):
        found = np.asarray(keras.ops.convert_to_numpy(norm(rows, training=True)))
    np.testing.assert_array_equal(expected, found)
    for old, new in zip(before, norm.variables, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))
