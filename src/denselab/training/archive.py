"""A `.keras` file as a zip archive: what may be in it and how large, before anything reads it."""

import re
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from denselab.errors import DataError, UnsafeFileError

__all__ = ["DESCRIPTION", "PREPROCESSING", "Members", "most_bytes", "read_members"]

DESCRIPTION = "denselab.json"
"""The member in which a model of denselab describes itself; Keras does not look at it."""

PREPROCESSING = "preprocessing.json"
"""The member that says how features are made of the columns of a table."""

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_MOST_BYTES = {
    _CONFIG: 2**24,
    _METADATA: 2**16,
    _WEIGHTS: 2**30,
    DESCRIPTION: 2**22,
    PREPROCESSING: 2**26,
}
"""Member -> bytes it may have unpacked: 268 million float32 weights, 16 MiB of configuration."""

_MOST_RATIO, _SMALL = 100, 2**16
"""Unpacked over packed size, from a size on. Weights deflate by less than 2, configurations by 30."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_END, _END_SIZE, _LOCATOR, _LOCATOR_SIZE = b"PK\x05\x06", 22, b"PK\x06\x07", 20


class Members(NamedTuple):
    """What a `.keras` file holds besides its weights.

    Attributes:
        config: The configuration of the model, JSON.
        description: What denselab wrote about it, JSON, if it did.
        preprocessing: How its features are made of a table, JSON, if it was trained on one.
    """

    config: bytes
    description: bytes | None
    preprocessing: bytes | None


def most_bytes(member: str) -> int:
    """Says how large a member may be, unpacked.

    Args:
        member: Its name.

    Returns:
        Bytes.

    Example:
        >>> most_bytes(DESCRIPTION)
        4194304
    """
    return _MOST_BYTES[member]


def read_members(path: Path, weights: Path) -> Members:
    """Unpacks a `.keras` file after checking names, sizes and kinds of its members.

    Args:
        path: The file.
        weights: Where to put its weights, an HDF5 file that nobody has looked at yet.

    Returns:
        The other members.

    Raises:
        UnsafeFileError: If it is of another kind that can hold code, or built to do harm.
        DataError: If it is not there, no `.keras` file, or damaged.
    """
    _check_place(path)
    with path.open("rb") as file:
        _check_kind(file)
        try:
            with zipfile.ZipFile(file) as archive:
                return _unpack(archive, weights)
        except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError) as error:
            raise DataError(f"is damaged ({error}); save the model again") from error
        except RuntimeError as error:  # A packing, or a version, that the zip module lacks.
            raise UnsafeFileError(f"is packed in a way Keras never does ({error})") from error


def _check_place(path: Path) -> None:
    if _ADDRESS.match(str(path)):
        raise UnsafeFileError(
            "is an address, and models are read from files only; download it from somebody you "
            "trust and give the .keras file"
        )
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            raise UnsafeFileError(
                "is a TensorFlow SavedModel, which can hold code; give a .keras file"
            )
        raise DataError("is a folder; give the .keras file in it")
    if not path.is_file():
        raise DataError("no such file; give a .keras file, as denselab train leaves it")


def _check_kind(file: BinaryIO) -> None:
    """Looks at both ends of the file before the zip module reads its list of members."""
    first = file.read(len(_HDF5))
    size = file.seek(0, 2)
    if first == _HDF5:
        raise UnsafeFileError(
            "is an HDF5 model, a format that can hold code; load it with Keras where you trust it "
            "and save it as .keras"
        )
    tail_size = min(size, _END_SIZE + _LOCATOR_SIZE)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    end = tail[-_END_SIZE:]
    if not first.startswith(b"PK") or end[:4] != _END:
        raise DataError("is no .keras file, or a damaged one; save the model again")
    if size > sum(_MOST_BYTES.values()):
        raise UnsafeFileError(f"has {size:,} bytes, more than denselab loads")
    members = struct.unpack("<4H", end[4:12])[3]
    if tail[:4] == _LOCATOR or members > len(_MOST_BYTES):
        raise UnsafeFileError("has more members than a model of Keras")


def _unpack(archive: zipfile.ZipFile, weights: Path) -> Members:
    members = archive.infolist()
    for member in members:
        _check_member(member)
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise UnsafeFileError("has two members of one name, of which only one would be checked")
    missing = [name for name in (_CONFIG, _WEIGHTS) if name not in names]
    if missing:
        raise DataError(f"is no model of Keras: {missing[0]} is missing; save the model again")
    with archive.open(_WEIGHTS) as packed, weights.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    description, preprocessing = (
        archive.read(name) if name in names else None for name in (DESCRIPTION, PREPROCESSING)
    )
    return Members(archive.read(_CONFIG), description, preprocessing)


def _check_member(member: zipfile.ZipInfo) -> None:
    name = ascii(member.filename)[:60]
    # orig_filename is what stands in the file: the module cuts a name at a NUL.
    if member.filename not in _MOST_BYTES or member.orig_filename != member.filename:
        raise UnsafeFileError(
            f"has a member {name}; a model that denselab loads has {', '.join(_MOST_BYTES)}"
        )
    if member.flag_bits & 1:
        raise UnsafeFileError(f"has an encrypted member {name}")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeFileError(f"has a member {name} that is packed in a way Keras never does")
    if member.file_size > _MOST_BYTES[member.filename]:
        raise UnsafeFileError(
            f"has a member {name} of {member.file_size:,} bytes; at most "
            f"{_MOST_BYTES[member.filename]:,} are loaded"
        )
    if member.file_size > max(_SMALL, _MOST_RATIO * member.compress_size):
        raise UnsafeFileError(
            f"has a member {name} that unpacks from {member.compress_size:,} to "
            f"{member.file_size:,} bytes, as no model does"
        )
