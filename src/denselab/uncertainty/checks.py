"""What is checked at the door, and what is said when it does not fit."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from jax.core import Tracer

from denselab.errors import DataError, UsageError

__all__ = [
    "check_data",
    "check_draws",
    "check_finite",
    "check_labels",
    "check_model",
    "check_options",
    "check_probabilities",
    "no_noise_message",
    "output_columns",
    "wrong_shape_message",
]


def check_model(model: Any) -> None:
    """Refuses what is no built Keras model.

    Raises:
        UsageError: If it is none.
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"model is a {type(model).__name__}; give a keras.Model")
    if not model.built:
        raise UsageError(f"model {model.name!r} has no weights yet; fit it, or call it on one row")


def check_data(x: Any) -> tuple[Any, int]:
    """Turns inputs into arrays of one length.

    Args:
        x: An array, or a list, tuple or dictionary of arrays, one row an example.

    Returns:
        The same as NumPy arrays, floats in Keras' own precision, and the number of rows.

    Raises:
        DataError: If there are no rows, or inputs of different lengths, or text.
    """
    arrays = keras.tree.map_structure(_as_numbers, x)
    lengths = {array.shape[:1] for array in keras.tree.flatten(arrays)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        found = sorted(length[0] if length else 0 for length in lengths)
        raise DataError(f"x has {found} rows; give arrays of one length, with at least one row")
    return arrays, lengths.pop()[0]


def check_draws(draws: int, until: float | None) -> None:
    """Refuses numbers of draws and targets that make no sense.

    Raises:
        UsageError: If there is less than one draw, or the target is not above 0.
    """
    whole = isinstance(draws, int | np.integer) and not isinstance(draws, bool)
    if not whole or draws < 1:
        raise UsageError(f"draws is {draws!r}; give a whole number of at least 1, such as 100")
    if until is not None and not (until > 0 and math.isfinite(until)):
        raise UsageError(f"until is {until!r}; give a standard error above 0, such as 0.01")


def check_options(options: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuses options that do not exist, and chunks that are none.

    Raises:
        UsageError: If there is one.
    """
    for name in options:
        if name not in known:
            raise UsageError(f"there is no option {name!r}; give one of {', '.join(sorted(known))}")
    chunk = options.get("chunk")
    if chunk is not None and (not isinstance(chunk, int | np.integer) or chunk < 1):
        raise UsageError(f"chunk is {chunk!r}; give a whole number of at least 1, or None")


def check_finite(x: Any, found: np.ndarray) -> None:
    """Refuses results that are no numbers, and says where they come from.

    Args:
        x: The data.
        found: Something computed from every row and draw.

    Raises:
        DataError: If the results are not finite.
    """
    if np.isfinite(found).all():
        return
    for array in keras.tree.flatten(x):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise DataError(f"x has a NaN or infinity in row {row}; fill or drop such rows first")
    raise DataError(
        "the model's outputs are not finite although x is; its weights have diverged: train it "
        "again with a lower learning rate"
    )


def check_probabilities(mean: np.ndarray) -> None:
    """Refuses mean probabilities that do not sum to 1.

    Raises:
        UsageError: If a row's sum is off by more than rounding.
    """
    sums = mean.sum(axis=1)
    if np.abs(sums - 1).max() > 1e-3 or mean.min() < 0:
        worst = sums[np.abs(sums - 1).argmax()]
        raise UsageError(
            f"the outputs are no probabilities (a row sums to {worst:.3g}); say outputs='logits' "
            "or 'values'"
        )


def output_columns(output: Any, rows: int) -> int:
    """Counts the outputs of a row.

    Raises:
        UsageError: If the model does not give one table.
    """
    leaves = keras.tree.flatten(output)
    shapes = [tuple(leaf.shape) for leaf in leaves]
    if len(shapes) != 1 or shapes[0][:1] != (rows,) or len(shapes[0]) > 2:
        raise UsageError(
            f"the model gives outputs of shapes {[shape[1:] for shape in shapes]} a row; draws "
            "need one output of one axis: build a keras.Model that ends in the output you want"
        )
    return math.prod(shapes[0][1:])


def check_labels(shape: tuple[int, ...], labels: Any) -> None:
    """Refuses labels that do not go with a table (example, class).

    Args:
        shape: Shape of the table.
        labels: True classes; inside a compiled function only their shape is checked.

    Raises:
        DataError: If the shapes do not fit, there is no example, or a label is no class.
    """
    if len(shape) != 2 or shape[0] == 0 or tuple(labels.shape) != shape[:1]:
        raise DataError(
            f"predictions have shape {shape} and labels {tuple(labels.shape)}; give (example, "
            "class) and (example,), with at least one example"
        )
    if isinstance(labels, Tracer):
        return
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= shape[1]:
        raise DataError(
            f"labels run from {labels.min()} to {labels.max()} ({labels.dtype}) for {shape[1]} "
            f"classes; give whole numbers from 0 to {shape[1] - 1}"
        )


def no_noise_message(model: keras.Model) -> str:
    """Says that a model has nothing to draw."""
    return (
        f"model {model.name!r} has no stochastic layer on the way to its output (a rate of 0 is "
        "none); add a keras.layers.Dropout, or predict without draws"
    )


def wrong_shape_message(model: Any, x: Any, error: Exception) -> str:
    """Says what Keras said of data that a model cannot take, in one line."""
    shapes = ", ".join(str(tuple(leaf.shape[1:])) for leaf in keras.tree.flatten(x))
    reason = str(error).strip().splitlines()[0]
    wanted = getattr(model, "input_shape", None) or "that the model was built for"
    return (
        f"model {model.name!r} cannot take rows of shape {shapes}: {reason}; give rows of shape "
        f"{wanted}"
    )


def _as_numbers(array: Any) -> np.ndarray:
    try:
        numbers = np.asarray(array)
    except (TypeError, ValueError) as error:
        raise DataError(f"x is no array: {error}; give NumPy arrays of numbers") from error
    if numbers.dtype.kind not in "biuf":
        raise DataError(f"x holds {numbers.dtype}, not numbers; encode text and categories first")
    return numbers.astype(keras.config.floatx()) if numbers.dtype == np.float64 else numbers
