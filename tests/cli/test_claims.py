"""Two small claims on wine, from the command line to the records."""

import json

import pytest

from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.study import open_study, read_study
from denselab.study.claims import put_activations

TINY = ["--depth", "2", "--width", "6", "--epochs", "2", "--seeds", "2"]
OWN = """
statement = "Standardised inputs help"
source = "this test"

[arms.raw]
extends = "tuned/plain"
[arms.raw.preprocessing]
scaling = "none"

[arms.standard]
extends = "tuned/plain"

[[parts]]
kind = "difference"
says = "they are more accurate"
arm = "standard"
against = "raw"
metric = "accuracy"
expect = "better"
region = 1.0

[[parts]]
kind = "seed_share"
says = "its first activations have finite means"
arm = "standard"
quantity = "activation_moments"
when = ["start"]
mean_low = -1e9
mean_high = 1e9
low = 0.0
high = 1e9

[[parts]]
kind = "same_program"
says = "scaling is no part of the network"
arm = "standard"
against = "raw"
"""


@pytest.fixture
def own(folder):
    (folder / "scaling.toml").write_text(OWN)
    asked = ["--claim", "scaling.toml", "--only", "scaling,nadam_cannot_be_scheduled"]
    return ["claims", "wine", *asked, *TINY, "--out", "study"]


def test_claims_are_decided_put_on_record_and_not_trained_again(denselab, folder, own):
    answer = denselab(*own, "--json")
    assert answer.code == 0, answer.err
    nadam, scaling = json.loads(answer.out)["claims"]
    assert nadam["verdict"] == "refuted"  # No seed of two keeps its rate, and 0 of 2 is below 95 %.
    assert [one["answer"] for one in scaling["parts"]] == ["undecided", "confirmed", "confirmed"]
    assert "there must be 6; there are 2 pairs" in scaling["sentences"][0]
    assert nadam["cost"]["trainings"] == 2

    study = read_study(folder / "study")
    assert study.documents["claims"] == [nadam, scaling]
    rows = study.documents["activations"]
    assert [(row["layer"], row["when"]) for row in rows] == [
        (1, "start"),
        (2, "start"),
        (1, "end"),
        (2, "end"),
    ]
    assert [row["distinct_units"] for row in rows] == [6.0] * 4
    assert len(study.trials) == 2 * 3

    again = denselab(*own)
    assert again.code == 0
    assert "members, epoch" not in again.err
    assert read_study(folder / "study").trials == study.trials
    for words in ("Standardised inputs help: undecided.", "scaling", "?++", "Cost: 4 trainings"):
        assert words in again.out


def test_a_study_has_its_activations_measured_without_claims(denselab, folder):
    recipes = ["--recipes", "plain,batch_norm", "--tune", "0", "--out", "study"]
    assert denselab("compare", "wine", *TINY, "--no-timing", *recipes).code == 0
    study = read_study(folder / "study")
    data = hold_out_calibration(hold_out_test(load("wine")), fraction=0.1)
    with open_study(study.folder, study.manifest) as store:
        rows = put_activations(store, data, recipes=["batch_norm"], most_seeds=1)
        assert {(row["arm"], row["seeds"]) for row in rows} == {("batch_norm", 1)}
        put_activations(store, data, recipes=["plain"])
        rows = put_activations(store, data, recipes=["plain"])
    assert read_study(study.folder).documents["activations"] == rows
    assert [row["arm"] for row in rows] == ["batch_norm"] * 4 + ["plain"] * 4
    # Its batch is normalised before the activation, so no layer's output is far from unit variance.
    assert all(0.2 < row["variance"] < 1.5 for row in rows[:4])


def test_arms_and_trainings_are_shown_without_training(denselab, folder, own):
    shown = json.loads(denselab(*own, "--dry-run", "--json").out)
    assert shown["trainings"] == 6
    assert [one["claims"] for one in shown["arms"]] == [
        ["nadam_cannot_be_scheduled"],
        ["scaling"],
        ["scaling"],
    ]
    answer = denselab("claims", "digits", "--dry-run")
    assert "22 claims name" in answer.out
    assert not (folder / "study").exists()


def test_claims_are_listed(denselab, own):
    assert "Nadam cannot be scheduled" in denselab("claims", "--list").out
    shown = json.loads(denselab(*own, "--list", "--json").out)["claims"]
    assert [one["name"] for one in shown] == ["nadam_cannot_be_scheduled", "scaling"]
    assert shown[1]["parts"][0]["region"] == 1.0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--only", "selu"], "no claim is called 'selu'"),
        (["--claim", "gone.toml"], "gone.toml: no such file"),
        (["--seeds", "0"], "--seeds 0: give a number from 1"),
        (["--preset", "published", "--calibration", "2"], "give a share from 0 to below 1"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_a_line(denselab, asked, words):
    answer = denselab("claims", "wine", *asked)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert words in answer.err


def test_what_is_wrong_in_a_file_is_said_with_its_field(denselab, folder):
    (folder / "mine.toml").write_text(OWN.replace("same_program", "same_programme"))
    answer = denselab("claims", "wine", "--claim", "mine.toml")
    assert answer.code == 2
    assert "mine.toml: parts, number 3: kind" in answer.err
    assert "did you mean same_program?" in answer.err
