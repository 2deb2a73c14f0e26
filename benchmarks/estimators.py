"""Five folds times five seeds of one network as a population, beside a loop over Keras models and scikit-learn's MLP.

The same 25 trainings of one network (64 -> 2 x 128 relu -> 10, Adam, batches of 32, a tenth of the training rows held
out, equal epochs, standardised features) on digits: `cross_validate_population`; scikit-learn's `cross_validate` over
Keras models that are built and fitted by hand, once a fold and seed; and over scikit-learn's `MLPClassifier`, one
thread a process, which suits products this small. Each way runs in a process of its own, in turn, round by round;
times are whole (compiling, preprocessing, scoring), without imports. The bound is the arithmetic of the products over
the best rate that NumPy reaches on all cores.

    python benchmarks/estimators.py --rounds 5
    python benchmarks/estimators.py --rounds 1 --epochs 5 --print
"""

import argparse
import functools
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from engine.section import replace_section
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HIDDEN, BATCH, HELD_OUT, RATE = (128, 128), 32, 0.1, 1e-3
GOALS = {"Keras loop": 3.0, "MLPClassifier": 1.0}
"""Peer -> how many times faster the population should be."""


class KerasByHand(ClassifierMixin, BaseEstimator):
    """What a user writes to put a Keras model into scikit-learn."""

    def __init__(self, epochs: int = 50, seed: int = 0) -> None:
        self.epochs = epochs
        self.seed = seed

    def fit(self, X: Any, y: Any) -> "KerasByHand":
        """Builds, compiles and fits."""
        import keras

        keras.utils.set_random_seed(self.seed)
        self.classes_ = np.unique(y)
        dense: Any = keras.layers.Dense
        layers = [dense(width, "relu", kernel_initializer="he_normal") for width in HIDDEN]
        self.model_: Any = keras.Sequential([keras.Input(X.shape[1:]), *layers, dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model_.compile(keras.optimizers.Adam(RATE), loss, metrics=["accuracy"])
        rows = {"batch_size": BATCH, "epochs": self.epochs, "validation_split": HELD_OUT}
        self.model_.fit(X.astype("float32"), y, verbose=0, **rows)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicts classes."""
        return self.classes_[self.model_.predict(X.astype("float32"), verbose=0).argmax(axis=1)]


def folds(asked: argparse.Namespace) -> StratifiedKFold:
    """Gives the folds that all ways share."""
    return StratifiedKFold(asked.folds, shuffle=True, random_state=0)


def population(asked: argparse.Namespace, X: np.ndarray, y: np.ndarray) -> float:
    """Trains all folds and seeds at once; gives the mean accuracy."""
    from denselab.estimators import DenseClassifier, cross_validate_population

    model = DenseClassifier(
        recipe="plain",
        depth=len(HIDDEN),
        width=HIDDEN[0],
        activation="relu",
        optimizer="adam",
        learning_rate=RATE,
        batch_size=BATCH,
        epochs=asked.epochs,
        early_stopping=False,
        validation_fraction=HELD_OUT,
        settings={"training.restore_best": False},
        scaling="none",  # the recipe standardises by each member's own training rows
        calibration_fraction=0,
        n_ensemble=1,
    )
    found = cross_validate_population(model, X, y, cv=folds(asked), seeds=asked.seeds)
    return found.spread().mean


def loop(
    asked: argparse.Namespace,
    X: np.ndarray,
    y: np.ndarray,
    *,
    make: Callable[[int], Any],
    processes: int = 1,
) -> float:
    """Cross-validates an estimator once a seed; gives the mean accuracy."""
    options: dict[str, Any] = {"cv": folds(asked), "n_jobs": processes}
    found = [
        cross_validate(make_pipeline(StandardScaler(), make(seed)), X, y, **options)
        for seed in range(asked.seeds)
    ]
    return float(np.mean([scores["test_score"] for scores in found]))


def keras_loop(asked: argparse.Namespace, X: np.ndarray, y: np.ndarray) -> float:
    """Loops over Keras models."""
    return loop(asked, X, y, make=lambda seed: KerasByHand(asked.epochs, seed))


def mlp(asked: argparse.Namespace, X: np.ndarray, y: np.ndarray, processes: int = 1) -> float:
    """Loops over scikit-learn's own network, which never stops early here."""
    warnings.simplefilter("ignore")  # It warns that it has not converged.
    options = {"early_stopping": True, "validation_fraction": HELD_OUT}
    return loop(
        asked,
        X,
        y,
        processes=processes,
        make=lambda seed: MLPClassifier(
            HIDDEN,
            alpha=0.0,
            batch_size=BATCH,
            learning_rate_init=RATE,
            max_iter=asked.epochs,
            n_iter_no_change=asked.epochs + 1,
            random_state=seed,
            **options,
        ),
    )


WAYS: dict[str, Callable[..., float]] = {
    "population": population,
    "Keras loop": keras_loop,
    "MLPClassifier": mlp,
    "MLPClassifier, a process a core": functools.partial(mlp, processes=-1),
}
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
"""For scikit-learn's network: products this small are slower on several threads."""


def work(asked: argparse.Namespace) -> None:
    """Does one way, and prints seconds and accuracy as JSON."""
    X, y = load_digits(return_X_y=True)
    if not asked.worker.startswith("MLP"):
        import keras

        import denselab.estimators

        assert keras.backend.backend() == "jax"
        assert denselab.estimators
    began = time.perf_counter()
    accuracy = WAYS[asked.worker](asked, X, y)
    print(json.dumps([time.perf_counter() - began, accuracy]))


def measure(asked: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Runs every way in a process of its own, in turn."""
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    shared = [f"--{name}={getattr(asked, name)}" for name in ("epochs", "folds", "seeds")]
    for _ in range(asked.rounds):
        for way, results in found.items():
            command = [sys.executable, __file__, f"--worker={way}", *shared]
            extra = ONE_THREAD if way.startswith("MLP") else {}
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env={**os.environ, **extra}
            )
            results.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def bound(asked: argparse.Namespace) -> tuple[float, float]:
    """Gives the seconds that the products need at NumPy's best rate, and that rate in GFLOP/s."""
    a = np.ones((1024, 1024), np.float32)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - began)
    rate = 2 * 1024**3 / min(seconds)
    X, _ = load_digits(return_X_y=True)
    sizes = (X.shape[1], *HIDDEN, 10)
    weights = sum(a * b for a, b in itertools.pairwise(sizes))
    rows = len(X) * (1 - 1 / asked.folds)
    # A row that trains costs three products, one that validates or tests one of them.
    passes = asked.epochs * rows * (3 * (1 - HELD_OUT) + HELD_OUT)
    return 2 * weights * passes * asked.folds * asked.seeds / rate, rate / 1e9


def report(asked: argparse.Namespace) -> str:
    """Measures, and writes the section."""
    load, began = os.getloadavg()[0], time.monotonic()
    least, rate = bound(asked)
    found = measure(asked)
    seconds = {way: [one[0] for one in results] for way, results in found.items()}
    ours = statistics.median(seconds["population"])
    rows = []
    for way, results in found.items():
        middle = statistics.median(seconds[way])
        accuracy = 100 * statistics.mean(one[1] for one in results)
        goal = f"{GOALS[way]:g}" if way in GOALS else ""
        rows.append(
            f"| {way} | {middle:.1f} | {min(seconds[way]):.1f} to {max(seconds[way]):.1f} | "
            f"{middle / ours:.2f} | {goal} | {least / middle:.1%} | {accuracy:.1f} |"
        )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    names = ("denselab", "keras", "jax", "scikit-learn", "numpy")
    lines = [
        "## Estimators",
        "",
        f"- Command: `python benchmarks/estimators.py --rounds {asked.rounds} --epochs {asked.epochs}`, "
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {(time.monotonic() - began) / 60:.0f} min",
        f"- Task: digits, {asked.folds} folds x {asked.seeds} seeds, 64 -> 2 x 128 relu -> 10, Adam at {RATE:g}, "
        f"batches of {BATCH}, {asked.epochs} epochs, a tenth held out, no early stopping",
        f"- Figures: whole time with compiling and scoring, without imports; n = {asked.rounds} rounds, each way in a "
        "process of its own and in turn; medians, minimum to maximum; goals are of the ratio",
        f"- Bound: the products alone take {least:.2f} s at {rate:.0f} GFLOP/s, the best of NumPy here on all cores",
        f"- Machine: {platform.machine()}, {os.cpu_count()} cores, load before the run {load:.1f}; versions: "
        + ", ".join(f"{name} {version(name)}" for name in names),
        f"- Commit: {commit}",
        "",
        "| way | s | spread, s | times the population | goal | of the bound | accuracy, % |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows,
    ]
    return "\n".join(lines)


def main() -> None:
    """Writes the section `estimators` of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--print", action="store_true", help="print the section only")
    parser.add_argument("--worker", choices=list(WAYS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        work(asked)
    elif asked.print:
        print(report(asked))
    else:
        replace_section(Path(__file__).with_name("RESULTS.md"), "estimators", report(asked))


if __name__ == "__main__":
    main()
