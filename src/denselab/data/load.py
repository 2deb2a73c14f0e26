"""Data sets by name, and image folders."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from denselab.data.arrays import clean_name
from denselab.data.builtin import load_breast_cancer, load_digits, load_wine
from denselab.data.cifar10 import load_cifar10
from denselab.data.dataset import Dataset
from denselab.data.download import Progress
from denselab.data.images import is_image_folder, read_image_folder
from denselab.errors import DataError, UsageError

__all__ = ["load", "names", "summary"]


class _Request(NamedTuple):
    data_dir: str | Path | None
    offline: bool
    progress: Progress | None


class _Entry(NamedTuple):
    summary: str
    load: Callable[[_Request], Dataset]


_ENTRIES = {
    "breast_cancer": _Entry(
        "569 rows, 30 features, 2 classes; comes with scikit-learn", lambda _: load_breast_cancer()
    ),
    "cifar10": _Entry(
        "50,000 + 10,000 colour images of 32 x 32, 10 classes; 170 MB download, or your own copy",
        lambda request: load_cifar10(**request._asdict()),
    ),
    "digits": _Entry(
        "1,797 grey images of 8 x 8, 10 classes; comes with scikit-learn", lambda _: load_digits()
    ),
    "wine": _Entry(
        "178 rows, 13 features, 3 classes; comes with scikit-learn", lambda _: load_wine()
    ),
}


def names() -> tuple[str, ...]:
    """Lists the data sets that `load` knows.

    Returns:
        Their names, sorted.

    Example:
        >>> names()
        ('breast_cancer', 'cifar10', 'digits', 'wine')
    """
    return tuple(sorted(_ENTRIES))


def summary(name: str) -> str:
    """Says in a line what a data set is, without loading it.

    Args:
        name: One of `names()`.

    Returns:
        Size, kind and where it comes from.

    Raises:
        DataError: If there is no data set of that name.

    Example:
        >>> summary("wine")
        '178 rows, 13 features, 3 classes; comes with scikit-learn'
    """
    return _entry(name).summary


def load(
    name: str,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    image_size: int | None = None,
) -> Dataset:
    """Loads a data set by name, or an image folder.

    Args:
        name: One of `names()`, or a folder with a folder of pictures for each class.
        data_dir: Where a copy is, for data that does not come with scikit-learn; for an image folder
            that goes by its last name alone, the folder.
        offline: Whether to do without downloads.
        progress: Called with the bytes that have come and the bytes there will be.
        image_size: Pixels of the squares to bring the pictures of an image folder to.

    Returns:
        The data; with a test set where it comes with one.

    Raises:
        DataError: If there is no data set of that name, or it cannot be had.
        UnsafeFileError: If a file could run code or exhaust the memory.
        ExhaustedError: If the disk is full.
        UsageError: If an image size is given for anything but an image folder, or makes no sense.

    Example:
        >>> load("digits").image_shape
        (8, 8, 1)
    """
    folder = _image_folder(name, data_dir)
    if folder is not None:
        return read_image_folder(folder, size=image_size)
    if image_size is not None:
        raise UsageError(f"{name} is no image folder; leave the image size out")
    return _entry(name).load(_Request(data_dir, offline, progress))


def _image_folder(name: str, data_dir: str | Path | None) -> str | Path | None:
    """Finds the folder that is named, or that holds what a study calls by its name alone."""
    if name in _ENTRIES:
        return None
    if is_image_folder(name):
        return name
    if data_dir is not None and Path(data_dir).absolute().name == name:
        return data_dir if is_image_folder(data_dir) else None
    return None


def _entry(name: str) -> _Entry:
    if name in _ENTRIES:
        return _ENTRIES[name]
    close = difflib.get_close_matches(name, _ENTRIES, n=1)
    meant = f"did you mean {close[0]!r}? There are" if close else "there are"
    known = f"{', '.join(names())}, and folders of pictures"
    raise DataError(f"unknown data set {clean_name(name)!r}; {meant} {known}")
