"""Cases 29 to 42: Parquet and NumPy files."""

import io
import struct
from pathlib import Path

import numpy as np
import polars as pl

PARQUET, NPZ, NPY = (f"train t.{ending} --target y" for ending in ("parquet", "npz", "npy"))

X = np.random.default_rng(0).normal(size=(120, 3))
Y = np.where(X[:, 0] > 0, "high", "low")


def parquet(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


GOOD = parquet(pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "y": Y}))


def raw(content: bytes, name: str = "t.parquet"):
    def build(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return build


def arrays(**given: np.ndarray):
    def build(folder: Path) -> None:
        np.savez(folder / "t.npz", **given)

    return build


def npy_header_of_2_gb() -> bytes:
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{'descr': '<f8'" + bytes(100)


def npy_that_asks_for_terabytes() -> bytes:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)


def nested() -> pl.DataFrame:
    return pl.DataFrame({"a": [[1.0, 2.0]] * 120, "y": Y})


def decimals_and_dictionaries() -> pl.DataFrame:
    frame = pl.DataFrame({"a": X[:, 0].round(2), "c": ["u", "v", "u"] * 40, "y": Y})
    return frame.with_columns(
        a=pl.col("a").cast(pl.Decimal(10, 2)),
        c=pl.col("c").cast(pl.Categorical),
        y=pl.col("y").cast(pl.Enum(["low", "high"])),
    )


CASES = (
    (29, "truncated Parquet", PARQUET, 2, "truncated Parquet", raw(GOOD[: len(GOOD) // 2])),
    (
        30,
        "zero row groups",
        PARQUET,
        2,
        "columns and no rows|no rows",
        raw(parquet(pl.DataFrame({"a": [0.5], "y": ["p"]}).clear())),
    ),
    (31, "nested lists", PARQUET, 2, "'a' holds 'List.*take it apart", raw(parquet(nested()))),
    (
        33,
        "lying Parquet footer",
        PARQUET,
        2,
        "Parquet",
        raw(GOOD[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1"),
    ),
    (
        34,
        "npz of objects",
        NPZ,
        5,
        "holds Python objects",
        arrays(x=X, y=np.array(Y.tolist(), object)),
    ),
    (35, "x and y of different length", NPZ, 2, "120 rows and 'y' 119", arrays(x=X, y=Y[1:])),
    (38, "complex", NPZ, 2, "complex numbers; give real", arrays(x=X + 1j, y=Y)),
    (40, "zero-dim", NPZ, 2, r"'x' has shape \(\)", arrays(x=np.array(3.0), y=Y)),
    (
        41,
        "uint8 labels 255",
        NPZ,
        2,
        "the uint8 label 255",
        arrays(x=X, y=np.array([0, 1, 255] * 40, np.uint8)),
    ),
    (
        42,
        "npy header of 2 GB",
        NPY,
        2,
        "damaged or no NumPy file",
        raw(npy_header_of_2_gb(), "t.npy"),
    ),
    (
        42,
        "npy that asks for terabytes",
        NPY,
        2,
        "asks for 8,000,000,000,000 bytes",
        raw(npy_that_asks_for_terabytes(), "t.npy"),
    ),
)

WORKS = (
    (32, "decimals and dictionaries", "t.parquet", raw(parquet(decimals_and_dictionaries()))),
    (36, "big-endian", "t.npz", arrays(x=X.astype(">f8"), y=(X[:, 0] > 0).astype(">i4"))),
    (37, "Fortran order", "t.npz", arrays(x=np.asfortranarray(X), y=Y)),
    (39, "bool", "t.npz", arrays(x=X > 0, y=X[:, 0] > 0)),
)
