"""The Parquet version of Hugging Face's `uoft-cs/cifar10`: one compressed image a row."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from denselab.data.arrays import clean_name
from denselab.data.cifar10.images import decode_images
from denselab.data.cifar10.layout import Images, Layout, Part, Rows, checked_labels, checked_rows
from denselab.errors import DataError, UnsafeFileError

__all__ = ["PARQUET"]

_FILE_LIMIT = 2**30
_FOLDERS = (".", "plain_text", "data")
_COLUMNS = ("img", "image")


def _find(place: Path) -> Path | None:
    if place.is_file():
        return place.parent if place.suffix == ".parquet" else None
    folders = (place / name for name in _FOLDERS)
    return next((f for f in folders if _shards(f, "train") or _shards(f, "test")), None)


def _shards(folder: Path, part: str) -> list[Path]:
    """Lists `train.parquet` or `train-00000-of-00002.parquet` and so on, in order."""
    return sorted([*folder.glob(f"{part}.parquet"), *folder.glob(f"{part}-*.parquet")])


def _read(path: Path, rows: Rows) -> Images:
    train, train_jpeg = _read_part(path, "train", rows.train)
    test, test_jpeg = _read_part(path, "test", rows.test)
    return Images(train, test, "Parquet, JPEG copy" if train_jpeg or test_jpeg else "Parquet")


def _read_part(folder: Path, part: str, expected: int) -> tuple[Part, bool]:
    shards = _shards(folder, part)
    if not shards:
        raise DataError(
            f"{folder} has no {part}.parquet or {part}-*.parquet; get a complete copy of CIFAR-10"
        )
    # The footers are asked first, so that a wrong file is refused before it fills the memory.
    checked_rows(sum(_count(shard) for shard in shards), expected, f"{folder}, {part}*.parquet")
    images: list[tuple[str, bytes]] = []
    labels: list[np.ndarray] = []
    for shard in shards:
        shard_images, shard_labels = _read_shard(shard)
        images += [(f"{shard}, row {row}", data) for row, data in enumerate(shard_images)]
        labels.append(checked_labels(shard_labels, str(shard)))
    pixels, jpeg = decode_images(images, len(images))
    return Part(pixels, np.concatenate(labels)), jpeg


def _count(shard: Path) -> int:
    import polars

    if shard.stat().st_size > _FILE_LIMIT:
        raise UnsafeFileError(
            f"{shard} is larger than {_FILE_LIMIT:,} bytes; get the official copy"
        )
    with _refused(shard):
        return polars.scan_parquet(shard, glob=False).select(polars.len()).collect().item()


def _read_shard(shard: Path) -> tuple[list[bytes], np.ndarray]:
    import polars

    with _refused(shard):
        table = polars.scan_parquet(shard, glob=False)
        schema = table.collect_schema()
    column = next((name for name in _COLUMNS if name in schema), _COLUMNS[0])
    struct = schema.get(column)
    fields = struct.to_schema() if isinstance(struct, polars.Struct) else {}
    label = schema.get("label")
    if fields.get("bytes") != polars.Binary or label is None or not label.is_integer():
        columns = clean_name(", ".join(f"{name}: {kind}" for name, kind in schema.items()))[:200]
        raise DataError(
            f"{shard} has the columns {columns}; expected img (a struct with the binary field "
            "bytes) and label (whole numbers), as in uoft-cs/cifar10"
        )
    with _refused(shard):
        frame = table.select(column, "label").collect()
    images, labels = frame[column].struct.field("bytes"), frame["label"]
    if images.null_count() or labels.null_count():
        raise DataError(f"{shard} has rows without image or label; get a complete copy of CIFAR-10")
    return images.to_list(), labels.to_numpy()


@contextmanager
def _refused(shard: Path) -> Iterator[None]:
    """Turns whatever polars raises on a file into one line; a panic is no `Exception`."""
    from polars.exceptions import PanicException, PolarsError

    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{shard} is a truncated or damaged Parquet file ({reason}); get it again"
        ) from error


PARQUET = Layout(
    files="train*.parquet and test*.parquet, also in plain_text/ or data/", find=_find, read=_read
)
"""Shards of a table; lossless where the images are PNG, a JPEG copy where one of them is JPEG."""
