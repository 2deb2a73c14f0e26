import warnings

import keras
import numpy as np
import pytest

from denselab.doctor import CHECKS, Doctor, DoctorWarning, check_population, observe
from denselab.errors import UsageError

L = keras.layers
LOGITS = keras.losses.SparseCategoricalCrossentropy
X = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
Y = (np.tanh(X @ np.random.default_rng(1).normal(size=(8, 3)))).argmax(axis=1)
STEP = 6


class Inject(keras.callbacks.Callback):
    """Changes the weights of a layer after a step."""

    def __init__(self, layer, change):
        super().__init__()
        self.layer, self.change, self.steps = layer, change, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == STEP:
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            layer = self.model.get_layer(self.layer)
            kernel, bias = (np.array(weight) for weight in layer.get_weights())
            layer.set_weights(self.change(kernel, bias))


class Root(L.Layer):
    def call(self, x):
        return keras.ops.sqrt(x + 0.5)


def network(*, activation="relu", start="he_normal", extra=None, optimizer=None, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((8,))]
    for number in (1, 2, 3, 4):
        layers.append(L.Dense(16, activation, kernel_initializer=start, name=f"hidden_{number}"))
        if number == 2 and extra is not None:
            layers.append(extra())
    model = keras.Sequential([*layers, L.Dense(3, name="last")])
    optimizer = optimizer or keras.optimizers.SGD(0.01)
    model.compile(optimizer, LOGITS(from_logits=True), metrics=["accuracy"])
    return model


def trained(model, *callbacks, epochs=2, doctor=None, **options):
    doctor = doctor or Doctor(X, Y, every=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DoctorWarning)
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[*callbacks, doctor], **options)
    return doctor


def said(doctor):
    findings = doctor.diagnosis.findings
    return {(one.id, one.layer) for one in findings if one.severity != "note"}


def spoilt(kernel, bias):
    kernel[0, 0] = np.nan
    return [kernel, bias]


def test_the_layer_whose_outputs_are_not_finite_is_named():
    doctor = trained(network(activation="elu", extra=lambda: Root(name="root")))

    assert ("values-not-finite", "root") in said(doctor)


@pytest.mark.backends
def test_where_nan_began_is_found_by_rehearsal():
    doctor = Doctor(X, Y, every=100)

    trained(network(optimizer=keras.optimizers.SGD(1e8)), doctor=doctor, epochs=1)

    [finding] = doctor.diagnosis.errors
    assert finding.id == "values-not-finite"
    assert finding.layer is not None
    assert finding.step in range(1, 9)


@pytest.mark.backends
def test_the_training_goes_on_to_the_same_bytes():
    weights = []
    for watched in (False, True):
        keras.utils.set_random_seed(3)
        layers = [L.Dense(8, "relu"), L.BatchNormalization(), L.Dropout(0.3), L.Dense(3)]
        model = keras.Sequential([keras.Input((8,)), *layers])
        model.compile("adam", LOGITS(from_logits=True))
        callbacks = [Doctor(X, Y, every=3)] if watched else []
        model.fit(X, Y, epochs=2, verbose=0, callbacks=callbacks)
        state = [*model.variables, *model.optimizer.variables]
        weights.append([keras.ops.convert_to_numpy(value).tobytes() for value in state])

    assert weights[0] == weights[1]


def healthy_layers(name):
    if name == "batch norm":
        kinds = (lambda: L.Dense(32, use_bias=False), L.BatchNormalization, L.ReLU)
        return [kind() for _ in range(3) for kind in kinds]
    kinds = {"relu": ("he_normal", 2), "selu": ("lecun_normal", 8), "tanh": ("glorot_uniform", 2)}
    start, depth = kinds[name]
    return [L.Dense(32, name, kernel_initializer=start) for _ in range(depth)]


@pytest.mark.parametrize(
    ("name", "values"), [("relu", True), ("selu", False), ("tanh", False), ("batch norm", False)]
)
def test_a_healthy_training_gives_no_error_and_no_warning(name, values):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), *healthy_layers(name), L.Dense(1 if values else 3)]
    )
    model.compile("adam", "mse" if values else LOGITS(from_logits=True))
    y = X.sum(axis=1) if values else Y
    doctor = Doctor(X, y, every=20)

    model.fit(X, y, epochs=15, verbose=0, validation_split=0.2, callbacks=[doctor])

    assert said(doctor) == set()
    assert doctor.diagnosis.not_looked_at == ()


