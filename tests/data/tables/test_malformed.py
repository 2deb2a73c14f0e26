"""Malformed tables, each by name: one line that says what came and what to do, and exit code 2."""

import gzip
import io
import struct

import numpy as np
import polars as pl
import pytest

from denselab.data import CsvFormat, Reading, read_table
from denselab.errors import DataError

GOOD = "a,b,y\n" + "".join(f"{i % 7}.5,{i * 3 % 11},{'pq'[i % 2]}\n" for i in range(40))


def parquet(**columns):
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy_header(shape, version=1, length=None):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", length or len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + bytes(8)


SMALL = parquet(a=[1.0, 2.0, 3.0], y=["p", "q", "p"])
X, Y = np.arange(20.0).reshape(10, 2), np.array(list("pq" * 5))

MALFORMED = {
    "empty file": (b"", "empty; expected a table"),
    "blank lines": (b"\n\n  \n", "nothing but blanks"),
    "header only": ("a,b,y\n", "a header and no rows"),
    "one row": ("a,b,y\n1,2,p\n", "has one row; give at least two"),
    "one class": ("a,y\n1,p\n2,p\n", "one class only"),
    "all-missing column": ("a,b,y\n1,NA,p\n2,,q\n3,?,p\n", "'b' has no value at all; take it out"),
    "infinite number": ("a,y\n1,p\n-inf,q\n3,p\n", "'a' holds infinite numbers"),
    "1e400": ("a,y\n1,p\n1e400,q\n3,p\n", "beyond the range of floats; mend them"),
    "1e39": ("a,y\n1,p\n1e39,q\n3,p\n", "beyond 3.4e38, the end of float32; scale"),
    "ragged, more": ("a,y\n1,p\n2,q,4\n", "3 fields on line 3 and 2 on the first"),
    "ragged, fewer": ("a,b,y\n1,2,p\n2,q\n", "2 fields on line 3 and 3 on the first"),
    "duplicate column": ("a,a,y\n1,2,p\n3,4,q\n", "'a' occurs 2 times; give each its own"),
    "empty column name": ("a,,y\n1,2,p\n3,4,q\n", "column 2 has no name; name it"),
    "target missing in rows": ("a,y\n1,p\n2,\n3,q\n4,p\n", "missing in 1 of 4 rows.*row 2"),
    "UTF-16": (GOOD.encode("utf-16"), "is UTF-16; save it as UTF-8"),
    "UTF-16 without mark": (GOOD.encode("utf-16-le"), "NUL byte on line 1"),
    "UTF-32": (GOOD.encode("utf-32"), "is UTF-32; save it as UTF-8"),
    "NUL bytes": (b"a,y\n1,p\n\0,q\n", "NUL byte on line 3"),
    "invalid UTF-8": (b"a,y\n1,p\n2,caf\xe9\n", "no UTF-8 .byte 0xe9 near line 3.*cp1252"),
    "unclosed quote": ('a,y\n1,"p\n2,q\n', "ends within quotation marks; close"),
    "quote inside a field": ('a,y\n1,5" nail\n2,"q"\n', "in the middle of a field on line 2"),
    "huge field": (b"a,y\n1," + b"p" * 2**21 + b"\n2,q\n", "begins on line 2; at most"),
    "a line without end": (b"1" * 2**21, "a line of more than 1,048,576 bytes"),
    "a line without end further down": (b"a,y\n1,p\n" * 2**18 + b"1" * 2**21, "on line 524289; at"),
    "100k columns": (",".join(f"c{i}" for i in range(100_000)) + "\n", "100,000 columns; at most"),
    "decimal commas": ("a;y\n1,5;p\n2,5;q\n3;p\n", "if that is a decimal comma say so"),
    "dates": ("a,when,y\n1,2020-01-02,p\n2,2020-01-03,q\n3,,q\n", "'when' holds dates.*drop"),
    "times": ("a,when,y\n1,10:30,p\n2,11:45:10,q\n3,12:00,q\n", "'when' holds dates"),
    "mixed types": ("a,y\n1,p\n2,q\nthree,p\n", "numbers and text such as 'three'; mend"),
    "integers over 2**53": (
        f"i,a,y\n{2**53 + 1},1,p\n{2**53 + 3},2,q\n{2**53 + 5},1,p\n",
        "'i' holds whole numbers beyond 2..53.*drop it if it is an identifier",
    ),
    "target of dates": ("a,y\n1,2020-01-02\n2,2020-01-03\n3,2020-01-03\n", "holds dates; give num"),
    "all labels differ": ("a,y\n1,p\n2,q\n3,r\n", "all 3 labels of the target 'y' differ"),
    "no feature": ("id,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)), "no feature to train"),
    "only the target": ("y\np\nq\np\n", "no feature to train on .no other column"),
    "gzip named .csv": (gzip.compress(GOOD.encode()), "packed with gzip; unpack it first"),
    "Parquet named .csv": (SMALL, "ends as CSV and holds Parquet"),
}
BINARY = {
    "CSV named .parquet": ("t.parquet", GOOD.encode(), "ends as Parquet and holds something else"),
    "truncated Parquet": ("t.parquet", SMALL[: len(SMALL) // 2], "truncated Parquet"),
    "Parquet without a middle": ("t.parquet", SMALL[:60] + SMALL[-40:], "damaged Parquet"),
    "no rows": ("t.parquet", parquet(a=pl.Series([], dtype=pl.Float64)), "columns and no rows"),
    "nested lists": ("t.parquet", parquet(a=[[1], [2]], y=["p", "q"]), "'a' holds 'List.*apart"),
    "x and y of different length": ("t.npz", npz(x=X, y=Y[:5]), "'x_1' has 10 rows and 'y' 5"),
    "complex": ("t.npz", npz(x=X + 1j, y=Y), "complex numbers; give real and imaginary"),
    "zero-dim": ("t.npz", npz(x=np.array(3.0), y=Y), r"'x' has shape \(\); expected"),
    "images": ("t.npz", npz(x=np.zeros((4, 2, 2)), y=Y[:4]), r"'x' has shape \(4, 2, 2\)"),
    "uint8 labels 255": (
        "t.npz",
        npz(x=X, y=np.array([0, 255] * 5, np.uint8)),
        "the uint8 label 255, which mostly is a missing label",
    ),
    "npy that asks for terabytes": ("t.npy", npy_header((10**12,)), "asks for 8,000,000,000,000 b"),
    "npy of negative size": ("t.npy", npy_header((-1,)), "asks for"),
    "npy header of 2 GB": ("t.npy", npy_header((1,), 2, 2**31), "damaged or no NumPy file"),
    "npz that is no zip": ("t.npz", b"PK\x03\x04" + bytes(50), "damaged or no NumPy file"),
    "unknown ending": ("t.xlsx", b"PK\x03\x04", "ending in '.xlsx' are not read; give .csv"),
}


def check(error, expected_exit_code=2):
    assert error.value.exit_code == expected_exit_code
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("content", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_text_is_refused_in_one_line(write, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_table(write(content), target=-1)
    check(error)
    assert "table.csv" in str(error.value)


@pytest.mark.parametrize(("name", "content", "message"), BINARY.values(), ids=BINARY)
def test_malformed_binary_files_are_refused_in_one_line(write, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_table(write(content, name), target=-1)
    check(error)
    assert name in str(error.value)


def test_a_lying_parquet_footer_never_changes_the_table(write, capfd):
    # Every place where the footer writes the number of rows, 100 (zigzag 200), says 101 or 8191.
    whole = parquet(a=np.arange(100) + 0.5, y=["p", "q"] * 50)
    honest = read_table(write(whole, "t.parquet"), target="y").frame
    places = [i for i in range(len(whole) - 1) if whole[i : i + 2] == b"\xc8\x01"]
    outcomes = []
    for place in places:
        for lie in (b"\xca\x01", b"\xfe\x7f", b"\xff\x7f"):
            path = write(whole[:place] + lie + whole[place + 2 :], "t.parquet")
            try:
                outcomes.append(read_table(path, target="y").frame.equals(honest))
            except DataError as error:
                outcomes.append("\n" not in str(error))
    assert len(outcomes) >= 6
    assert all(outcomes)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("place", range(8, len(SMALL), 41))
def test_a_damaged_parquet_file_is_read_or_refused_and_nothing_else(write, place, capfd):
    damaged = bytearray(SMALL)
    damaged[-place] ^= 0xFF
    try:
        outcome = len(read_table(write(bytes(damaged), "t.parquet")))
    except DataError as error:
        outcome = str(error)
    assert outcome == 3 or "damaged Parquet file" in str(outcome)
    assert capfd.readouterr().err == ""


WORKS = {
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "a"),
    "constant column": ("a,c,y\n1,7,p\n2,7,q\n3,7,p\n", "a"),
    "labels 0, 5, 7": ("a,y\n" + "".join(f"{i}.5,{(0, 5, 7)[i % 3]}\n" for i in range(30)), "a"),
    "Windows line ends": (GOOD.replace("\n", "\r\n"), "a"),
    "old Mac line ends": (GOOD.replace("\n", "\r"), "a"),
    "blank lines between": (GOOD.replace("\n", "\n\n"), "a"),
    "no line end at the end": (GOOD.rstrip("\n"), "a"),
}


@pytest.mark.parametrize(("content", "first"), WORKS.values(), ids=WORKS)
def test_what_looks_odd_and_is_sound_is_read(write, content, first):
    table = read_table(write(content), target="y")

    assert table.schema.task == "classification"
    assert table.schema.features[0].name == first


@pytest.mark.parametrize(
    "x",
    [X.astype(">f4"), np.asfortranarray(X), X > 3, X.astype(np.float16), X.astype(np.int8)],
    ids=["big-endian", "Fortran order", "bool", "float16", "int8"],
)
def test_arrays_of_any_order_and_width_are_read(write, x):
    table = read_table(write(npz(x=x, y=Y), "t.npz"), target="y")

    assert table.frame["x_2"].cast(pl.Float64).to_list() == x[:, 1].astype(float).tolist()


def test_decimals_and_dictionaries_in_parquet_are_numbers_and_categories(write):
    frame = pl.DataFrame({"a": [1.5, 2, 3, 3], "c": ["u", "v", "u", "u"], "y": ["p", "q"] * 2})
    kinds = frame.with_columns(
        a=pl.col("a").cast(pl.Decimal(10, 2)), c=pl.col("c").cast(pl.Enum("uv"))
    )
    buffer = io.BytesIO()
    kinds.write_parquet(buffer)

    schema = read_table(write(buffer.getvalue(), "t.parquet"), target="y").schema

    assert [column.kind for column in schema.columns] == ["number", "category", "category"]


REMEDIES = {
    "dates": (MALFORMED["dates"][0], Reading(drop=("when",))),
    "mixed types": (MALFORMED["mixed types"][0], Reading(missing=("three",))),
    "mixed types as categories": (
        MALFORMED["mixed types"][0],
        Reading(kinds={"a": "category"}),
    ),
    "decimal commas": (MALFORMED["decimal commas"][0], Reading(csv=CsvFormat(decimal=","))),
    "integers over 2**53": (MALFORMED["integers over 2**53"][0], Reading(drop=["i"])),
    "UTF-16": (GOOD.encode("utf-16"), Reading(csv=CsvFormat(encoding="utf-16"))),
    "invalid UTF-8": (b"a,y\n1,p\n2,caf\xe9\n3,p\n", Reading(csv=CsvFormat(encoding="cp1252"))),
    "an empty name": ("a,,y\n1,2,p\n3,4,q\n5,7,y\n", Reading(csv=CsvFormat(header=False))),
}


@pytest.mark.parametrize(("content", "reading"), REMEDIES.values(), ids=REMEDIES)
def test_what_the_message_advises_helps(write, content, reading):
    if reading.csv.header is False:  # The header is a row of text among numbers now.
        reading = Reading(csv=reading.csv, kinds={"column_1": "category", "column_2": "category"})
    assert read_table(write(content), target=-1, reading=reading).schema.features
