"""Injects faults into trainings and counts how often the doctor names them, with the right layer, in time.

A fault is put into a random hidden layer of a small net at step 20; the doctor looks at every fourth step (at every
step for NaN in a weight, which spreads to all weights with the next one). A fault is found if a finding of its id
names that layer within 5 checks. Healthy trainings are run as well; none may give an error or a warning.

    python benchmarks/doctor_dynamic.py --seeds 20
    python benchmarks/doctor_dynamic.py --healthy --seeds 5
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from sklearn.datasets import load_diabetes, load_digits

from denselab.components import OneCycle
from denselab.doctor import Doctor

L = keras.layers
DEPTH, WIDTH, STEP, EVERY, CHECKS = 6, 32, 20, 4, 5


class Cut(L.Layer):
    """Lets no gradient pass."""

    def call(self, x: Any) -> Any:
        """Passes outputs on."""
        return keras.ops.stop_gradient(x)


class Root(L.Layer):
    """Gives NaN where its input is below -3 deviations: rare rows, as in real faults."""

    def call(self, x: Any) -> Any:
        """Takes the root."""
        return keras.ops.sqrt(x + 3.0)


class Inject(keras.callbacks.Callback):
    """Changes weights of one layer after one step."""

    def __init__(self, layer: str, change: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        super().__init__()
        self.layer, self.change, self.steps = layer, change, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts, and changes the weights once."""
        self.steps += 1
        if self.steps == STEP:
            model: Any = self.model
            if hasattr(model, "jax_state_sync"):
                model.jax_state_sync()
            layer = model.get_layer(self.layer)
            layer.set_weights(self.change(*(np.array(w) for w in layer.get_weights())))


class Case(NamedTuple):
    """One fault: the net, what is injected into which layer, and what must be said of it."""

    id: str
    activation: str = "relu"
    start: str = "he_normal"
    change: Callable[..., Any] | None = None
    extra: Any = None
    first: int = 1
    every: int = EVERY
    rate: float = 0.01
    momentum: float = 0.0
    named: bool = True


