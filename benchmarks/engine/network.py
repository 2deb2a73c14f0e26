"""The task that every peer trains: the published network on pixels made from a seed, and what a step of it costs."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

__all__ = [
    "CLASSES",
    "DEPTH",
    "FEATURES",
    "RATE",
    "WIDTH",
    "build_model",
    "operations",
    "pixels",
    "weights",
]

FEATURES, WIDTH, DEPTH, CLASSES, RATE = 3072, 100, 20, 10, 5e-5


def pixels(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Makes images of ten classes: a pattern each, and noise.

    Args:
        rows: Number of images.

    Returns:
        Pixels from 0 to 255, `uint8` of shape (rows, 3072), and classes, `int32` of shape (rows,).
    """
    stream = np.random.default_rng(0)
    y = stream.integers(0, CLASSES, rows).astype(np.int32)
    patterns = stream.standard_normal((CLASSES, FEATURES), np.float32)
    noise = stream.standard_normal((rows, FEATURES), np.float32)
    return np.clip(128 + 24 * patterns[y] + 32 * noise, 0, 255).astype(np.uint8), y


def build_model(depth: int = DEPTH, steps_per_execution: int = 1) -> "keras.Model":
    """Builds and compiles the published plain network, with logits for output.

    Args:
        depth: Number of hidden layers.
        steps_per_execution: Steps that `fit` takes at once.

    Returns:
        3072 -> depth x 100 ELU -> 10 with Nadam at 5e-5.
    """
    import keras

    hidden = [
        keras.layers.Dense(WIDTH, activation="elu", kernel_initializer="he_normal")
        for _ in range(depth)
    ]
    model = keras.Sequential([keras.Input((FEATURES,)), *hidden, keras.layers.Dense(CLASSES)])
    model.compile(
        optimizer=keras.optimizers.Nadam(RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
    )
    return model


def weights(depth: int = DEPTH) -> int:
    """Counts the weights and biases.

    Args:
        depth: Number of hidden layers.

    Returns:
        Their number.

    Example:
        >>> weights()
        500210
    """
    return _kernels(depth) + depth * WIDTH + CLASSES


def operations(batch: int, depth: int = DEPTH) -> int:
    """Counts the floating-point operations of the matrix products of one training step.

    Forward and the gradient by the weights take two operations a sample and kernel entry; so does the gradient by
    the inputs, which the first layer does not need.

    Args:
        batch: Samples a step.
        depth: Number of hidden layers.

    Returns:
        Their number.

    Example:
        >>> operations(1)
        2374800
    """
    kernels = _kernels(depth)
    return batch * (2 * kernels + 2 * kernels + 2 * (kernels - FEATURES * WIDTH))


def _kernels(depth: int) -> int:
    return FEATURES * WIDTH + (depth - 1) * WIDTH * WIDTH + WIDTH * CLASSES
