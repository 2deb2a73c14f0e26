"""The official files: six batches, pickled by Python or binary, in a folder or a tar.gz archive."""

import gzip
import hashlib
import io
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from denselab.data.cifar10.binary import read_binary_batch
from denselab.data.cifar10.layout import (
    Images,
    Layout,
    Part,
    Rows,
    checked_rows,
    damage_named,
    read_bytes,
)
from denselab.data.cifar10.pickled import read_pickled_batch
from denselab.errors import DataError, UnsafeFileError

__all__ = ["BATCHES", "PYTHON_ARCHIVE", "PYTHON_SHA256"]

PYTHON_ARCHIVE = "cifar-10-python.tar.gz"
"""Name of the official archive of the Python version."""

PYTHON_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
"""SHA-256 of that archive."""

_BINARY_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_ARCHIVES = ("cifar-10-binary.tar.gz", PYTHON_ARCHIVE)
_TRAINING = tuple(f"data_batch_{number}" for number in range(1, 6))
_NAMES = (*_TRAINING, "test_batch")
_BATCH = re.compile(rf"({'|'.join(_NAMES)})(\.bin)?")
_BATCH_LIMIT = 2**26
_ARCHIVE_LIMIT = 2**28
_MEMBER_LIMIT = 1000


def _find(place: Path) -> Path | None:
    if place.is_file():
        if _BATCH.fullmatch(place.name):
            return place.parent
        return place if place.name.endswith((".tar.gz", ".tgz")) else None
    for folder in (place, *(place / name for name in _FOLDERS)):
        if folder.is_dir() and any(_BATCH.fullmatch(file.name) for file in folder.iterdir()):
            return folder
    return next((place / name for name in _ARCHIVES if (place / name).is_file()), None)


def _read(path: Path, rows: Rows) -> Images:
    if path.is_dir():
        files, kept = _read_folder(path), "folder"
    else:
        data = read_bytes(path, _ARCHIVE_LIMIT)
        files, kept = _read_archive(data, path), f"archive{_official(data)}"
    suffix = ".bin" if any(name.endswith(".bin") for name in files) else ""
    for name in _NAMES:
        if name + suffix not in files:
            raise DataError(f"{path} has no {name}{suffix}; get a complete copy of CIFAR-10")
    read = read_binary_batch if suffix else read_pickled_batch
    batches = [read(files[name + suffix], f"{path}, {name}{suffix}") for name in _NAMES]
    for name, batch in zip(_TRAINING, batches, strict=False):
        checked_rows(len(batch.x), rows.train // len(_TRAINING), f"{path}, {name}{suffix}")
    checked_rows(len(batches[-1].x), rows.test, f"{path}, test_batch{suffix}")
    images, labels = zip(*batches[:-1], strict=True)
    train = Part(np.concatenate(images), np.concatenate(labels))
    checked_rows(len(train.x), rows.train, str(path))
    return Images(train, batches[-1], f"{'binary' if suffix else 'python'} {kept}")


def _official(data: bytes) -> str:
    official = (
        hashlib.sha256(data).hexdigest() == PYTHON_SHA256
        or hashlib.md5(data, usedforsecurity=False).hexdigest() == _BINARY_MD5
    )
    return ", official file" if official else ""


def _read_folder(path: Path) -> Mapping[str, bytes]:
    present = [file.name for file in path.iterdir() if _BATCH.fullmatch(file.name)]
    suffix = ".bin" if any(name.endswith(".bin") for name in present) else ""
    return {name + suffix: read_bytes(path / (name + suffix), _BATCH_LIMIT) for name in _NAMES}


def _read_archive(data: bytes, path: Path) -> Mapping[str, bytes]:
    with (
        damage_named(f"{path} is a truncated or damaged archive"),
        gzip.GzipFile(fileobj=io.BytesIO(data)) as packed,
    ):
        unpacked = packed.read(_ARCHIVE_LIMIT + 1)
    if len(unpacked) > _ARCHIVE_LIMIT:
        raise UnsafeFileError(
            f"{path} unpacks to more than {_ARCHIVE_LIMIT:,} bytes, CIFAR-10 to 186 million; "
            "get the official archive"
        )
    with (
        damage_named(f"{path} holds no readable tar archive"),
        tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive,
    ):
        return _members(archive, path)


def _members(archive: tarfile.TarFile, path: Path) -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    for count, member in enumerate(archive):
        inside = PurePosixPath(member.name.replace("\\", "/"))
        problem = _problem(member, inside)
        if not problem and inside.name in files:
            problem = "is there twice"
        if count == _MEMBER_LIMIT:
            problem = f"is one of more than {_MEMBER_LIMIT:,}"
        if problem:
            raise UnsafeFileError(
                f"{path} was not read: {member.name[:80]!r} {problem}; get the official archive"
            )
        content = archive.extractfile(member) if _BATCH.fullmatch(inside.name) else None
        if content is not None:
            files[inside.name] = content.read()
    return files


def _problem(member: tarfile.TarInfo, inside: PurePosixPath) -> str:
    """Says why a member is unsafe; empty if it is not."""
    if not (member.isfile() or member.isdir()):
        return "is a link or device"
    if inside.is_absolute() or ".." in inside.parts:
        return "lies outside"
    # A negative size sends Python's reader round in circles (CVE-2025-8194).
    if not 0 <= member.size <= _BATCH_LIMIT:
        return f"is larger than {_BATCH_LIMIT:,} bytes or has a negative size"
    return ""


BATCHES = Layout(
    files=f"{', '.join(_FOLDERS)}, {', '.join(_ARCHIVES)}",
    find=_find,
    read=_read,
)
"""The six official files, binary or pickled, unpacked or not."""
