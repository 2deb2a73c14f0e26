"""An image folder: `train` and `test`, in each a folder a class, in each PNG or JPEG files."""

from pathlib import Path

import numpy as np

from denselab.data.cifar10.images import IMAGE_LIMIT, decode_images
from denselab.data.cifar10.layout import (
    CLASS_NAMES,
    Images,
    Layout,
    Part,
    Rows,
    checked_rows,
    read_bytes,
)
from denselab.data.images.listing import entries_of
from denselab.errors import DataError

__all__ = ["FOLDER"]

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


def _find(place: Path) -> Path | None:
    parts = (place / part for part in ("train", "test"))
    return place if any((part / name).is_dir() for part in parts for name in CLASS_NAMES) else None


def _read(path: Path, rows: Rows) -> Images:
    train, train_jpeg = _read_part(path / "train", rows.train)
    test, test_jpeg = _read_part(path / "test", rows.test)
    return Images(
        train, test, "image folder, JPEG copy" if train_jpeg or test_jpeg else "image folder"
    )


def _read_part(folder: Path, expected: int) -> tuple[Part, bool]:
    present = {entry.name for entry in entries_of(folder)}
    if present != set(CLASS_NAMES):
        wrong = sorted(present.symmetric_difference(CLASS_NAMES))[0]
        raise DataError(
            f"{folder} has {'no' if wrong in CLASS_NAMES else 'an unexpected'} {wrong!r}; "
            f"expected the folders {', '.join(CLASS_NAMES)}"
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, class_name in enumerate(CLASS_NAMES):
        images = _images(folder / class_name)
        files += images
        labels += [label] * len(images)
    checked_rows(len(files), expected, str(folder))
    images = ((str(file), read_bytes(file, IMAGE_LIMIT)) for file in files)
    pixels, jpeg = decode_images(images, len(files))
    return Part(pixels, np.array(labels, np.int32)), jpeg


def _images(folder: Path) -> list[Path]:
    entries = entries_of(folder)
    for entry in entries:
        if entry.suffix.lower() not in _IMAGE_ENDINGS:
            raise DataError(f"{entry} is no PNG or JPEG file; remove it, or convert it to PNG")
    if not entries:
        raise DataError(f"{folder} holds no image; get a complete copy of CIFAR-10")
    return entries


FOLDER = Layout(files="train/<class>/*.png and test/<class>/*.png", find=_find, read=_read)
"""Image files; lossless where they are PNG, a JPEG copy where one of them is JPEG."""
