"""Whose a study folder is: nobody else may put files into what a command writes and believes."""

import os
import stat
import tempfile
from pathlib import Path

from denselab.errors import UnsafeFileError

__all__ = ["refuse_exchangeable"]


def refuse_exchangeable(folder: Path) -> None:
    """Refuses to write to a folder that others on the machine could exchange or fill.

    Args:
        folder: The study folder; one that is not there is nobody's.

    Raises:
        UnsafeFileError: If it is a link, or anybody may write to it.
    """
    if folder.is_symlink():
        raise UnsafeFileError(
            f"{folder}: is a link, and what it leads to could be exchanged while a study is written; "
            f"name the folder itself ({folder.resolve()})"
        )
    if os.name != "posix" or not folder.is_dir():
        return
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX and _keeps_rights(folder):
        raise UnsafeFileError(
            f"{folder}: anybody on this machine may write to it; take that away (chmod o-w), or choose "
            "another folder"
        )


def _keeps_rights(folder: Path) -> bool:
    """Tells whether rights mean anything there; drives of other systems show all of them as given."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return not os.fstat(file.fileno()).st_mode & stat.S_IWOTH
