"""How a study touches the disk: files whole or not at all, and what it means when that fails.

Every write of a study goes through the six small functions at the top (`write`, `sync`, `replace`,
`make_folder`, `sync_folder`, `execute`), so that tests can let each of them fail in turn.
"""

import errno
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from denselab.errors import (
    CorruptStudyError,
    DenselabError,
    ExhaustedError,
    StudyInUseError,
    UsageError,
)

__all__ = [
    "check_size",
    "execute",
    "make_folder",
    "make_folders",
    "read_whole",
    "remove_folders",
    "remove_leftovers",
    "replace",
    "replace_whole",
    "sha256",
    "sync",
    "sync_folder",
    "temporary",
    "write",
    "write_error",
    "write_whole",
    "writing",
]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FAILING = (errno.EIO, errno.ENOMEM)
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)


def write(file: BinaryIO, data: bytes) -> None:
    """Hands bytes to the operating system."""
    file.write(data)
    file.flush()


def sync(file: BinaryIO) -> None:
    """Waits until what was written to a file is on the disk."""
    os.fsync(file.fileno())


def replace(old: Path, new: Path) -> None:
    """Gives a file its final name, in place of whatever has it."""
    os.replace(old, new)


def make_folder(folder: Path) -> None:
    """Makes one folder, unless it is there; one that not just anybody may write to."""
    folder.mkdir(mode=0o775, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk, where the file system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        # Network file systems cannot, and a folder that one may write to need not be readable.
        if error.errno not in _CANNOT_SYNC:
            raise


def execute(
    connection: sqlite3.Connection, statement: str, values: tuple[object, ...] = ()
) -> sqlite3.Cursor:
    """Runs one SQL statement that writes, or that begins or ends a transaction."""
    return connection.execute(statement, values)


def temporary(path: Path) -> Path:
    """Names the file that becomes another once it is whole.

    One process writes to a study at a time, so the name can be fixed: what a killed process left
    behind is written over by the next one.

    Args:
        path: The final name.

    Returns:
        A name in the same folder, with the same ending, that begins with a dot.

    Example:
        >>> temporary(Path("models/plain.keras")).name
        '.new-plain.keras'
    """
    return path.with_name(f".new-{path.name}")


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole, or as it was before.

    Args:
        path: The file.
        data: All of its bytes.

    Raises:
        OSError: If that fails.
    """

    def fill(new: Path) -> None:
        with new.open("wb") as file:
            write(file, data)

    replace_whole(path, fill)


def replace_whole(path: Path, fill: Callable[[Path], None]) -> None:
    """Lets something write a file under a temporary name, and puts it in its place.

    Args:
        path: The file.
        fill: Writes all of it to the name it is given.

    Raises:
        OSError: If that fails; so does whatever `fill` raises.
    """
    new = temporary(path)
    try:
        fill(new)
        with new.open("rb") as file:
            sync(file)
        replace(new, path)
        sync_folder(path.parent)
    except BaseException:
        remove_leftovers(new)
        raise


def remove_leftovers(*paths: Path) -> None:
    """Removes files as far as that is possible; nothing here can be mended if it is not."""
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def make_folders(folder: Path) -> tuple[Path, ...]:
    """Makes a folder and those above it.

    Args:
        folder: The folder.

    Returns:
        Those that were not there before, the innermost first.

    Raises:
        OSError: If one cannot be made; none is left behind then.
    """
    missing = tuple(path for path in (folder, *folder.parents) if not path.exists())
    try:
        for path in reversed(missing):
            make_folder(path)
            sync_folder(path.parent)
    except BaseException:
        remove_folders(missing)
        raise
    return missing


def remove_folders(folders: Iterable[Path]) -> None:
    """Removes those of some folders that are empty, the innermost first."""
    for path in folders:
        with suppress(OSError):
            path.rmdir()


def sha256(data: bytes) -> str:
    """Hashes bytes; 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def check_size(path: Path, size: int) -> None:
    """Checks that a file of a study is there and as long as it was.

    Args:
        path: The file.
        size: How many bytes it must have.

    Raises:
        CorruptStudyError: If it is gone or has another size.
        UsageError: If it may not be looked at.
    """
    with _reading(path):
        came = path.stat().st_size
    if came != size:
        raise CorruptStudyError(
            f"{path}: has {came:,} bytes, expected {size:,}; restore the file from a copy, or "
            "start in another folder"
        )


def read_whole(path: Path) -> bytes:
    """Reads a file of a study.

    Args:
        path: The file.

    Returns:
        Its bytes.

    Raises:
        CorruptStudyError: If it is gone.
        UsageError: If it may not be read.
    """
    with _reading(path):
        return path.read_bytes()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise CorruptStudyError(
            f"{path}: is gone; restore the file from a copy, or start in another folder"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check its rights") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what goes wrong while a study is written into errors that say what to do.

    Args:
        path: What is written.

    Yields:
        Nothing.

    Raises:
        DenselabError: See `write_error`.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        meaning = write_error(error, path)
        if meaning is None:
            raise
        raise meaning from error


def write_error(error: OSError | sqlite3.Error, path: Path) -> DenselabError | None:
    """Finds the words for a failed write.

    Args:
        error: What the operating system or SQLite said.
        path: What was to be written.

    Returns:
        ExhaustedError for a full or failing disk, UsageError where writing is not allowed or not
        possible, StudyInUseError for a locked database, CorruptStudyError for a broken one; None
        for errors that are bugs.

    Example:
        >>> write_error(OSError(errno.ENOSPC, "No space left on device"), Path("s/study.toml"))
        ExhaustedError('s/study.toml: the disk is full; make room and run the same command again')
    """
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return _full(path)
        return _cannot(path, error.strerror or str(error), error.errno in _FAILING)
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return _full(path)
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return _cannot(path, str(error), True)
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _cannot(path, str(error), False)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StudyInUseError(f"{path}: another program has it open; close that and run again")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptStudyError(f"{path}: {error}; restore the file from a copy")
    return None


def _full(path: Path) -> ExhaustedError:
    return ExhaustedError(f"{path}: the disk is full; make room and run the same command again")


def _cannot(path: Path, reason: str, failing: bool) -> DenselabError:
    if failing:
        return ExhaustedError(
            f"{path}: cannot be written ({reason}); check the disk and run the same command again"
        )
    return UsageError(f"{path}: cannot be written ({reason}); choose a folder you may write to")
