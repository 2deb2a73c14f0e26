"""What every layout of CIFAR-10 must hold, and the one form all of them are brought to."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Integer, UInt8

from denselab.errors import DataError, DenselabError, UnsafeFileError

__all__ = [
    "CLASS_NAMES",
    "COMPLETE",
    "Images",
    "Layout",
    "Part",
    "Rows",
    "checked_labels",
    "checked_rows",
    "damage_named",
    "from_planes",
    "in_canonical_order",
    "read_bytes",
]

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


_SHOWN = 200


class Rows(NamedTuple):
    """How many rows a complete copy holds.

    Attributes:
        train: Rows of the training set.
        test: Rows of the test set.
    """

    train: int
    test: int


COMPLETE = Rows(50_000, 10_000)
"""The rows of the whole data set."""


class Part(NamedTuple):
    """The training or the test set.

    Attributes:
        x: Images, red, green and blue last.
        y: Labels from 0 to 9.
    """

    x: UInt8[np.ndarray, "row 32 32 3"]
    y: Int32[np.ndarray, " row"]


class Images(NamedTuple):
    """A copy of CIFAR-10 as it was read.

    Attributes:
        train: The training set.
        test: The test set.
        source: What it was read from, e.g. "python archive" or "image folder, JPEG copy".
    """

    train: Part
    test: Part
    source: str


class Layout(NamedTuple):
    """A way in which CIFAR-10 is kept.

    Attributes:
        files: What to look for, in words.
        find: Takes a folder or file to what `read` wants, or None where this layout is not there.
        read: Reads it; all rows must be there.
    """

    files: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path, Rows], Images]


def read_bytes(path: Path, limit: int) -> bytes:
    """Reads a whole file, unless it is larger than it can be.

    Args:
        path: The file.
        limit: Most bytes that a file of this kind has.

    Returns:
        Its bytes.

    Raises:
        DataError: If it cannot be read or is empty.
        UnsafeFileError: If it is larger.
    """
    try:
        # A pipe or a device would never end.
        if path.exists() and not path.is_file():
            raise DataError(f"{path} is no plain file; get a complete copy of CIFAR-10")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; get a complete copy of CIFAR-10") from error
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}); check the file") from error
    if len(data) > limit:
        raise UnsafeFileError(
            f"{path} is larger than {limit:,} bytes, which no file of CIFAR-10 in this layout is; "
            "get the official copy"
        )
    if not data:
        raise DataError(f"{path} is empty; get it again")
    return data


@contextmanager
def damage_named(what: str) -> Iterator[None]:
    """Turns whatever a parser raises on damaged bytes into one line.

    Parsers of pickles, archives and headers raise nearly every exception there is when the bytes
    are hostile enough; our own errors and a lack of memory pass as they are.

    Args:
        what: The file and what is wrong with it.

    Yields:
        Nothing; the parsing happens inside.

    Raises:
        DataError: If the parser raised.
    """
    try:
        yield
    except (DenselabError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_SHOWN]
        raise DataError(f"{what} ({reason}); delete it and get it again") from error


def from_planes(rows: UInt8[np.ndarray, "row 3072"]) -> UInt8[np.ndarray, "row 32 32 3"]:
    """Turns rows of a red, a green and a blue plane into images.

    Args:
        rows: One image a row, as in the official files.

    Returns:
        Images with the colours last.
    """
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def checked_labels(labels: Integer[np.ndarray, " row"], where: str) -> Int32[np.ndarray, " row"]:
    """Refuses labels that are no class of CIFAR-10.

    Args:
        labels: Labels as they came.
        where: The file they stand in.

    Returns:
        The labels.

    Raises:
        DataError: If one is not from 0 to 9.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASS_NAMES)))
    if len(wrong):
        raise DataError(
            f"{where}, row {wrong[0]}: label {labels[wrong[0]]}, expected 0 to 9; "
            "this is not CIFAR-10, or the file is damaged"
        )
    return labels.astype(np.int32)


def checked_rows(came: int, expected: int, where: str) -> None:
    """Refuses a part that is incomplete or has rows too many.

    Args:
        came: Rows that are there.
        expected: Rows of a complete copy.
        where: The file or folder they stand in.

    Raises:
        DataError: If the two differ.
    """
    if came != expected:
        raise DataError(
            f"{where} holds {came:,} rows, expected {expected:,}; get a complete copy of CIFAR-10"
        )


def in_canonical_order(part: Part) -> Part:
    """Sorts rows by the SHA-256 of label and image.

    An image folder has no order of its own and Parquet copies are shuffled, so every layout is
    brought to this one: then the arrays, the fingerprint, the splits and all that is trained on
    them are the same to the byte. A digest, and not the pixels, so that the first rows are no
    selection of the darkest.

    Args:
        part: Rows in any order.

    Returns:
        The same rows in canonical order.
    """
    digests = [
        hashlib.sha256(bytes([label]) + image.tobytes()).digest()
        for label, image in zip(part.y.tolist(), part.x, strict=True)
    ]
    order = np.array(sorted(range(len(digests)), key=digests.__getitem__), np.intp)
    return Part(part.x[order], part.y[order])
