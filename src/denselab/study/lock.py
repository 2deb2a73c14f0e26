"""One process at a time writes to a study."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from denselab.errors import StudyInUseError

__all__ = ["LOCK_NAME", "locked"]

LOCK_NAME = "study.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a study folder for this process.

    The operating system lets go of the lock when the process ends, however it ends. The file
    stays: what it is for is its name.

    Args:
        folder: The folder; it is there.

    Yields:
        Nothing.

    Raises:
        StudyInUseError: If another process, or another part of this one, holds it.
        OSError: If the lock file cannot be made.
    """
    handle = _open_locked(folder / LOCK_NAME)
    try:
        yield
    finally:
        os.close(handle)


def _open_locked(path: Path) -> int:
    import fcntl

    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A process that failed to create a study removes its lock file: a lock on a file that
            # has lost its name keeps nobody out.
            if _is_at(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise StudyInUseError(
                f"{path.parent}: another process works on this study; wait until it is done, or "
                "choose another folder"
            ) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(handle))
    return False
