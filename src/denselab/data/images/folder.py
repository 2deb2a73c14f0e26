"""An image folder as a data set: a folder a class, of pictures of one size."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from denselab.data.arrays import clean_name
from denselab.data.dataset import Dataset
from denselab.data.images.listing import entries_of
from denselab.data.images.opening import ENDINGS
from denselab.data.images.pixels import decoded
from denselab.errors import DataError, UnsafeFileError, UsageError

__all__ = ["holds_pictures", "is_image_folder", "read_image_folder", "read_pictures"]

_PARTS = ("train", "test")
_OTHER_PARTS = ("val", "valid", "validation", "dev")
_MOST_BYTES_OF_A_FILE = 2**26
_MOST_SIDE = 512
_MOST_VALUES_OF_A_ROW = 2**18
_MOST_VALUES = 2**31
"""Rows times pixels times colours: 2 GiB as they come, 8 GiB as numbers to train on."""


class _File(NamedTuple):
    path: Path
    label: int


def is_image_folder(text: str | Path) -> bool:
    """Tells a folder from the name of a data set.

    Args:
        text: What was typed.

    Returns:
        Whether a folder of that name is there.

    Example:
        >>> is_image_folder("digits")
        False
    """
    try:
        return Path(text).is_dir()
    except (OSError, ValueError):
        return False


def holds_pictures(folder: str | Path) -> bool:
    """Tells a folder of pictures without classes: no folder is in it.

    Args:
        folder: A folder.

    Returns:
        Whether there is something in it, and no folder.

    Raises:
        DataError: If it cannot be listed.
    """
    entries = entries_of(Path(folder))
    return bool(entries) and not any(entry.is_dir() for entry in entries)


def read_pictures(
    folder: str | Path, *, size: int | None = None
) -> UInt8[np.ndarray, "row y x channel"]:
    """Reads pictures without classes, which are to be predicted.

    Args:
        folder: The folder that holds them.
        size: As for `read_image_folder`.

    Returns:
        Their pixels in the order of their names.

    Raises:
        DataError: If one cannot be used; the message names it.
        UnsafeFileError: If one could exhaust the memory.
        UsageError: If the size makes no sense.
    """
    _check_size(size)
    return _pixels([_File(path, 0) for path in _of_class(Path(folder))], size)


def read_image_folder(folder: str | Path, *, size: int | None = None) -> Dataset:
    """Reads `FOLDER/<class>/*.png`, or the same below `FOLDER/train` and `FOLDER/test`.

    PNG, JPEG and BMP are read and told from their bytes; pictures are turned as their EXIF orientation
    says; grey ones become coloured where others are. Files that file managers leave behind, and all
    whose names begin with a dot, are passed over.

    Args:
        folder: The folder. Classes are numbered in the order of their names.
        size: Pixels of a side; each picture is then cut to a square in the middle and resized. None if
            all have one size.

    Returns:
        `uint8` pixels of shape (n, height, width, channels), without a test set unless `FOLDER/test` is
        there.

    Raises:
        DataError: If it is no such folder, or holds a picture that cannot be used; the message names it.
        UnsafeFileError: If a picture could exhaust the memory.
        UsageError: If the size makes no sense.
    """
    _check_size(size)
    place = Path(folder)
    parts = _parts(place)
    classes = _class_names(parts[0])
    files = [_files(part, classes) for part in parts]
    x = _pixels([file for part in files for file in part], size)
    y = np.array([file.label for part in files for file in part], np.int32)
    n = len(files[0])
    how = f", cut to squares and resized to {size} x {size}" if size is not None else ""
    return Dataset(
        name=clean_name(place.resolve().name) or "images",
        x=x[:n],
        y=y[:n],
        task="classification",
        class_names=tuple(clean_name(name) for name in classes),
        image_shape=(x.shape[1], x.shape[2], x.shape[3]),
        test_x=x[n:] if len(files) > 1 else None,
        test_y=y[n:] if len(files) > 1 else None,
        source=f"{clean_name(place)}, image folder{how}",
    )


def _check_size(size: int | None) -> None:
    if size is not None and not 1 <= size <= _MOST_SIDE:
        raise UsageError(f"image size {size}: give the pixels of a side, from 1 to {_MOST_SIDE}")


def _parts(place: Path) -> list[Path]:
    """Finds the folders that hold folders of classes: one, or those of training and test rows."""
    names = {entry.name: entry for entry in entries_of(place)}
    here = [name for name in _PARTS if name in names]
    if not here:
        return [place]
    others = [name for name in names if name not in _PARTS]
    if len(here) == 1 or others:
        wrong = f"beside them {others[0]!r}" if len(here) > 1 else f"{here[0]!r} alone"
        kept = (
            "; validation rows are split off from train" if set(others) & set(_OTHER_PARTS) else ""
        )
        raise DataError(
            f"{place} holds {clean_name(wrong)}, expected train and test and nothing else, or a folder "
            f"for each class{kept}: move the pictures"
        )
    return [names[name] for name in _PARTS]


def _class_names(part: Path) -> list[str]:
    entries = entries_of(part)
    for entry in entries:
        if not entry.is_dir():
            what = _not_a_folder(entry)
            raise DataError(
                f"{clean_name(entry)} is {what}, expected a folder for each class; move or remove it"
            )
    cleaned = [clean_name(entry.name) for entry in entries]
    if len(entries) < 2:
        there = f"one class only ({cleaned[0]})" if cleaned else "no folder of a class"
        raise DataError(
            f"{part} holds {there}; expected {part}/<class>/*.png, at least two classes"
        )
    if len(set(cleaned)) < len(cleaned) or "" in cleaned:
        raise DataError(
            f"{part}: two classes have one name, or none, without what a terminal would obey; rename them"
        )
    return [entry.name for entry in entries]


def _not_a_folder(entry: Path) -> str:
    if not entry.is_symlink():
        return "no folder"
    try:
        entry.stat()
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"
    return "a link to a file"


def _files(part: Path, classes: Sequence[str]) -> list[_File]:
    files: list[_File] = []
    present = [entry.name for entry in entries_of(part)]
    for name in present:
        if name not in classes:
            raise DataError(
                f"{clean_name(part / name)} is a class that no training picture has; expected "
                f"{', '.join(map(clean_name, classes[:10]))}"
            )
    for label, name in enumerate(classes):
        if name in present:
            files += [_File(path, label) for path in _of_class(part / name)]
    return files


def _of_class(folder: Path) -> list[Path]:
    entries = entries_of(folder)
    for entry in entries:
        if entry.suffix.lower() not in ENDINGS or entry.is_dir():
            raise DataError(
                f"{clean_name(entry)} is no PNG, JPEG or BMP file; convert it to PNG, or move it away"
            )
    if not entries:
        raise DataError(
            f"{clean_name(folder)} holds no picture; put some there, or remove the folder"
        )
    return entries


def _pixels(files: Sequence[_File], size: int | None) -> UInt8[np.ndarray, "row y x channel"]:
    first: tuple[Path, tuple[int, ...]] | None = None
    images: list[np.ndarray] = []
    coloured = False
    for file in files:
        image = decoded(_content(file.path), clean_name(file.path), side=size)
        if first is None:
            first = file.path, image.shape
            _check_room(image, len(files))
        if image.shape[:2] != first[1][:2]:
            (came, expected) = (f"{s[1]} x {s[0]}" for s in (image.shape, first[1]))
            raise DataError(
                f"{clean_name(file.path)} has {came} pixels and {clean_name(first[0])} {expected}; give "
                "--image-size, such as 32, to bring all to one size"
            )
        coloured |= image.shape[2] > 1
        images.append(image)
    x = np.empty((len(images), *images[0].shape[:2], 3 if coloured else 1), np.uint8)
    for row, image in enumerate(images):
        x[row] = image  # A grey picture among coloured ones has three equal channels.
    return x


def _check_room(image: np.ndarray, count: int) -> None:
    values = image.shape[0] * image.shape[1] * 3
    if values > _MOST_VALUES_OF_A_ROW or values * count > _MOST_VALUES:
        raise DataError(
            f"{count:,} pictures of {image.shape[1]} x {image.shape[0]} pixels are too much for dense "
            "nets; give --image-size, such as 32, to make them smaller"
        )


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():  # A pipe or a device would never end; a loop of links has no file.
            reason = _not_a_folder(path) if path.is_symlink() else "no plain file"
            raise DataError(f"{clean_name(path)} is {reason}; put the picture itself there")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES_OF_A_FILE + 1)
    except OSError as error:
        raise DataError(
            f"cannot read {clean_name(path)} ({error.strerror}); check the file"
        ) from error
    if len(data) > _MOST_BYTES_OF_A_FILE:
        raise UnsafeFileError(
            f"{clean_name(path)} is larger than {_MOST_BYTES_OF_A_FILE:,} bytes; make it smaller"
        )
    if not data:
        raise DataError(f"{clean_name(path)} is empty; get it again, or remove it")
    return data
