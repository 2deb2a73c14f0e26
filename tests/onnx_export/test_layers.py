"""Every layer and activation gives in ONNX Runtime what it gives in Keras."""

import functools

import keras
import numpy as np
import pytest

from denselab.components import (
    FrontScale,
    MCAlphaDropout,
    MCDropout,
    MixUp,
    ParametricActivation,
    PeriodicEmbedding,
    RReLU,
)
from denselab.errors import UsageError
from denselab.onnx_export import to_onnx
from denselab.onnx_export.activations import _FUNCTIONS

layers = keras.layers

TOLERANCE = 1e-5
"""Sums of six float32 numbers in two orders differ by less than 1e-6 of the greatest; functions such
as erf and tanh are approximated to a few units in the last place by both programs."""

LAYERS = {
    "front scale": lambda: FrontScale(),
    "parametric activation": lambda: ParametricActivation("mish"),
    "periodic embedding": lambda: PeriodicEmbedding(size=3, waves=4),
    "dense": lambda: layers.Dense(5),
    "dense without bias": lambda: layers.Dense(5, use_bias=False),
    "dense with activation": lambda: layers.Dense(5, activation="selu"),
    "batch normalization": lambda: layers.BatchNormalization(),
    "batch normalization, bare": lambda: layers.BatchNormalization(center=False, scale=False),
    "layer normalization": lambda: layers.LayerNormalization(),
    "layer normalization, bare": lambda: layers.LayerNormalization(center=False, scale=False),
    "rms normalization": lambda: layers.RMSNormalization(),
    "normalization": lambda: layers.Normalization(mean=[0.1] * 6, variance=[4.0] * 6),
    "normalization of constants": lambda: layers.Normalization(
        mean=[0.1] * 6, variance=[0.0, 3.4e38, 1, 1, 1, 1]
    ),
    "normalization, inverse": lambda: layers.Normalization(mean=0.1, variance=4.0, invert=True),
    "rescaling": lambda: layers.Rescaling(1 / 255, offset=-0.5),
    "rescaling by feature": lambda: layers.Rescaling([1.0, 2, 3, 4, 5, 6], offset=[0.0] * 5 + [1]),
    "flatten": lambda: layers.Flatten(),
    "reshape": lambda: layers.Reshape((2, -1)),
    "elu": lambda: layers.ELU(0.7),
    "leaky relu": lambda: layers.LeakyReLU(0.1),
    "prelu": lambda: layers.PReLU(alpha_initializer="ones"),
    "relu": lambda: layers.ReLU(),
    "relu with everything": lambda: layers.ReLU(max_value=2, negative_slope=0.1, threshold=0.5),
    "relu6": lambda: layers.ReLU(max_value=6),
    "relu from a threshold": lambda: layers.ReLU(threshold=0.5),
    "softmax": lambda: layers.Softmax(),
    "rrelu": lambda: RReLU(),
    "dropout": lambda: layers.Dropout(0.5),
    "alpha dropout": lambda: layers.AlphaDropout(0.5),
    "gaussian dropout": lambda: layers.GaussianDropout(0.5),
    "gaussian noise": lambda: layers.GaussianNoise(0.5),
    "identity": lambda: layers.Identity(),
    "mixup": lambda: MixUp(0.2),
    "nested": lambda: keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(3)]),
}

ACTIVATIONS = {
    **{name: getattr(keras.activations, name) for name in sorted(_FUNCTIONS)},
    "gelu of keras.ops": keras.ops.gelu,
    "gelu, tanh form": functools.partial(keras.activations.gelu, approximate=True),
    "gelu of keras.ops, exact": functools.partial(keras.ops.gelu, approximate=False),
    "leaky relu of 0.3": functools.partial(keras.activations.leaky_relu, negative_slope=0.3),
    "elu of 0.5": functools.partial(keras.activations.elu, alpha=0.5),
}

