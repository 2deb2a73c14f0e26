import math

import pytest

from denselab.cli.plot import plotted

RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
LOSSES = [2.0, 1.8, 1.0, 0.5, 4.0]


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_the_curve_falls_and_rises_where_the_losses_do():
    lines = plotted(RATES, LOSSES, marks={}, plain=True)[:12]
    rows = {
        line.index("*", place): number
        for number, line in enumerate(lines)
        for place in [9]
        if "*" in line
    }
    columns = {
        column: row for row, line in enumerate(lines) for column, c in enumerate(line) if c == "*"
    }
    heights = [row for _, row in sorted(columns.items())]
    assert rows
    assert heights[0] < heights[1] < heights[2] < heights[3] == 11
    assert heights[4] == 0


def test_what_diverges_is_cut_off_at_the_top_and_does_not_flatten_the_rest():
    lines = plotted(RATES, [*LOSSES[:4], math.inf], marks={}, plain=True)
    assert lines == plotted(RATES, [*LOSSES[:4], 1e6], marks={}, plain=True)
    assert lines[0].split("|")[0].strip() == "2.38"  # a quarter of the fall above the first loss


def test_marks_stand_below_their_place_and_never_on_one_another():
    lines = plotted(RATES, LOSSES, marks={"a": 1e-2, "b": 1e-2, "c": 1e-4}, plain=True)
    middle = next(line for line in lines[6:7]).index("*") if "*" in lines[6] else None
    below = lines[-2]
    assert below.index("c") == 9
    assert abs(below.index("a") - below.index("b")) == 1
    assert middle is None or abs(below.index("a") - middle) <= 1


def test_lines_fit_the_terminal_and_hold_no_codes():
    for plain in (True, False):
        lines = plotted(RATES, LOSSES, marks={"a": 1.0}, plain=plain)
        assert all(len(line) <= 80 and line.isprintable() for line in lines)
        assert all(line.isascii() for line in lines) is plain


def test_a_loss_that_only_rises_is_shown_whole():
    lines = plotted(RATES, [1.0, 2.0, 3.0, 4.0, 5.0], marks={}, plain=True)
    assert lines[0].split("|")[0].strip() == "5"
    assert lines[11].split("|")[0].strip() == "1"
