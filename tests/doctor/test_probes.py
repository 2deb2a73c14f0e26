import keras
import numpy as np
import pytest

from denselab.doctor import Request, diagnose, gather, observe, probe
from denselab.doctor.watching.baseline import constant_loss, constant_losses
from denselab.doctor.watching.relation import relation
from denselab.errors import UsageError

L = keras.layers
SPARSE = "sparse_categorical_crossentropy"
X = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
Y = np.tanh(X @ np.random.default_rng(1).normal(size=(8, 3))).argmax(axis=1)
VALUES = (X @ np.linspace(-1, 1, 8)).astype("float32")


def model_of(*hidden, ending=("softmax", 3), loss=SPARSE):
    keras.utils.set_random_seed(0)
    layers = [make() for make in hidden]
    end = L.Dense(ending[1], ending[0], name="last")
    model = keras.Sequential([keras.Input((8,)), *layers, end])
    model.compile("adam", loss)
    return model


def dense(units=32, activation="relu", start="he_normal", **options):
    return lambda: L.Dense(units, activation, kernel_initializer=start, **options)


# Models that are ill stand in tests/patients/tried.py.


def loud(diagnosis):
    return {(one.id, one.layer) for one in (*diagnosis.errors, *diagnosis.warnings)}


HEALTHY = {
    "relu": (lambda: model_of(dense(), dense()), X, Y),
    "batch norm and dropout": (
        lambda: model_of(
            *[dense(use_bias=False), L.BatchNormalization, lambda: L.Dropout(0.5, seed=1)] * 3
        ),
        X,
        Y,
    ),
    "selu": (lambda: model_of(*[dense(64, "selu", "lecun_normal")] * 10), X, Y),
    "values": (lambda: model_of(dense(), ending=(None, 1), loss="mse"), X, VALUES),
    "no hidden layer": (lambda: model_of(), X, Y),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_gives_no_error_and_no_warning(name):
    build, x, y = HEALTHY[name]

    diagnosis = probe(build(), x, y)

    assert loud(diagnosis) == set()
    assert diagnosis.not_looked_at == ()


@pytest.mark.backends
def test_nothing_is_changed():
    model = model_of(dense(), L.BatchNormalization, lambda: L.Dropout(0.5, seed=1))
    model.fit(X, Y, epochs=1, verbose=0)

    def state():
        generator = keras.src.random.seed_generator.global_seed_generator().state
        seeds = [one.seed_generator.state for one in model.layers if hasattr(one, "seed_generator")]
        variables = [*model.variables, *model.optimizer.variables, *seeds, generator]
        arrays = [np.asarray(keras.ops.convert_to_numpy(one)).tobytes() for one in variables]
        return arrays, np.random.get_state()[1].tobytes(), model.train_function, model.loss

    before = state()

    first, second = (probe(model, X, Y, steps=50) for _ in range(2))

    assert state() == before
    assert first == second


def test_a_new_model_stays_unbuilt_in_loss_and_optimizer():
    model = model_of(dense())

    probe(model, X, Y, steps=20)

    assert not model._compile_loss.built
    assert not model.optimizer.built


def test_what_cannot_be_probed_is_said():
    model = keras.Sequential([keras.Input((8,)), L.Dense(3)])

    assert any("the probes: they need a loss" in one for one in probe(model, X, Y).not_looked_at)


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match=r"model is a str; give a keras\.Model"):
        probe("model", X, Y)
    with pytest.raises(UsageError, match=r"no probe 'loss' to silence; give one of .*loss-at-st"):
        probe(model_of(), X, Y, silence=["loss"])
    with pytest.raises(UsageError, match="nothing to observe; give a built model"):
        observe(keras.Sequential([L.Dense(3)]), X)


ops = keras.ops


def squares(y, outputs):
    return ops.mean(ops.square(y - outputs), axis=-1)


def pinball(y, outputs):
    return ops.mean(ops.maximum(0.9 * (y - outputs), 0.1 * (outputs - y)), axis=-1)


def focal(y, outputs):
    right = ops.take_along_axis(outputs, ops.cast(y, "int32"), axis=-1)
    return -ops.square(1 - right) * ops.log(right + 1e-7)


def cut(y, outputs):
    return squares(y, outputs) * ops.stop_gradient(1 + ops.mean(ops.abs(y - outputs), axis=-1))


def rounded(y, outputs):
    return squares(y, ops.round(4 * outputs) / 4)


