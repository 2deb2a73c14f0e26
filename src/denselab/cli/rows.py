"""Rows from a `.npz` or `.npy` file: looked at before memory is taken, and never unpickled."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from denselab.data import from_arrays
from denselab.data.tables import read_npy, read_npz
from denselab.errors import DataError, UnsafeFileError

__all__ = ["Rows", "is_file_name", "read_arrays", "read_rows"]

_SUFFIXES = (".npz", ".npy")


class Rows(NamedTuple):
    """Rows of a file.

    Attributes:
        x: Inputs, shape (row, ...), `float32` or `uint8`.
        y: Labels as they stand in the file, shape (row,), or None.
    """

    x: np.ndarray
    y: np.ndarray | None


def is_file_name(data: str) -> bool:
    """Tells a file name from the name of a data set, by its ending."""
    return data.lower().endswith(_SUFFIXES)


def read_rows(path: Path) -> Rows:
    """Reads inputs, and labels if there are any.

    Args:
        path: A `.npy` file of inputs, or a `.npz` file with `x` and perhaps `y`.

    Returns:
        The rows.

    Raises:
        DataError: If they cannot be read or used.
        UnsafeFileError: If the file holds Python objects, or would fill the memory.
    """
    found = read_arrays(path)
    try:
        return Rows(_checked(found["x"]), _labels(found.get("y"), len(found["x"])))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads inputs, and targets if there are any, whatever they hold.

    Args:
        path: A `.npy` file of inputs, or a `.npz` file with `x` and perhaps `y`.

    Returns:
        `x`, and `y` where it is there, as they stand in the file.

    Raises:
        DataError: If they cannot be read.
        UnsafeFileError: If the file holds Python objects, or would fill the memory.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a .npz with x and perhaps y, or a .npy")
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".npy":
                return read_npy(file, path.stat().st_size)
            return read_npz(file, only=("x", "y"))
    except (DataError, UnsafeFileError) as error:
        raise type(error)(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error


def _checked(x: np.ndarray) -> np.ndarray:
    """Lets the door of data sets look at inputs; it wants several rows, and labels that repeat."""
    if x.ndim < 2 or not len(x):
        raise DataError(
            f"x has shape {x.shape}; expected (rows, ...), at least one row; for a single row give "
            "x.reshape(1, -1)"
        )
    enough = np.concatenate([x, x, x]) if len(x) < 3 else x
    return from_arrays(enough, np.arange(len(enough)) % 2).x[: len(x)]


def _labels(y: np.ndarray | None, rows: int) -> np.ndarray | None:
    if y is None:
        return None
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.shape != (rows,) or y.dtype.kind not in "biuU":
        raise DataError(
            f"y has shape {y.shape} and holds {y.dtype}; expected {rows:,} whole numbers or names"
        )
    return y
