"""Programs to be diagnosed: a model, its data and the arguments of fit, made anew every time."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import keras
import numpy as np

from denselab.doctor import Diagnosis, diagnose

L = keras.layers
BINARY, ONE_HOT, SPARSE = (
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
)
RUN = {"epochs": 30, "batch_size": 32, "validation_split": 0.2}


def rows(count: int = 400, columns: int = 8) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, columns)).astype("float32")


X = rows()
CLASSES = np.random.default_rng(1).integers(0, 3, 400)
YES = (CLASSES > 0).astype("int32")
HOT = np.eye(3, dtype="float32")[CLASSES]
SEVERAL = np.random.default_rng(2).integers(0, 2, (400, 3)).astype("float32")
VALUES = (X @ np.arange(8) / 10).astype("float32")
STANDARD = ((X - X[:320].mean(0)) / X[:320].std(0)).astype("float32")


def chain(*layers: Any) -> Callable[[], keras.Model]:
    """Layers as functions without arguments, so that every program has layers of its own."""
    return lambda: keras.Sequential([keras.Input((8,)), *(layer() for layer in layers)])


def dense(units: int = 16, activation: Any = "relu", **options: Any) -> Callable[[], Any]:
    return lambda: L.Dense(units, activation=activation, **options)


def ending(units: int = 3, activation: str | None = "softmax") -> Callable[[], keras.Model]:
    return chain(dense(), dense(), dense(units, activation))


def inner(*layers: Any) -> Callable[[], keras.Model]:
    """A classifier with layers between the input and its last layer."""
    return chain(*layers, dense(3, "softmax"))


@dataclass(frozen=True)
class Program:
    """A model, its data and the arguments of fit; by default a healthy classifier."""

    model: Callable[[], keras.Model] = field(default_factory=ending)
    x: Any = field(default_factory=lambda: X)
    y: Any = field(default_factory=lambda: CLASSES)
    loss: Any = SPARSE
    optimizer: Any = keras.optimizers.Adam
    metrics: Any = ("accuracy",)
    fit: Any = field(default_factory=lambda: RUN)
    prepare: Callable[[keras.Model], Any] = lambda model: None

    def diagnose(self) -> Diagnosis:
        """Builds, compiles and diagnoses it."""
        model = self.model()
        arguments = self.fit() if callable(self.fit) else self.fit
        loss = self.loss() if isinstance(self.loss, type | partial) else self.loss
        model.compile(self.optimizer(), loss, metrics=list(self.metrics))
        self.prepare(model)
        return diagnose(model, self.x, self.y, fit_arguments=arguments)

    def but(self, **changes: Any) -> "Program":
        return replace(self, **changes)

    def run(self, **arguments: Any) -> "Program":
        return replace(self, fit={**RUN, **arguments})

    def calling(self, *callbacks: Callable[[], Any], **arguments: Any) -> "Program":
        """With callbacks, made anew for every diagnosis."""
        return replace(
            self, fit=lambda: {**RUN, **arguments, "callbacks": [make() for make in callbacks]}
        )


HEALTHY = Program()
ASKS = Program(ending(1, "sigmoid"), y=YES, loss=BINARY)
VALUE = Program(ending(1, None), y=VALUES, loss="mse", metrics=("mae",))
MARKS = Program(y=HOT, loss=ONE_HOT)
SELF = Program(inner(*[dense(16, "selu", kernel_initializer="lecun_normal")] * 2), x=STANDARD)


@dataclass(frozen=True)
class Patient:
    """One illness.

    Attributes:
        id: The check that has to name it.
        ill: The patient.
        well: Its healthy twin.
        with_it: Checks of which the same illness is a case too.
        severity: How bad it is.
        layer: Name of the layer that must be named, None where it is not about one.
    """

    id: str
    ill: Any
    well: Any = HEALTHY
    with_it: tuple[str, ...] = ()
    severity: str = "error"
    layer: str | None = None

    def diagnose_ill(self) -> Diagnosis:
        return self.ill.diagnose()

    def diagnose_well(self) -> Diagnosis:
        return self.well.diagnose()


def risk(name: str, ill: Any, well: Any = HEALTHY, **rest: Any) -> Patient:
    return Patient(name, ill, well, severity="warning", **rest)


def crossed(name: str, **options: Any) -> Callable[[], Any]:
    return partial(getattr(keras.losses, name), **options)


class Pairwise(keras.losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.square(keras.ops.cast(y_true, "float32") - y_pred))


def damaged(array: np.ndarray, value: float = np.nan) -> np.ndarray:
    array = array.copy()
    array[7] = value
    return array


def skipping(activation: str) -> keras.Model:
    inputs = keras.Input((8,))
    start = "lecun_normal" if activation == "selu" else "he_normal"
    first = L.Dense(16, activation, kernel_initializer=start)(inputs)
    second = L.Dense(16, activation, kernel_initializer=start)(first)
    return keras.Model(inputs, L.Dense(3, "softmax")(L.Add()([first, second])))


def normalized_in_training(training: bool | None) -> keras.Model:
    inputs = keras.Input((8,))
    hidden = L.BatchNormalization()(L.Dense(16)(inputs), training=training)
    return keras.Model(inputs, L.Dense(3, "softmax")(L.ReLU()(hidden)))


def freeze(model: keras.Model) -> None:
    model.trainable = False


def after_another(model: keras.Model) -> None:
    other = ending()()
    other.compile(model.optimizer, SPARSE)
    other.fit(X[:32], CLASSES[:32], verbose=0)


def swapped(model: keras.Model) -> None:
    model.layers[0].trainable = False
    model.compile(keras.optimizers.Adam(), SPARSE)
    model.fit(X[:32], CLASSES[:32], verbose=0)
    model.layers[0].trainable = True
    model.layers[1].trainable = False


def served(path: str) -> Any:
    callback = keras.callbacks.ModelCheckpoint(path)
    callback.set_model(ending()())
    return callback
