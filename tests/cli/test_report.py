import json

import numpy as np
import pytest

from denselab.recipes import load_recipe
from denselab.study import ScoresRecord, TrialRecord, manifest_for, open_study, plan_study
from denselab.study.hashing import settings_hash
from denselab.study.judgement import fix_question, judge
from denselab.study.records import TRACE_COLUMNS


def trial(recipe, seed, accuracy):
    return TrialRecord(
        recipe=recipe.name,
        settings=settings_hash(recipe),
        seed=seed,
        status="finished",
        best_epoch=1,
        parameters=21,
        seconds=2.0,
        validation=ScoresRecord(0.5, accuracy),
        test=ScoresRecord(0.5, accuracy),
        trace=dict.fromkeys(TRACE_COLUMNS, (0.5, accuracy)),
    )


@pytest.fixture
def study(folder, toy):
    """A finished study of two recipes, in the working folder."""
    small = ["network.depth=1", "network.width=4"]
    recipes = [load_recipe(name, settings=small) for name in ("plain", "batch_norm")]
    plan = plan_study(recipes, toy, seeds=range(6), preset="published")
    with open_study(folder / "study", manifest_for(plan, toy, command="denselab compare")) as store:
        fix_question(store, None, seeds=6)
        for recipe, accuracy in zip(recipes, (0.8, 0.9), strict=True):
            for seed in range(6):
                found = trial(recipe, seed, accuracy + seed / 1000)
                store.add_trial(found, {"w": np.zeros(2, "f4")})
        judge(store)
    return folder / "study"


@pytest.fixture
def toy():
    from denselab.data import Dataset

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
        source="made up",
    )


def test_the_page_lies_in_the_study_and_the_answer_is_printed(denselab, study):
    answer = denselab("report", "study")

    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.startswith("batch_norm helps: +10.00 points against plain.\n")
    assert "Report: study/report.html (" in answer.out
    assert (study / "report.html").read_text("utf-8").startswith("<!doctype html>")


def test_page_pictures_and_text_go_where_they_are_asked_to(denselab, study, folder):
    answer = denselab("report", "study", "--out", "a.html", "--png", "png", "--markdown", "a.md")

    assert answer.code == 0
    assert not (study / "report.html").exists()
    assert (folder / "a.html").exists()
    assert "](<png/01-contrasts.png>)" in (folder / "a.md").read_text("utf-8")
    assert (folder / "png" / "01-contrasts.png").exists()


def test_json_is_one_object_with_the_answer_and_the_files(denselab, study):
    answer = denselab("report", "study", "--json")
    found = json.loads(answer.out)

    assert found["headline"] == "batch_norm helps: +10.00 points against plain."
    assert found["findings"][0]["verdict"] == "better"
    assert found["report"] == "study/report.html"
    assert (found["pictures"], found["markdown"], found["alerts"]) == ([], None, [])


def test_the_study_opens_as_before_with_a_report_in_it(denselab, study):
    denselab("report", "study")

    assert denselab("report", "study").code == 0


def test_a_folder_without_a_study_is_wrong_usage(denselab, folder):
    answer = denselab("report", "nowhere")

    assert answer.code == 2
    assert "holds no study; give a folder that denselab compare made" in answer.err


def test_a_corrupt_study_is_named_and_no_page_is_written(denselab, study):
    (study / "study.toml").write_text("format = 1\n")
    answer = denselab("report", "study")

    assert answer.code == 4
    assert not (study / "report.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(denselab, study):
    answer = denselab("report", "study", "--out", "missing/report.html")

    assert answer.code == 2
    assert len(answer.err.splitlines()) == 1
