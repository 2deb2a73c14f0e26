import keras
import pytest

from denselab.errors import UsageError
from denselab.uncertainty.outputs import LogitRecorder, read_outputs

layers = keras.layers
pytestmark = pytest.mark.backends


def chain(*parts):
    return keras.Sequential([keras.Input((6,)), *parts])


def functional(part):
    inputs = keras.Input((6,))
    return keras.Model(inputs, part(inputs))


SOFTMAX = ("probabilities", "probabilities")


@pytest.mark.parametrize(
    ("model", "columns"),
    [
        (chain(layers.Dense(3, activation="softmax")), 3),
        (chain(layers.Dense(3), layers.Activation("softmax")), 3),
        (chain(layers.Dense(3), layers.Softmax()), 3),
        (functional(layers.Dense(3, activation="softmax")), 3),
        (chain(chain(layers.Dense(3, activation="softmax"))), 3),
        (functional(chain(layers.Dense(3, activation="softmax"))), 3),
        (chain(layers.Dense(1, activation="sigmoid")), 1),
    ],
    ids=[
        "Dense",
        "Activation",
        "Softmax",
        "functional",
        "nested",
        "nested in functional",
        "one sigmoid",
    ],
)
def test_a_last_softmax_or_sigmoid_means_probabilities(model, columns):
    assert read_outputs(model, "auto", columns).outputs == "probabilities"


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "logits"),
        (keras.losses.BinaryCrossentropy(from_logits=True), "logits"),
        (keras.losses.CategoricalCrossentropy(), "probabilities"),
        ("sparse_categorical_crossentropy", "probabilities"),
        ("mse", "values"),
        (keras.losses.Huber(), "values"),
    ],
    ids=["logits", "binary logits", "cross-entropy", "by name", "mse", "Huber"],
)
def test_a_linear_end_means_what_the_loss_says(loss, expected):
    model = chain(layers.Dense(3))
    model.compile(loss=loss)
    assert read_outputs(model, "auto", 3).outputs == expected


@pytest.mark.parametrize(
    "model",
    [
        chain(layers.Dense(3)),
        chain(layers.Dense(3, activation="sigmoid")),
        chain(layers.Dense(1, activation="softmax")),
    ],
    ids=["linear, not compiled", "several sigmoids", "softmax over one output"],
)
def test_what_cannot_be_told_is_asked(model):
    with pytest.raises(UsageError, match="give outputs='logits', 'probabilities' or 'values'"):
        read_outputs(model, "auto", model.output_shape[1])


def test_the_caller_knows_better():
    model = chain(layers.Dense(3, activation="softmax"))
    assert read_outputs(model, "values", 3).outputs == "values"


def test_means_and_variances_come_in_pairs():
    with pytest.raises(UsageError, match="even number"):
        read_outputs(chain(layers.Dense(3)), "mean_and_log_variance", 3)


def test_a_recorder_knows_the_logits_of_its_own_outputs_only():
    recorder = LogitRecorder(lambda x: x + 1)
    outputs = recorder(1000.5)
    assert recorder.logits_of(outputs) == 1000.5
    assert recorder.logits_of(1001.5 + 0.0) is None