@pytest.mark.backends
@pytest.mark.parametrize(
    ("loss", "ending", "y", "wrong"),
    [
        (squares, (None, 1), VALUES, False),
        (pinball, (None, 1), VALUES, False),
        (focal, ("softmax", 3), Y, False),
        (cut, (None, 1), VALUES, True),
        (rounded, (None, 1), VALUES, True),
    ],
    ids=["squares", "pinball", "focal", "cut", "rounded"],
)
def test_the_gradient_of_a_loss_of_ones_own_is_held_against_its_values(loss, ending, y, wrong):
    silence = ["batch-cannot-be-overfitted"]

    found = loud(probe(model_of(dense(), ending=ending, loss=loss), X, y, steps=5, silence=silence))

    assert (("gradient-differs-from-slope", None) in found) == wrong


@pytest.mark.parametrize("part", ["training", "validation"])
def test_rows_that_were_shuffled_without_their_labels_are_found_in_either_part(part):
    mixed = np.random.default_rng(5).permutation(Y)
    train, held = (mixed, Y) if part == "training" else (Y, mixed)

    diagnosis = diagnose(
        model_of(dense()), X, train, validation_data=(X + np.float32(1e-3), held), probe=True
    )

    found = [one for one in diagnosis.warnings if one.id == "targets-unrelated-to-inputs"]
    assert [f"200 {part} rows" in one.evidence for one in found] == [True]


def test_a_relation_is_not_missed_where_no_column_alone_shows_it():
    x = np.random.default_rng(0).normal(size=(400, 20))
    bent = {"product": x[:, 0] * x[:, 1], "square": x[:, 0] ** 2, "wave": np.cos(2 * x[:, 0])}

    for name, y in bent.items():
        assert relation(x, y[:, None], classes=False).p <= 0.01, name


def test_of_unrelated_rows_few_are_called_related():
    draws = (np.random.default_rng(seed) for seed in range(30))
    related = [
        relation(d.normal(size=(200, 5)), d.integers(0, 3, (200, 1)), classes=True).p <= 0.01
        for d in draws
    ]

    # Five ways at 1 % each: 7 of 30 or more come by chance once in 2,000 times.
    assert sum(related) < 7


@pytest.mark.parametrize(
    ("loss", "y", "constant"),
    [
        ("huber", VALUES, 0.5 * np.var(VALUES)),
        ("log_cosh", VALUES, 0.5 * np.var(VALUES)),
        ("msle", np.exp(VALUES) - 1 + 1e-3 * (VALUES > 9), np.var(VALUES)),
    ],
)
def test_the_best_constant_of_losses_of_values_is_near_that_of_squares(loss, y, constant):
    [head] = gather(Request(model_of(ending=(None, 1), loss=loss), X, y))[0].heads

    least = constant_loss((head,))

    # Distances grow more slowly than squares where they are large.
    assert 0.4 * constant < least <= 1.001 * constant


def test_a_first_loss_below_that_of_a_constant_is_a_note():
    model = model_of(dense(), ending=(None, 1), loss="mse")
    model.fit(X, VALUES, epochs=60, verbose=0)
    model.compile("adam", "mse")

    diagnosis = probe(model, X, VALUES, steps=5, silence=["batch-cannot-be-overfitted"])

    [finding] = [one for one in diagnosis.findings if one.id == "loss-at-start"]
    assert finding.severity == "note"
    assert "a constant prediction's" in finding.evidence


def test_values_far_from_0_ask_for_a_last_bias():
    model = model_of(dense(), ending=(None, 1), loss="mse")

    found = {one.id: one for one in probe(model, X, VALUES + 20, steps=5).findings}

    assert "have mean 19.97 and" in found["bias-not-at-base-rate"].evidence


def test_losses_of_several_outputs_are_added_with_their_weights():
    inputs = keras.Input((8,))
    ends = [L.Dense(1, name="a")(inputs), L.Dense(3, "softmax", name="b")(inputs)]
    model = keras.Model(inputs, ends)
    model.compile("adam", ["mse", SPARSE], loss_weights=[0.5, 2.0])
    heads = gather(Request(model, X, [VALUES, Y]))[0].heads

    total = constant_losses(heads, (0.5, 2.0))

    shares = np.bincount(Y) / len(Y)
    assert total == pytest.approx(
        0.5 * VALUES.var() - 2 * (shares * np.log(shares)).sum(), rel=1e-4
    )
