"""Every way to answer with a model is measured, or says why not; no test looks at the times themselves."""

import sys

import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.sparsity.measuring import measure

layers = keras.layers


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(300, 8)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    hidden = [layers.Dense(16, "relu"), layers.BatchNormalization(), layers.Dropout(0.5)]
    net = keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(3, "softmax")])
    kernel, *others = net.get_weights()
    net.set_weights([np.where(np.abs(kernel) > 0.2, kernel, 0), *others])
    return net


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((8,)), layers.Dense(4), layers.Dense(3, "softmax")])


@pytest.fixture(scope="module")
def found(model, rows, small):
    labels = model.predict(rows, verbose=0).argmax(axis=1)
    labels[:30] = (labels[:30] + 1) % 3
    return measure(model, rows, labels, shrunk=small, batch_sizes=(1, 5), rounds=2)


def test_all_ways_are_measured_at_all_batch_sizes(found):
    names = ["keras", "onnx", "onnx_int8", "csr", "shrunk_keras", "shrunk_onnx"]

    assert [way.name for way in found.ways] == names
    assert [way.not_measured for way in found.ways] == [None] * 6
    assert {tuple(one.batch for one in way.latencies) for way in found.ways} == {(1, 5)}
    assert {len(one.rounds) for way in found.ways for one in way.latencies} == {2}


def test_parameters_and_zeros_are_counted(found, model, small):
    weights = model.get_weights()

    assert found.way("keras").parameters == model.count_params()
    assert found.way("csr").nonzero == sum(int((weight != 0).sum()) for weight in weights)
    assert found.way("shrunk_onnx").parameters == small.count_params()


def test_ways_that_compute_the_same_have_the_same_accuracy(found):
    assert [found.way(name).score for name in ("keras", "onnx", "csr")] == [0.9] * 3
    assert found.metric == "accuracy"


def test_dead_units_are_removed_without_being_asked(rows):
    dying = keras.Sequential([keras.Input((8,)), layers.Dense(6, "relu"), layers.Dense(3)])
    kernel, *others = dying.get_weights()
    kernel[:, :4] = 0
    dying.set_weights([kernel, *others])
    found = measure(dying, rows, np.zeros((300, 3)), batch_sizes=(1,), rounds=1)

    assert found.way("shrunk_keras").parameters == (8 * 2 + 2) + (2 * 3 + 3)
    assert found.way("shrunk_onnx").score == pytest.approx(found.way("keras").score, rel=1e-5)


def test_a_model_whose_units_all_live_has_no_shrunk_row(rows):
    alive = keras.Sequential([keras.Input((8,)), layers.Dense(6, "relu"), layers.Dense(3)])

    names = [way.name for way in measure(alive, rows, batch_sizes=(1,), rounds=1).ways]
    assert names == ["keras", "onnx", "onnx_int8", "csr"]


def test_int8_has_an_accuracy_and_a_size_of_its_own(model, rows):
    wide = keras.Sequential([keras.Input((8,)), layers.Dense(512, "relu"), layers.Dense(512)])
    scored = measure(wide, rows, np.zeros((300, 512)), batch_sizes=(1,), rounds=1)
    full, int8 = scored.way("onnx"), scored.way("onnx_int8")

    assert int8.file_bytes < full.file_bytes / 3
    assert int8.score != full.score
    assert int8.score == pytest.approx(full.score, rel=0.1)


def test_a_packed_file_is_the_smaller_of_the_two():
    wide = keras.Sequential([keras.Input((200,)), layers.Dense(200)])
    wide.set_weights([0 * weight for weight in wide.get_weights()])
    way = measure(wide, np.ones((1, 200)), batch_sizes=(1,), rounds=1).way("keras")

    assert way.packed_bytes < way.file_bytes / 10


