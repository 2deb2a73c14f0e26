"""Studies are listed, shown and exported from their records, without JAX and Keras."""

import csv
import json
import re
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest

from denselab.cli import exports
from denselab.data import Dataset
from denselab.errors import ExhaustedError
from denselab.recipes import load_recipe
from denselab.study import (
    BuiltModel,
    RecipeRecord,
    ScoresRecord,
    TrialRecord,
    manifest_for,
    open_study,
    plan_study,
)
from denselab.study.hashing import settings_hash
from denselab.study.judgement import fix_question, judge
from denselab.study.records import TRACE_COLUMNS

SMALL = ["network.depth=1", "network.width=4", "training.epochs=2"]
ROOT = Path(__file__).parents[2]


def toy() -> Dataset:
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    y = np.array([0, 1] * 4, np.int32)
    return Dataset(
        name="toy",
        x=x,
        y=y,
        test_x=x[:2],
        test_y=y[:2],
        task="classification",
        class_names=("no", "yes"),
    )


def trial(arm, settings, seed, accuracy):
    diverged = accuracy is None
    scores = ScoresRecord(float("nan"), float("nan")) if diverged else ScoresRecord(0.5, accuracy)
    return TrialRecord(
        recipe=arm,
        settings=settings,
        seed=seed,
        status="diverged" if diverged else "finished",
        best_epoch=-1 if diverged else 1,
        parameters=21,
        seconds=2.0,
        validation=scores,
        test=scores,
        trace={name: (0.25, float("nan") if diverged else 0.5) for name in TRACE_COLUMNS},
    )


def made_study(folder, *, seeds=12, done=12, models=(), failed=()):
    """A study of two recipes, of which so many seeds are done."""
    recipes = [load_recipe(name, settings=SMALL) for name in ("plain", "batch_norm")]
    plan = replace(plan_study(recipes, toy(), seeds=range(seeds), preset="tuned"), models=models)
    command = "denselab compare toy --out study"
    with open_study(folder, manifest_for(plan, toy(), command=command)) as store:
        fix_question(store, None, seeds=seeds)
        arms = [(one.name, settings_hash(one)) for one in recipes]
        arms += [(one.name, one.settings) for one in models]
        for place, (name, settings) in enumerate(arms):
            for seed in range(done):
                accuracy = 0.8 + 0.05 * place + seed % 3 / 1000
                found = trial(name, settings, seed, None if (name, seed) in failed else accuracy)
                store.add_trial(found, {"w": np.zeros(2, "f4")})
            store.put_recipe(RecipeRecord(name, settings, compile_seconds=1.0))
        judge(store)
    return folder


@pytest.fixture
def study(folder):
    return made_study(folder / "studies" / "one")


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_studies_are_listed_with_what_is_done_of_them(denselab, study, folder):
    made_study(folder / "studies" / "two", done=4)
    (folder / "studies" / "no-study").mkdir()

    answer = denselab("study", "list")
    plain = json.loads(denselab("study", "list", "studies", "--json").out)["studies"]

    assert answer.code == 0
    rows = {line.split()[0]: line.split() for line in answer.out.splitlines()[2:]}
    assert rows["one"][1:4] == ["toy", "2", "12/12"]
    assert rows["two"][1:4] == ["toy", "2", "4/12"]
    assert "no-study" not in answer.out
    assert [one["name"] for one in plain] == ["one", "two"]
    assert (plain[1]["seeds_done"], plain[1]["seeds_planned"]) == (4, 12)
    assert plain[0]["arms"] == ["plain", "batch_norm"]
    assert plain[0]["bytes"] > (study / "study.sqlite").stat().st_size


def test_a_study_itself_can_be_listed_and_an_empty_folder_says_what_makes_one(
    denselab, study, folder
):
    assert "one  " in denselab("study", "list", str(study)).out
    (folder / "empty").mkdir()
    answer = denselab("study", "list", "empty")
    assert (answer.code, answer.out) == (0, "empty holds no study; denselab compare makes one\n")


