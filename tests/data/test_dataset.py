"""What fits together, and what the fingerprint sees and does not see."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from denselab.data import Dataset
from denselab.errors import DataError


@pytest.fixture
def toy():
    return Dataset(
        name="toy",
        x=np.arange(12, dtype=np.float32).reshape(4, 3),
        y=np.array([0, 1, 0, 1], np.int32),
        task="classification",
        feature_names=("a", "b", "c"),
        class_names=("no", "yes"),
    )


def test_counts_follow_the_arrays(toy):
    images = replace(toy, x=np.zeros((4, 2, 5, 3), np.uint8), feature_names=None)
    assert (toy.n, toy.features, toy.classes) == (4, 3, 2)
    assert (images.n, images.features) == (4, 30)


def test_a_regression_has_no_classes(toy):
    assert replace(toy, task="regression", class_names=None).classes is None


def test_a_dataset_cannot_be_changed(toy):
    with pytest.raises(FrozenInstanceError):
        toy.name = "other"


def test_its_text_says_what_it_is_without_the_arrays(toy):
    assert "name='toy'" in repr(toy)
    assert "array" not in repr(toy)


def test_the_fingerprint_is_the_same_in_every_run(toy):
    # Written down once; a change of this value makes every study of an earlier version stale.
    expected = "e33a667c58ba9f2dbbb99e430a2b4d6bbf9367599acb9ecd7cc884cf11ce73d9"
    assert toy.fingerprint == expected


@pytest.mark.parametrize(
    "same",
    [
        pytest.param({"x": np.asfortranarray(np.arange(12, dtype="f4").reshape(4, 3))}, id="order"),
        pytest.param({"x": np.arange(12).reshape(4, 3).astype(">f4")}, id="big-endian"),
        pytest.param({"x": np.arange(24, dtype="f4").reshape(4, 6)[:, ::2] / 2}, id="strided"),
        pytest.param({"name": "other", "source": "elsewhere"}, id="name and source"),
        pytest.param({"feature_names": None}, id="feature names"),
    ],
)
def test_the_fingerprint_does_not_see(toy, same):
    assert replace(toy, **same).fingerprint == toy.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"x": np.arange(12, dtype="f4").reshape(4, 3) + 1}, id="values"),
        pytest.param({"x": np.arange(12, dtype="u1").reshape(4, 3)}, id="type"),
        pytest.param({"x": np.arange(12, dtype="f4").reshape(4, 3, 1)}, id="shape"),
        pytest.param({"x": np.arange(12, dtype="f4").reshape(4, 3)[::-1]}, id="order of rows"),
        pytest.param({"y": np.array([0, 1, 1, 0], np.int32)}, id="labels"),
        pytest.param({"class_names": ("yes", "no")}, id="class names"),
        pytest.param({"task": "regression", "class_names": None}, id="task"),
        pytest.param(
            {"test_x": np.zeros((1, 3), np.float32), "test_y": np.zeros(1, np.int32)}, id="test set"
        ),
        pytest.param(
            {
                "calibration_x": np.zeros((1, 3), np.float32),
                "calibration_y": np.zeros(1, np.int32),
            },
            id="calibration slice",
        ),
    ],
)
def test_the_fingerprint_sees(toy, other):
    assert replace(toy, **other).fingerprint != toy.fingerprint


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"task": "ranking"}, "expected classification or regression"),
        ({"class_names": None}, "give class names for classification"),
        ({"task": "regression"}, "none for regression"),
        ({"x": np.zeros(4)}, r"expected \(n, ...\)"),
        ({"x": np.zeros((4, 0))}, "at least one row and one feature"),
        ({"y": np.zeros(3, int)}, "expected one entry of y per row"),
        ({"y": np.zeros((4, 1), int)}, "expected one entry of y per row"),
        ({"y": np.zeros(4)}, "expected whole-number class labels"),
        ({"y": np.array([0, 1, 2, 1])}, "label 2; expected 0 to 1 .* use from_arrays"),
        ({"y": np.array([0, -1, 0, 1])}, "label -1; expected 0 to 1"),
        ({"class_names": ("a", "a")}, "'a' occurs twice; give each its own name"),
        ({"feature_names": ("a", "b", "b")}, "'b' occurs twice; give each its own name"),
        ({"feature_names": ("a", "b")}, "give one name per feature"),
        ({"image_shape": (2, 2, 1)}, "give height, width and channels"),
        ({"test_x": np.zeros((2, 3), np.float32)}, "give both or neither"),
        ({"calibration_y": np.zeros(2, int)}, "calibration_x and calibration_y come together"),
        (
            {"calibration_x": np.zeros((2, 4), np.float32), "calibration_y": np.zeros(2, int)},
            r"rows of calibration_x .* expected float32 of shape \(3,\)",
        ),
        (
            {"test_x": np.zeros((2, 4), np.float32), "test_y": np.zeros(2, int)},
            r"expected float32 of shape \(3,\), as in x",
        ),
        (
            {"test_x": np.zeros((2, 3), np.uint8), "test_y": np.zeros(2, int)},
            "rows of test_x are uint8",
        ),
        (
            {"test_x": np.zeros((2, 3), np.float32), "test_y": np.array([0, 2])},
            "test_y holds the label 2",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_remedy(toy, wrong, remedy):
    with pytest.raises(DataError, match=remedy):
        replace(toy, **wrong)
