import keras
import numpy as np
import pytest

from denselab.doctor import Request, gather
from denselab.doctor.checks.starts import _BENT, _size_after
from denselab.doctor.facts.entries import read_entry
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.layers import activation_name, read_layer
from denselab.doctor.facts.losses import read_loss, read_metric
from denselab.doctor.facts.network import activation_after, hidden, next_layers, read_network
from denselab.doctor.facts.optimizer import read_optimizer
from denselab.doctor.facts.plan import read_plan
from denselab.doctor.facts.rows import shared_rows
from denselab.doctor.facts.tables import SAMPLED_VALUES, evenly_spaced, measure

layers = keras.layers


def table(values, name="y"):
    return measure(name, np.asarray(values))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 1, 0], "classes"),
        ([[0], [2], [1]], "classes"),
        ([0.5, 1.0], "values"),
        (np.arange(500), "values"),
        (np.arange(500) % 30, "classes"),
        (np.eye(3), "one-hot"),
        ([[0, 1, 1], [1, 0, 0]], "multi-hot"),
        ([[0.25, 0.75], [0.5, 0.5]], "shares"),
        ([[0.2, 0.9], [0.5, 0.5]], "values"),
        ([[-1.0, 1.0], [1.0, -1.0]], "values"),
    ],
)
def test_targets_are_told_apart(values, kind):
    assert target_kind(table(values)) == kind


def test_every_column_of_large_data_is_measured_on_evenly_spaced_rows():
    array = np.arange(3 * SAMPLED_VALUES, dtype="float32").reshape(-1, 2)
    measured = table(array)

    assert measured.sample.size <= SAMPLED_VALUES
    assert (measured.minimum, measured.maximum) == (array.min(), array.max())
    # Evenly spaced rows of an even series have its mean, up to half a spacing of three rows.
    np.testing.assert_allclose(measured.means, array.mean(axis=0, dtype="float64"), atol=3)


def test_a_single_nan_in_a_row_that_was_not_sampled_is_seen():
    array = np.zeros((SAMPLED_VALUES, 2), "float32")
    array[7, 1] = np.nan

    assert 7 not in evenly_spaced(len(array), SAMPLED_VALUES // 2)
    assert not table(array).finite


@pytest.mark.parametrize(("rows", "split"), [(10, 0.0), (10, 0.33), (101, 0.2)])
def test_rows_and_updates_are_those_that_fit_would_make(rows, split):
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    arguments = {"batch_size": 1, "epochs": 2, "validation_split": split}
    plan = read_plan(arguments, rows, model)
    x = np.zeros((rows, 1), "float32")
    model.fit(x, x, verbose=0, **arguments)

    # With batches of one row, updates count the rows.
    assert plan.updates == 2 * plan.rows == int(model.optimizer.iterations)


@pytest.mark.parametrize(("rows", "last"), [(963, 3), (959, 31), (64, 32), (7, 7)])
def test_the_last_batch_has_what_is_left(rows, last):
    assert read_plan({"batch_size": 32}, rows, None).last_batch == last


def test_a_signal_keeps_its_size_where_theory_says_so():
    # He et al., 2015: half of the second moment passes a relu. Klambauer et al., 2017: SELU keeps 1.
    assert _size_after(_BENT["relu"], 2.0) == pytest.approx(2 * 0.5**0.5, rel=1e-12)
    assert _size_after(_BENT["linear"], 3.0) == pytest.approx(3)
    # The kink of SELU at 0 costs quadrature some digits; the constants are given to five.
    assert _size_after(_BENT["selu"], 1.0) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", sorted(_BENT))
def test_activations_are_those_of_keras(name):
    z = np.linspace(-3, 3, 41).astype("float32")
    ours = _BENT[name](z)
    theirs = keras.ops.convert_to_numpy(keras.activations.get(name)(keras.ops.convert_to_tensor(z)))

    # The constants of SELU are given to five digits.
    np.testing.assert_allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize(
    ("given", "family", "from_logits"),
    [
        ("mse", "regression", False),
        ("MeanSquaredError", "regression", False),
        (keras.losses.mean_absolute_error, "regression", False),
        ("sparse_categorical_crossentropy", "sparse", False),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "sparse", True),
        (keras.losses.CategoricalFocalCrossentropy(), "categorical", False),
        (keras.losses.binary_crossentropy, "binary", False),
        (keras.losses.BinaryFocalCrossentropy(from_logits=True), "binary", True),
        ("kld", "divergence", False),
        ("hinge", "hinge", False),
        (lambda y, p: p, "custom", False),
    ],
)
def test_losses_are_known_however_they_are_given(given, family, from_logits):
    loss = read_loss(given)

    assert (loss.family, loss.from_logits) == (family, from_logits)


