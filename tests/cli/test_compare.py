import errno
import io
import json
import os
import re
import signal
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from denselab.cli.main import run
from denselab.cli.options import RecipeOptions
from denselab.cli.selection import selected_recipe
from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.study import default_folder, plan_study

TINY = ["--depth", "1", "--width", "4", "--epochs", "3", "--no-timing", "--tune", "0"]
PLAIN = ["compare", "wine", "--recipes", "plain", *TINY]
DIVERGES = ["--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e30"]


THREE = ["compare", "wine", "--recipes", "plain,mc_dropout", *TINY, "--seeds", "2"]


class Made(NamedTuple):
    """A study that the command made, and what it said."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three tiny recipes with two seeds."""
    folder = tmp_path_factory.mktemp("made") / "study"
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([*THREE, "--out", str(folder), "--json"])
    assert code == 0, err.getvalue()
    return Made(folder, out.getvalue(), err.getvalue())


def no_training(*_, **__):
    raise AssertionError("nothing is to be trained")


def test_json_has_what_is_promised(study):
    result = json.loads(study.out)

    assert result["study"] == str(study.folder)
    assert result["dataset"]["name"] == "wine"
    assert {"versions", "hardware"} <= set(result)
    assert [r["name"] for r in result["recipes"]] == ["plain", "alpha_dropout", "mc_dropout"]
    for recipe in result["recipes"]:
        assert recipe["n"] == 2
        assert recipe["failed"] == 0
        for quantity in ("test_accuracy", "validation_accuracy", "test_loss"):
            assert set(recipe[quantity]) == {"mean", "sd", "values"}
            assert len(recipe[quantity]["values"]) == 2
        assert {"epochs_run", "epochs_to_best", "seconds_per_epoch", "compile_seconds"} <= set(
            recipe
        )
    assert result["recipes"][0]["parameters"] == 13 * 4 + 4 + 4 * 3 + 3
    assert result["recipes"][0]["epochs_run"] == 3


def test_the_study_folder_holds_records_models_and_weights(study):
    files = {str(path.relative_to(study.folder)) for path in study.folder.rglob("*")}

    assert {"study.toml", "study.sqlite"} <= files
    assert {f"models/{name}.keras" for name in ("plain", "alpha_dropout", "mc_dropout")} <= files
    assert len([name for name in files if name.endswith(".safetensors")]) >= 4


def test_progress_goes_to_stderr(study):
    assert study.err.startswith(
        f"wine: plain, alpha_dropout, mc_dropout (tuned values), seeds 0 to 1, in {study.folder}\n"
    )
    assert re.search(r"^plain: done, 2 members in .+ s$", study.err, re.MULTILINE)


def test_the_same_command_again_trains_nothing_and_says_the_same(study, denselab, monkeypatch):
    monkeypatch.setattr("denselab.training.train_recipe", no_training)

    again = denselab(*THREE, "--out", str(study.folder), "--json")

    assert again.code == 0
    assert json.loads(again.out)["recipes"] == json.loads(study.out)["recipes"]
    assert "plain: was done before\n" in again.err


def test_without_json_there_is_a_table(study, denselab):
    answer = denselab(*THREE, "--out", str(study.folder))

    mean = json.loads(study.out)["recipes"][0]["test_accuracy"]["mean"]
    row = next(line for line in answer.out.splitlines() if line.startswith("plain "))
    assert row.split()[1] == f"{100 * mean:.2f}"
    assert f"Study: {study.folder} (" in answer.out


def test_the_first_seed_can_be_chosen_and_the_folder_follows_from_the_plan(denselab, folder):
    result = json.loads(denselab(*PLAIN, "--seeds", "1", "--seed", "7", "--json").out)

    recipe = selected_recipe("plain", "tuned", RecipeOptions(depth=1, width=4, epochs=3))
    plan = plan_study(
        [recipe], hold_out_calibration(hold_out_test(load("wine"))), seeds=[7], preset="tuned"
    )
    assert result["seeds"] == [7]
    assert result["study"] == str(default_folder("wine", plan))
    assert (folder / result["study"]).is_dir()


def test_failed_trials_are_named_and_exit_with_3(denselab):
    answer = denselab(*PLAIN, *DIVERGES, "--seeds", "2")

    assert answer.code == 3
    row = next(line for line in answer.out.splitlines() if line.startswith("plain "))
    assert row.split()[-1] == "2"
    assert "plain failed with seed 0, 1" in answer.out


def test_a_dry_run_shows_the_published_network_and_writes_nothing(denselab, folder):
    answer = denselab("compare", "cifar10", "--recipes", "plain", "--dry-run", "--offline")

    assert answer.code == 0
    assert "500,210 parameters" in answer.out
    assert "nadam at 5e-05" in answer.out
    assert list(folder.iterdir()) == []


