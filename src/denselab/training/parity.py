"""Holds an ONNX graph against the Keras model it was made of: the same answers, and how quick."""

from typing import Any, NamedTuple

import keras
import numpy as np

from denselab.errors import DataError, UsageError
from denselab.onnx_export import to_onnx
from denselab.randomness import generator
from denselab.sparsity import Latency
from denselab.sparsity.latency import interleaved, one_core
from denselab.sparsity.runtimes import keras_answer, onnx_answer
from denselab.training.loading import LoadedModel
from denselab.training.rewiring import flattened

__all__ = [
    "BATCHES",
    "CHUNK",
    "ROUNDS",
    "TOLERANCE",
    "Parity",
    "check_onnx",
    "drawing_layers",
    "likely_rows",
]

TOLERANCE = 1e-3
"""Of an output and of 1: ten thousand float32 roundings. A graph that is wrong differs by far more."""

_ROWS, CHUNK, ROUNDS = 256, 256, 15
BATCHES = (1, 64)
_MOST = 1e18
"""A deviation above it stands for a feature that was constant where it was fitted."""


class Parity(NamedTuple):
    """How an ONNX graph compares.

    Attributes:
        model: What was exported: the given model as one flat network, without draws.
        difference: Largest difference of an output from Keras'.
        rows: Rows that it was checked on.
        source: What these were, in words.
        latencies: "keras" and "onnx" -> one latency a batch size, timed in turn on one core.
        resting: Layers whose dropout rests in the graph, and draws in Keras' own prediction.
    """

    model: keras.Model
    difference: float
    rows: int
    source: str
    latencies: dict[str, tuple[Latency, ...]]
    resting: tuple[str, ...]


def check_onnx(
    loaded: LoadedModel, x: np.ndarray | None = None, *, seed: int = 0, rounds: int = ROUNDS
) -> Parity:
    """Exports a model in memory and compares ONNX Runtime with Keras.

    Args:
        loaded: The model.
        x: Rows as the model takes them, or None for random ones, see `likely_rows`.
        seed: Decides random rows.
        rounds: How often each way is timed.

    Returns:
        How they compare.

    Raises:
        UsageError: If a package is missing, or a layer cannot be exported.
        DataError: If the rows do not fit, or the answers differ.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
        >>> check_onnx(LoadedModel(model, None), rounds=2).difference < 1e-5
        True
    """
    flat = flattened(loaded.model)
    source = "test rows"
    if x is None:
        x, source = likely_rows(flat, loaded, seed=seed)
    rows = _fitting(flat, x)
    ways = {
        "keras": keras_answer(flat),
        "onnx": onnx_answer(to_onnx(flat).SerializeToString()),
    }
    difference = _difference(ways, rows)
    latencies: dict[str, list[Latency]] = {name: [] for name in ways}
    with one_core():
        for batch in BATCHES:
            given = np.resize(rows, (batch, *rows.shape[1:]))
            tasks = {name: (lambda a=answer, g=given: a(g)) for name, answer in ways.items()}
            for name, seconds in interleaved(tasks, rounds=rounds).items():
                latencies[name].append(Latency(batch, tuple(seconds)))
    timed = {name: tuple(found) for name, found in latencies.items()}
    return Parity(flat, difference, len(rows), source, timed, drawing_layers(loaded.model))


def drawing_layers(model: keras.Model) -> tuple[str, ...]:
    """Names the layers of a model that draw in prediction, and rest in a graph."""
    return tuple(
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if type(layer).__name__ in ("MCDropout", "MCAlphaDropout")
    )


def likely_rows(flat: keras.Model, loaded: LoadedModel, *, seed: int = 0) -> tuple[np.ndarray, str]:
    """Draws rows such as a model was made for, by what it does with its inputs first.

    Args:
        flat: The model, flat.
        loaded: The model with what its file says of it.
        seed: The seed.

    Returns:
        256 rows, and in words what they are: normal with the mean and deviation that a normalisation of the inputs
        holds; pixels from 0 to 255 for images without one; else standard normal.
    """
    shape = (_ROWS, *flat.inputs[0].shape[1:])
    stream = generator(seed, "resampling")
    scaling = _scaling(flat)
    about = loaded.description
    if scaling is not None:
        mean, deviation = scaling
        x = mean + deviation * stream.normal(size=(_ROWS, mean.size))
        return x.reshape(shape), "random rows in the range of its normalisation"
    if about is not None and about.image_shape is not None:
        return stream.integers(0, 256, shape).astype(np.float64), "random pixels from 0 to 255"
    return stream.normal(size=shape), "random rows of mean 0 and deviation 1"


def _scaling(flat: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Finds mean and deviation of every input, where the first layer with weights scales them."""
    size = int(np.prod(flat.inputs[0].shape[1:]))
    for layer in flat.layers:
        if isinstance(layer, keras.layers.Normalization) and not layer.invert:
            mean, variance = layer.mean, layer.variance
        elif isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = layer.moving_mean, layer.moving_variance
        elif isinstance(layer, keras.layers.Dense):
            return None
        else:
            continue
        means, variances = (
            np.asarray(keras.ops.convert_to_numpy(one), np.float64).ravel()
            for one in (mean, variance)
        )
        deviations = np.sqrt(variances)
        if size % means.size:
            return None
        deviations = np.where(deviations > _MOST, 0, deviations)
        return np.resize(means, size), np.resize(deviations, size)
    return None


def _fitting(flat: Any, x: np.ndarray) -> np.ndarray:
    wanted = tuple(flat.inputs[0].shape[1:])
    if x.shape[1:] != wanted:
        raise DataError(
            f"takes rows of shape {wanted}, and these have {x.shape[1:]}; give the data it was trained for"
        )
    return np.ascontiguousarray(x, str(flat.inputs[0].dtype))


def _difference(ways: dict[str, Any], rows: np.ndarray) -> float:
    """Finds the largest difference, in chunks of one shape."""
    largest = 0.0
    for start in range(0, len(rows), CHUNK):
        chunk = np.resize(rows[start : start + CHUNK], (CHUNK, *rows.shape[1:]))
        keras_gives, onnx_gives = (
            np.asarray(answer(chunk), np.float64) for answer in ways.values()
        )
        gap = np.abs(keras_gives - onnx_gives)
        if not (gap <= TOLERANCE * (1 + np.abs(keras_gives))).all():
            raise UsageError(
                f"ONNX Runtime answers with {np.nanmax(gap):.3g} more or less than Keras, so nothing is written; "
                "this is a bug in denselab, please report it with the model"
            )
        largest = max(largest, float(gap.max()))
    return largest