def _nan(kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    kernel[0, 0] = np.nan
    return [kernel, bias]


CASES = {
    "NaN in a weight": Case("values-not-finite", change=_nan, every=1),
    "NaN in a layer's output": Case("values-not-finite", "linear", "lecun_normal", extra=Root),
    "learning rate 1e8": Case("values-not-finite", rate=1e8, named=False),
    "bias of -1000 under relu": Case("units-dead", change=lambda k, b: [k, b - 1000]),
    "the same, seen at the output": Case("predictions-constant", change=lambda k, b: [k, b - 1000]),
    "kernel x 1000 under tanh": Case(
        "units-saturated", "tanh", "glorot_uniform", lambda k, b: [1000 * k, b]
    ),
    "outputs x 1e-6": Case("gradients-vanish", "elu", extra=partial(L.Rescaling, 1e-6), first=2),
    "kernel x 1000 under relu": Case(
        "gradients-explode", change=lambda k, b: [1000 * k, b], first=2, rate=1e-6
    ),
    "gradient cut off": Case("weights-still", extra=Cut),
    "kernel x 30 under SELU": Case(
        "self-normalization-lost", "selu", "lecun_normal", lambda k, b: [30 * k, b]
    ),
    "learning rate 30": Case("updates-too-large", "tanh", "glorot_uniform", rate=30.0, named=False),
    "momentum 0.999": Case(
        "loss-oscillates", "tanh", "glorot_uniform", rate=0.3, momentum=0.999, named=False
    ),
}


def rows(seed: int, count: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Draws inputs, and classes from a random network."""
    stream = np.random.default_rng(seed)
    x = stream.normal(size=(count, 8)).astype("float32")
    scores = np.tanh(x @ stream.normal(size=(8, 12))) @ stream.normal(size=(12, 3))
    return x, scores.argmax(axis=1)


def infected(case: Case, seed: int) -> tuple[bool, str]:
    """Trains a net with one fault; says whether it was found, and what was said."""
    keras.utils.set_random_seed(seed)
    place = int(np.random.default_rng(seed).integers(case.first, DEPTH))
    layers: list[Any] = [keras.Input((8,))]
    for number in range(1, DEPTH + 1):
        layers.append(
            L.Dense(WIDTH, case.activation, kernel_initializer=case.start, name=f"hidden_{number}")
        )
        if number == place and case.extra is not None:
            layers.append(case.extra(name="extra"))
    model: Any = keras.Sequential([*layers, L.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(case.rate, momentum=case.momentum), loss, metrics=["accuracy"]
    )
    x, y = rows(seed)
    doctor = Doctor(x, y, every=case.every)
    callbacks: list[Any] = (
        [doctor] if case.change is None else [Inject(f"hidden_{place}", case.change), doctor]
    )
    epochs = 25 if case.id.startswith("loss") else 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)
    begin = STEP if case.change is not None else 0
    wanted = {f"hidden_{place}"} | ({"extra"} if case.extra is Root else set())
    said = [(f.id, f.layer, f.step) for f in doctor.diagnosis.findings if f.severity != "note"]
    found = any(
        name == case.id
        and (layer in wanted or not case.named)
        and step is not None
        and (step <= begin + CHECKS * case.every or not case.named)
        for name, layer, step in said
    )
    return found, f"{place}: {said}"


def dense(
    *widths: int, activation: str = "relu", start: str = "he_normal", between: Any = ()
) -> list[Any]:
    """Gives Dense layers, each followed by what stands between."""
    found: list[Any] = []
    for width in widths:
        found.append(L.Dense(width, activation, kernel_initializer=start))
        found += [make() for make in between]
    return found


def normalized(depth: int) -> list[Any]:
    """Gives Dense layers with BatchNormalization and ELU."""
    found: list[Any] = []
    for _ in range(depth):
        dense_layer = L.Dense(64, use_bias=False, kernel_initializer="he_normal")
        found += [dense_layer, L.BatchNormalization(), L.Activation("elu")]
    return found


def _sgd(rate: Any) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(rate, momentum=0.9)


HEALTHY: dict[str, tuple[Callable[[], list[Any]], Callable[[], Any], bool]] = {
    "relu, He, Adam": (lambda: dense(64, 64), lambda: keras.optimizers.Adam(), False),
    "relu, He, SGD": (lambda: dense(64, 64, 64, 64), lambda: _sgd(0.02), False),
    "wide and dropout": (
        lambda: dense(128, 128, between=[lambda: L.Dropout(0.3)]),
        keras.optimizers.Adam,
        False,
    ),
    "SELU, 12 layers": (
        lambda: dense(*[64] * 12, activation="selu", start="lecun_normal"),
        lambda: _sgd(1e-3),
        False,
    ),
    "SELU, alpha dropout, 1cycle": (
        lambda: [*dense(*[64] * 8, activation="selu", start="lecun_normal"), L.AlphaDropout(0.1)],
        lambda: _sgd(OneCycle(0.05, 23 * 20)),
        False,
    ),
    "BatchNorm, 10 layers": (lambda: normalized(10), keras.optimizers.Nadam, False),
    "tanh and Glorot": (
        lambda: dense(32, 32, 32, activation="tanh", start="glorot_uniform"),
        keras.optimizers.Adam,
        False,
    ),
    "elu, 20 layers": (
        lambda: dense(*[64] * 20, activation="elu"),
        lambda: keras.optimizers.Nadam(5e-4),
        False,
    ),
    "regression": (lambda: dense(32, 32), keras.optimizers.Adam, True),
}


def healthy(name: str, seed: int) -> list[tuple[Any, ...]]:
    """Trains a healthy net on digits or diabetes, z-scored; gives what was said of it above notes."""
    hidden, optimizer, values = HEALTHY[name]
    keras.utils.set_random_seed(seed)
    x, y = (load_diabetes if values else load_digits)(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order]
    x = ((x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1)).astype("float32")
    y = ((y - y.mean()) / y.std()).astype("float32") if values else y
    model: Any = keras.Sequential(
        [keras.Input((x.shape[1],)), *hidden(), L.Dense(1 if values else 10)]
    )
    loss = "mse" if values else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer(), loss, metrics=[] if values else ["accuracy"])
    cut = int(0.8 * len(x))
    doctor = Doctor(x[:cut], y[:cut], every=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            x[:cut],
            y[:cut],
            validation_data=(x[cut:], y[cut:]),
            batch_size=64,
            epochs=20,
            verbose=0,
            callbacks=[doctor],
        )
    unseen = [
        ("not looked at", reason)
        for reason in doctor.diagnosis.not_looked_at
        if reason[0] not in "xy"
    ]
    return [
        (f.id, f.layer, f.step, f.value) for f in doctor.diagnosis.findings if f.severity != "note"
    ] + unseen


def main() -> None:
    """Prints one row a fault or healthy net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--healthy", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if keras.backend.backend() == "jax":  # The nets of all seeds are one program.
        import jax

        jax.config.update("jax_compilation_cache_dir", tempfile.mkdtemp())
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    began = time.perf_counter()
    for name in HEALTHY if options.healthy else CASES:
        if options.only not in name:
            continue
        if options.healthy:
            said = [healthy(name, seed) for seed in range(options.seeds)]
            print(
                f"| {name} | {sum(not one for one in said)} of {options.seeds} |",
                *filter(None, said),
                flush=True,
            )
            continue
        found = [infected(CASES[name], seed) for seed in range(options.seeds)]
        missed = [
            f"seed {seed}, layer {words}" for seed, (right, words) in enumerate(found) if not right
        ]
        right = sum(one for one, _ in found)
        print(
            f"| {name} | `{CASES[name].id}` | {right} of {options.seeds} |", *missed[:3], flush=True
        )
    print(
        f"{time.perf_counter() - began:.0f} s, Keras {keras.__version__} on {keras.backend.backend()}"
    )


if __name__ == "__main__":
    main()