def test_a_folder_that_is_not_there_is_a_usage_error(denselab):
    answer = denselab("study", "list")

    assert answer.code == 2
    assert "studies: no such folder; name the one that studies are in" in answer.err


def test_a_damaged_study_is_listed_and_named_beside_the_sound_ones(denselab, study, folder):
    made_study(folder / "studies" / "two")
    (folder / "studies" / "two" / "study.toml").write_text("format = 1\n")

    answer = denselab("study", "list")

    assert answer.code == 4
    assert re.search(r"^one .* 12/12", answer.out, re.MULTILINE)
    assert re.search(r"^two +- +- +- ", answer.out, re.MULTILINE)
    assert "study.toml: is not as it was written" in answer.err


def test_what_is_shown_is_what_compare_printed(denselab, study):
    answer = denselab("study", "show", str(study))
    plain = json.loads(denselab("study", "show", str(study), "--json").out)

    assert answer.code == 0
    assert re.search(r"^plain +80\.10 ± 0\.09", answer.out, re.MULTILINE)
    assert "batch_norm is better than plain: +5.00 points" in answer.out
    assert f"Study: {study}" in answer.out
    assert plain["verdicts"]["contrasts"][0]["verdict"] == "better"
    assert [one["n"] for one in plain["recipes"]] == [12, 12]


def test_an_unfinished_study_shows_its_trials_and_how_to_go_on(denselab, folder):
    study = made_study(folder / "study", done=5)

    answer = denselab("study", "show", str(study))

    assert answer.code == 0
    assert "batch_norm  85.08" in answer.out
    assert "is better than" not in answer.out
    assert "10 of 24 trials are done; go on with: denselab compare toy --out study" in answer.err


@pytest.mark.parametrize("command", [("show",), ("export", "--out", "trials.csv")])
def test_no_study_exits_with_2_and_a_damaged_one_with_4(denselab, study, folder, command):
    name, *options = command

    missing = denselab("study", name, "nowhere", *options)
    with sqlite3.connect(study / "study.sqlite") as connection:
        connection.execute("UPDATE trials SET test_accuracy = 0.99 WHERE seed = 1")
    connection.close()
    damaged = denselab("study", name, str(study), *options)

    assert (missing.code, damaged.code) == (2, 4)
    assert "nowhere: holds no study" in missing.err
    assert not (folder / "trials.csv").exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_trials_are_exported_one_a_line(denselab, folder, ending):
    study = made_study(folder / "study", failed={("plain", 2)})
    path = folder / f"trials.{ending}"

    answer = denselab("study", "export", str(study), "--out", str(path))

    assert (answer.code, answer.out) == (0, f"{path}: 24 rows, 13 columns\n")
    table = polars.read_csv(path) if ending == "csv" else polars.read_parquet(path)
    assert table.columns == list(exports.TRIALS)
    assert table["arm"].to_list() == ["plain"] * 12 + ["batch_norm"] * 12
    first, failed = table.row(0, named=True), table.row(2, named=True)
    assert (first["seed"], first["status"], first["best_epoch"]) == (0, "finished", 2)
    assert (first["test_accuracy"], first["learning_rate"]) == (0.8, 5e-05)
    assert (study / first["weights"]).is_file()
    assert (failed["status"], failed["best_epoch"], failed["test_loss"]) == ("diverged", None, None)


def test_epochs_are_exported_one_a_line(denselab, study, folder):
    denselab("study", "export", str(study), "--out", "epochs.csv", "--epochs")

    rows = read_csv(folder / "epochs.csv")
    assert list(rows[0]) == list(exports.EPOCHS)
    assert len(rows) == 2 * 12 * 2
    assert [(row["arm"], row["seed"], row["epoch"], row["loss"]) for row in rows[:3]] == [
        ("plain", "0", "1", "0.25"),
        ("plain", "0", "2", "0.5"),
        ("plain", "1", "1", "0.25"),
    ]


