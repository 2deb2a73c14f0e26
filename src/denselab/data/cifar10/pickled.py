"""A batch of the Python version: a pickle, read without running anything that stands in it."""

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from denselab.data.cifar10.layout import Part, checked_labels, damage_named, from_planes
from denselab.errors import DataError, UnsafeFileError

__all__ = ["read_pickled_batch"]

_OPCODE_LIMIT = 500_000
_INTEGER_CODES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")


def read_pickled_batch(data: bytes, where: str) -> Part:
    """Reads a batch of the Python version.

    A pickle is a program. Here the few names that a CIFAR-10 batch uses become inert records of
    how they were called, and the array is made from those; any other name is refused.

    Args:
        data: The bytes of the file.
        where: The file, for messages.

    Returns:
        Its rows in their order.

    Raises:
        DataError: If the pickle is cut, or holds no batch of 3,072 pixel values a row.
        UnsafeFileError: If it names anything that no CIFAR-10 batch needs.

    References:
        Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, "Python version".
    """
    batch = _load(data, where)
    if not isinstance(batch, dict):
        raise DataError(
            f"{where} holds a {type(batch).__name__}, expected a dictionary; get it again"
        )
    entries = {_text(key): value for key, value in batch.items()}
    for name in ("data", "labels"):
        if name not in entries:
            raise DataError(f"{where} has no entry {name!r}; this is no CIFAR-10 batch")
    pixels = _array(entries["data"], f"{where}, data")
    if pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != 3072:
        raise DataError(
            f"{where} holds {pixels.dtype} pixels of shape {pixels.shape}, expected uint8 with "
            "3,072 a row; get the file again"
        )
    labels = _integers(entries["labels"], f"{where}, labels")
    if labels.shape != pixels.shape[:1]:
        raise DataError(
            f"{where} holds {len(pixels):,} images and labels of shape {labels.shape}, expected "
            "one label an image; get the file again"
        )
    return Part(from_planes(pixels), checked_labels(labels, where))


class _Record:
    """Stands for what a pickle wanted to make: the arguments and the state it gave."""

    name = ""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


# Python 2 with old NumPy wrote `numpy.core`; copies made since have the other names.
_PERMITTED = {
    (module, name): type("_Record", (_Record,), {"name": name})
    for module, name in (
        ("_codecs", "encode"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
    )
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Record]:
        if (module, name) not in _PERMITTED:
            named = f"{module}.{name}"[:80]
            raise UnsafeFileError(
                f"it names {named!r}, which no CIFAR-10 batch needs and which could run code"
            )
        return _PERMITTED[module, name]


def _load(data: bytes, where: str) -> object:
    try:
        with damage_named(f"{where} is a damaged pickle"):
            _check_opcodes(data)
            return _Reader(io.BytesIO(data), encoding="bytes").load()
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{where} was not read: {error}; get the official file") from error


def _check_opcodes(data: bytes) -> None:
    """Refuses programs that would fill the memory: too many steps, or a huge memo."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        memo = argument if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") else 0
        if count > _OPCODE_LIMIT or (isinstance(memo, int) and memo > _OPCODE_LIMIT):
            raise UnsafeFileError(f"it takes more than {_OPCODE_LIMIT:,} steps")


def _array(value: object, where: str) -> np.ndarray:
    match value:
        case _Record(name="_reconstruct", state=(_, tuple(shape), dtype, fortran, raw)):
            order = "F" if fortran else "C"
        case _Record(name="_frombuffer", arguments=(raw, dtype, tuple(shape), b"F" | "F")):
            order = "F"
        case _Record(name="_frombuffer", arguments=(raw, dtype, tuple(shape), b"C" | "C")):
            order = "C"
        case _:
            raise DataError(f"{where} is no array; get the file again")
    try:
        return np.frombuffer(_bytes(raw), _dtype(dtype)).reshape(shape, order=order)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{where} is no array of whole numbers ({error}); get the file again"
        ) from error


def _dtype(value: object) -> np.dtype:
    match value:
        case _Record(name="dtype", arguments=(code, *_), state=(_, byte_order, *_)):
            code, byte_order = _text(code), _text(byte_order)
            if code in _INTEGER_CODES and byte_order in ("|", "<", ">", "="):
                return np.dtype(byte_order.replace("|", "=") + code)
    raise ValueError("of another type")


def _integers(value: object, where: str) -> np.ndarray:
    if isinstance(value, _Record):
        return _array(value, where)
    if not isinstance(value, list) or not all(isinstance(entry, int) for entry in value):
        raise DataError(f"{where} is no list of whole numbers; get the file again")
    try:
        return np.array(value, np.int64)
    except OverflowError as error:
        raise DataError(f"{where} holds a number beyond 64 bits; get the file again") from error


def _text(value: object) -> str:
    return _bytes(value).decode("latin-1")


def _bytes(value: object) -> bytes:
    """Takes bytes from any way of pickling them; Python 3 writes them as `encode` in protocol 2."""
    match value:
        case bytes() | bytearray():
            return bytes(value)
        case str():
            return value.encode("latin-1", "replace")
        case _Record(name="encode", arguments=(str(text), *_)):
            return text.encode("latin-1", "replace")
    return b""
