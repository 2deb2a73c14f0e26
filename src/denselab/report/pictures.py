"""The pictures of a report as files."""

import re
from pathlib import Path

from denselab.report.contents import Contents
from denselab.report.drawing import save_chart

__all__ = ["file_name", "write_pictures"]

_WIDTH = 720


def write_pictures(contents: Contents, folder: Path) -> dict[str, Path]:
    """Draws every figure of a report as PNG, for a light page.

    Args:
        contents: From `contents_of`.
        folder: Where to; made if it is not there.

    Returns:
        Name of a figure -> its file.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If it cannot be written to.
    """
    from denselab.study.files import make_folders, writing

    with writing(folder):
        make_folders(folder)
    written = {}
    figures = [figure for section in contents.sections for figure in section.figures]
    for number, figure in enumerate(figures, 1):
        path = folder / f"{number:02d}-{file_name(figure.name)}.png"
        size = {} if figure.fixed else {"width": _WIDTH}
        save_chart(figure.chart.properties(title=figure.title, **size), path)
        written[figure.name] = path
    return written


def file_name(name: str) -> str:
    """Makes a file name of a figure's name, which may hold the name of an arm.

    Example:
        >>> file_name("methods-../my <net>")
        'methods-my-net'
    """
    words = "".join(one if one.isalnum() or one in "-_" else " " for one in name).split()
    return re.sub("-+", "-", "-".join(words))[:100]
