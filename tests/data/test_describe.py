"""What is told about a data set, and what it warns of."""

import json
from dataclasses import replace

import numpy as np
import pytest

from denselab.data import describe, from_arrays, hold_out_test, load, names

Y = np.array([0, 1] * 20)
X = np.arange(80, dtype=np.float32).reshape(40, 2)


def test_a_description_tells_sizes_types_and_ranges():
    about = describe(from_arrays(X, Y, name="toy", class_names=["no", "yes"]))
    assert about.pop("fingerprint") == from_arrays(X, Y, class_names=["no", "yes"]).fingerprint
    assert about == {
        "name": "toy",
        "task": "classification",
        "source": "toy, NumPy arrays",
        "rows": {"train": 40, "test": 0},
        "features": 2,
        "dtype": "float32",
        "range": [0.0, 79.0],
        "image_shape": None,
        "classes": {"no": 20, "yes": 20},
        "warnings": [],
    }


@pytest.mark.parametrize("name", [name for name in names() if name != "cifar10"])
def test_a_description_is_ready_for_json(name):
    about = describe(hold_out_test(load(name)))
    assert json.loads(json.dumps(about)) == about


def test_a_regression_tells_the_range_of_its_target():
    about = describe(from_arrays(X, Y + 0.5, task="regression"))
    assert about["classes"] is None
    assert about["target_range"] == [0.5, 1.5]


def test_pixels_of_digits_that_never_change_are_warned_of():
    warnings = describe(load("digits"))["warnings"]
    assert warnings == ["3 of 64 features never change: pixel_0_0, pixel_4_0, pixel_4_7"]


def test_many_constant_features_are_counted_and_some_named():
    constant = np.hstack([X, np.ones((40, 8))])
    (warning,) = describe(from_arrays(constant, Y))["warnings"]
    assert warning == "8 of 10 features never change: 2, 3, 4, 5, 6, …"


def test_unbalanced_classes_are_warned_of_from_ten_to_one():
    x = np.arange(44.0).reshape(44, 1)
    assert describe(from_arrays(x, np.arange(44) < 5))["warnings"] == []
    (warning,) = describe(from_arrays(x, np.arange(44) < 4))["warnings"]
    assert "40 rows of False, 4 of True" in warning


def test_a_class_without_a_row_is_warned_of():
    about = describe(from_arrays(X, Y, class_names=["a", "b", "c"]))
    assert about["warnings"] == ["no training row of class c"]
    assert about["classes"] == {"a": 20, "b": 20, "c": 0}


def test_rows_that_repeat_are_warned_of():
    twice = np.vstack([X[:20], X[:20]])
    (warning,) = describe(from_arrays(twice, Y))["warnings"]
    assert warning.startswith("20 of 40 training rows repeat an earlier one")


def test_test_rows_that_were_trained_on_are_warned_of():
    data = from_arrays(X, Y)
    leaking = replace(data, test_x=data.x[:3], test_y=data.y[:3])
    (warning,) = describe(leaking)["warnings"]
    assert warning == "3 of 3 test rows also stand in the training set"


def test_a_constant_target_is_warned_of():
    (warning,) = describe(from_arrays(X, np.ones(40), task="regression"))["warnings"]
    assert "nothing to learn" in warning
