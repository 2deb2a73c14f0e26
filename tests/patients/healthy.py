"""Healthy programs, each with what a check might take for an illness; none may have an error or warning."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from sklearn import datasets

from denselab.components import OneCycle
from denselab.data import load, split, standardization
from denselab.doctor import Diagnosis, diagnose
from denselab.recipes import load_recipe
from denselab.training import build_network, compile_network

L = keras.layers
LADDER = ("plain", "batch_norm", "self_normalizing", "alpha_dropout", "mc_dropout", "one_cycle")
SEEDS = range(5)


def normal(rows: int = 600, columns: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, columns)).astype("float32")


def chain(columns: int, *layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input((columns,)), *layers])


def looked_at(model: keras.Model, x: Any, y: Any, **changes: Any) -> Diagnosis:
    """Compiles and diagnoses; what is no argument of compile is one of fit."""
    given = {
        name: changes.pop(name) for name in ("optimizer", "loss", "metrics") if name in changes
    }
    model.compile(**{"optimizer": "adam", **given})
    return diagnose(
        model,
        x,
        y,
        fit_arguments={"epochs": 30, "batch_size": 32, "validation_split": 0.2, **changes},
    )


def rung(name: str, seed: int) -> Diagnosis:
    """A recipe of the tuned ladder on digits, split and scaled as in a study."""
    recipe, data = load_recipe(f"tuned/{name}"), load("digits")
    fraction = recipe.training.validation_fraction
    parts = split(data.y, seed=seed, fraction=fraction, stratified=recipe.training.stratified)
    mean, scale = standardization(data.x, parts[0])
    train, held = (
        (((data.x[rows] - mean) * scale).reshape(len(rows), -1), data.y[rows]) for rows in parts
    )
    keras.utils.set_random_seed(seed)
    model = build_network(recipe, features=64, classes=10)
    compile_network(model, recipe, train_rows=len(train[0]))
    arguments = {"epochs": recipe.training.epochs, "batch_size": recipe.training.batch_size}
    return diagnose(model, *train, fit_arguments=arguments, validation_data=held)


def learned(load_table: Callable[..., Any], seed: int) -> Diagnosis:
    """A data set of scikit-learn, standardised by its training rows, with a sensible net."""
    x, y = load_table(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    train, held = order[: int(0.8 * len(x))], order[int(0.8 * len(x)) :]
    mean, deviation = x[train].mean(axis=0), x[train].std(axis=0)
    scaled = ((x - mean) / np.where(deviation > 0, deviation, 1)).astype("float32")
    values = len(np.unique(y)) > 20
    if values:
        y = (y - y[train].mean()) / y[train].std()
    units = 1 if values else int(y.max()) + 1
    ending = L.Dense(units, activation=None if values else "softmax")
    model = chain(x.shape[1], L.Dense(32, "relu"), L.Dense(32, "relu"), ending)
    model.compile(
        "adam",
        "mse" if values else "sparse_categorical_crossentropy",
        metrics=["mae" if values else "accuracy"],
    )
    arguments = {"epochs": 50, "batch_size": 32}
    return diagnose(
        model,
        scaled[train],
        y[train],
        fit_arguments=arguments,
        validation_data=(scaled[held], y[held]),
    )


def forty_layers(normalized: bool) -> Diagnosis:
    layers: list[Any] = []
    for _ in range(40):
        layers.append(L.Dense(32, use_bias=not normalized, kernel_initializer="he_normal"))
        layers += [L.BatchNormalization()] if normalized else []
        layers.append(L.Activation("relu"))
    model = chain(8, *layers, L.Dense(3, activation="softmax"))
    return looked_at(model, X, CLASSES, loss=SPARSE, metrics=["accuracy"])


def residual() -> Diagnosis:
    inputs = keras.Input((8,))
    x = L.Dense(32)(inputs)
    for _ in range(3):
        x = x + L.Dense(32)(L.ReLU()(L.LayerNormalization()(x)))
    model = keras.Model(inputs, L.Dense(3)(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return looked_at(model, X, CLASSES, loss=loss, metrics=["accuracy"])


def classifier(x: np.ndarray, y: np.ndarray, **changes: Any) -> Diagnosis:
    model = chain(x.shape[1], L.Dense(32, "relu"), L.Dense(3, "softmax"))
    return looked_at(model, x, y, **{"loss": SPARSE, "metrics": ["accuracy"], **changes})


def yes_or_no(y: np.ndarray, ending: str | None = "sigmoid", **changes: Any) -> Diagnosis:
    model = chain(8, L.Dense(32, "relu"), L.Dense(1, ending))
    loss = keras.losses.BinaryCrossentropy(from_logits=ending is None)
    return looked_at(model, X, y, loss=loss, metrics=["accuracy"], **changes)


def values(y: np.ndarray, *layers: Any, **changes: Any) -> Diagnosis:
    model = chain(8, *(layers or (L.Dense(32, "relu"),)), L.Dense(y.size // len(y)))
    return looked_at(model, X, y, **{"loss": "mse", "metrics": ["mae"], **changes})


def autoencoder() -> Diagnosis:
    model = chain(8, L.Dense(16, "relu"), L.Dense(3), L.Dense(16, "relu"), L.Dense(8))
    return looked_at(model, X, X, loss="mse")


def words() -> Diagnosis:
    """Counts of words: small, mostly 0, some rather large."""
    counts = np.random.default_rng(0).poisson(np.geomspace(20, 0.01, 200), (600, 200))
    return classifier(counts.astype("float32"), CLASSES)


def stopped() -> Diagnosis:
    callbacks = [
        keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau(patience=4),
        keras.callbacks.ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True),
    ]
    return classifier(X, CLASSES, callbacks=callbacks)


def one_cycle() -> Diagnosis:
    rate = OneCycle(0.05, 450)
    return classifier(X, CLASSES, optimizer=keras.optimizers.SGD(rate, momentum=0.9))


def raw_pixels() -> Diagnosis:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 8)).astype("uint8")
    model = chain(8, L.Rescaling(1 / 255), L.Dense(32, "relu"), L.Dense(3, "softmax"))
    return looked_at(model, pixels, CLASSES, loss=SPARSE)


def adapted() -> Diagnosis:
    layer = L.Normalization()
    layer.adapt(500 * X + 3000)
    model = chain(8, layer, L.Dense(32, "selu", kernel_initializer="lecun_normal"), L.Dense(3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return looked_at(model, 500 * X + 3000, CLASSES, loss=loss)


def two_inputs() -> Diagnosis:
    wide, deep = keras.Input((8,), name="wide"), keras.Input((4,), name="deep")
    hidden = L.Concatenate()([wide, L.Dense(16, "relu")(deep)])
    outputs = {
        "kind": L.Dense(3, "softmax", name="kind")(hidden),
        "size": L.Dense(1, name="size")(hidden),
    }
    model = keras.Model({"wide": wide, "deep": deep}, outputs)
    loss = {"kind": SPARSE, "size": "mse"}
    x = {"wide": X, "deep": normal(600, 4)}
    return looked_at(model, x, {"kind": CLASSES, "size": TARGETS}, loss=loss)


SPARSE = "sparse_categorical_crossentropy"
X = normal()
CLASSES = np.random.default_rng(1).integers(0, 3, 600)
YES = (CLASSES > 0).astype("int64")
TARGETS = (X @ np.linspace(-1, 1, 8)).astype("float32")
SEVERAL = np.random.default_rng(2).integers(0, 2, (600, 3)).astype("float32")
TABLES = ("breast_cancer", "diabetes", "digits", "iris", "wine")

PROGRAMS: dict[str, Callable[[], Diagnosis]] = {
    **{f"tuned {name}, seed {s}": partial(rung, name, s) for name in LADDER for s in SEEDS},
    **{
        f"{name}, seed {s}": partial(learned, getattr(datasets, f"load_{name}"), s)
        for name in TABLES
        for s in range(3)
    },
    "two layers": partial(classifier, X, CLASSES),
    "forty layers of He and relu": partial(forty_layers, False),
    "forty layers of BatchNorm": partial(forty_layers, True),
    "residual": residual,
    "range 0 to 1": lambda: classifier((X - X.min(0)) / np.ptp(X, axis=0), CLASSES),
    "z-scores with outliers": lambda: classifier(np.sinh(X), CLASSES),
    "one-hot rows": lambda: classifier(X, np.eye(3)[CLASSES], loss="categorical_crossentropy"),
    "labels (N, 1)": lambda: classifier(X, CLASSES[:, None]),
    "word counts": words,
    "dropout": lambda: values(TARGETS, L.Dense(32, "relu"), L.Dropout(0.5)),
    "yes or no (N,)": lambda: yes_or_no(YES),
    "yes or no (N, 1)": lambda: yes_or_no(YES[:, None].astype("float32")),
    "yes or no, booleans": lambda: yes_or_no(YES.astype(bool)),
    "yes or no from logits": lambda: yes_or_no(YES, None),
    "several labels": lambda: looked_at(
        chain(8, L.Dense(32, "relu"), L.Dense(3, "sigmoid")),
        X,
        SEVERAL,
        loss="binary_crossentropy",
    ),
    "values": lambda: values(TARGETS),
    "values (N, 1)": lambda: values(TARGETS[:, None]),
    "values in three columns": lambda: values(np.stack([TARGETS, -TARGETS, TARGETS**2], 1)),
    "values, huber and SGD": lambda: values(
        TARGETS, loss="huber", optimizer=keras.optimizers.SGD(0.01, momentum=0.9)
    ),
    "sigmoid for shares": lambda: looked_at(
        chain(8, L.Dense(32, "relu"), L.Dense(1, "sigmoid")),
        X,
        1 / (1 + np.exp(-TARGETS)),
        loss="mse",
    ),
    "tanh and Glorot": lambda: values(TARGETS, L.Dense(32, "tanh"), L.Dense(32, "tanh")),
    "autoencoder": autoencoder,
    "callbacks": stopped,
    "1cycle": one_cycle,
    "raw pixels, rescaled inside": raw_pixels,
    "adapted normalization": adapted,
    "two inputs, two outputs": two_inputs,
}
