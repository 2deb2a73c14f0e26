"""A chain of sparse products answers as Keras does, or says what it does not know."""

import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.sparsity.csr import _ACTIVATIONS, csr_chain

layers = keras.layers

MIDDLES = {
    **{name: lambda name=name: layers.Activation(name) for name in sorted(_ACTIVATIONS)},
    "batch normalization": layers.BatchNormalization,
    "bare batch normalization": lambda: layers.BatchNormalization(center=False, scale=False),
    "dropout": lambda: layers.Dropout(0.5),
    "softmax layer": layers.Softmax,
    "dense without bias": lambda: layers.Dense(6, use_bias=False),
    "nested": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(4)]),
}


def with_random_weights(model):
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.2, 1.2, w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("name", MIDDLES)
def test_a_stack_gives_what_it_gives_in_keras(name):
    x = np.random.default_rng(1).normal(size=(7, 6)).astype("float32")
    model = keras.Sequential([keras.Input((6,)), MIDDLES[name](), layers.Dense(3)])
    with_random_weights(model)

    # Sums of six float32 numbers, in two orders.
    assert np.allclose(csr_chain(model)(x), model(x), atol=1e-5, rtol=1e-5)


def test_preprocessing_of_images_is_part_of_the_chain():
    x = np.random.default_rng(1).normal(size=(7, 2, 3, 2)).astype("float32")
    scaling = [
        layers.Rescaling(0.5, offset=1.0),
        layers.Normalization(mean=[1, 2], variance=[4, 9]),
    ]
    model = keras.Sequential([keras.Input((2, 3, 2)), *scaling, layers.Flatten(), layers.Dense(3)])

    assert np.allclose(csr_chain(model)(x), model(x), atol=1e-5)


def test_its_size_is_that_of_what_is_left():
    model = keras.Sequential([keras.Input((100,)), layers.Dense(50)])
    kernel, bias = model.get_weights()
    kernel[:, 5:] = 0
    model.set_weights([kernel, bias])

    # A value and a column for each of 500 weights, 51 row ends, 50 biases; 4 bytes each.
    assert csr_chain(model).nbytes == 4 * (500 + 500 + 51 + 50)


def skip():
    x = keras.Input((6,))
    return keras.Model(x, layers.Add()([x, layers.Dense(6)(x)]))


REFUSED = {
    "skip": (skip, "knows no skips"),
    "layer": (
        lambda: keras.Sequential([keras.Input((6,)), layers.LayerNormalization(name="norm")]),
        r"knows no LayerNormalization \(layer 'norm'\)",
    ),
    "activation": (
        lambda: keras.Sequential([keras.Input((6,)), layers.Activation("gelu")]),
        "knows no activation gelu",
    ),
    "rank": (
        lambda: keras.Sequential([keras.Input((6, 3)), layers.Dense(2)]),
        r"knows no Dense of rows of shape \(6, 3\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_chain_does_not_know_is_named(name):
    build, match = REFUSED[name]

    with pytest.raises(UsageError, match=f"{match}.*measure it without"):
        csr_chain(build())
