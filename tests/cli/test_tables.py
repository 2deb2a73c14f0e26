"""`denselab data info FILE`: what is in a table of one's own."""

import json
import os
import pickle

import numpy as np
import pytest

GOOD = "size,kind,id,price\n" + "".join(
    f"{i % 9}.5,{'uvw'[i % 3]},{i},{i * 37 % 101}.25\n" for i in range(40)
)


@pytest.fixture
def good(folder):
    (folder / "houses.csv").write_text(GOOD)
    return "houses.csv"


def test_columns_target_and_what_is_left_out_are_shown(denselab, good):
    answer = denselab("data", "info", good, "--target", "price")

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "houses: 40 rows (houses.csv, CSV)"
    assert lines[1] == "target: price, regression (the target holds fractions)"
    assert lines[3].split() == ["size", "number", "0", "9", "0.5", "to", "8.5", "feature"]
    assert "left out: names the row and says nothing about others" in lines[5]
    assert lines[6].split()[-1] == "target"


def test_without_a_target_the_last_column_is_proposed(denselab, good):
    out = denselab("data", "info", good).out

    assert "no target named; if it is the last column, give --target price" in out


def test_classes_are_shown_with_their_shares(denselab, good):
    out = denselab("data", "info", good, "--target", "kind").out

    assert "classes: 3: u (14, 35.0%), v (13, 32.5%), w (13, 32.5%)" in out


def test_json_holds_all_that_was_found(denselab, good):
    about = json.loads(denselab("data", "info", good, "--target", "-1", "--json").out)

    assert (about["target"], about["task"], about["rows"]) == ("price", "regression", 40)
    assert about["left_out"] == {"id": "names the row and says nothing about others"}


def test_what_is_known_better_can_be_said(denselab, folder):
    (folder / "t.csv").write_text("code;when;y\n1,5;2020-01-02;a\nx;2020-01-03;b\n2,5;;a\n")
    options = ["--drop", "when", "--missing", "x", "--decimal", ",", "--delimiter", ";"]

    answer = denselab("data", "info", "t.csv", "--target", "y", *options)
    assert answer.code == 0
    assert "1.5 to 2.5" in answer.out
    other = denselab("data", "info", "t.csv", "--drop", "when", "--kind", "code=category", "--json")
    assert json.loads(other.out)["columns"][0]["kind"] == "category"


BAD = {
    "empty": ("", "is empty; expected a table"),
    "header only": ("a,y\n", "a header and no rows"),
    "ragged": ("a,y\n1,2\n3\n", "1 fields on line 3 and 2 on the first"),
    "dates": ("a,y\n2020-01-02,1\n2020-01-03,2\n", "'a' holds dates"),
    "nothing in a column": ("a,b,y\n1,,1\n2,,2\n", "'b' has no value at all"),
    "NUL": ("a,y\n1,\0\n", "NUL byte on line 2"),
}


@pytest.mark.parametrize("target", [(), ("--target", "y")], ids=["without target", "with target"])
@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_malformed_table_is_one_line_and_exit_code_2(denselab, folder, content, message, target):
    (folder / "bad.csv").write_text(content)

    answer = denselab("data", "info", "bad.csv", *target)

    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert os.listdir(folder) == ["bad.csv"]


def test_an_unsafe_file_is_exit_code_5(denselab, folder):
    np.savez(folder / "bad.npz", x=np.array([pickle.dumps], object))

    answer = denselab("data", "info", "bad.npz", "--json")

    assert answer.code == 5
    assert json.loads(answer.out)["error"]["exit_code"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["houses.csv", "--target", "prize"], "did you mean 'price'"),
        (["houses.csv", "--kind", "zip"], "expected NAME=KIND, such as zip=category"),
        (["houses.csv", "--delimiter", "x"], "give a comma, semicolon, tab or bar"),
        (["nowhere.csv"], "No such file or directory"),
        (["https://example.com/houses.csv"], "is an address; download the file yourself"),
        (["digits", "--target", "x"], "digits is a data set; --target"),
    ],
    ids=["target", "kind", "delimiter", "no file", "address", "data set"],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(denselab, good, arguments, message):
    answer = denselab("data", "info", *arguments)

    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1


def test_escapes_in_a_file_never_reach_the_terminal(denselab, folder):
    (folder / "t.csv").write_text("a\x1b[31m,y\n\x1b]0;x\x07u,1\nv,2\nu,1\nv,2\n")

    assert "\x1b" not in denselab("data", "info", "t.csv", "--target", "y").out
