import math
from types import SimpleNamespace

import pytest

from denselab.doctor import check_history, check_population
from denselab.errors import UsageError

FALLING = [2.0 * 0.9**epoch for epoch in range(20)]
SWINGING = [1.0, 0.6, 0.9, 0.5, 0.8, 0.5, 0.9, 0.6, 0.8]


def ids(history, **options):
    return {finding.id for finding in check_history(history, **options)}


def loud(history, **options):
    return {one.id for one in check_history(history, **options) if one.severity != "note"}


@pytest.mark.parametrize(
    ("history", "name", "step"),
    [
        ({"loss": [2.0, 1.5, math.nan, math.nan]}, "loss-not-finite", 3),
        ({"loss": [2.0, 1.5, math.inf]}, "loss-not-finite", 3),
        ({"loss": [1.0, 0.5, 0.4, 7.0]}, "loss-explodes", 4),
        ({"loss": [0.5, 0.1, -0.2, -5.0]}, "loss-negative", 3),
        ({"loss": SWINGING}, "loss-oscillates", 9),
        ({"loss": FALLING, "val_loss": [1.0, 0.6, 0.5, *[1.2] * 17]}, "overfitting", 20),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_fault_is_named_with_its_epoch(history, name, step):
    found = [one for one in check_history(history) if one.severity != "note"]

    assert [(one.id, one.step) for one in found] == [(name, step)]


@pytest.mark.parametrize(
    ("history", "name"),
    [
        ({"loss": [1.0, 0.999, 0.998, 0.998, 0.998, 0.997]}, "slow-progress"),
        ({"loss": FALLING, "accuracy": [0.9] * 20, "val_accuracy": [0.7] * 20}, "overfitting"),
        ({"loss": FALLING, "val_loss": [1.0, 0.9, *[0.95] * 18]}, "overtrained"),
        ({"loss": FALLING, "val_accuracy": [0.97] * 20}, "validation-suspiciously-good"),
        (
            {"loss": FALLING, "accuracy": [0.9 - 0.01 * e for e in range(20)]},
            "loss-and-metric-disagree",
        ),
        ({"loss": FALLING}, "ended-while-improving"),
    ],
)
def test_soft_rules_give_notes(history, name):
    assert name in ids(history)
    assert name not in loud(history)


@pytest.mark.parametrize(
    "losses",
    [
        FALLING,
        [2.3, 1.0, 0.5, 0.3, 0.2, *[0.11, 0.1] * 10],
        [1.0, 0.4, 0.3, 0.9, 0.8, 0.3, 0.1, 0.05, 0.04, 0.03],
        [0.001, 0.002, 0.001, 0.002, 0.001, 0.001, 0.001],
    ],
    ids=["falling", "noise at the end", "1cycle", "nothing left to learn"],
)
def test_healthy_courses_are_well(losses):
    assert loud({"loss": losses, "val_loss": [1.05 * loss for loss in losses]}) == set()


def test_no_better_than_a_constant_needs_its_loss():
    history = {"loss": [2.31, 2.30, 2.30, 2.30]}

    assert "no-better-than-baseline" not in loud(history)
    assert "no-better-than-baseline" in loud(history, baseline=math.log(10))
    assert "no-better-than-baseline" not in ids(history, baseline=math.log(10), ended=False)
    assert "no-better-than-baseline" not in ids({"loss": FALLING}, baseline=math.log(10))


def test_a_loss_that_may_be_negative_may():
    assert loud({"loss": [0.5, -1.0, -2.0]}, nonnegative=False) == set()


def test_a_silenced_check_says_nothing():
    assert ids({"loss": [2.0, math.nan]}, silence=["loss-not-finite"]) == set()


def test_a_history_without_loss_is_refused():
    with pytest.raises(UsageError, match=r"the history has mae; give one with 'loss'"):
        check_history({"mae": [1.0]})


def test_members_are_looked_at_one_by_one():
    members = [
        SimpleNamespace(seed=3, trace={"loss": [2.0, math.nan]}),
        SimpleNamespace(seed=4, trace={"loss": [2.0, 1.0, 0.9]}),
    ]

    found = check_population(members)

    assert {seed: [one.id for one in findings] for seed, findings in found.items()} == {
        3: ["loss-not-finite"]
    }
