"""Patients that only show when they are tried or trained, and their healthy twins; `table` has the others."""

import importlib.util
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from denselab.doctor import Diagnosis, Doctor, DoctorWarning, check_history, diagnose

# Read by its path: with importlib mode nothing puts the tests on the import path.
_SPEC = importlib.util.spec_from_file_location(
    "denselab_doctor_programs", Path(__file__).with_name("programs.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
if _SPEC.name not in sys.modules:
    sys.modules[_SPEC.name] = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(sys.modules[_SPEC.name])
programs = sys.modules[_SPEC.name]

L, ops, Program, Patient, risk = (
    keras.layers,
    keras.ops,
    programs.Program,
    programs.Patient,
    programs.risk,
)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
X = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
Y = np.tanh(X @ np.random.default_rng(1).normal(size=(8, 3))).argmax(axis=1)
VALUES = (X @ np.linspace(-1, 1, 8)).astype("float32")
LATE = keras.initializers.Constant(-100.0)
NAMED = "hidden_3"
STEP = 6
SGD, ADAM = keras.optimizers.SGD, keras.optimizers.Adam
_SEEN: dict[int, Diagnosis] = {}


def normal(deviation: float) -> Any:
    return keras.initializers.RandomNormal(stddev=deviation, seed=0)


def layer(
    activation: str | None = "relu", start: Any = "he_normal", units: int = 32, **options: Any
) -> Any:
    return lambda: L.Dense(units, activation, kernel_initializer=start, **options)


def ending(*layers: Any, units: int = 3, activation: str | None = None) -> Callable[[], Any]:
    return programs.chain(*layers, lambda: L.Dense(units, activation, name="last"))


@dataclass(frozen=True)
class Tried(Program):
    """A program that is diagnosed with probes; a twin of several patients is looked at once."""

    seed: int = 0

    def diagnose(self) -> Diagnosis:
        if id(self) not in _SEEN:
            keras.utils.set_random_seed(self.seed)
            model = self.model()
            model.compile(self.optimizer(), self.loss, metrics=list(self.metrics))
            self.prepare(model)
            _SEEN[id(self)] = diagnose(
                model, self.x, self.y, fit_arguments=dict(self.fit), probe=True
            )
        return _SEEN[id(self)]


@dataclass(frozen=True)
class Watched(Program):
    """A program that is trained under the eyes of the doctor, with a fault injected after step 6."""

    change: Callable[[Any, Any], Any] | None = None
    every: int = 2
    held: Any = None
    seed: int = 0

    def diagnose(self) -> Diagnosis:
        if id(self) not in _SEEN:
            keras.utils.set_random_seed(self.seed)
            model = self.model()
            model.compile(self.optimizer(), self.loss, metrics=list(self.metrics))
            doctor = Doctor(self.x, self.y, every=self.every)
            callbacks = [doctor] if self.change is None else [Inject(self.change), doctor]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DoctorWarning)
                model.fit(
                    self.x,
                    self.y,
                    validation_data=self.held,
                    verbose=0,
                    callbacks=callbacks,
                    **self.fit,
                )
            _SEEN[id(self)] = doctor.diagnosis
        return _SEEN[id(self)]


@dataclass(frozen=True)
class Course:
    """The logs of a training that is over."""

    loss: tuple[float, ...]

    def diagnose(self) -> Diagnosis:
        return Diagnosis(check_history({"loss": self.loss}))


class Inject(keras.callbacks.Callback):
    """Changes the weights of the third layer after a step."""

    def __init__(self, change: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.change, self.steps = change, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self.steps == STEP:
            if hasattr(self.model, "jax_state_sync"):
                self.model.jax_state_sync()
            found = self.model.get_layer(NAMED)
            found.set_weights(self.change(*(np.array(one) for one in found.get_weights())))


class Cut(L.Layer):
    def call(self, x: Any) -> Any:
        return ops.stop_gradient(x)


class Half(L.Layer):
    def call(self, x: Any) -> Any:
        return 0.5 * x + 0.5 * ops.stop_gradient(x)


class Passing(L.Layer):
    def call(self, x: Any) -> Any:
        return 0.5 * x + 0.5 * ops.tanh(x)


def squares(y: Any, outputs: Any) -> Any:
    return ops.mean(ops.square(y - outputs), axis=-1)


def weighed(y: Any, outputs: Any) -> Any:
    return squares(y, outputs) * ops.stop_gradient(1 + ops.mean(ops.abs(y - outputs), axis=-1))


def rounded(y: Any, outputs: Any) -> Any:
    return squares(y, ops.round(4 * outputs) / 4)


def stale(model: Any) -> None:
    """Trains a step, and leaves statistics of BatchNormalization that are far from the data's."""
    model.fit(X, Y, epochs=1, verbose=0)
    found = next(one for one in model.layers if isinstance(one, L.BatchNormalization))
    found.moving_variance.assign(1e-4 * np.ones(32))


def stepped(model: Any) -> None:
    model.fit(X, Y, epochs=20, verbose=0)


def copied(model: Any) -> None:
    """Makes each unit of the second half of the first layer a copy of one of the first half."""
    first, last = model.layers[0], model.layers[-1]
    kernel, bias = first.get_weights()
    first.set_weights([np.tile(kernel[:, :16], 2), bias])
    kernel, bias = last.get_weights()
    last.set_weights([np.tile(kernel[:16], (2, 1)), bias])


RUN = {"epochs": 40, "batch_size": 16, "validation_split": 0.2}
WELL = Tried(ending(layer(), layer()), x=X, y=Y, loss=LOGITS, fit=RUN)
MEASURED = Tried(ending(layer(), units=1), x=X, y=VALUES, loss="mse", metrics=("mae",), fit=RUN)
OWN = MEASURED.but(loss=squares, y=VALUES[:, None])
BATCH = WELL.but(
    model=ending(layer(None, use_bias=False), L.BatchNormalization, L.ReLU), prepare=stepped
)
SELU = WELL.but(model=ending(*[layer("selu", "lecun_normal")] * 2))
PROBES = (
    risk(
        "loss-at-start",
        WELL.but(model=ending(*[layer(start=normal(1.5))] * 2)),
        WELL,
    ),
    Patient(
        "batch-cannot-be-overfitted",
        WELL.but(model=ending(layer(bias_initializer=LATE))),
        WELL,
        ("biases-start-large", "outputs-ignore-inputs", "inputs-do-not-matter"),
    ),
    Patient(
        "inputs-do-not-matter",
        WELL.but(model=ending(partial(L.Rescaling, 0.0), layer())),
        WELL,
        ("batch-cannot-be-overfitted", "outputs-ignore-inputs"),
    ),
    Patient("units-stay-alike", WELL.but(model=ending(layer()), prepare=copied), WELL),
    risk(
        "variance-through-depth",
        WELL.but(model=ending(layer(), partial(L.Rescaling, 1e-3), layer())),
        WELL,
    ),
    risk(
        "no-self-normalization-at-start",
        SELU.but(x=3 * X),
        SELU,
        with_it=("selu-on-unscaled-inputs",),
    ),
    risk("training-and-inference-differ", BATCH.but(prepare=stale), BATCH),
    Patient(
        "outputs-ignore-inputs",
        WELL.but(model=ending(layer(), layer(bias_initializer=LATE, name=NAMED))),
        WELL,
        (
            "biases-start-large",
            "batch-cannot-be-overfitted",
            "inputs-do-not-matter",
            "variance-through-depth",
        ),
        layer=NAMED,
    ),
    risk("targets-unrelated-to-inputs", WELL.but(y=np.random.default_rng(2).permutation(Y)), WELL),
    risk(
        "targets-unrelated-to-inputs",
        MEASURED.but(y=np.random.default_rng(3).permutation(VALUES)),
        MEASURED,
    ),
    risk("gradient-differs-from-slope", OWN.but(loss=weighed), OWN),
    risk(
        "gradient-differs-from-slope",
        OWN.but(loss=rounded),
        OWN,
        with_it=("batch-cannot-be-overfitted",),
    ),
    risk(
        "gradient-differs-from-slope",
        WELL.but(model=ending(layer(), Half)),
        WELL.but(model=ending(layer(), Passing)),
    ),
)


def network(
    activation: str = "relu", start: Any = "he_normal", extra: Any = None, **options: Any
) -> Any:
    layers = [layer(activation, start, 16, name=f"hidden_{n}", **options) for n in (1, 2, 3, 4)]
    return ending(*layers[:2], *([extra] if extra else []), *layers[2:])


def spoilt(kernel: Any, bias: Any) -> list[Any]:
    kernel[0, 0] = np.nan
    return [kernel, bias]


def larger(kernel: Any, bias: Any, factor: float) -> list[Any]:
    return [factor * kernel, bias]


SHORT = {"epochs": 3, "batch_size": 32}
SLOW = partial(SGD, 1e-6)
CALM = Watched(network(), X, Y, LOGITS, partial(SGD, 0.01), fit=SHORT)
TANH = CALM.but(model=network("tanh", "glorot_uniform"))
ELU = CALM.but(model=network("elu"))
DRAWN = CALM.but(model=network("selu", "lecun_normal"))
LONG = CALM.but(fit={"epochs": 14, "batch_size": 32}, every=20)
NOISY = np.where(
    np.random.default_rng(4).random(256) < 0.4, np.random.default_rng(5).integers(0, 3, 256), Y
)
HALVES = Watched(
    ending(layer(units=128)),
    X[:128],
    NOISY[:128],
    LOGITS,
    partial(ADAM, 1e-2),
    (),
    {"epochs": 40, "batch_size": 32},
    every=100,
    held=(X[128:], NOISY[128:]),
)
ASKED = Watched(
    ending(layer(units=16), units=1, activation="sigmoid"),
    X,
    (Y > 0).astype("float32"),
    "binary_crossentropy",
    partial(ADAM, 1e-2),
    fit=SHORT,
)
BEDSIDE = (
    Patient("values-not-finite", CALM.but(change=spoilt, every=1), CALM, layer=NAMED),
    risk(
        "gradients-vanish",
        ELU.but(model=network("elu", extra=partial(L.Rescaling, 1e-6))),
        ELU,
        layer="hidden_2",
    ),
    risk(
        "gradients-explode",
        CALM.but(model=network(extra=partial(L.Rescaling, 1e3)), optimizer=SLOW),
        CALM.but(optimizer=SLOW),
        layer="hidden_2",
    ),
    risk("units-dead", CALM.but(change=lambda kernel, bias: [kernel, bias - 4]), CALM, layer=NAMED),
    risk(
        "units-saturated",
        TANH.but(change=lambda kernel, bias: [kernel, bias + 4.5]),
        TANH,
        layer=NAMED,
    ),
    risk(
        "self-normalization-lost",
        DRAWN.but(change=partial(larger, factor=30.0), optimizer=SLOW),
        DRAWN.but(optimizer=SLOW),
        layer=NAMED,
    ),
    risk(
        "predictions-constant",
        CALM.but(change=lambda kernel, bias: [kernel, bias - 1000]),
        CALM,
        with_it=("gradients-vanish", "units-dead", "weights-still"),
        layer=NAMED,
    ),
    risk("updates-too-large", TANH.but(optimizer=partial(SGD, 3.0)), TANH),
    risk(
        "weights-still",
        ELU.but(model=network("elu", extra=Cut)),
        ELU,
        with_it=("gradients-vanish",),
        layer="hidden_2",
    ),
    risk(
        "weights-diverge",
        CALM.but(change=partial(larger, factor=40.0), optimizer=SLOW),
        CALM.but(optimizer=SLOW),
        layer=NAMED,
    ),
    risk(
        "weights-vanish",
        CALM.but(
            model=network(kernel_regularizer=keras.regularizers.L2(1.0)),
            optimizer=partial(SGD, 0.05),
            fit={**SHORT, "epochs": 8},
        ),
        CALM.but(
            model=network(kernel_regularizer=keras.regularizers.L2(1e-4)),
            optimizer=partial(SGD, 0.05),
            fit={**SHORT, "epochs": 8},
        ),
        with_it=("units-dead", "gradients-vanish", "predictions-constant"),
    ),
    Patient("loss-not-finite", Course((2.0, 1.5, float("nan"))), Course((2.0, 1.5, 1.2))),
    Patient("loss-explodes", Course((1.0, 0.5, 0.4, 7.0)), Course((1.0, 0.5, 0.4, 0.7))),
    Patient("loss-negative", ASKED.but(y=2.0 * ASKED.y), ASKED),
    risk(
        "loss-oscillates",
        TANH.but(
            optimizer=partial(SGD, 0.3, momentum=0.999), fit={**SHORT, "epochs": 25}, every=100
        ),
        TANH,
        with_it=("loss-explodes", "weights-diverge"),
    ),
    risk(
        "no-better-than-baseline",
        LONG.but(y=np.random.default_rng(6).permutation(Y), optimizer=partial(SGD, 1e-4)),
        LONG,
    ),
    risk("overfitting", HALVES, HALVES.but(optimizer=partial(ADAM, 1e-3))),
)
PATIENTS = (*PROBES, *BEDSIDE)
