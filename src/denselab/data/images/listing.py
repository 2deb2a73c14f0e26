"""Lists the files of image folders, one folder at a time."""

from pathlib import Path

from denselab.errors import DataError

__all__ = ["entries_of"]

_LITTER = ("thumbs.db", "desktop.ini", "__macosx")


def entries_of(folder: Path) -> list[Path]:
    """Lists what stands in a folder, without what file managers leave behind.

    Nothing below it is looked at, so a link that leads back to where it stands ends nowhere.

    Args:
        folder: The folder.

    Returns:
        What stands in it, sorted by name; nothing that begins with a dot.

    Raises:
        DataError: If it cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"cannot list {folder} ({error.strerror}); expected a folder of images"
        ) from error
    return [e for e in entries if not e.name.startswith(".") and e.name.lower() not in _LITTER]