IMAGES = {
    "flatten": lambda: layers.Flatten(),
    "flatten, channels first": lambda: layers.Flatten(data_format="channels_first"),
    "dense on the last axis": lambda: layers.Dense(5),
    "batch normalization of rows": lambda: layers.BatchNormalization(axis=1),
    "layer normalization of all": lambda: layers.LayerNormalization(axis=[1, 2, 3]),
    "normalization by channel": lambda: layers.Normalization(mean=[1, 2], variance=[3.0, 4.0]),
    "normalization by row": lambda: layers.Normalization(
        axis=1, mean=[1, 2, 3], variance=[3, 4, 5.0]
    ),
    "prelu, shared": lambda: layers.PReLU(shared_axes=[1, 2], alpha_initializer="ones"),
    "permute": lambda: layers.Permute((3, 1, 2)),
    "spatial dropout": lambda: layers.SpatialDropout2D(0.5),
}


def with_random_weights(model: keras.Model) -> keras.Model:
    """Moves every weight off its first value, so that a forgotten one is noticed; variances stay positive."""
    random = np.random.default_rng(1)
    model.set_weights(
        [random.uniform(0.5, 1.5, w.shape) * np.sign(w + 0.1) for w in model.get_weights()]
    )
    return model


@pytest.mark.backends
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_what_it_gives_in_keras(name, rows, differences):
    model = with_random_weights(keras.Sequential([keras.Input((6,)), LAYERS[name]()]))

    assert differences(model, rows) < TOLERANCE


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_gives_what_it_gives_in_keras(name, rows, differences):
    model = keras.Sequential([keras.Input((6,)), layers.Activation(ACTIVATIONS[name])])

    assert differences(model, rows) < TOLERANCE


@pytest.mark.parametrize("name", IMAGES)
def test_a_layer_of_images_gives_what_it_gives_in_keras(name, differences):
    model = with_random_weights(keras.Sequential([keras.Input((3, 4, 2)), IMAGES[name]()]))
    images = np.random.default_rng(0).normal(size=(5, 3, 4, 2)).astype("float32")

    assert differences(model, images) < TOLERANCE


@pytest.mark.parametrize(
    "merge", ["Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"]
)
def test_layers_that_merge_give_what_they_give_in_keras(merge, rows, differences):
    one, other = keras.Input((6,)), keras.Input((6,))
    model = keras.Model([one, other], getattr(layers, merge)()([one, layers.Dense(6)(other)]))

    assert differences(model, rows, rows[::-1].copy()) < TOLERANCE


@pytest.mark.parametrize("layer", [MCDropout, MCAlphaDropout])
def test_dropout_that_draws_rests_and_the_file_says_so(layer, rows, run):
    model = keras.Sequential([keras.Input((6,)), layer(0.5, name="drawing")])
    graph = to_onnx(model)

    assert np.array_equal(run(graph, rows)[0], rows)
    assert {"dropout_at_rest": "drawing"}.items() <= {
        p.key: p.value for p in graph.metadata_props
    }.items()


class Doubling(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class Dense(layers.Dense):
    """A class of a known name that computes something else."""

    def call(self, inputs):
        return -super().call(inputs)


REFUSED = {
    "conv": (lambda: layers.Conv1D(2, 2, name="conv"), r"'conv' \(Conv1D\) .*build the model of"),
    "own layer": (lambda: Doubling(name="own"), r"'own' \(Doubling\) cannot be exported"),
    "own layer of a known name": (lambda: Dense(2, name="own"), r"'own' \(Dense\) cannot be"),
    "own activation": (
        lambda: layers.Activation(lambda x: x * x),
        "activation '<lambda>'.* use one",
    ),
    "softmax over two axes": (lambda: layers.Softmax(axis=[1, 2]), "Softmax.* over axes"),
    "rms over two axes": (lambda: layers.RMSNormalization(axis=[1, 2]), "RMSNorm.* over axes"),
    "layer norm over rows": (lambda: layers.LayerNormalization(axis=1), "LayerNorm.* over axes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_named(name):
    build, match = REFUSED[name]
    model = keras.Sequential([keras.Input((6, 3)), build()])

    with pytest.raises(UsageError, match=match):
        to_onnx(model)


def test_a_quantized_layer_is_refused():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, name="small")])
    model.layers[0].quantize("int8")

    with pytest.raises(UsageError, match=r"'small' \(Dense\), quantized to int8, cannot"):
        to_onnx(model)
