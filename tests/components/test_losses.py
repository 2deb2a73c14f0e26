import keras
import numpy as np
import pytest

from denselab.components import SmoothedSparseCategoricalCrossentropy
from denselab.errors import UsageError


def rows_and_labels():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20, 5)).astype("float32")
    return logits, generator.integers(5, size=20)


def value(loss, labels, predictions):
    return float(keras.ops.convert_to_numpy(loss(labels, predictions)))


def test_it_has_the_value_computed_by_hand():
    # -(0.9 ln 0.8 + 0.1 (ln 0.8 + 2 ln 0.1) / 3) = 0.20083 + 0.00744 + 0.15351
    loss = SmoothedSparseCategoricalCrossentropy(0.1)

    assert value(loss, np.array([0]), np.array([[0.8, 0.1, 0.1]])) == pytest.approx(
        0.36177, abs=1e-5
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("from_logits", [True, False], ids=["logits", "probabilities"])
def test_it_is_keras_loss_of_one_hot_labels(smoothing, from_logits):
    predictions, labels = rows_and_labels()
    if not from_logits:
        predictions = np.exp(predictions) / np.exp(predictions).sum(axis=1, keepdims=True)
    options = {"label_smoothing": smoothing, "from_logits": from_logits}
    ours = value(SmoothedSparseCategoricalCrossentropy(**options), labels, predictions)
    one_hot = np.eye(5, dtype="float32")[labels]
    stock = value(keras.losses.CategoricalCrossentropy(**options), one_hot, predictions)

    assert ours == pytest.approx(stock, rel=1e-6)


def test_without_smoothing_it_is_the_sparse_loss():
    logits, labels = rows_and_labels()
    ours = SmoothedSparseCategoricalCrossentropy(0.0, from_logits=True)
    stock = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    assert value(ours, labels, logits) == pytest.approx(value(stock, labels, logits), rel=1e-6)


def test_a_column_of_labels_does_as_well():
    logits, labels = rows_and_labels()
    loss = SmoothedSparseCategoricalCrossentropy(0.1, from_logits=True)

    assert value(loss, labels[:, None], logits) == value(loss, labels, logits)


def test_compiled_and_eager_agree(compiled):
    logits, labels = map(keras.ops.convert_to_tensor, rows_and_labels())
    loss = SmoothedSparseCategoricalCrossentropy(0.1, from_logits=True)
    program = compiled(lambda y, x: loss(y, x))
    actual = float(keras.ops.convert_to_numpy(program(labels, logits)))

    assert actual == pytest.approx(value(loss, labels, logits), rel=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.5])
def test_a_share_out_of_range_is_refused_with_the_remedy(smoothing):
    with pytest.raises(UsageError, match="give a share from 0 to 1"):
        SmoothedSparseCategoricalCrossentropy(smoothing)


def test_class_weights_are_those_of_fit():
    logits, labels = rows_and_labels()
    factors = [0.5, 2.0, 1.0, 0.0, 3.0]
    loss = SmoothedSparseCategoricalCrossentropy(0.1, class_weight=factors, from_logits=True)
    plain = SmoothedSparseCategoricalCrossentropy(0.1, from_logits=True, reduction="none")
    each = keras.ops.convert_to_numpy(plain(labels, logits))

    by_hand = np.mean(np.array(factors)[labels] * each)
    assert value(loss, labels, logits) == pytest.approx(by_hand, rel=1e-6)


def test_class_weights_are_saved_with_the_loss():
    loss = SmoothedSparseCategoricalCrossentropy(0.0, class_weight=[1.0, 2.0])

    assert type(loss).from_config(loss.get_config()).class_weight == [1.0, 2.0]


def test_negative_class_weights_are_refused():
    with pytest.raises(UsageError, match="factor of at least 0 a class"):
        SmoothedSparseCategoricalCrossentropy(class_weight=[1.0, -1.0])