def test_a_dry_run_in_json_holds_the_resolved_recipes(denselab):
    planned = json.loads(denselab("compare", "--dry-run", "--json").out)

    assert planned["dataset"]["name"] == "digits"
    assert planned["seeds"] == list(range(12))
    assert len(planned["recipes"]) == 6
    assert planned["recipes"][0]["recipe"]["preprocessing"] == {"scaling": "standard"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--recipes", "plian"], "'plian' is no recipe of the ladder; did you mean plain?"),
        (["--recipes", "plain,plain"], "two recipes are called plain"),
        (["--recipes", ""], "is no recipe of the ladder"),
        (["--recipes", "mine.toml"], "mine.toml: no such file"),
        (
            ["--set", "network.dept=3"],
            "network.dept is no field of a recipe; did you mean network.",
        ),
        (["--seeds", "0"], "--seeds 0: give a number from 1"),
        (["--seed", "-1"], "seed -1 is out of range"),
        (["--depth", "0"], "network.depth = 0: must be at least 1"),
        (["--width", "0"], "network.width = 0: must be at least 1"),
        (["--epochs", "0"], "training.epochs = 0: must be at least 1"),
        (["--out", "file/below"], "file is a file; name a folder"),
        (["nothing"], "unknown data set 'nothing'"),
        (["cifar10", "--data-dir", "nowhere"], "nowhere does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_before_anything_is_trained_or_written(
    denselab, folder, arguments, expected
):
    (folder / "file").touch()

    answer = denselab("compare", *arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_folder_of_something_else_is_left_alone(denselab, folder):
    (folder / "photos").mkdir()
    (folder / "photos" / "one.png").write_bytes(b"png")

    answer = denselab(*PLAIN, "--out", "photos")

    assert answer.code == 2
    assert "photos" in answer.err.splitlines()[-1]
    assert [path.name for path in (folder / "photos").iterdir()] == ["one.png"]


def test_a_disk_that_is_full_ends_with_6_and_leaves_nothing_half_written(
    denselab, folder, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("denselab.study.files.write", full)

    answer = denselab(*PLAIN, "--out", "study")

    assert answer.code == 6
    assert "the disk is full" in answer.err.splitlines()[-1]
    assert not (folder / "study").exists()


def test_an_interruption_keeps_what_is_done_and_says_how_to_go_on(denselab, monkeypatch):
    from denselab.training import train_recipe

    def interrupted(recipe, *arguments, **options):
        if recipe.name == "batch_norm":
            os.kill(os.getpid(), signal.SIGTERM)
        return train_recipe(recipe, *arguments, **options)

    command = ["compare", "wine", "--recipes", "plain,batch_norm", *TINY, "--seeds", "1"]
    with monkeypatch.context() as patch:
        patch.setattr("denselab.training.train_recipe", interrupted)
        answer = denselab(*command, "--out", "study")

    assert answer.code == 143
    assert answer.out == ""
    assert "1 of 2 trials" in answer.err.splitlines()[-1]
    assert f"denselab {' '.join(command)} --out study" in answer.err.splitlines()[-1]

    again = denselab(*command, "--out", "study", "--json")

    assert again.code == 0
    assert "plain: was done before\n" in again.err
    assert [recipe["n"] for recipe in json.loads(again.out)["recipes"]] == [1, 1]


def test_too_few_seeds_for_verdicts_are_said_before_and_after(study):
    assert "no verdicts: 2 contrasts need 7 seeds, this study has 2; give --seeds 7" in study.err
    verdicts = json.loads(study.out)["verdicts"]
    assert [one["verdict"] for one in verdicts["contrasts"]] == ["none", "none"]


def test_enough_seeds_give_verdicts_against_the_baseline_that_was_asked_for(denselab, folder):
    command = ["compare", "wine", "--recipes", "plain,batch_norm", *TINY, "--seeds", "8"]
    asked = [*command, "--primary", "loss", "--baseline", "batch_norm", "--out", "s"]
    answer = denselab(*asked, "--json")
    assert answer.code == 0, answer.err
    verdicts = json.loads(answer.out)["verdicts"]
    (contrast,) = verdicts["contrasts"]
    assert (contrast["arm"], contrast["against"]) == ("plain", "batch_norm")
    assert (verdicts["metric"], verdicts["test_rows"]) == ("loss", 36)
    assert contrast["verdict"] in ("better", "worse", "equivalent", "undecided")

    text = denselab(*asked).out
    assert "plain - batch_norm" in text
    assert "Of 100 comparisons of one seed each" in text

    other = denselab(*command, "--out", "s", "--primary", "accuracy", "--region", "2")
    assert (other.code, other.err.count("choose another folder for another question")) == (2, 1)


def test_learning_rates_are_tried_first_where_that_is_asked_for(denselab, folder):
    tune = [*PLAIN[:-2], "--tune", "2", "--seeds", "1", "--out", "s"]
    answer = denselab(*tune)
    assert answer.code == 0, answer.err
    assert "2 learning rates tried for each" in answer.err
    assert "plain (tuning): done, 2 members" in answer.err
    refused = denselab(*PLAIN, "--tune", "1", "--seeds", "1")
    assert (refused.code, "give from 2 to 100" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--baseline", "plain", "--contrasts", "plain:plain"], "give one"),
        (["--contrasts", "plain"], "give two arms, such as batch_norm:plain"),
        (["--calibration", "1"], "--calibration 1: give a share from 0 to below 1"),
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_refused(denselab, asked, words):
    answer = denselab(*PLAIN, *asked)
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert words in answer.err


def test_solo_times_are_measured_once_and_stand_beside_the_verdicts(denselab, monkeypatch):
    timed = [*(one for one in THREE if one != "--no-timing"), "--out", "timed"]
    first = denselab(*timed, "--json")
    assert first.code == 0, first.err
    assert "solo times of plain, alpha_dropout, mc_dropout, one at a time" in first.err
    found = {(one["arm"], one["measure"]): one for one in json.loads(first.out)["secondary"]}
    epoch = found["alpha_dropout", "solo seconds an epoch"]
    assert (epoch["kind"], epoch["better"], epoch["n"]) == ("ratio", "lower", 12)
    assert epoch["low"] <= epoch["estimate"] <= epoch["high"]
    # Its weights are alpha_dropout's, so only prediction costs anything.
    assert ("mc_dropout", "solo seconds an epoch") not in found
    assert found["mc_dropout", "solo seconds a prediction of 36 rows"]["estimate"] > 1

    again = denselab(*timed, "--json")
    assert "solo times" not in again.err
    assert json.loads(again.out)["secondary"] == json.loads(first.out)["secondary"]
