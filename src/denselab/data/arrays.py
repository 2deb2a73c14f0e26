"""The door for users' own arrays: what cannot be trained on is refused, with the remedy."""

import re
from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from denselab.data.dataset import Dataset, Task
from denselab.errors import DataError

__all__ = ["clean_name", "from_arrays"]

_REFUSED = {
    "O": "objects; give plain numbers, e.g. x.astype('float32')",
    "c": "complex numbers; give real and imaginary parts as two features",
    "U": "text; turn it into numbers first",
    "S": "bytes; turn them into numbers first",
    "M": "dates; turn them into numbers first, e.g. days since the first",
    "m": "durations; turn them into numbers first, e.g. seconds",
    "V": "records; give one plain array, e.g. with numpy's structured_to_unstructured",
}
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_EXACT_INTEGERS = 2**53


def from_arrays(
    x: ArrayLike,
    y: ArrayLike,
    *,
    name: str = "data",
    task: Task = "classification",
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """Makes a data set from arrays, copied and checked.

    `x` becomes `float32`, unless it is `uint8` or `bool`, which become `uint8`. Labels become
    `int32` from 0: whole numbers with gaps such as 0, 5, 7, bool and text are numbered in rising
    order and their old values kept as class names. Any memory order and byte order will do.

    Args:
        x: Inputs, shape (n, ...); rows of shape (height, width, channels) with 1, 3 or 4 channels
            are taken as images.
        y: Labels or targets, shape (n,) or (n, 1).
        name: What the data set is called.
        task: What `y` holds; it is not guessed.
        feature_names: One name per flat feature.
        class_names: One name per class, in the order of the labels. With labels from 0 to
            `len(class_names) - 1` classes may also be absent. For text labels, their order.

    Returns:
        The data, without a test set.

    Raises:
        DataError: If something cannot be trained on; the message says what to change.

    Example:
        >>> data = from_arrays([[1.0], [2.0], [3.0], [4.0]], [0, 5, 7, 5])
        >>> data.y.tolist(), data.class_names
        ([0, 1, 2, 1], ('0', '5', '7'))
    """
    if task not in get_args(Task):
        raise DataError(f"task {task!r} is unknown; expected {' or '.join(get_args(Task))}")
    columns = None if feature_names is None else _clean_names(feature_names, "feature")
    inputs = _inputs(_as_array(x, "x"))
    target = _target_column(_as_array(y, "y"))
    if len(inputs) != len(target):
        raise DataError(
            f"x has {len(inputs):,} rows and y has {len(target):,}; give one entry of y a row"
        )
    if task == "regression" and class_names is not None:
        raise DataError("class_names given for a regression; leave them out or set the task")
    if task == "regression":
        labels, classes = _quantities(target), None
    else:
        names = None if class_names is None else _clean_names(class_names, "class")
        labels, classes = _labels(target, names)
    return Dataset(
        name=clean_name(name) or "data",
        x=inputs,
        y=labels,
        task=task,
        feature_names=columns,
        class_names=classes,
        image_shape=_image_shape(inputs),
        source=f"{clean_name(name) or 'data'}, NumPy arrays",
    )


def clean_name(text: object) -> str:
    r"""Takes terminal escapes and control characters out of a name, so that it can be printed.

    Args:
        text: The name as it came.

    Returns:
        The name on one line, without blanks around it.

    Example:
        >>> clean_name("\x1b[31mred\x1b[0m wine ")
        'red wine'
    """
    return _CONTROLS.sub("", _ESCAPES.sub("", str(text))).strip()


def _clean_names(names: Sequence[str], what: str) -> tuple[str, ...]:
    cleaned = tuple(clean_name(name) for name in names)
    if "" in cleaned:
        raise DataError(f"{what} name {cleaned.index('') + 1} is empty; give every {what} a name")
    return cleaned


def _as_array(values: ArrayLike, what: str) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise DataError(f"{what} has masked entries; fill them or drop those rows")
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        raise DataError(f"{what} is no regular array ({error}); give rows of one length") from error


def _inputs(x: np.ndarray) -> np.ndarray:
    if x.dtype.kind in _REFUSED:
        raise DataError(f"x ({x.dtype}) holds {_REFUSED[x.dtype.kind]}")
    if x.ndim < 2 or x.size == 0:
        raise DataError(
            f"x has shape {x.shape}; expected (n, features) with at least one row and one feature; "
            "for a single feature give x.reshape(-1, 1)"
        )
    if len(x) < 2:
        raise DataError("x has one row; give at least two, one to train on and one to validate on")
    if x.dtype.kind == "b" or x.dtype == np.uint8:
        return np.array(x, np.uint8, order="C")
    return _as_float32(x, "x")


def _as_float32(values: np.ndarray, what: str) -> np.ndarray:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = ~np.isfinite(values)
        where = ", ".join(str(int(place)) for place in np.argwhere(bad)[0])
        raise DataError(
            f"{what} has {int(bad.sum()):,} NaN or infinite entries, the first at {what}[{where}]; "
            "fill them or drop those rows"
        )
    if values.dtype.kind in "iu" and max(-int(values.min()), int(values.max())) > _EXACT_INTEGERS:
        raise DataError(
            f"{what} holds whole numbers beyond 2**53, which no float keeps apart; "
            "drop identifiers, or scale the column down"
        )
    with np.errstate(over="ignore"):
        narrow = np.array(values, np.float32, order="C")
    if not np.isfinite(narrow).all():
        raise DataError(f"{what} holds values beyond 3.4e38, the end of float32; scale them down")
    _check_still_varies(values, narrow, what)
    return narrow


def _check_still_varies(values: np.ndarray, narrow: np.ndarray, what: str) -> None:
    lost = (values.min(axis=0) != values.max(axis=0)) & (narrow.min(axis=0) == narrow.max(axis=0))
    if lost.any():
        where = ", ".join(str(int(place)) for place in np.argwhere(lost)[0])
        column = f"{what}[:, {where}]" if where else what
        raise DataError(
            f"{column} varies by less than float32 resolves at its size; subtract its mean first"
        )


def _target_column(y: np.ndarray) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"y has shape {y.shape}; expected one entry per row, (n,); "
            "for one-hot labels give y.argmax(axis=1)"
        )
    return y


