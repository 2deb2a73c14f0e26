"""Test pictures that a study keeps: the right ones, small, and nothing but pixels."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from denselab.data import Dataset
from denselab.errors import CorruptStudyError
from denselab.study import manifest_for, plan_study
from denselab.study.pictures import (
    PICTURES_DOCUMENT,
    kept_pictures,
    remember_pictures,
    shown_arm,
)
from denselab.study.reading import read_study
from denselab.study.store import open_study

LABELS = np.arange(30, dtype=np.int32) % 3


def pictures(side=2, kind=np.uint8):
    numbers = np.random.default_rng(0)
    x = numbers.integers(0, 200, (30, side, side, 3)).astype(kind)
    return Dataset(
        name="pictures",
        x=x,
        y=LABELS,
        test_x=x,
        test_y=LABELS,
        task="classification",
        class_names=("a", "b", "c"),
        image_shape=(side, side, 3),
        source="made up",
    )


def sure(by):
    """Probabilities of the true class, the rest shared by the others."""
    by = np.asarray(by, np.float32)
    found = np.repeat((1 - by)[:, None] / 2, 3, axis=1)
    found[np.arange(30), LABELS] = by
    return found


@pytest.fixture
def store(tmp_path, find, trial, weights):
    """A store in which `batch_norm` is the better arm; gives the data, too."""

    def opened(data, tests, *, seeds=(0, 1)):
        plan = plan_study(
            [find("plain"), find("batch_norm")], data, seeds=[0, 1], preset="published"
        )
        held = open_study(tmp_path / "s", manifest_for(plan, data, command="x"))
        store = held.__enter__()
        for name, accuracy in (("plain", 0.5), ("batch_norm", 0.9)):
            for seed in seeds:
                one = trial(name, seed)
                one = replace(one, validation=replace(one.validation, accuracy=accuracy))
                found = {"test": tests[name], "calibration": tests[name][:0]}
                store.add_trial(one, weights(seed), found)
        return held, store

    return opened


def remembered(store, data, tests, **options):
    held, study = store(data, tests, **options)
    remember_pictures(study, data)
    held.__exit__(None, None, None)
    return read_study(study.study.folder)


WORSE, BETTER = np.linspace(0.34, 0.9, 30), np.linspace(0.02, 0.99, 30)
TESTS = {"plain": sure(WORSE), "batch_norm": sure(BETTER)}


def test_rows_least_sure_and_most_surely_wrong_of_the_best_arm_are_kept(store):
    data = pictures()

    study = remembered(store, data, TESTS)
    arm, kept = kept_pictures(study)

    assert (arm, shown_arm(study).name) == ("batch_norm", "batch_norm")
    entropy = -(TESTS["batch_norm"] * np.log(TESTS["batch_norm"])).sum(axis=1)
    least_sure = [one.row for one in kept if one.why == "most uncertain"]
    assert least_sure == np.argsort(-entropy, kind="stable")[:12].tolist()
    wrong = [one.row for one in kept if one.why == "wrong and most sure"]
    assert wrong == [row for row in range(10) if BETTER[row] < 1 / 3 and row not in least_sure]
    for one in kept:
        assert np.array_equal(one.pixels, data.test_x[one.row])


def test_nothing_is_kept_before_all_trials_are_there(store):
    assert PICTURES_DOCUMENT not in remembered(store, pictures(), TESTS, seeds=[0]).documents


def test_other_data_keeps_none(store):
    study = remembered(store, replace(pictures(), image_shape=None), TESTS)

    assert kept_pictures(study) == ("", [])


def test_large_pictures_are_thinned_and_other_numbers_brought_to_bytes(store):
    data = pictures(side=200, kind=np.float32)

    _, kept = kept_pictures(remembered(store, data, TESTS))

    assert kept[0].pixels.shape == (67, 67, 3)
    expected = np.rint(255 * data.test_x[kept[0].row][::3, ::3] / data.test_x.max())
    assert np.abs(kept[0].pixels - expected).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"pixels": "<script>"},
        {"pixels": base64.b64encode(bytes(5)).decode()},
        {"shape": [1, 2, 2, 4]},
        {"shape": [-1, 2, 2, 3]},
        {"why": ["<b>"]},
        {"rows": "x"},
        {"rows": None},
    ],
    ids=["no base64", "too few", "alpha", "negative", "reason", "row", "none"],
)
def test_what_is_no_picture_is_refused(store, change):
    study = remembered(store, pictures(), TESTS)
    document = {**study.documents[PICTURES_DOCUMENT], **change}

    with pytest.raises(CorruptStudyError, match="pictures cannot be read"):
        kept_pictures(replace(study, documents={PICTURES_DOCUMENT: document}))
