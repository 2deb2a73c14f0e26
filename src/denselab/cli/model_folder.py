"""Where a trained model lies: a folder that is never written over, or a file."""

from pathlib import Path

from denselab.cli.selection import check_writable
from denselab.errors import UsageError

__all__ = ["MODEL", "model_file", "model_folder"]

MODEL = "model.keras"
"""The file of a model in its folder."""

_MOST_TRIES = 10_000


def model_folder(asked: Path | None, name: str) -> Path:
    """Chooses the folder for a model, before work goes into it.

    Args:
        asked: What was asked for.
        name: Name of the data, after which the folder is called where nothing was.

    Returns:
        A folder without a model: the one asked for, or `NAME-model`, `NAME-model-2` and so on.

    Raises:
        UsageError: If there is a model in it already, or it cannot be written to.
    """
    if asked is None:
        plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name).strip(".") or "table"
        wanted = (f"{plain[:100]}-model{f'-{i}' if i > 1 else ''}" for i in range(1, _MOST_TRIES))
        asked = next((Path(one) for one in wanted if not Path(one).exists()), Path("model"))
    if (asked / MODEL).exists():
        raise UsageError(
            f"{asked / MODEL} is there already; name another folder with --out, or remove it"
        )
    check_writable(asked)
    return asked


def model_file(path: Path) -> Path:
    """Finds the file of a model.

    Args:
        path: The file, or the folder that `denselab train` left.

    Returns:
        The file.
    """
    return path / MODEL if path.is_dir() and (path / MODEL).is_file() else path