def _quantities(y: np.ndarray) -> np.ndarray:
    if y.dtype.kind in _REFUSED:
        raise DataError(f"y ({y.dtype}) holds {_REFUSED[y.dtype.kind]}")
    return _as_float32(y, "y")


def _labels(y: np.ndarray, names: tuple[str, ...] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    if y.dtype.kind not in "biuU":
        raise DataError(
            f"y is {y.dtype}; expected whole numbers, bool or text as labels: give y.astype(int) "
            "or y.astype(str), or say task='regression' if y is a quantity"
        )
    if y.dtype == np.uint8 and (y == 255).any():
        raise DataError(
            "y holds the uint8 label 255, which mostly is a missing label (-1 wrapped round); "
            "drop those rows, or give y.astype(int) if 255 is a class"
        )
    values, codes = np.unique(y, return_inverse=True)
    if len(values) < 2:
        raise DataError(f"y holds one class only ({clean_name(values[0])}); give at least two")
    if len(values) == len(y):
        raise DataError(
            f"all {len(y):,} labels differ; give labels that repeat, "
            "or say task='regression' if y is a quantity"
        )
    if y.dtype.kind == "U":
        return _numbered_text(_clean_names(values.tolist(), "class"), codes, names)
    if names is None:
        return codes.astype(np.int32), tuple(str(value) for value in values.tolist())
    if int(values[0]) >= 0 and int(values[-1]) < len(names):
        return y.astype(np.int32), names
    if len(values) == len(names):
        return codes.astype(np.int32), names
    raise DataError(
        f"y holds {len(values):,} labels from {values[0]} to {values[-1]} and there are "
        f"{len(names)} class names; give one name per label"
    )


def _numbered_text(
    values: tuple[str, ...], codes: np.ndarray, names: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    if names is None:
        return codes.astype(np.int32), values
    missing = [value for value in values if value not in names]
    if missing:
        raise DataError(
            f"y holds {missing[0]!r}, which is no class name; expected {', '.join(names)}"
        )
    return np.array([names.index(value) for value in values], np.int32)[codes], names


def _image_shape(x: np.ndarray) -> tuple[int, int, int] | None:
    if x.ndim != 4 or x.shape[3] not in (1, 3, 4):
        return None
    return (x.shape[1], x.shape[2], x.shape[3])