def test_contrasts_are_exported_with_their_verdicts(denselab, study, folder):
    result = json.loads(
        denselab("study", "export", str(study), "--out", "c.csv", "--contrasts", "--json").out
    )

    (row,) = read_csv(folder / "c.csv")
    assert result == {"file": "c.csv", "rows": 1, "columns": list(exports.CONTRASTS)}
    assert (row["arm"], row["against"], row["verdict"]) == ("batch_norm", "plain", "better")
    assert (row["unit"], row["n"]) == ("points", "12")
    assert float(row["difference"]) == pytest.approx(5.0)
    assert row["reason"] == ""


def test_contrasts_of_an_unfinished_study_are_refused(denselab, folder):
    study = made_study(folder / "study", done=5)

    answer = denselab("study", "export", str(study), "--out", "c.csv", "--contrasts")

    assert answer.code == 2
    assert (
        "has no verdicts yet (14 trials are to be done); go on with: denselab compare" in answer.err
    )


def test_names_that_look_like_formulas_or_hold_escapes_do_no_harm(denselab, folder):
    models = (
        BuiltModel("=cmd|'/c calc'!A1", "", "a" * 64),
        BuiltModel("\x1b[31mred\x1b[0m", "", "b" * 64),
    )
    study = made_study(folder / "study", models=models)

    for ending in ("csv", "parquet"):
        denselab("study", "export", str(study), "--out", f"t.{ending}")

    names = {row["arm"] for row in read_csv(folder / "t.csv")}
    assert names == {"plain", "batch_norm", "'=cmd|'/c calc'!A1", "red"}
    plain = set(polars.read_parquet(folder / "t.parquet")["arm"])
    assert plain == {"plain", "batch_norm", "=cmd|'/c calc'!A1", "red"}
    assert "red " in denselab("study", "show", str(study)).out
    assert "\x1b" not in denselab("study", "show", str(study)).out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "there.csv"], "--out there.csv: is there already; name another file"),
        (["--out", "trials.xlsx"], "give a file that ends in .parquet, .csv"),
        (["--out", "trials"], "give a file that ends in .parquet, .csv"),
        (["--out", "t.csv", "--epochs", "--contrasts"], "a file holds one table"),
        (["--out", "there.csv/t.csv"], "there.csv is a file; name a folder"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_nothing_is_written(
    denselab, study, folder, options, message
):
    (folder / "there.csv").write_text("mine")

    answer = denselab("study", "export", str(study), *options)

    assert answer.code == 2
    assert message in answer.err
    assert (folder / "there.csv").read_text() == "mine"
    assert {one.name for one in folder.iterdir()} == {"studies", "there.csv"}


def test_a_full_disk_leaves_no_part_of_a_file(denselab, study, folder, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("denselab.study.files.write_whole", full)

    answer = denselab("study", "export", str(study), "--out", "t.csv")

    assert answer.code == ExhaustedError.exit_code
    assert not (folder / "t.csv").exists()


def test_help_and_reference_name_every_column(denselab):
    text = (ROOT / "docs" / "reference" / "exports.md").read_text(encoding="utf-8")
    words = re.findall(r"\w+", denselab("study", "export", "--help").out)

    for table in (exports.TRIALS, exports.EPOCHS, exports.CONTRASTS):
        for name, column in table.items():
            assert f"| `{name}` | {column.kind} | {column.about} |" in text
            assert name in words


def test_neither_jax_nor_keras_is_loaded(study, folder):
    script = f"""
import sys
from denselab.cli.main import run
for arguments in (["list"], ["show", {str(study)!r}], ["export", {str(study)!r}, "--out", "t.csv"]):
    assert run(["study", *arguments]) == 0
print(sorted({{"jax", "keras", "torch", "tensorflow"}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )

    assert done.stderr == "[]\n"
