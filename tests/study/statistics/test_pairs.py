import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.study.statistics import Arm, pair_up, planned_contrasts

NAMES = ["plain", "batch_norm", "one_cycle"]


def test_arms_are_paired_by_seed_whatever_the_order():
    pairs = pair_up(Arm({3: 1.0, 1: 2.0}), Arm({1: 10.0, 3: 20.0}))

    assert pairs.arm.tolist() == [2.0, 1.0]
    assert pairs.against.tolist() == [10.0, 20.0]
    assert pairs.differences.tolist() == [-8.0, -19.0]


def test_what_failed_or_is_missing_on_one_side_is_left_out_and_counted():
    arm = Arm({0: 1.0, 1: None, 2: 3.0, 3: 4.0})
    against = Arm({0: 1.0, 1: 2.0, 2: None, 4: 1.0})

    pairs = pair_up(arm, against)

    assert (len(pairs.arm), pairs.left_out) == (1, 4)
    assert (arm.failed, against.failed) == (1, 1)


def test_rows_are_differences_in_the_order_of_the_seeds():
    arm = Arm({1: 0.5, 0: 1.0}, {1: np.array([1, 0]), 0: np.array([1, 1])})
    against = Arm({0: 0.5, 1: 0.0}, {0: np.array([0, 1]), 1: np.array([0, 0])})

    assert pair_up(arm, against).rows.tolist() == [[1, 0], [1, 0]]


def test_rows_of_bytes_do_not_wrap_round():
    arm = Arm({0: 0.0}, {0: np.array([0], np.uint8)})
    against = Arm({0: 1.0}, {0: np.array([1], np.uint8)})

    assert pair_up(arm, against).rows.tolist() == [[-1.0]]


def test_rows_count_only_where_every_pair_has_them():
    rows = {0: np.array([1.0])}
    both = {0: 1.0, 1: 1.0}

    assert pair_up(Arm(both, rows), Arm(both, {**rows, 1: np.array([1.0])})).rows is None
    assert pair_up(Arm(both, rows), Arm(both)).rows is None
    assert pair_up(Arm({0: 1.0}, rows), Arm({1: 1.0}, rows)).rows is None


def test_rows_of_different_numbers_are_refused():
    with pytest.raises(
        UsageError, match="2 and 3 test rows; every trial must be scored on the same"
    ):
        pair_up(Arm({0: 1.0}, {0: np.zeros(2)}), Arm({0: 1.0}, {0: np.zeros(3)}))


def test_by_default_each_arm_is_held_against_the_one_before():
    assert planned_contrasts(NAMES) == (("batch_norm", "plain"), ("one_cycle", "batch_norm"))


def test_a_baseline_is_held_against_all_others():
    assert planned_contrasts(NAMES, baseline="one_cycle") == (
        ("plain", "one_cycle"),
        ("batch_norm", "one_cycle"),
    )


def test_contrasts_may_be_named():
    assert planned_contrasts(NAMES, contrasts=[("one_cycle", "plain")]) == (("one_cycle", "plain"),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "nobody"}, "no arm is called nobody; there are plain, batch_norm, one_cycle"),
        ({"contrasts": [("plain", "nobody")]}, "no arm is called nobody"),
        ({"contrasts": [("plain", "plain")]}, "plain against itself; give two different arms"),
        ({"contrasts": [("plain", "batch_norm"), ("batch_norm", "plain")]}, "is given twice"),
        ({"contrasts": []}, "give at least one pair"),
        ({"contrasts": [("plain", "batch_norm")], "baseline": "plain"}, "give one of the two"),
    ],
)
def test_contrasts_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        planned_contrasts(NAMES, **options)


@pytest.mark.parametrize("arms", [[], ["plain"]])
def test_a_comparison_takes_two(arms):
    with pytest.raises(UsageError, match="takes at least two"):
        planned_contrasts(arms)