def test_a_run_that_learns_nothing_is_named():
    model = network(optimizer=keras.optimizers.SGD(1e-12))

    doctor = trained(model, epochs=14)

    assert {"weights-still"} <= {name for name, _ in said(doctor)}


def test_it_warns_once_and_stops_when_asked():
    doctor = Doctor(X, Y, every=1, on_fault="stop")
    model = network()

    with pytest.warns(DoctorWarning, match="values-not-finite.*hidden_3"):
        history = model.fit(
            X, Y, epochs=9, verbose=0, callbacks=[Inject("hidden_3", spoilt), doctor]
        )

    assert len(history.history["loss"]) == 1
    assert len(doctor.diagnosis.errors) == 1


def test_a_silenced_check_says_nothing():
    doctor = Doctor(X, Y, every=1, silence=["values-not-finite", "loss-not-finite"])

    assert trained(network(), Inject("hidden_3", spoilt), doctor=doctor).diagnosis.errors == ()


@pytest.mark.backends
def test_records_hold_one_row_a_check_and_layer():
    doctor = trained(network(), doctor=Doctor(X, Y, every=8), epochs=1)

    rows = doctor.records
    assert sorted({row["step"] for row in rows}) == [0, 1, 2, 4, 8]
    assert [row["layer"] for row in rows[:5]] == [*(f"hidden_{n}" for n in (1, 2, 3, 4)), "last"]
    assert rows[0]["update"] is None
    assert rows[-1]["update"] > 0
    assert all(row["gradient"] > 0 and 0 <= row["dead"] <= 1 for row in rows)


@pytest.mark.backends
def test_gradients_and_outputs_are_those_of_a_loop_by_hand():
    model = keras.Sequential([keras.Input((2,)), L.Dense(2, "tanh"), L.Dense(1)])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 2)).astype("float32"), rng.normal(size=5).astype("float32")
    kernel, bias, last, offset = model.get_weights()

    rows = observe(model, x, y)

    hidden = np.tanh(x @ kernel + bias)
    error = 2 * (hidden @ last + offset - y[:, None]) / 5
    signal = error @ last.T
    slope = x.T @ (signal * (1 - hidden**2))
    assert rows[0]["mean"] == pytest.approx(hidden.mean(), rel=1e-5)
    assert rows[0]["deviation"] == pytest.approx(hidden.std(), rel=1e-5)
    assert rows[0]["signal"] == pytest.approx(np.linalg.norm(signal), rel=1e-5)
    assert rows[0]["gradient"] == pytest.approx(np.linalg.norm(slope), rel=1e-5)
    assert rows[1]["gradient"] == pytest.approx(np.linalg.norm(hidden.T @ error), rel=1e-5)


def test_without_data_weights_are_looked_at_and_the_rest_is_said():
    doctor = trained(network(), Inject("hidden_3", spoilt), doctor=Doctor(every=1))

    assert ("values-not-finite", "hidden_3") in said(doctor)
    assert "outputs and gradients: no x was given" in doctor.diagnosis.not_looked_at


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = L.Dense(4, "relu"), L.Dense(3)

    def call(self, x):
        return self.last(self.first(x))


@pytest.mark.backends
def test_strange_models_are_trained_on_and_what_was_not_seen_is_said():
    model = Subclassed()
    model.compile("adam", LOGITS(from_logits=True))

    doctor = trained(model, epochs=1)

    assert any("no graph" in reason for reason in doctor.diagnosis.not_looked_at)
    assert len(model.get_weights()) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "every is 0; give a whole number of steps"),
        ({"on_fault": "cry"}, "on_fault is 'cry'; give 'warn' or 'stop'"),
        ({"silence": ["deadness"]}, "no check 'deadness' while training; give one of .*units-dead"),
    ],
)
def test_wrong_arguments_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        Doctor(X, Y, **options)


def test_members_of_a_population_are_checked_by_their_traces():
    members = [type("Member", (), {"seed": 1, "trace": {"loss": np.array([1.0, 0.5, 20.0])}})]

    assert [one.id for one in check_population(members)[1]] == ["loss-explodes"]


def test_every_kind_of_check_is_in_the_table():
    assert {check.card.kind for check in CHECKS} == {"static", "probe", "dynamic"}
