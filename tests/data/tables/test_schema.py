"""Target, task, what is left out, and what to be careful about."""

import numpy as np
import pytest

from denselab.data import Reading, describe_table, read_table
from denselab.errors import DataError, UsageError

TASKS = {
    "text": (list("pq") * 20, "classification"),
    "truth values": ([True, False] * 20, "classification"),
    "few whole numbers": ([0, 5, 7, 5] * 10, "classification"),
    "whole floats": ([1.0, 2.0] * 20, "classification"),
    "fractions": ([1.5, 2.0] * 20, "regression"),
    "many whole numbers": (list(range(40)), "regression"),
    "whole numbers in few rows": ([1, 2, 3, 4, 5, 6, 7, 8, 9] * 4 + [1] * 4, "regression"),
}


def warnings(**columns):
    return describe_table(read_table(columns, target="y"))["warnings"]


@pytest.mark.parametrize(("y", "task"), TASKS.values(), ids=TASKS)
def test_the_task_follows_from_the_target(y, task):
    schema = read_table({"a": np.arange(40) / 7, "y": y}, target="y").schema

    assert schema.task == task
    assert schema.why


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_task_can_be_said(task):
    table = read_table({"a": np.arange(40) / 7, "y": [1, 2] * 20}, target="y", task=task)

    assert (table.schema.task, table.schema.why) == (task, "as said")
    assert (table.schema.classes is None) == (task == "regression")


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (list("pq") * 5, "regression", "cannot be a quantity: column 'y' holds 'p'"),
        (
            [0.5, 1.5] * 5,
            "classification",
            "fractions such as 0.5; say that the task is regression",
        ),
        ([1.5] * 10, "regression", "has one value; give one that varies"),
    ],
    ids=["text as a quantity", "floats as classes", "a constant quantity"],
)
def test_a_task_that_does_not_fit_the_target_is_refused(y, task, message):
    with pytest.raises(DataError, match=message):
        read_table({"a": np.arange(10) / 7, "y": y}, target="y", task=task)


def test_an_unknown_task_is_refused():
    with pytest.raises(UsageError, match="'ranking' is unknown; expected classification or"):
        read_table({"a": [1, 2], "y": [1, 2]}, target="y", task="ranking")


@pytest.mark.parametrize(("target", "found"), [("y", "y"), (-1, "y"), ("-1", "y"), (0, "a")])
def test_the_target_goes_by_name_or_place(target, found):
    table = read_table({"a": [1.5, 2, 3], "y": [1.5, 2, 4]}, target=target)
    assert table.schema.target == found


def test_a_target_that_is_not_there_gets_the_nearest_name():
    with pytest.raises(DataError, match=r"no column 'prize' .target.; did you mean 'price'"):
        read_table({"size": [1, 2], "price": [1, 2]}, target="prize")


def test_what_is_left_out_has_its_reason():
    columns = {
        "id": range(30),
        "name": [f"p{i}" for i in range(30)],
        "note": [f"a long word in row {i}" for i in range(30)],
        "unit": ["cm"] * 30,
        "size": np.arange(30) / 7,
        "when": ["2020-01-02"] * 30,
        "y": list("pq") * 15,
    }
    schema = read_table(columns, target="y", reading=Reading(drop=["when"])).schema

    reasons = {column.name: column.reason for column in schema.left_out}
    assert [column.name for column in schema.features] == ["size"]
    assert reasons["id"] == reasons["name"] == "names the row and says nothing about others"
    assert reasons["unit"] == "never changes"
    assert reasons["when"] == "asked for"
    assert "features of your own" in reasons["note"]


def test_the_target_cannot_be_dropped():
    with pytest.raises(DataError, match="is the target and cannot be dropped"):
        read_table({"a": [1, 2], "y": [1, 2]}, target="y", reading=Reading(drop=["y"]))


def test_rows_to_predict_are_refused_nothing_for_what_they_hold():
    table = read_table({"a": [None, None], "when": ["2020-01-02", "2020-01-03"]})

    assert table.schema.task is None
    assert [bool(column.problem) for column in table.schema.columns] == [True, True]


NUMBERS = np.random.default_rng(0).normal(size=60)
LABELS = [["p", "q", "r"][i % 3] for i in range(60)]
LEAKS = {
    "a copy of the target": ([f"{label}!" for label in LABELS], LABELS, "is the same as"),
    "finer than the target": ([f"{v}{i % 2}" for i, v in enumerate(LABELS)], LABELS, "decides"),
    "apart by class": (NUMBERS / 10 + np.arange(60) % 3, LABELS, "alone separates the classes of"),
    "the target in other units": (NUMBERS * 2.54 + 3, NUMBERS, "rises and falls with"),
    "the logarithm of the target": (NUMBERS, np.exp(NUMBERS), "rises and falls with"),
    "the target with another sign": (-NUMBERS, NUMBERS, "rises and falls with"),
}


@pytest.mark.parametrize(("feature", "y", "how"), LEAKS.values(), ids=LEAKS)
def test_a_feature_that_gives_the_target_away_is_named(feature, y, how):
    found = warnings(a=feature, b=NUMBERS[::-1], y=y)

    assert sum("give" in line or "drop it" in line for line in found) == 1
    assert any(f"'a' {how} the target 'y'; if it is not known when you predict" in x for x in found)


def test_honest_features_raise_no_alarm():
    noise = np.random.default_rng(1).normal(size=60)
    assert warnings(a=NUMBERS, b=NUMBERS + noise, c=list("uv") * 30, y=LABELS) == []
    assert warnings(a=NUMBERS, b=list("uv") * 30, y=NUMBERS + noise) == []


def test_repeated_and_contradicting_rows_are_counted():
    found = warnings(a=[1.5, 1.5, 1.5, 2.0, 3.0] * 12, y=list("ppqqp") * 12)

    assert any(line.startswith("56 of 60 rows repeat an earlier one") for line in found)
    assert any(line.startswith("1 rows have the features of another row") for line in found)


def test_rare_classes_and_grades_are_named():
    found = warnings(a=NUMBERS, y=[1] * 50 + [2] * 7 + [3] * 3)

    assert any("50 rows of '1', 3 of '3'" in line for line in found)
    assert any("fewer than 10 rows of class '2', '3'" in line for line in found)
    assert any(
        "'y' holds whole numbers; if they are a quantity or grades" in line for line in found
    )


def test_a_description_is_plain_json():
    import json

    about = describe_table(read_table({"a": NUMBERS, "y": LABELS}, target="y"))

    assert json.loads(json.dumps(about))["classes"] == {"p": 20, "q": 20, "r": 20}
    assert about["columns"][0]["missing"] == 0
