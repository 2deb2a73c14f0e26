"""NumPy's npz with x_train, y_train, x_test and y_test; colours last, first, or flat."""

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8
from numpy.lib import format as npy

from denselab.data.cifar10.layout import (
    Images,
    Layout,
    Part,
    Rows,
    checked_labels,
    checked_rows,
    damage_named,
    from_planes,
)
from denselab.errors import DataError, UnsafeFileError

__all__ = ["NPZ"]

_FILES = ("cifar10.npz", "cifar-10.npz")
_NAMES = ("x_train", "y_train", "x_test", "y_test")
_MEMBER_LIMIT = 2**28
_HEADER_LIMIT = 10_000
_CLEARLY_SMOOTHER = 0.9


def _find(place: Path) -> Path | None:
    if place.is_file():
        return place if place.suffix == ".npz" else None
    return next((place / name for name in _FILES if (place / name).is_file()), None)


def _read(path: Path, rows: Rows) -> Images:
    with damage_named(f"{path} is a truncated or damaged npz"), zipfile.ZipFile(path) as archive:
        arrays = {name: _member(archive, name, f"{path}, {name}") for name in _NAMES}
    parts = []
    for part, expected in (("train", rows.train), ("test", rows.test)):
        images = _images(arrays[f"x_{part}"], f"{path}, x_{part}")
        labels = _labels(arrays[f"y_{part}"], f"{path}, y_{part}")
        checked_rows(len(images), expected, f"{path}, x_{part}")
        checked_rows(len(labels), expected, f"{path}, y_{part}")
        parts.append(Part(images, labels))
    return Images(parts[0], parts[1], "npz")


def _member(archive: zipfile.ZipFile, name: str, where: str) -> np.ndarray:
    found = [info for info in archive.infolist() if info.filename == f"{name}.npy"]
    if not found:
        raise DataError(
            f"{where} is missing; expected {', '.join(_NAMES)}, as np.savez names its keywords"
        )
    info = found[0]
    if len(found) > 1 or info.flag_bits & 1 or info.file_size > _MEMBER_LIMIT:
        raise UnsafeFileError(
            f"{where} is encrypted, there twice, or larger than {_MEMBER_LIMIT:,} bytes; "
            "save the arrays again with np.savez"
        )
    with archive.open(info) as file:
        shape, fortran, dtype = _header(file, where)
        size = math.prod(shape) * dtype.itemsize
        data = file.read(size + 1) if size <= _MEMBER_LIMIT else b""
    if len(data) != size or min(shape, default=0) < 0:
        raise DataError(
            f"{where}: its header speaks of shape {shape}, {size:,} bytes, the file has "
            f"{info.file_size:,}; it is damaged: save it again with np.savez"
        )
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    with damage_named(f"{where} is no array"):
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
        shape, fortran, dtype = read(file, max_header_size=_HEADER_LIMIT)
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{where} holds pickled objects, which could run code; "
            "save plain numbers, e.g. x_train.astype('uint8')"
        )
    return shape, fortran, dtype


def _images(x: np.ndarray, where: str) -> UInt8[np.ndarray, "row 32 32 3"]:
    if x.dtype != np.uint8:
        raise DataError(
            f"{where} is {x.dtype}, expected uint8 from 0 to 255; save it with x.astype('uint8')"
        )
    if x.ndim == 4 and x.shape[1:] == (32, 32, 3):
        return np.ascontiguousarray(x)
    if x.ndim == 4 and x.shape[1:] == (3, 32, 32):
        return from_planes(x.reshape(len(x), 3072))
    if x.ndim == 2 and x.shape[1] == 3072:
        return _from_flat(x)
    raise DataError(
        f"{where} has shape {x.shape}, expected (n, 32, 32, 3), (n, 3, 32, 32) or (n, 3072)"
    )


def _from_flat(x: UInt8[np.ndarray, "row 3072"]) -> UInt8[np.ndarray, "row 32 32 3"]:
    """Takes flat rows for planes, as in the official files, or colours last if clearly smoother.

    Neighbouring pixels of a photograph are alike, so the right reading has the smaller steps.
    """
    planes, last = from_planes(x), x.reshape(-1, 32, 32, 3)
    return (
        np.ascontiguousarray(last) if _steps(last) < _CLEARLY_SMOOTHER * _steps(planes) else planes
    )


def _steps(images: UInt8[np.ndarray, "row 32 32 3"]) -> float:
    some = images[:: max(1, len(images) // 1000)].astype(np.int16)
    return sum(float(np.abs(np.diff(some, axis=axis)).mean()) for axis in (1, 2))


def _labels(y: np.ndarray, where: str) -> np.ndarray:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{where} is {y.dtype} of shape {y.shape}, expected whole numbers of shape (n,)"
        )
    return checked_labels(y, where)


NPZ = Layout(files=" or ".join(_FILES), find=_find, read=_read)
"""Four arrays in one file."""
