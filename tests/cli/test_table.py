import os

import pytest

from denselab.cli.table import aligned, print_table, print_text

HEADER = ["recipe", "test\naccuracy"]
ROWS = [["plain", "95.1"], ["self_normalizing", "7"]]


@pytest.fixture
def terminal(monkeypatch):
    def of_width(columns):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)

    return of_width


def test_columns_stand_under_one_another_without_blanks_at_the_ends():
    text = aligned([["a", "bb", "c"], ["ddd", "e", ""]], right=" r")

    assert text == "a    bb  c\nddd   e"


def test_in_a_pipe_a_table_is_plain_text_with_its_header_on_two_lines(capsys):
    print_table(HEADER, ROWS, right=" r")

    assert capsys.readouterr().out == (
        "                      test\n"
        "recipe            accuracy\n"
        "plain                 95.1\n"
        "self_normalizing         7\n"
    )


def test_in_a_terminal_a_table_has_a_rule_below_its_header(capsys, terminal):
    terminal(80)

    print_table(HEADER, ROWS, right=" r")

    out = capsys.readouterr().out
    assert "───" in out
    assert "self_normalizing" in out


@pytest.mark.parametrize("columns", [20, 25, 26, 40])
def test_no_cell_is_cut_or_left_out_however_narrow_the_terminal(capsys, terminal, columns):
    terminal(columns)

    print_table(HEADER, ROWS, right=" r")

    out = capsys.readouterr().out
    assert all(cell in out for row in ROWS for cell in row)
    assert os.environ["COLUMNS"] == str(columns)


def test_markup_in_a_cell_is_shown_as_it_is(capsys, terminal):
    terminal(80)

    print_table(["name"], [["[red]x[/red]"]])

    assert "[red]x[/red]" in capsys.readouterr().out


def test_text_is_broken_between_words_in_a_terminal_and_not_in_a_pipe(capsys, terminal):
    text = "a-b " * 20 + "x" * 50

    print_text(text)
    assert capsys.readouterr().out == f"{text}\n"

    terminal(30)
    print_text(text)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines[:-1]) <= 30
    assert lines[-1] == "x" * 50


def test_what_a_terminal_would_obey_is_taken_out_of_names(capsys, terminal):
    terminal(80)
    print_table(["name"], [["\x1b[7mred\x1b[0m"]])
    print_text("a\x1b[2Jb")

    out = capsys.readouterr().out
    assert "red" in out
    assert "\x1b[7m" not in out
    assert out.endswith("ab\n")
