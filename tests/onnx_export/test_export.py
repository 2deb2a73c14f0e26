"""Whole models, their inputs and outputs, and models that are none."""

import sys

import keras
import numpy as np
import onnx
import pytest

from denselab.data import load
from denselab.errors import UsageError
from denselab.onnx_export import to_onnx
from denselab.recipes import load_recipe
from denselab.training.loading import load_model
from denselab.training.network import build_network
from denselab.training.saving import (
    INPUT_MEAN,
    INPUT_SCALE,
    Preprocessing,
    named_weights,
    save_predictor,
)
from denselab.uncertainty import to_mc

layers = keras.layers
LADDER = ["plain", "batch_norm", "self_normalizing", "alpha_dropout", "mc_dropout", "one_cycle"]


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.mark.parametrize("rung", LADDER)
def test_a_network_of_the_ladder_gives_what_it_gives_in_keras(rung, digits, run, tmp_path):
    recipe = load_recipe(rung)
    network = build_network(recipe, features=digits.features, classes=10)
    variables = [*network.trainable_weights, *network.non_trainable_weights]
    x = digits.x[:32].astype("float32")
    weights = named_weights(network, [np.array(variable.value) for variable in variables])
    weights[INPUT_MEAN] = x.reshape(32, -1).mean(axis=0)
    weights[INPUT_SCALE] = np.where(x.reshape(32, -1).std(axis=0) > 0, 0.2, 0).astype("float32")
    path = tmp_path / "model.keras"
    save_predictor(Preprocessing.of(digits), recipe, weights, path=path)
    model = load_model(path).model
    graph = to_onnx(model)

    onnx.checker.check_model(graph, full_check=True)
    (came,) = run(graph, x)
    at_rest = [layer for layer in model._flatten_layers() if type(layer).__name__.startswith("MC")]
    if not at_rest:
        wanted = keras.ops.convert_to_numpy(model(x, training=False))
        # 20 layers of sums of 100 float32 numbers, in two orders.
        assert np.abs(came - wanted).max() < 1e-5
    assert np.allclose(came.sum(axis=1), 1, atol=1e-5)


def test_a_drawing_model_is_exported_as_the_model_inside(rows, run):
    plain = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5), layers.Dense(3)])

    (came,) = run(to_onnx(to_mc(plain)), rows)

    assert np.allclose(came, plain(rows), atol=1e-6)


def test_the_batch_axis_is_open_and_the_others_are_fixed(rows, run):
    graph = to_onnx(keras.Sequential([keras.Input((6,)), layers.Dense(3)]))
    axes = graph.graph.input[0].type.tensor_type.shape.dim

    assert [axes[0].dim_param, axes[1].dim_value] == ["batch", 6]
    assert [run(graph, rows[:n])[0].shape for n in (1, 7)] == [(1, 3), (7, 3)]


def test_one_input_and_one_output_have_plain_names_and_types_stay():
    model = keras.Sequential([keras.Input((6,), dtype="uint8"), layers.Rescaling(0.5)])
    graph = to_onnx(model).graph

    assert ([one.name for one in graph.input], [one.name for one in graph.output]) == (
        ["inputs"],
        ["outputs"],
    )
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_several_inputs_and_outputs_are_called_after_their_layers(rows, run):
    one, other = keras.Input((6,), name="one"), keras.Input((6,), name="other")
    shared = layers.Dense(2, name="shared")
    model = keras.Model([one, other], [shared(one), layers.ReLU(name="positive")(shared(other))])
    graph = to_onnx(model)

    assert [x.name for x in graph.graph.input] == ["one", "other"]
    assert [x.name for x in graph.graph.output] == ["shared/outputs", "positive/outputs"]
    first, second = run(graph, rows, -rows)
    wanted = model([rows, -rows])
    assert np.allclose(first, wanted[0], atol=1e-5)
    assert np.allclose(second, wanted[1], atol=1e-5)


def test_weights_of_a_shared_layer_are_stored_once():
    x = keras.Input((6,))
    shared = layers.Dense(6, use_bias=False)
    graph = to_onnx(keras.Model(x, shared(shared(x)))).graph

    assert [list(one.dims) for one in graph.initializer] == [[6, 6]]


def test_layers_of_one_name_in_nested_models_keep_their_weights(rows, differences):
    def part(units):
        return keras.Sequential([keras.Input((6,)), layers.Dense(units, name="same")])

    assert differences(keras.Sequential([keras.Input((6,)), part(6), part(6)]), rows) < 1e-5


def test_the_same_model_gives_the_same_bytes():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="gelu")])

    assert to_onnx(model).SerializeToString() == to_onnx(model).SerializeToString()


class Own(keras.Model):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "model", [Own(name="own"), keras.Sequential([layers.Dense(2)], name="own")]
)
def test_a_model_without_a_graph_is_refused(model):
    with pytest.raises(
        UsageError, match=r"'own' .* is no Sequential or functional model.* rebuild"
    ):
        to_onnx(model)


def test_numbers_among_the_layers_are_refused():
    x = keras.Input((6,))

    with pytest.raises(UsageError, match=r"\(Add\) is called with more .* use layers such as Add"):
        to_onnx(keras.Model(x, x + 1))


def test_operations_that_are_no_layers_are_refused():
    x = keras.Input((6,))

    with pytest.raises(UsageError, match=r"\(Add\) cannot be exported"):
        to_onnx(keras.Model(x, x + x))


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)

    with pytest.raises(UsageError, match=r"pip install 'denselab\[onnx\]'"):
        to_onnx(keras.Sequential([keras.Input((6,)), layers.Dense(3)]))
