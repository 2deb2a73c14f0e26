import json
from pathlib import Path

import pytest

from denselab.study import read_study

COMPARE = [
    "compare",
    "wine",
    "--depth",
    "2",
    "--width",
    "8",
    "--epochs",
    "2",
    "--seeds",
    "2",
    "--tune",
    "0",
    "--no-timing",
]
NAMES = {"deterministic", "temperature", "mc", "mc_temperature", "ensemble", "ensemble_temperature"}


@pytest.fixture
def study(denselab, folder):
    asked = [*COMPARE, "--recipes", "alpha_dropout", "--out", "study"]
    assert denselab(*asked).code == 0
    return folder / "study"


def test_all_methods_stand_in_the_table_and_on_record(denselab, study):
    answer = denselab("uncertainty", "study", "--draws", "5", "--no-curve", "--json")
    assert answer.code == 0, answer.err
    shown = json.loads(answer.out)
    (recipe,) = shown["recipes"]
    assert {method["method"] for method in recipe["methods"]} == NAMES
    assert read_study(study).documents["uncertainty"]["recipes"] == [recipe]
    names = {Path(picture).name for picture in shown["pictures"]}
    drawn = {"alpha_dropout-methods.svg", "alpha_dropout-reliability.svg", "rows.svg"}
    assert names == drawn == {path.name for path in (study / "uncertainty").iterdir()}
    assert all("<svg" in Path(picture).read_text() for picture in shown["pictures"])

    again = denselab("uncertainty", "study", "--draws", "5", "--no-curve")
    for words in ("MC dropout, temperature", "conformal sets for 90 %", "n = 2 seeds"):
        assert words in again.out
    assert "alpha_dropout, seed 1 (2 of 2)" in again.err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["nothing"], "holds no study; give a folder that denselab compare made"),
        (["study", "--draws", "0"], "--draws 0: give at least 1"),
        (["study", "--coverage", "1"], "--coverage 1: give a share between 0 and 1"),
        (["study", "--recipes", "plain"], "trained no recipe 'plain'; it has alpha_dropout"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_a_line(denselab, study, asked, words):
    answer = denselab("uncertainty", *asked)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert words in answer.err
