"""A small classifier and its data."""

from collections.abc import Callable

import keras
import numpy as np
import pytest


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(200, 6)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


@pytest.fixture
def classifier() -> Callable[..., keras.Model]:
    """Builds a compiled network of two classes."""

    def build(ending: str | None = "softmax", *, units: int = 2, **options):
        hidden = [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.2, seed=1)]
        output = keras.layers.Dense(units, activation=ending)
        model = keras.Sequential([keras.Input((6,)), *hidden, output])
        model.compile(**{"optimizer": "adam", "loss": "sparse_categorical_crossentropy", **options})
        return model

    return build
