"""Arrays with a name, a task and a fingerprint."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from denselab.errors import DataError

__all__ = ["Dataset", "Task"]

Task = Literal["classification", "regression"]
"""What is predicted: one of several classes, or a quantity."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Dataset:
    """A data set: what goes in, what is to come out, and what the columns and classes are called.

    Rows are examples. `x` stays as it came, so images remain `uint8`; labels are `int32` from 0 to
    `classes - 1`, targets of a regression `float32`. The arrays are shared, not copied: treat them
    as read-only. Users' own arrays come in through `from_arrays`, which checks and converts them.

    Attributes:
        name: What the data set is called in tables and folder names.
        x: Inputs, shape (n, ...).
        y: Labels or targets, shape (n,).
        task: What is predicted.
        feature_names: One name per flat feature, or None.
        class_names: One name per class; None exactly for regression.
        image_shape: Height, width and channels where a row is an image, also where `x` is flat.
        test_x: Inputs of the test set, shape (m, ...), or None where there is no test set.
        test_y: Labels or targets of the test set, shape (m,), or None.
        calibration_x: Inputs of the calibration slice, shape (k, ...), or None where there is none. No
            member trains or stops on these rows: temperatures and conformal sets are fitted on them.
        calibration_y: Labels or targets of the calibration slice, shape (k,), or None.
        source: Where the rows came from, in words.

    Raises:
        DataError: If the parts do not fit together.

    Example:
        >>> x = np.zeros((4, 3), np.float32)
        >>> y = np.array([0, 1, 0, 1], np.int32)
        >>> data = Dataset(name="toy", x=x, y=y, task="classification", class_names=("no", "yes"))
        >>> data.n, data.features, data.classes
        (4, 3, 2)
    """

    name: str
    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    task: Task
    feature_names: tuple[str, ...] | None = field(default=None, repr=False)
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    test_x: np.ndarray | None = field(default=None, repr=False)
    test_y: np.ndarray | None = field(default=None, repr=False)
    calibration_x: np.ndarray | None = field(default=None, repr=False)
    calibration_y: np.ndarray | None = field(default=None, repr=False)
    source: str = ""

    def __post_init__(self) -> None:
        _check_task(self)
        _check_rows(self, self.x, self.y, "")
        _check_names(self)
        _check_part(self, self.test_x, self.test_y, "test_")
        _check_part(self, self.calibration_x, self.calibration_y, "calibration_")

    @property
    def n(self) -> int:
        """Number of rows, without the test set and the calibration slice."""
        return len(self.x)

    @property
    def features(self) -> int:
        """Number of features of a row, flattened."""
        return math.prod(self.x.shape[1:])

    @property
    def classes(self) -> int | None:
        """Number of classes; None for regression."""
        return None if self.class_names is None else len(self.class_names)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that training sees: arrays with shape and type, task, classes.

        Bytes are taken in one form (C order, little-endian), so memory layout does not matter; the
        order of the rows does, since splits speak of rows by number. Name, source and feature
        names do not count.

        Returns:
            64 hexadecimal digits.
        """
        arrays = [self.x, self.y, self.test_x, self.test_y]
        if (
            self.calibration_x is not None
        ):  # Data without a slice keeps the fingerprint it had before.
            arrays += [self.calibration_x, self.calibration_y]
        canonical = [None if array is None else _canonical(array) for array in arrays]
        header = {
            "format": 1,
            "task": self.task,
            "class_names": self.class_names,
            "arrays": [None if a is None else [a.shape, a.dtype.str] for a in canonical],
        }
        digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for array in canonical:
            if array is not None:
                digest.update(array.data)
        return digest.hexdigest()


def _canonical(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _check_task(dataset: Dataset) -> None:
    if dataset.task not in get_args(Task):
        known = " or ".join(get_args(Task))
        raise DataError(f"{dataset.name}: task {dataset.task!r} is unknown; expected {known}")
    if (dataset.task == "classification") != (dataset.class_names is not None):
        raise DataError(
            f"{dataset.name}: {dataset.task} with class_names={dataset.class_names!r}; "
            "give class names for classification and none for regression"
        )


def _check_rows(dataset: Dataset, x: np.ndarray, y: np.ndarray, prefix: str) -> None:
    name = dataset.name
    if x.ndim < 2 or x.size == 0:
        raise DataError(
            f"{name}: {prefix}x has shape {x.shape}; expected (n, ...), at least one row and one "
            "feature"
        )
    if y.shape != x.shape[:1]:
        raise DataError(
            f"{name}: {prefix}x has {len(x):,} rows and {prefix}y has shape {y.shape}; "
            f"expected one entry of {prefix}y per row"
        )
    if dataset.class_names is None:
        return
    if y.dtype.kind not in "iu":
        raise DataError(f"{name}: {prefix}y is {y.dtype}; expected whole-number class labels")
    low, high, classes = int(y.min()), int(y.max()), len(dataset.class_names)
    if low < 0 or high >= classes:
        raise DataError(
            f"{name}: {prefix}y holds the label {low if low < 0 else high}; expected 0 to "
            f"{classes - 1} for {classes} class names; use from_arrays to renumber labels"
        )


def _check_names(dataset: Dataset) -> None:
    for what, names in (("class", dataset.class_names), ("feature", dataset.feature_names)):
        if names is not None and len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{dataset.name}: the {what} name {twice!r} occurs twice; give each its own name"
            )
    if dataset.feature_names is not None and len(dataset.feature_names) != dataset.features:
        raise DataError(
            f"{dataset.name}: {len(dataset.feature_names):,} feature names for "
            f"{dataset.features:,} features; give one name per feature"
        )
    if dataset.image_shape is not None and math.prod(dataset.image_shape) != dataset.features:
        raise DataError(
            f"{dataset.name}: image_shape {dataset.image_shape} does not hold "
            f"{dataset.features:,} features; give height, width and channels of a row"
        )


def _check_part(dataset: Dataset, x: np.ndarray | None, y: np.ndarray | None, prefix: str) -> None:
    if (x is None) != (y is None):
        raise DataError(
            f"{dataset.name}: {prefix}x and {prefix}y come together; give both or neither"
        )
    if x is None or y is None:
        return
    _check_rows(dataset, x, y, prefix)
    came, expected = (x.shape[1:], x.dtype), (dataset.x.shape[1:], dataset.x.dtype)
    if came != expected:
        raise DataError(
            f"{dataset.name}: rows of {prefix}x are {came[1]} of shape {came[0]}; "
            f"expected {expected[1]} of shape {expected[0]}, as in x"
        )