def test_the_state_of_the_optimizer_counts_for_no_size(rows):
    def sizes(net):
        way = measure(net, rows, batch_sizes=(1,), rounds=1).way("keras")
        return way.file_bytes, way.packed_bytes

    net = keras.Sequential([keras.Input((8,)), layers.Dense(100), layers.Dense(100)])
    before = sizes(net)
    net.compile("adam", "mse")
    net.optimizer.build(net.trainable_variables)

    assert sizes(net) == pytest.approx(before, rel=0.01)


def test_floats_are_scored_by_the_root_mean_squared_error():
    line = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    line.set_weights([np.array([[2.0]]), np.array([0.0])])
    x = np.array([[0.0], [1.0], [2.0]])
    found = measure(line, x, np.array([3.0, 2.0, 0.0]), batch_sizes=(1,), rounds=1)

    assert found.metric == "rmse"
    assert found.way("onnx").score == pytest.approx(np.sqrt((9 + 0 + 16) / 3))


def test_one_column_of_probabilities_is_scored_by_its_classes():
    two = keras.Sequential([keras.Input((1,)), layers.Dense(1, "sigmoid")])
    two.set_weights([np.array([[1.0]]), np.array([0.0])])
    found = measure(two, [[-1.0], [1.0], [2.0]], [0, 1, 0], batch_sizes=(1,), rounds=1)

    assert found.way("csr").score == pytest.approx(2 / 3)


def test_a_model_that_a_way_does_not_know_says_why(rows):
    x = keras.Input((8,))
    skip = keras.Model(x, layers.Add()([x, layers.Dense(8, "gelu")(x)]))
    found = measure(skip, rows, batch_sizes=(1,), rounds=1)

    assert "knows no" in found.way("csr").not_measured
    assert found.way("csr").latencies == ()
    assert found.way("onnx").latencies


def test_a_layer_without_onnx_is_left_to_keras(rows):
    model = keras.Sequential([keras.Input((8,)), layers.Reshape((8, 1)), layers.Conv1D(2, 2)])
    found = measure(model, rows, batch_sizes=(1,), rounds=1)

    assert [bool(way.latencies) for way in found.ways] == [True, False, False, False]
    assert "(Conv1D)" in found.way("onnx").not_measured


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_a_package_its_ways_say_how_to_get_it(package, model, rows, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    found = measure(model, rows, batch_sizes=(1,), rounds=1)

    for name in ("onnx", "onnx_int8"):
        assert "pip install 'denselab[onnx]'" in found.way(name).not_measured
    assert found.way("keras").latencies


@pytest.mark.backends
def test_keras_is_measured_on_every_backend(model, rows):
    found = measure(
        model, rows, model.predict(rows, verbose=0).argmax(1), batch_sizes=(2,), rounds=1
    )

    assert found.way("keras").score == found.way("onnx").score == 1.0
    assert found.backend == keras.backend.backend()


REFUSED = {
    "no rows": (lambda m, x: measure(m, x[:0]), "at least one"),
    "other rows": (lambda m, x: measure(m, x[:, :3]), r"takes rows of shape \(8,\)"),
    "text": (lambda m, x: measure(m, np.full((2, 8), "a")), r"takes rows of shape \(8,\)"),
    "labels of other rows": (lambda m, x: measure(m, x, [1, 2]), "one class or number a row"),
    "batch size 0": (lambda m, x: measure(m, x, batch_sizes=(0,)), "give sizes from 1 on"),
    "no batch size": (lambda m, x: measure(m, x, batch_sizes=()), "give sizes from 1 on"),
    "no round": (lambda m, x: measure(m, x, rounds=0), "1 round at least"),
    "not built": (lambda m, x: measure(keras.Sequential([layers.Dense(2)]), x), "call it on rows"),
    "no model": (lambda m, x: measure("model.keras", x), "call it on rows"),
    "shrunk for other rows": (
        lambda m, x: measure(m, x, shrunk=keras.Sequential([keras.Input((2,)), layers.Dense(3)])),
        r"takes rows of shape \(2,\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_with_what_to_do(name, model, rows):
    call, match = REFUSED[name]

    with pytest.raises(UsageError, match=match):
        call(model, rows)
