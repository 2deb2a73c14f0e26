"""Rows from a `.npz` or `.npy` file: looked at before memory is taken, and never unpickled."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from denselab.data import from_arrays
from denselab.data.arrays import clean_name
from denselab.errors import DataError, UnsafeFileError

__all__ = ["Rows", "is_file_name", "read_arrays", "read_rows"]

_SUFFIXES = (".npz", ".npy")
_MOST_BYTES = 2**32
_MOST_HEADER = 10_000
_MOST_MEMBERS = 1000
_SUSPICIOUS, _MOST_RATIO = 2**26, 500
"""From this size on, an array that unpacks from a 500th of it is a bomb: deflate ends at a 1032th."""


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
        return _read(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise DataError(f"{path}: {error}") from error
        raise DataError(f"{path}: is damaged or no NumPy file ({error})") from error
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            return {"x": _array(file, "x", path.stat().st_size)}
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member for member in archive.infolist()}
        if len(archive.infolist()) > min(_MOST_MEMBERS, len(members)):
            raise UnsafeFileError("holds arrays of one name, or thousands of them")
        if "x.npy" not in members:
            names = (
                ", ".join(clean_name(name.removesuffix(".npy")) for name in members) or "nothing"
            )
            raise DataError(
                f"holds {names[:100]}; save inputs as x, and labels as y if there are any"
            )
        return {
            name: _unpacked(archive, members[f"{name}.npy"], name)
            for name in ("x", "y")
            if f"{name}.npy" in members
        }


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> np.ndarray:
    if member.file_size > max(_SUSPICIOUS, _MOST_RATIO * member.compress_size):
        raise UnsafeFileError(
            f"{name} unpacks from {member.compress_size:,} to {member.file_size:,} bytes; save it "
            "with numpy.savez"
        )
    with archive.open(member) as file:
        return _array(file, name, member.file_size)


def _array(file: IO[bytes], name: str, size: int) -> np.ndarray:
    """Reads an array whose header asks for what is there, and for no more."""
    form = np.lib.format
    version = form.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{name} is in version {version} of the NumPy format; save it again")
    read = form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0
    shape, fortran, kind = read(file, max_header_size=_MOST_HEADER)
    if kind.hasobject:
        raise UnsafeFileError(
            f"{name} holds Python objects, which are unpickled, and that runs code; save numbers"
        )
    wanted = math.prod(shape) * kind.itemsize
    if any(axis < 0 for axis in shape) or wanted > min(size, _MOST_BYTES):
        raise DataError(
            f"{name} asks for {wanted:,} bytes; {size:,} are there, and at most {_MOST_BYTES:,} "
            "are read"
        )
    content = file.read(wanted)
    if len(content) < wanted:
        raise DataError(f"{name} ends after {len(content):,} of {wanted:,} bytes; save it again")
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


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
