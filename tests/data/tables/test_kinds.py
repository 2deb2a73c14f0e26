"""What columns hold, by the rules that are stated."""

import datetime

import polars as pl
import pytest

from denselab.data import Reading, read_table
from denselab.data.tables.kinds import infer_kind, levels_of, truths_of
from denselab.errors import DataError

SENTENCES = [f"the wine number {i} tastes of cherries" for i in range(30)]
KINDS = {
    "fractions": ([1.5, 2.0, None], "number"),
    "numbers as text": (["1.5", "+2", "-3e5", ".5", None], "number"),
    "0 and 1": ([0, 1, 1, 0], "number"),
    "text that repeats": (["u", "v", "u"], "category"),
    "codes with leading zeros": (["00123", "00200", "10000"], "category"),
    "yes and no in any case": (["Yes", "no", "YES", None], "boolean"),
    "truth values": ([True, False, None], "boolean"),
    "days": (["2020-01-02", "2020-1-3"], "date"),
    "German days": (["31.12.2020", "1.1.2021"], "date"),
    "points in time": (["2020-01-02T10:11:12Z", "2020-01-02 10:11"], "date"),
    "dates proper": ([datetime.date(2020, 1, 2), None], "date"),
    "nothing": ([None, None], "empty"),
    "one value": ([7, 7, 7], "constant"),
    "one value or none": ([7, None, 7], "number"),
    "row numbers": (list(range(5, 40)), "identifier"),
    "sentences": (SENTENCES, "text"),
    "names": ([f"person{i}" for i in range(30)], "identifier"),
    "numbers and text": (["1", "2", "three"], "mixed"),
    "text with a rare number": ([*"abcdefghij", "k", "l", "7"], "category"),
}


@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS)
def test_columns_are_what_they_look_like(values, kind):
    assert infer_kind(pl.Series("c", values)).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("id", "identifier"), ("customer_id", "identifier"), ("price", "number"), ("paid", "number")],
)
def test_whole_numbers_that_all_differ_are_keys_only_under_the_name_of_one(name, kind):
    assert infer_kind(pl.Series(name, [i * i for i in range(30)])).kind == kind


def test_levels_are_one_for_3_and_3_point_0_and_sorted_as_numbers():
    assert levels_of(pl.Series([10.0, 3.0, None])).names == ("3", "10")
    assert levels_of(pl.Series(["10", "3"])).names == ("3", "10")
    assert levels_of(pl.Series([True, False])).names == ("false", "true")
    assert levels_of(pl.Series([0.5, 3.0])).names == ("0.5", "3.0")


def test_a_word_that_is_neither_yes_nor_no_is_named():
    with pytest.raises(DataError, match="'b' holds 'maybe'; expected true or false"):
        truths_of(pl.Series("b", ["yes", "maybe"]))


TABLE = {"a": ["1", "2", "3", "4"], "z": [7, 8, 7, 9], "b": [0, 1, 0, 1], "y": list("pqpq")}


def test_what_is_said_of_a_column_goes_before_what_it_looks_like():
    kinds = {"z": "category", "b": "boolean"}
    schema = read_table(TABLE, target="y", reading=Reading(kinds=kinds)).schema

    assert [column.kind for column in schema.features] == ["number", "category", "boolean"]
    assert schema["z"].why == "as said"


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"z": "boolean"}, "'z' holds '7'; expected true or false"),
        ({"y": "number"}, "'y' holds 'p'; expected numbers"),
        ({"z": "date"}, "'z' cannot be 'date'; give number, category or boolean, or drop"),
        ({"zz": "number"}, "no column 'zz' .kind.; did you mean 'z'"),
    ],
    ids=["no truth values", "no numbers", "no kind", "no column"],
)
def test_what_cannot_be_said_of_a_column_is_refused(kinds, message):
    with pytest.raises(DataError, match=message):
        read_table(TABLE, target="y", reading=Reading(kinds=kinds))
