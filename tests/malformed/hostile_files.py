"""Security cases of data files, names and folders; those that need a browser or a study are named here."""

import gzip
import io
import os
import pickle
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

CIFAR = "data info cifar10 --data-dir cifar"


class Canary:
    """Fires when it is unpickled: it makes a folder."""

    def __reduce__(self):
        return (os.mkdir, ("canary",))


def pickled_batch(folder: Path) -> None:
    place = folder / "cifar" / "cifar-10-batches-py"
    place.mkdir(parents=True)
    batch = pickle.dumps({b"data": Canary(), b"labels": [0]}, protocol=2)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        (place / name).write_bytes(batch)


def npz_of_canaries(name: str):
    def build(folder: Path) -> None:
        payload = np.array([Canary()], object)
        with (folder / name).open("wb") as file:
            np.save(file, payload) if name.endswith("npy") else np.savez(file, x=payload)

    return build


def archive_with(kind: bytes):
    """An archive in which a batch is a link or a device."""

    def build(folder: Path) -> None:
        (folder / "cifar").mkdir()
        with tarfile.open(folder / "cifar" / "cifar-10-python.tar.gz", "w:gz") as tar:
            for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.type, member.linkname = kind, "/etc/passwd"
                tar.addfile(member)

    return build


def parquet_bomb(folder: Path) -> None:
    column = pl.repeat(1.0, 5_000_000, eager=True)
    pl.DataFrame({"a": column, "b": column, "y": column}).write_parquet(folder / "t.parquet")


def npz_bomb(folder: Path) -> None:
    np.savez_compressed(folder / "t.npz", x=np.zeros((20_000_000, 5), np.uint8))


def gzip_bomb(folder: Path) -> None:
    packed = gzip.compress(b"a,y\n" + b"1,p\n" * 4_000_000)
    for name in ("t.csv.gz", "t.csv"):
        (folder / name).write_bytes(packed)


def huge_picture(kind: str):
    def build(folder: Path) -> None:
        for name in ("a", "b"):
            (folder / "pets" / name).mkdir(parents=True)
            Image.new("L", (8, 8)).save(folder / "pets" / name / "1.png")
        (folder / "pets" / "a" / f"2.{kind}").write_bytes(_huge(kind))

    return build


def _huge(kind: str) -> bytes:
    packed = io.BytesIO()
    Image.new("L", (8, 8)).save(packed, {"jpg": "JPEG"}.get(kind, kind.upper()))
    whole, side = bytearray(packed.getvalue()), 50_000
    if kind == "png":
        whole[16:24] = struct.pack(">2I", side, side)
        whole[29:33] = struct.pack(">I", zlib.crc32(whole[12:29]))
    elif kind == "jpg":
        place = whole.index(b"\xff\xc0") + 5
        whole[place : place + 4] = struct.pack(">2H", side, side)
    else:
        whole[18:26] = struct.pack("<2i", side, side)
    return bytes(whole)


def escapes(folder: Path) -> None:
    text = "a\x1b[31m,y\n" + "".join(f"{i},\x1b]0;x\x07only\n" for i in range(9))
    (folder / "t.csv").write_text(text)


def class_folder_of_escapes(folder: Path) -> None:
    Path(folder, "pets", "\x1b[31mred\nrow").mkdir(parents=True)
    Path(folder, "pets", "b").mkdir(parents=True)


def shared_folder(folder: Path) -> None:
    (folder / "study").mkdir()
    (folder / "study").chmod(0o777)


def linked_folder(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "study").symlink_to("elsewhere")


def nothing(folder: Path) -> None:
    """What is wrong was typed."""


STUDY = "compare digits --recipes plain,batch_norm --seeds 1 --epochs 1 --depth 1 --out"
PARQUET, NPZ, CSV = (f"train t.{ending} --target y" for ending in ("parquet", "npz", "csv"))
PREDICT, GZIP, PETS = "predict {table_model} t.npz", "train ./t.csv.gz --target y", "train pets"
OBJECTS, PIXELS = "holds Python objects", "far too many pixels"

