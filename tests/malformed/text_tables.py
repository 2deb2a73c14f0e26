"""Cases 1 to 28: tables of text."""

import gzip
from collections.abc import Iterable
from pathlib import Path

TRAIN = "train t.csv --target y"
SEEN_BY = "tests/data/tables/test_malformed.py"


def table(*rows: str, header: str = "a,b,y") -> str:
    return "\n".join([header, *rows]) + "\n"


GOOD = [f"{i % 7}.5,{i * 3 % 11},{'pq'[i % 2]}" for i in range(60)]
GOOD_TEXT = table(*GOOD)


def written(content: str | bytes, name: str = "t.csv"):
    def build(folder: Path) -> None:
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(raw)

    return build


def with_row(row: str, header: str = "a,b,y"):
    return written(table(*GOOD, row, header=header))


def column_of(values: Iterable[object]):
    return written(table(*(f"{i}.5,{v},{'pq'[i % 2]}" for i, v in enumerate(values))))


def endless_line(folder: Path) -> None:
    """A tenth of the promised gigabyte; nothing but the time to write it depends on the size."""
    with (folder / "t.csv").open("wb") as file:
        for _ in range(100):
            file.write(b"7" * 2**20)


def separable(values: list[object], header: str = "a,b,y") -> str:
    """Rows whose class is told by `a`: its place among the classes, and a little more."""
    several = len(values)
    return table(*(f"{i % several}.{i % 5},{i * 7 % 3},{values[i % several]}" for i in range(150)))


CASES = (
    (1, "empty file", TRAIN, 2, "is empty; expected a table", written(b"")),
    (2, "header only", TRAIN, 2, "a header and no rows", written("a,b,y\n")),
    (3, "one row", TRAIN, 2, "one row; give at least two", written(table("1,2,p"))),
    (4, "one class", TRAIN, 2, "one class only", written(table("1,2,p", "2,3,p", "3,5,p"))),
    (5, "all-NaN column", TRAIN, 2, "'b' has no value at all", column_of(["NaN"] * 40)),
    (6, "infinity", TRAIN, 2, "'b' holds infinite numbers", with_row("1,inf,p")),
    (6, "minus infinity", TRAIN, 2, "'b' holds infinite numbers", with_row("1,-inf,p")),
    (7, "1e400", TRAIN, 2, "beyond the range of floats", with_row("1,1e400,p")),
    (9, "ragged rows", TRAIN, 2, "4 fields on line 62 and 3 on the first", with_row("1,2,3,p")),
    (10, "duplicate column", TRAIN, 2, "'a' occurs", with_row("1,2,p", "a,a,y")),
    (11, "empty column name", TRAIN, 2, "column 2 has no name", with_row("1,2,p", "a,,y")),
    (
        12,
        "target missing",
        "train t.csv --target z",
        2,
        "no column 'z'.*there are a, b, y",
        written(GOOD_TEXT),
    ),
    (12, "target not named", "train t.csv", 2, "--target NAME", written(GOOD_TEXT)),
    (13, "target NaN", TRAIN, 2, "missing in 1 of 61 rows", with_row("1,2,NaN")),
    (
        14,
        "unseen test class, table",
        "evaluate {table_model} t.csv",
        2,
        "'zebra'",
        written(table("1,2,p", "2,3,q", "3,1,zebra")),
    ),
    (15, "UTF-16", TRAIN, 2, "is UTF-16; save it as UTF-8", written(GOOD_TEXT.encode("utf-16"))),
    (17, "NUL bytes", TRAIN, 2, "NUL byte on line 62", with_row("1,\0,p")),
    (
        18,
        "invalid UTF-8",
        TRAIN,
        2,
        "no UTF-8.*byte 0xe9.*cp1252",
        written(GOOD_TEXT.encode() + b"1,2,caf\xe9\n"),
    ),
    (19, "unclosed quote", TRAIN, 2, "ends within quotation marks", with_row('1,2,"p')),
    (20, "a line of 1 GB", TRAIN, 2, "a line of more than 1,048,576 bytes", endless_line),
    (
        21,
        "100k columns",
        TRAIN,
        2,
        "100,000 columns; at most",
        written(",".join(f"c{i}" for i in range(99_999)) + ",y\n" + "1," * 99_999 + "p\n"),
    ),
    (
        22,
        "semicolons and decimal commas",
        TRAIN,
        2,
        "decimal comma",
        written("a;b;y\n" + "".join(f"{i},5;{i % 3};{'pq'[i % 2]}\n" for i in range(40))),
    ),
    (
        23,
        "dates as features",
        TRAIN,
        2,
        "'b' holds dates",
        column_of(f"2020-01-{i + 1:02}" for i in range(28)),
    ),
    (24, "mixed-type column", TRAIN, 2, "numbers and text such as 'many'", with_row("1,many,p")),
    (
        25,
        "integers over 2^53",
        TRAIN,
        2,
        "whole numbers beyond 2..53",
        column_of(2**53 + 1 + 2 * (i * 7 % 40) for i in range(40)),
    ),
    (
        27,
        "floats as classes",
        "train t.csv --target y --task classification",
        2,
        "holds fractions such as 0.25",
        written(table(*(f"{i},{i % 3},{i % 4}.25" for i in range(40)))),
    ),
    (
        28,
        "gzip named .csv",
        TRAIN,
        2,
        "packed with gzip; unpack it first",
        written(gzip.compress(GOOD_TEXT.encode())),
    ),
)

WORKS = (
    (
        8,
        "constant column",
        "t.csv",
        written(separable(["p", "q"]).replace(",0,", ",1,").replace(",2,", ",1,")),
    ),
    (16, "byte order mark", "t.csv", written(b"\xef\xbb\xbf" + separable(["p", "q"]).encode())),
    (26, "labels 0, 5, 7", "t.csv", written(separable([0, 5, 7]))),
)
"""Number, title, file to train on, what writes it; the labels stand in its column y."""
