"""The same table, whatever it comes in."""

import io

import numpy as np
import polars as pl
import pytest

from denselab.data import CsvFormat, Reading, is_table_file, read_table
from denselab.errors import DataError, UsageError

FRAME = pl.DataFrame({"a": [1.5, None, 3.0], "c": ["u", "v;w", 'x"y\nz'], "y": [1.5, 2.0, 2.5]})


def as_csv(**options):
    buffer = io.BytesIO()
    FRAME.write_csv(buffer, **options)
    return buffer.getvalue()


def as_parquet():
    buffer = io.BytesIO()
    FRAME.write_parquet(buffer)
    return buffer.getvalue()


def as_npz():
    buffer = io.BytesIO()
    np.savez(buffer, a=FRAME["a"].to_numpy(), c=np.array(FRAME["c"].to_list()), y=FRAME["y"])
    return buffer.getvalue()


FILES = {
    "commas": ("t.csv", as_csv()),
    "semicolons": ("t.csv", as_csv(separator=";")),
    "tabs": ("t.tsv", as_csv(separator="\t")),
    "bars": ("t.txt", as_csv(separator="|")),
    "all quoted": ("t.csv", as_csv(quote_style="always")),
    "Windows": ("t.csv", as_csv(line_terminator="\r\n")),
    "mark": ("t.csv", b"\xef\xbb\xbf" + as_csv()),
    "question marks": ("t.data", as_csv(null_value="?")),
    "Parquet": ("t.parquet", as_parquet()),
    "npz of columns": ("t.npz", as_npz()),
}


@pytest.mark.parametrize(("name", "content"), FILES.values(), ids=FILES)
def test_every_file_holds_the_same(write, name, content):
    check(read_table(write(content, name), target="y"))


def pandas():
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(
        FRAME.to_dict(as_series=False)
    )


def pyarrow():
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return FRAME.to_arrow()


MEMORY = {
    "polars": lambda: FRAME,
    "lazy polars": lambda: FRAME.lazy(),
    "pyarrow": pyarrow,
    "pandas": pandas,
    "lists": lambda: FRAME.to_dict(as_series=False),
    "arrays": lambda: {name: FRAME[name].to_numpy() for name in FRAME.columns},
    "categories": lambda: FRAME.with_columns(pl.col("c").cast(pl.Categorical)),
}


@pytest.mark.parametrize("make", MEMORY.values(), ids=MEMORY)
def test_every_frame_holds_the_same(make):
    check(read_table(make(), target="y"))


def check(table):
    assert [column.kind for column in table.schema.columns] == ["number", "category", "number"]
    assert table.frame["a"].cast(pl.Float64).to_list() == [1.5, None, 3.0]
    assert table.frame["c"].to_list() == FRAME["c"].to_list()
    assert table.schema.task == "regression"


def test_an_array_has_numbered_columns():
    table = read_table(np.array([[1.0, 2.0], [3.0, 4.5]]), target=-1)
    assert [column.name for column in table.schema.columns] == ["x_1", "x_2"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "cannot read a table from int; give a path, a frame"),
        ({}, "there are no columns"),
        ({"a": [1, 2], "y": [1]}, "'a' has 2 rows and 'y' 1"),
        ({"a": [[1, 2], [3, 4]], "y": [1, 2]}, r"'a' has shape \(2, 2\); expected one value a row"),
        ({"a": [[1], [2, 3]], "y": [1, 2]}, "'a' is no plain column"),
        ({"a": [{}, {}], "y": [1, 2]}, "'a' holds dict; expected one number or text a row"),
        ({"a": [1j, 2], "y": [1, 2]}, "complex numbers"),
        (np.zeros((2, 2, 2)), r"'x' has shape \(2, 2, 2\)"),
        (np.zeros((0, 2)), "no rows or no columns"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_no_table_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        read_table(source, target=-1)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("a,b\n1,2\n3,4\n", ["a", "b"]),
        ("1,2\n3,4\n5,7\n", ["column_1", "column_2"]),
        ("u,?\nv,4\nw,2\n", ["column_1", "column_2"]),
        ('"a","b"\n1,2\n2,1\n', ["a", "b"]),
    ],
    ids=["names", "numbers", "a missing value", "quoted names"],
)
def test_a_header_is_told_from_values(write, content, names):
    assert read_table(write(content)).frame.columns == names


def test_a_header_can_be_said(write):
    path = write("2019,2020\n1,2\n3,5\n")

    assert read_table(path).frame.columns == ["column_1", "column_2"]
    named = read_table(path, reading=Reading(csv=CsvFormat(header=True)))
    assert named.frame.columns == ["2019", "2020"]


def test_decimal_commas_are_read_where_they_are_said(write):
    reading = Reading(csv=CsvFormat(decimal=","))
    table = read_table(write("a;y\n1,5;2,25\n-,5;1e3\n3;4,0\n"), target="y", reading=reading)

    assert table.frame["a"].cast(pl.Float64).to_list() == [1.5, -0.5, 3.0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"delimiter": " "}, "give a comma, semicolon, tab or bar"),
        ({"delimiter": ",", "decimal": ","}, "another than the delimiter"),
        ({"encoding": "klingon"}, "'klingon' is unknown; give utf-8"),
    ],
    ids=["delimiter", "decimal", "encoding"],
)
def test_a_format_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        CsvFormat(**wrong)


def test_records_are_counted_across_chunks(write, monkeypatch):
    monkeypatch.setattr("denselab.data.tables.delimited._CHUNK", 7)

    check(read_table(write(as_csv()), target="y"))
    with pytest.raises(DataError, match="3 fields on line 5 and 2 on the first"):
        read_table(write('a,y\n"1\n2",3\n4,5\n6,7,8\n'))


def test_file_names_are_told_from_names_of_data_sets():
    assert all(map(is_table_file, ["a.csv", "A.CSV", "b/c.parquet", "d.npz", "s3://e/f.csv"]))
    assert not any(map(is_table_file, ["digits", "cifar10"]))