GADGET, PICKLE = "CIFAR pickle gadget", "npz pickle"
TAR, BOMB = "tar symlink, hardlink, device", "Parquet and CSV.gz 1000:1"
HUGE, ESCAPES = "images of 50,000²", "ANSI escapes in labels"
SHARED = "world-writable or symlinked study folder"
NAME = "study name `../x`, `/x`, NUL, 300 characters"

CASES = (
    (GADGET, "", CIFAR, 5, "data_batch_1", pickled_batch),
    (PICKLE, "npz", NPZ, 5, OBJECTS, npz_of_canaries("t.npz")),
    (PICKLE, "npy", "data info t.npy", 5, OBJECTS, npz_of_canaries("t.npy")),
    (PICKLE, "rows to predict", PREDICT, 5, OBJECTS, npz_of_canaries("t.npz")),
    (TAR, "symlink", CIFAR, 5, "cifar-10-python.tar.gz", archive_with(tarfile.SYMTYPE)),
    (TAR, "hardlink", CIFAR, 5, "cifar-10-python.tar.gz", archive_with(tarfile.LNKTYPE)),
    (TAR, "device", CIFAR, 5, "cifar-10-python.tar.gz", archive_with(tarfile.CHRTYPE)),
    (BOMB, "Parquet", PARQUET, 5, "unpacks from", parquet_bomb),
    (BOMB, "npz", NPZ, 5, "unpacks from", npz_bomb),
    (BOMB, "CSV.gz", GZIP, 2, "'.gz' are not read", gzip_bomb),
    (BOMB, "CSV.gz named CSV", CSV, 2, "packed with gzip", gzip_bomb),
    (HUGE, "PNG", PETS, 5, f"a/2.png .*{PIXELS}", huge_picture("png")),
    (HUGE, "JPEG", PETS, 5, f"a/2.jpg .*{PIXELS}", huge_picture("jpg")),
    (HUGE, "BMP", PETS, 5, f"a/2.bmp .*{PIXELS}", huge_picture("bmp")),
    (ESCAPES, "table", CSV, 2, r"one class only \('only'\)", escapes),
    (ESCAPES, "class folder", PETS, 2, "redrow holds no picture", class_folder_of_escapes),
    (SHARED, "world-writable", f"{STUDY} study", 5, "chmod o-w", shared_folder),
    (SHARED, "symlinked", f"{STUDY} study", 5, "is a link", linked_folder),
    (NAME, "NUL", [*STUDY.split(), "a\0b"], 2, "a?b", nothing),
    (NAME, "300 characters", f"{STUDY} studies/{'x' * 300}", 2, "name is too long", nothing),
)

ELSEWHERE = (
    (
        '`<script>`, `"onload=`, `</script>` in class, column and study names',
        "tests/report/test_page_in_browser.py::test_hostile_names_fire_nothing",
    ),
    (
        "formula `=cmd` in exported CSV",
        "tests/cli/test_study.py::test_names_that_look_like_formulas_or_hold_escapes_do_no_harm",
    ),
    (
        "formula `=cmd` in exported CSV",
        "tests/cli/test_predict.py::"
        "test_names_that_a_terminal_or_a_spreadsheet_would_obey_are_harmless",
    ),
    (NAME, "tests/report/test_markdown.py::test_names_of_arms_make_no_path"),
    (NAME, "tests/recipes/test_loading.py::test_a_bad_file_is_refused_with_its_remedy"),
    (
        ESCAPES,
        "tests/data/tables/test_security.py::test_terminal_escapes_in_names_and_labels_are_taken_out",
    ),
    (
        "Lambda layers",
        "tests/training/test_loading.py::test_the_canary_would_fire_if_keras_trusted_the_file",
    ),
)
"""Security cases and the tests that hold them, where it takes more than one command to see it."""
