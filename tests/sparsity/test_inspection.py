import keras
import numpy as np
import pytest

from denselab.sparsity import SparsityFinding, inspect_sparsity

layers = keras.layers
pytestmark = pytest.mark.backends


def network():
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, "relu", name="hidden")(inputs)
    hidden = layers.Add()([hidden, layers.Dense(6, name="side")(hidden)])
    model = keras.Model(inputs, layers.Dense(3, "softmax", name="answer")(hidden))
    for layer in (model.get_layer(name) for name in ("hidden", "side", "answer")):
        layer.set_weights([np.ones(weight.shape) for weight in layer.get_weights()])
    return model


def put(model, name, change):
    kernel, bias = model.get_layer(name).get_weights()
    change(kernel)
    model.get_layer(name).set_weights([kernel, bias])


def found(model):
    return {(f.what, f.layer, f.number) for f in inspect_sparsity(model)}


def test_a_model_in_order_raises_no_finding():
    assert inspect_sparsity(network()) == ()


def test_layers_pruned_to_nothing_are_found_and_what_still_has_a_path_is_not():
    model = network()
    put(model, "side", lambda kernel: kernel.fill(0))
    assert found(model) == {("empty_layer", "side", 36)}  # The skip goes around it.
    put(model, "hidden", lambda kernel: kernel.fill(0))
    assert ("disconnected_outputs", "answer", 3) in found(model)


def test_outputs_are_followed_back_to_the_inputs():
    model = network()

    def only_first(kernel):
        kernel[1:, 0] = 0

    put(model, "answer", only_first)  # Output 0 reads unit 0 alone,
    put(model, "hidden", lambda kernel: kernel[:, 0].fill(0))  # which sees no input,
    put(model, "side", lambda kernel: kernel[:, 0].fill(0))  # nor another unit.
    assert found(model) == {
        ("disconnected_outputs", "answer", 1),
        ("zero_columns", "hidden", 1),
        ("zero_columns", "side", 1),
    }


def test_rows_and_columns_of_zeros_are_counted():
    model = network()
    put(model, "hidden", lambda kernel: kernel[1:3].fill(0))
    put(model, "answer", lambda kernel: kernel[4].fill(0))
    assert found(model) == {("zero_rows", "hidden", 2), ("zero_rows", "answer", 1)}


def test_findings_are_data_with_a_remedy():
    model = network()
    put(model, "side", lambda kernel: kernel.fill(0))
    (finding,) = inspect_sparsity(model)
    assert isinstance(finding, SparsityFinding)
    assert finding.breaks
    assert "skip=['side']" in finding.remedy


def test_of_a_subclassed_model_the_last_layer_is_looked_at():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.Dense(3, name="first"), layers.Dense(2, name="last")

        def call(self, inputs):
            return self.last(self.first(inputs))

    model = Own()
    model(np.ones((1, 4), "float32"))
    kernel, bias = model.last.get_weights()
    kernel[:, 1] = 0
    model.last.set_weights([kernel, bias])
    assert ("disconnected_outputs", "last", 1) in found(model)
