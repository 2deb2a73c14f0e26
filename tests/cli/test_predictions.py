import csv

import numpy as np
import polars
import pytest

from denselab.cli.predictions import Predictions, csv_cell, explained, frame, write_frame
from denselab.errors import UsageError
from denselab.training.predicting import Calibrated
from denselab.uncertainty import ensemble_prediction

NAMES = ("=cmd|' /C calc'!A0", "-1", 'cat, or "dog"')
DRAWS = [
    np.array([[0.9, 0.1, 0.0], [0.2, 0.5, 0.3]]),
    np.array([[0.7, 0.2, 0.1], [0.6, 0.1, 0.3]]),
]


@pytest.fixture
def predictions():
    found = ensemble_prediction(DRAWS)
    sets = np.array([[True, False, False], [True, True, True]])
    calibrated = Calibrated(sets, found.probabilities, 1.5, 20)
    return Predictions(NAMES, found, np.array([0, 2]), calibrated, 0.9)


def test_the_table_holds_what_its_columns_promise(predictions):
    table = frame(predictions)

    assert table.columns == [
        "row",
        "label",
        "predicted",
        "probability",
        *(f"probability_{name}" for name in NAMES),
        "predictive_entropy",
        "expected_entropy",
        "mutual_information",
        "variation_ratio",
        "standard_error",
        "draws_used",
        "calibrated_probability",
        "prediction_set",
    ]
    assert table["row"].to_list() == [0, 1]
    assert table["label"].to_list() == [NAMES[0], NAMES[2]]
    assert table["predicted"].to_list() == [NAMES[0], NAMES[0]]
    assert table["probability"].to_list() == pytest.approx([0.8, 0.4])
    parts = table["expected_entropy"] + table["mutual_information"]
    assert parts.to_list() == pytest.approx(table["predictive_entropy"].to_list())
    assert table["variation_ratio"].to_list() == [0, 0.5]
    # Two draws 0.9 and 0.7: deviation 0.1 * sqrt(2), over sqrt(2).
    assert table["standard_error"][0] == pytest.approx(0.1)
    assert table["prediction_set"].to_list() == [[NAMES[0]], [NAMES[0], NAMES[1], NAMES[2]]]


def test_without_labels_and_sets_there_are_no_such_columns(predictions):
    bare = Predictions(NAMES, predictions.found, None, None, 0.9)

    assert not {"label", "calibrated_probability", "prediction_set"} & set(frame(bare).columns)


def test_a_single_draw_has_no_standard_error():
    once = Predictions(NAMES, ensemble_prediction(DRAWS[:1]), None, None, 0.9)

    assert frame(once)["standard_error"].to_list() == [None, None]


def test_parquet_gives_the_table_back(predictions, tmp_path):
    write_frame(frame(predictions), tmp_path / "p.parquet")

    assert polars.read_parquet(tmp_path / "p.parquet").equals(frame(predictions))


def test_a_spreadsheet_computes_nothing_of_a_csv(predictions, tmp_path):
    write_frame(frame(predictions), tmp_path / "p.csv")

    with (tmp_path / "p.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first["predicted"] == f"'{NAMES[0]}"
    assert second["label"] == NAMES[2]
    assert second["prediction_set"] == f"'{' | '.join(NAMES)}"
    cells = [cell for row in (first, second) for cell in [*row, *row.values()]]
    dangerous = [cell for cell in cells if cell.startswith(("=", "+", "@", "\t"))]
    assert dangerous == []


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-x", "'-x"),
        ("-1", "-1"),
        ("+1e3", "+1e3"),
        ("cat", "cat"),
        ("", ""),
    ],
)
def test_only_what_begins_like_a_formula_gets_an_apostrophe(text, safe):
    assert csv_cell(text) == safe


def test_another_ending_is_refused(predictions, tmp_path):
    with pytest.raises(UsageError, match=r"give one of \.parquet, \.csv"):
        write_frame(frame(predictions), tmp_path / "p.xlsx")


def test_a_row_in_words_names_the_parts_of_its_uncertainty(predictions):
    text = " ".join(explained(predictions, 1))

    assert f"Row 1 is predicted as {NAMES[0]}, but it is {NAMES[2]}." in text
    assert "The network is unsure" in text
    assert "has probability 0.400" in text
    assert "-1 comes second with 0.300" in text
    assert "1.089 nats, where 1.099 would be a guess" in text
    assert "0.964 nats (89 %) are ambiguity" in text
    assert "0.125 nats (11 %) are what the network does not know" in text
    assert "1 of 2 draws put another class first" in text
    assert "at least 90 % of rows" in text


def test_a_row_predicted_once_says_that_nothing_can_be_told_apart():
    once = Predictions(NAMES, ensemble_prediction(DRAWS[:1]), None, None, 0.9)

    assert "predicted once" in " ".join(explained(once, 0))


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_is_refused(predictions, row):
    with pytest.raises(UsageError, match="give one from 0 to 1"):
        list(explained(predictions, row))
