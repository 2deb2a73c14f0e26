import csv
import io

import pytest

from denselab.report.tables import Column, Table, clean, csv_text, shown


def written(*cells, form=""):
    table = Table("t", "a table", tuple(Column("c", form) for _ in cells), (cells,))
    return next(csv.reader(io.StringIO(csv_text(table).split("\r\n", 1)[1])))


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", " =1", "\t=1", "\uff1dcmd", "\r\n=1"]
)
def test_text_that_a_spreadsheet_would_compute_begins_with_an_apostrophe(text):
    assert written(text)[0].startswith("'")


def test_numbers_are_written_in_full_and_negative_ones_as_they_are():
    assert written(-0.123456789, 7, form=".2f") == ["-0.123456789", "7"]


def test_what_is_not_known_is_empty_in_csv_and_a_dash_on_the_page():
    assert written(None, float("nan"), float("inf"), form=".2f") == ["", "", ""]
    assert shown(None, Column("c", ".2f")) == shown(float("nan"), Column("c", ".2f")) == "-"


def test_quotes_commas_and_line_ends_stay_in_their_cell():
    assert written('a "b", c\nd') == ['a "b", c d']


def test_numbers_are_shown_with_a_minus_sign_of_the_width_of_a_digit():
    assert shown(-1.5, Column("c", "+.2f")) == "\u22121.50"


def test_escape_sequences_and_control_characters_are_taken_out():
    assert clean("a\x1b[31mb\x1b]0;t\x07c\x00d\u2028e\u202ef") == "ab ]0;t c d e f"
