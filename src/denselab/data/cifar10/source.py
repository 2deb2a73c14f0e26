"""Where a copy of CIFAR-10 is: in a named place, in the user's cache, or at its home."""

import os
from pathlib import Path

from denselab.data.cifar10.batches import BATCHES, PYTHON_ARCHIVE, PYTHON_SHA256
from denselab.data.cifar10.folder import FOLDER
from denselab.data.cifar10.layout import CLASS_NAMES, COMPLETE, Images, Rows, in_canonical_order
from denselab.data.cifar10.npz import NPZ
from denselab.data.cifar10.parquet import PARQUET
from denselab.data.dataset import Dataset
from denselab.data.download import Progress, cache_folder, download
from denselab.errors import DataError

__all__ = ["CIFAR10_URL", "fetch_cifar10", "load_cifar10"]

CIFAR10_URL = f"https://www.cs.toronto.edu/~kriz/{PYTHON_ARCHIVE}"
"""Home of the official archive; `$DENSELAB_CIFAR10_URL` names a mirror of the same file."""

_LAYOUTS = (BATCHES, NPZ, PARQUET, FOLDER)
_SUBFOLDERS = ("cifar10", "cifar-10", ".")


def load_cifar10(
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    rows: Rows = COMPLETE,
) -> Dataset:
    """Loads CIFAR-10 from any layout: 50,000 colour images of 32 x 32 pixels, and 10,000 to test.

    Layouts are the official archives or their folders, pickled and binary; Parquet as on Hugging
    Face; an image folder; an npz. All complete lossless copies give the same arrays, and so the
    same fingerprint: rows stand in an order of their own, by digest, not in the official one.

    Args:
        data_dir: The folder or file, or a folder with `cifar10` in it; no other place is looked at.
            None stands for the user's cache, and then for a download into it.
        offline: Whether to do without the download.
        progress: Told how the download goes.
        rows: What a complete copy holds; other values are for cut-down copies.

    Returns:
        `uint8` images of shape (n, 32, 32, 3) with their test set; `source` names the layout and
        says "JPEG copy" where pixels are not the original ones.

    Raises:
        DataError: If there is no copy, or it is incomplete or damaged.
        UnsafeFileError: If a file could run code or exhaust the memory.

    References:
        Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    if data_dir is not None:
        images = _read_named(Path(os.path.expanduser(data_dir)), rows)
    else:
        images = _read_found(cache_folder(), rows)
        if images is None:
            images = _read_named(fetch_cifar10(offline=offline, progress=progress), rows)
    train, test = in_canonical_order(images.train), in_canonical_order(images.test)
    return Dataset(
        name="cifar10",
        x=train.x,
        y=train.y,
        task="classification",
        class_names=CLASS_NAMES,
        image_shape=(32, 32, 3),
        test_x=test.x,
        test_y=test.y,
        source=f"cifar10, {images.source}",
    )


def fetch_cifar10(
    *,
    offline: bool = False,
    progress: Progress | None = None,
    url: str | None = None,
    sha256: str = PYTHON_SHA256,
) -> Path:
    """Downloads the official archive into the user's cache, unless it is there.

    Args:
        offline: Whether to refuse to download.
        progress: Told how the download goes.
        url: Where to get it; `$DENSELAB_CIFAR10_URL`, else `CIFAR10_URL`.
        sha256: The hash it must have.

    Returns:
        The archive in the cache.

    Raises:
        DataError: If it is not there and may not or cannot be downloaded.
        ExhaustedError: If the disk is full.
    """
    target = cache_folder() / "cifar10" / PYTHON_ARCHIVE
    if target.is_file():
        return target
    url = url or os.environ.get("DENSELAB_CIFAR10_URL") or CIFAR10_URL
    if offline:
        raise DataError(
            f"cifar10 is not in {target.parent} and offline forbids the download; put "
            f"{PYTHON_ARCHIVE} there, name a folder with a copy as data_dir, or go online once"
        )
    return download(url, target, sha256=sha256, progress=progress)


def _read_named(place: Path, rows: Rows) -> Images:
    images = _read_found(place, rows)
    if images is None and not place.exists():
        raise DataError(f"{place} does not exist; name the folder or file that holds CIFAR-10")
    if images is None:
        raise DataError(
            f"no CIFAR-10 in {place}; looked there and in {', '.join(_SUBFOLDERS[:-1])} for "
            f"{'; '.join(layout.files for layout in _LAYOUTS)}"
        )
    return images


def _read_found(place: Path, rows: Rows) -> Images | None:
    try:
        places = [place] if place.is_file() else [place / name for name in _SUBFOLDERS]
        for candidate in places:
            for layout in _LAYOUTS:
                found = layout.find(candidate)
                if found is not None:
                    return layout.read(found, rows)
    except OSError as error:
        raise DataError(
            f"cannot look for CIFAR-10 in {place} ({error.strerror}); name a folder you can read"
        ) from error
    return None
