"""Models and data that a diagnosis meets in the wild: it never crashes, and says what it did not see."""

import keras
import numpy as np
import pytest

from denselab.doctor import diagnose

layers = keras.layers
pytestmark = pytest.mark.backends

X = np.random.default_rng(0).normal(size=(60, 6)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(4)])
        self.last = layers.Dense(2)

    def call(self, inputs):
        return self.last(self.inner(inputs))


class Twice(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class Hostile(keras.losses.Loss):
    def call(self, y_true, y_pred):
        raise RuntimeError("no")

    @property
    def name(self):
        raise RuntimeError("no name either")

    @name.setter
    def name(self, value):
        pass


def sequential(*hidden, ending=2):
    return keras.Sequential([keras.Input((6,)), *hidden, layers.Dense(ending)])


def compiled(model, **options):
    model.compile(**{"optimizer": "adam", "loss": "mse", **options})
    return model


def shared():
    inputs, layer = keras.Input((6,)), layers.Dense(6, activation="relu")
    return keras.Model(inputs, layers.Dense(2)(layer(layer(inputs))))


def nested():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(4, activation="relu")])
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(2)(inner(Twice()(inputs))))


def many():
    first, second = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    both = layers.Concatenate()([first, second])
    ends = [layers.Dense(1, name="p")(both), layers.Dense(2, name="q")(both)]
    return keras.Model([first, second], ends)


def odd_fit():
    return {"batch_size": None, "epochs": None, "callbacks": [object(), None], "unknown": 3}


SETUPS = {
    "subclassed": (lambda: compiled(Subclassed()), X, Y),
    "uncompiled": (sequential, X, Y),
    "unbuilt": (lambda: compiled(keras.Sequential([layers.Dense(2)])), X, Y),
    "without layers": (keras.Sequential, X, Y),
    "no loss": (lambda: compiled(sequential(), loss=None), X, Y),
    "loss function": (lambda: compiled(sequential(), loss=lambda y, p: keras.ops.mean(p)), X, Y),
    "hostile loss": (lambda: compiled(sequential(), loss=Hostile()), X, Y),
    "custom layer at the end": (
        lambda: compiled(keras.Sequential([keras.Input((6,)), layers.Dense(2), Twice()])),
        X,
        Y,
    ),
    "lambda activation": (
        lambda: compiled(sequential(layers.Dense(4, activation=lambda x: x * x))),
        X,
        Y,
    ),
    "shared layer": (lambda: compiled(shared()), X, Y),
    "nested": (lambda: compiled(nested()), X, Y),
    "many inputs and outputs": (
        lambda: compiled(many(), loss=["mse", "mae"]),
        [X, X],
        [Y, X[:, :2]],
    ),
    "many inputs, one given": (lambda: compiled(many(), loss=["mse", None]), [X], Y),
    "dictionary": (lambda: compiled(many(), loss={"q": "mse"}), {"a": X, "b": X}, {"q": X[:, :2]}),
    "no targets": (lambda: compiled(sequential()), X, None),
    "generator": (lambda: compiled(sequential()), ((X, Y) for _ in range(2)), None),
    "lists": (lambda: compiled(sequential()), X.tolist(), Y.tolist()),
    "ragged": (lambda: compiled(sequential()), [[1.0], [1.0, 2.0]], [0, 1]),
    "text": (lambda: compiled(sequential()), np.array([["a"] * 6] * 60), Y),
    "no rows": (lambda: compiled(sequential()), X[:0], Y[:0]),
    "one row": (lambda: compiled(sequential()), X[:1], Y[:1]),
    "no axis": (lambda: compiled(sequential()), np.float32(3), None),
    "all NaN": (lambda: compiled(sequential()), np.full_like(X, np.nan), Y),
    "convolution": (
        lambda: compiled(
            keras.Sequential(
                [keras.Input((6, 1)), layers.Conv1D(4, 3), layers.Flatten(), layers.Dense(2)]
            )
        ),
        X[:, :, None],
        Y,
    ),
    "embedding": (
        lambda: compiled(
            keras.Sequential(
                [keras.Input((6,)), layers.Embedding(9, 4), layers.Flatten(), layers.Dense(2)]
            )
        ),
        np.abs(X).astype(int),
        Y,
    ),
    "no weights": (lambda: compiled(keras.Sequential([keras.Input((6,)), layers.Flatten()])), X, X),
}


@pytest.mark.parametrize("name", SETUPS)
def test_it_never_crashes(name):
    build, x, y = SETUPS[name]

    diagnosis = diagnose(build(), x, y, fit_arguments=odd_fit(), validation_data=(x, y))

    assert [reason for reason in diagnosis.not_looked_at if "Error:" in reason] == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("subclassed", "the model has no graph"),
        ("uncompiled", "the model is not compiled"),
        ("unbuilt", "the model is not built"),
        ("loss function", "is not one of Keras"),
        ("custom layer at the end", "the ending of output"),
        ("generator", "x is a generator, which is read once"),
        ("ragged", "x is a list that is no array, such as ragged rows"),
        ("text", "x holds no numbers"),
        ("no targets", "no targets were given"),
    ],
)
def test_what_could_not_be_looked_at_is_said(name, reason):
    build, x, y = SETUPS[name]

    assert any(reason in line for line in diagnose(build(), x, y).not_looked_at)


def test_a_dictionary_of_losses_reaches_the_right_output():
    model = many()
    model.compile("adam", {"p": "binary_crossentropy", "q": "mse"})

    errors = diagnose(model, [X, X], {"p": Y, "q": X[:, :2]}).errors

    assert [(e.id, e.layer) for e in errors] == [("logits-read-as-probabilities", "p")]


def test_layers_inside_models_are_looked_at():
    inner = keras.Sequential(
        [keras.Input((6,)), layers.Dense(1, activation="sigmoid", name="neck")]
    )
    model = compiled(keras.Sequential([keras.Input((6,)), inner, layers.Dense(2)]))

    found = diagnose(model, X, X[:, :2]).warnings

    assert [(f.id, f.layer) for f in found] == [("one-unit-hidden-layer", "neck")]


def test_tables_of_pandas_and_polars_are_read():
    polars = pytest.importorskip("polars")
    model = compiled(sequential(ending=1), loss="binary_crossentropy")

    errors = diagnose(model, polars.DataFrame(X), polars.Series(Y)).errors

    assert [error.id for error in errors] == ["logits-read-as-probabilities"]
