"""Small networks, and digits that some of them have learned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

layers = keras.layers


@dataclass(frozen=True)
class Digits:
    """Digits that two networks were not trained on, and the networks."""

    calibration_x: np.ndarray
    calibration_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    members: tuple[keras.Model, ...]


@pytest.fixture(scope="session")
def digits() -> Digits:
    """Few rows to train on and noise on the others, so that there is something to doubt."""
    x, y = load_digits(return_X_y=True)
    random = np.random.default_rng(0)
    order = random.permutation(len(x))
    x, y = (x[order] / 16).astype("float32"), y[order]
    train, held_out, test = slice(200), slice(200, 700), slice(700, None)
    members = tuple(_trained(x[train], y[train], seed) for seed in range(2))

    def noisy(rows: np.ndarray) -> np.ndarray:
        return (rows + random.normal(0, 0.25, rows.shape)).astype("float32")

    return Digits(
        calibration_x=noisy(x[held_out]),
        calibration_y=y[held_out],
        test_x=np.concatenate([noisy(x[test]), noisy(x[test])]),
        test_y=np.concatenate([y[test], y[test]]),
        members=members,
    )


@pytest.fixture
def small() -> Callable[..., keras.Model]:
    """Builds dense networks with one stochastic layer before the output."""

    def build(stochastic: Any, *, units: int = 8, outputs: int = 3, ending: str | None = "softmax"):
        keras.utils.set_random_seed(0)
        return keras.Sequential(
            [
                keras.Input((6,)),
                layers.Dense(units, activation="tanh"),
                layers.BatchNormalization(),
                stochastic,
                layers.Dense(outputs, activation=ending),
            ]
        )

    return build


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(37, 6)).astype("float32")


def _trained(x: np.ndarray, y: np.ndarray, seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    hidden = [
        part
        for _ in range(2)
        for part in (layers.Dense(64, activation="relu"), layers.Dropout(0.1))
    ]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=15, batch_size=20, verbose=0)
    return model
