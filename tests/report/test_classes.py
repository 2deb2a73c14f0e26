"""What is taken for what: pairs of classes with their counts, and pictures with their words."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from denselab.data import Dataset
from denselab.recipes import load_recipe
from denselab.report import write_report
from denselab.report.evidence import gather
from denselab.report.sections.classes import classes
from denselab.study import (
    ScoresRecord,
    TrialRecord,
    manifest_for,
    open_study,
    plan_study,
    read_study,
)
from denselab.study.compare import remember_data
from denselab.study.hashing import settings_hash
from denselab.study.judgement import fix_question, judge
from denselab.study.pictures import remember_pictures
from denselab.study.records import TRACE_COLUMNS

LABELS = np.arange(30, dtype=np.int32) % 3
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'


def data(names, image_shape):
    x = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1)).astype(np.uint8)
    return Dataset(
        name="pictures",
        x=x,
        y=LABELS,
        test_x=x,
        test_y=LABELS,
        task="classification",
        class_names=names,
        image_shape=image_shape,
        source="made up",
    )


def predicted(seed):
    """All right, but rows 0 and 3 of the first class for the second, and with seed 1 row 1 for the third."""
    found = np.full((30, 3), 0.1, np.float32)
    found[np.arange(30), LABELS] = 0.8
    found[[0, 3]] = [0.2, 0.7, 0.1]
    if seed == 1:
        found[1] = [0.1, 0.3, 0.6]
    return found


@pytest.fixture
def study(tmp_path):
    def make(names=("a", "b", "c"), image_shape=(4, 4, 1)):
        known = data(names, image_shape)
        recipes = [
            load_recipe(name, settings=["network.depth=1"]) for name in ("plain", "one_cycle")
        ]
        plan = plan_study(recipes, known, seeds=[0, 1], preset="published")
        with open_study(tmp_path / "s", manifest_for(plan, known, command="x")) as store:
            fix_question(store, None, seeds=2)
            remember_data(store, known)
            for recipe in recipes:
                for seed in (0, 1):
                    found = predicted(seed)
                    store.add_trial(
                        made(recipe, seed),
                        {"w": np.zeros(1, "f4")},
                        {"test": found, "calibration": found[:0]},
                    )
            judge(store)
            remember_pictures(store, known)
        return read_study(tmp_path / "s")

    return make


def made(recipe, seed):
    found = predicted(seed)
    right = found.argmax(axis=1) == LABELS
    return TrialRecord(
        recipe=recipe.name,
        settings=settings_hash(recipe),
        seed=seed,
        status="finished",
        best_epoch=0,
        parameters=9,
        seconds=1.0,
        validation=ScoresRecord(0.5, 0.9 if recipe.name == "plain" else 0.8),
        test=ScoresRecord(float(-np.log(found[np.arange(30), LABELS]).mean()), float(right.mean())),
        trace=dict.fromkeys(TRACE_COLUMNS, (0.5,)),
    )


def test_pairs_are_counted_a_seed_with_the_interval_of_as_many_rows(study):
    section = classes(gather(study()))

    (table,) = section.tables
    first, second = table.rows
    assert first[:4] == ("a", "b", 10, 2.0)
    assert second[:4] == ("b", "c", 10, 0.5)
    # Wilson's interval of 2 of 10, as in any table of it.
    assert first[4:] == pytest.approx((20.0, 5.67, 50.98), abs=0.05)
    assert section.sentences[0].startswith("plain takes a for b most often: 2.0 of 10 test rows")


def test_pictures_hold_the_very_pixels_and_say_class_prediction_and_probability(study):
    found = study()
    galleries = {one.title: one.pictures for one in classes(gather(found)).galleries}

    shown = {picture.row: picture for picture in galleries["Least sure"]}
    assert (shown[0].label, shown[0].predicted, shown[0].right) == ("a", "b", False)
    assert shown[0].probability == "70\u00a0%"
    assert shown[1].right
    for row, picture in shown.items():
        packed = base64.b64decode(picture.url.removeprefix("data:image/png;base64,"))
        pixels = np.asarray(Image.open(io.BytesIO(packed)))
        assert np.array_equal(pixels, data("abc", (4, 4, 1)).test_x[row, :, :, 0])


def test_without_pictures_the_pairs_are_left(study):
    section = classes(gather(study(image_shape=None)))

    assert section.galleries == ()
    assert len(section.tables) == 1


def test_without_predictions_there_is_no_section(study):
    found = study()
    bare = tuple(replace(trial, predictions=None) for trial in found.trials)

    assert classes(gather(replace(found, trials=bare))) is None


def test_the_page_shows_pictures_escapes_classes_and_stays_small(study, tmp_path):
    write_report(study((HOSTILE, "b", "c")), tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    section = page.split('id="classes"')[1].split("</section>")[0]

    assert section.count('<img src="data:image/png;base64,') == section.count("<img") == 12
    assert "&lt;/script&gt;&lt;script&gt;" in section
    assert "<script" not in section
    assert len(page) < 2_000_000