def test_a_metric_is_known_however_it_is_given():
    assert read_metric("accuracy").kind == "accuracy"
    assert read_metric("Accuracy").kind == "Accuracy"
    assert read_metric(keras.metrics.Accuracy(name="a")).kind == "Accuracy"
    assert read_metric(keras.metrics.BinaryAccuracy()).threshold == 0.5


def test_activations_are_known_as_text_function_layer_and_alias():
    found = [activation_name(a) for a in ("swish", None, keras.ops.relu, layers.LeakyReLU())]

    assert found[1:] == ["linear", "relu", "leaky_relu"]
    assert read_layer(layers.Dense(2, "swish"), index=0, sources=()).activation == "silu"


@pytest.mark.parametrize(
    ("initializer", "name"),
    [
        ("he_normal", "HeNormal"),
        (keras.initializers.VarianceScaling(2.0, "fan_in"), "HeNormal"),
        (keras.initializers.VarianceScaling(1.0, "fan_in"), "LecunNormal"),
        ("zeros", "Zeros"),
    ],
)
def test_initializers_are_known_by_what_they_draw(initializer, name):
    layer = layers.Dense(2, kernel_initializer=initializer)

    assert read_layer(layer, index=0, sources=()).initializer == name


def test_what_bends_a_layer_may_come_layers_later():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, name="first"),
            layers.BatchNormalization(),
            layers.Dropout(0.1),
            layers.Activation("tanh"),
            layers.Dense(2, name="last"),
        ]
    )
    network = read_network(model)
    first, last = (next(x for x in network.layers if x.name == name) for name in ("first", "last"))

    assert activation_after(network, first) == "tanh"
    assert activation_after(network, last) == "linear"
    assert hidden(network) == (first,)
    assert [layer.kind for layer in next_layers(network, first)] == ["BatchNormalization"]


def test_inputs_are_measured_behind_layers_that_scale():
    x = np.random.default_rng(0).normal(50, 10, (300, 3)).astype("float32")
    normalization = layers.Normalization()
    normalization.adapt(x)
    model = keras.Sequential(
        [keras.Input((3,)), normalization, layers.Rescaling(2, 1), layers.Dense(1)]
    )
    network = read_network(model)
    entry = read_entry("x", table(x, "x"), network, network.layers[0])

    np.testing.assert_allclose(entry.means, 1, atol=1e-4)
    np.testing.assert_allclose(entry.deviations, 2, rtol=1e-4)
    assert entry.fixed == (normalization.name, model.layers[1].name)


def test_a_schedule_has_the_length_and_the_highest_rate_it_was_given():
    schedule = keras.optimizers.schedules.CosineDecay(0.0, 90, warmup_target=0.2, warmup_steps=10)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    found = read_optimizer(keras.optimizers.SGD(schedule, momentum=0.9), model)

    assert (found.schedule.length, found.schedule.warmup, found.rate) == (100, 10, 0.2)
    assert (found.momentum, found.family) == (0.9, "sgd")


def test_shared_rows_are_counted_whatever_their_precision():
    x = np.random.default_rng(0).normal(size=(100, 3)).astype("float32")
    other = np.concatenate([x[:30], x[:10] + 1]).astype("float64")

    assert shared_rows(table(x), table(other)) == (30, 40, 0.0)


def test_gathering_reads_heads_entries_optimizer_and_plan():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "softmax", name="last")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    setup, reasons = gather(Request(model, np.ones((9, 3)), np.zeros(9), {"epochs": 2}))

    assert reasons == ()
    assert (setup.heads[0].layer, setup.heads[0].activation, setup.heads[0].units) == (
        "last",
        "softmax",
        2,
    )
    assert setup.optimizer is not None
    assert setup.optimizer.kind == "Adam"
    assert setup.plan is not None
    assert (setup.plan.epochs, setup.plan.batches, setup.plan.batch_size) == (2, 1, 32)


def test_rows_that_agree_in_the_columns_compared_first_are_compared_in_full():
    x = np.zeros((50, 4000), "float32")
    x[:, 7] = np.arange(50)
    other = x.copy()
    other[5:, 7] += 100

    assert shared_rows(table(x), table(other))[:2] == (5, 50)
