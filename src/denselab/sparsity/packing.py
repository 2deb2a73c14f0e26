"""Models with many zeros as small `.keras` files that Keras opens as any other.

A `.keras` file is a zip archive whose members Keras stores as they are. Here they are deflated, which
every zip reader undoes, so nothing has to know of it. Measured on a layer of 2048 x 2048 (16.8 MB): 2.0 MB
at 90 % zeros. HDF5's own filters, shuffle and gzip, give 3.3 MB, and the reader that denselab guards
itself with refuses them, since a filter is more C that parses what anybody may have written.
"""

import errno
import hashlib
import io
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import keras

from denselab.errors import DataError, ExhaustedError, UsageError

__all__ = ["pack", "save_packed"]

_LEVEL = 6
"""Level 9 takes 6 times as long for 1 % less (2048 x 2048 at 90 % zeros)."""

_WEIGHTS = "model.weights.h5"

_MOST_RATIO, _SMALL = 90, 2**16
"""Unpacked over packed size, from a size on. Guarded loading refuses more than 100 as a bomb."""


def save_packed(model: keras.Model, path: Path) -> int:
    """Saves a model, and its optimizer where it is compiled, as a `.keras` file compressed without loss.

    `keras.saving.load_model` opens it, and so does every denselab command; predictions are equal to
    the last bit.

    Args:
        model: Any Keras model; zeros among its weights are what makes it small. Half of them written
            as -0.0, as a product with a mask leaves them, take as much room as small numbers.
        path: File to write, ending in `.keras`; whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: If `path` has another ending or cannot be written.
        ExhaustedError: If the disk is full.

    Example:
        >>> model = keras.Sequential([keras.Input((200,)), keras.layers.Dense(200)])
        >>> model.set_weights([0 * weight for weight in model.get_weights()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_packed(model, Path(folder, "model.keras")) < 200 * 200 * 4 / 10
        True
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise UsageError(f"{path} does not end in .keras; give a name such as model.keras")
    with tempfile.TemporaryDirectory(prefix="denselab-") as folder:
        plain = Path(folder, "plain.keras")
        try:
            model.save(plain)
        except OSError as error:
            raise _failed(path, error) from error
        return pack(plain, path)


def pack(source: Path, path: Path) -> int:
    """Compresses a `.keras` file, all of its members as they are.

    Args:
        source: A file that Keras or denselab saved.
        path: File to write, which may be the same; whole or not at all.

    Returns:
        Its size in bytes.

    Raises:
        DataError: If `source` is no `.keras` file.
        UsageError: If `path` cannot be written.
        ExhaustedError: If the disk is full.
    """
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(packed, "w") as new:
            for member in old.infolist():
                _add(new, member, old.read(member))
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
        raise DataError(f"{source}: is no .keras file ({error}); save the model again") from error
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror}); give a file") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, packed.getvalue())
    except OSError as error:
        raise _failed(path, error) from error
    return len(packed.getvalue())


def _add(archive: zipfile.ZipFile, member: zipfile.ZipInfo, data: bytes) -> None:
    """Adds a member, never one that unpacks to more than 90 times its size."""
    info = zipfile.ZipInfo(member.filename, member.date_time)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = member.external_attr
    excess = len(data) - _MOST_RATIO * _deflated_size(data)
    if len(data) > _SMALL and excess > 0:
        if member.filename == _WEIGHTS:
            # Bytes behind the end of an HDF5 file are not looked at, and these do not deflate.
            data += hashlib.shake_128(data).digest(excess // (_MOST_RATIO - 1) + 1)
        else:
            info.compress_type = zipfile.ZIP_STORED
    archive.writestr(info, data, compresslevel=_LEVEL)


def _deflated_size(data: bytes) -> int:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(packer.compress(data)) + len(packer.flush())


def _failed(path: Path, error: OSError) -> ExhaustedError | UsageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ExhaustedError(f"{path}: the disk is full; free some space and try again")
    return UsageError(f"{path}: cannot be written ({error.strerror}); choose another folder")


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(suffix=path.suffix, prefix=".", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
