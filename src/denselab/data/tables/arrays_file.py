"""Files of NumPy, npy and npz: the header is asked how much there is before memory is taken."""

import math
import zipfile
import zlib
from collections.abc import Collection
from typing import IO

import numpy as np

from denselab.data.arrays import clean_name
from denselab.data.tables.reading import printable
from denselab.errors import DataError, UnsafeFileError

__all__ = ["read_npy", "read_npz"]

_MOST_HEADER = 10_000
_MOST_BYTES = 2**32
_MOST_MEMBERS = 10_000
_SUSPICIOUS, _MOST_RATIO = 2**26, 500
"""From this size on, what unpacks from a 500th of it is a bomb."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, KeyError)
_ENCRYPTED = 1


def read_npy(file: IO[bytes], size: int) -> dict[str, np.ndarray]:
    """Reads an array from a `.npy` file.

    Args:
        file: The file, at its beginning.
        size: Its size in bytes.

    Returns:
        The array under the name `x`.

    Raises:
        DataError: If it is damaged, or its header asks for more than is there.
        UnsafeFileError: If it holds Python objects.
    """
    try:
        return {"x": _array(file, "x", size)}
    except _DAMAGE as error:
        raise _damaged(error) from error


def read_npz(file: IO[bytes], only: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads arrays of a `.npz` file.

    Args:
        file: The file.
        only: Names of the arrays to read, the first of which must be there; all where None.

    Returns:
        Name -> array, in the order of the file.

    Raises:
        DataError: If it is damaged, or a header asks for more than is there.
        UnsafeFileError: If it holds Python objects, or unpacks to many hundred times its size.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = _wanted(archive.infolist(), only)
            _check_members(members)
            return {
                member.filename.removesuffix(".npy"): _unpacked(archive, member)
                for member in members
            }
    except _DAMAGE as error:
        raise _damaged(error) from error


def _wanted(members: list[zipfile.ZipInfo], only: Collection[str] | None) -> list[zipfile.ZipInfo]:
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or len(names) > _MOST_MEMBERS:
        raise UnsafeFileError(
            "holds arrays of one name, or thousands of them; save it with numpy.savez"
        )
    if only is None:
        return members
    kept = [one for one in members if one.filename.removesuffix(".npy") in only]
    if f"{next(iter(only))}.npy" not in names:
        listed = ", ".join(clean_name(name.removesuffix(".npy")) for name in names) or "nothing"
        raise DataError(f"holds {listed[:100]}; save inputs as x, and labels as y if there are any")
    return kept


def _damaged(error: Exception) -> DataError:
    if isinstance(error, DataError):
        return error
    reason = clean_name(" ".join(str(error).split()))[:160]
    return DataError(f"is damaged or no NumPy file ({reason}); save it again")


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        if not member.filename.endswith(".npy") or member.flag_bits & _ENCRYPTED:
            what = printable(member.filename)
            raise DataError(f"holds {what}, which is no plain array; save it with numpy.savez")
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > max(_SUSPICIOUS, _MOST_RATIO * packed):
        raise UnsafeFileError(
            f"unpacks from {packed:,} to {size:,} bytes; save it with numpy.savez, which packs nothing"
        )
    if size > _MOST_BYTES:
        raise DataError(f"unpacks to {size:,} bytes; at most {_MOST_BYTES:,} are read")


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return _array(file, clean_name(member.filename.removesuffix(".npy")), member.file_size)


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
            f"{name} holds Python objects, which are unpickled, and that runs code; save numbers "
            "or text"
        )
    wanted = math.prod(shape) * kind.itemsize
    if any(axis < 0 for axis in shape) or wanted > min(size, _MOST_BYTES):
        raise DataError(
            f"{name} asks for {wanted:,} bytes; {size:,} are there, and at most {_MOST_BYTES:,} are read"
        )
    content = file.read(wanted)
    if len(content) < wanted:
        raise DataError(f"{name} ends after {len(content):,} of {wanted:,} bytes; save it again")
    return np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")
