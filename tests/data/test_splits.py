"""Splits by law: nothing lost, nothing twice, shares kept, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.data import Dataset, hold_out_calibration, hold_out_test, load, split
from denselab.errors import DataError, UsageError

labels = st.lists(st.integers(0, 4), min_size=6, max_size=80).map(np.array)
fractions = st.floats(0.1, 0.9)


def possible(y, fraction, stratified):
    """Whether both parts can have a row: every class keeps one row of its own for training."""
    spare = len(y) - len(np.unique(y)) if stratified else len(y) - 1
    return round(len(y) * fraction) > 0 and spare > 0


@given(labels, fractions, st.integers(0, 2**32 - 1), st.booleans())
@settings(deadline=None)
def test_every_row_stands_in_one_part(y, fraction, seed, stratified):
    if not possible(y, fraction, stratified):
        return
    train, validation = split(y, seed=seed, fraction=fraction, stratified=stratified)
    assert sorted([*train, *validation]) == list(range(len(y)))


@given(labels, fractions, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_stratified_split_keeps_shares_to_within_a_row_and_every_class_in_training(
    y, fraction, seed
):
    if not possible(y, fraction, stratified=True):
        return
    train, validation = split(y, seed=seed, fraction=fraction)
    wanted = round(len(y) * fraction)
    spare = np.bincount(y) - (np.bincount(y) > 0)
    assert len(validation) == min(wanted, spare.sum())
    assert set(y[train]) == set(y)
    if (np.bincount(y) * wanted / len(y) + 1 <= np.bincount(y) - 1)[np.unique(y)].all():
        exact = np.bincount(y) * wanted / len(y)
        came = np.bincount(y[validation], minlength=len(exact))
        assert np.abs(came - exact).max() < 1


@pytest.mark.parametrize("stratified", [True, False])
def test_the_seed_alone_decides(stratified):
    y = np.arange(300) % 3
    first = split(y, seed=5, stratified=stratified)
    again = split(y, seed=5, stratified=stratified)
    other = split(y, seed=6, stratified=stratified)
    assert [part.tolist() for part in first] == [part.tolist() for part in again]
    assert first[1].tolist() != other[1].tolist()


def test_a_split_is_the_same_in_every_run():
    # Written down once: results of earlier versions depend on it.
    _, validation = split(np.array([0, 0, 0, 0, 1, 1, 1, 1]), seed=0, fraction=0.5)
    assert validation.tolist() == [0, 3, 4, 6]


def test_the_published_third_of_cifar10_has_16500_rows_and_shares_that_vary():
    y = np.repeat(np.arange(10, dtype=np.int32), 5000)
    train, validation = split(y, seed=0, fraction=0.33, stratified=False)
    assert (len(train), len(validation)) == (33_500, 16_500)
    # Hypergeometric: standard deviation of a class count is sqrt(16500 * .1 * .9 * .67) = 31.5.
    counts = np.bincount(y[validation])
    assert counts.std() > 0
    assert np.abs(counts - 1650).max() < 5 * 31.5


def test_stratified_shares_are_exact_where_they_can_be():
    y = np.repeat(np.arange(10, dtype=np.int32), 5000)
    _, validation = split(y, seed=0, fraction=0.33)
    assert np.bincount(y[validation]).tolist() == [1650] * 10


def test_a_row_left_over_goes_to_the_class_with_the_largest_remainder():
    # 3 of 12 rows: exact shares are 1.75 of 7 and 1.25 of 5.
    y = np.repeat([0, 1], [7, 5])
    _, validation = split(y, seed=0, fraction=0.25)
    assert np.bincount(y[validation]).tolist() == [2, 1]


def test_each_row_is_as_likely_to_validate_as_any_other():
    y = np.arange(12) % 2
    seeds = 2000
    hits = np.zeros(12)
    for seed in range(seeds):
        hits[split(y, seed=seed)[1]] += 1
    # Binomial with p = 1/3: standard error sqrt(p (1 - p) / seeds); five of them, two classes.
    assert np.abs(hits / seeds - 1 / 3).max() < 5 * np.sqrt(2 / 9 / seeds)


def test_a_regression_is_split_without_classes():
    y = np.linspace(0, 1, 30, dtype=np.float32)
    train, validation = split(y, seed=0, task="regression")
    assert (len(train), len(validation)) == (20, 10)


def test_rows_come_as_int32_in_rising_order():
    for part in split(np.arange(30) % 3, seed=1):
        assert part.dtype == np.int32
        assert (np.diff(part) > 0).all()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, 0.001, float("nan")])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(DataError, match="give a fraction between 0 and 1 and more rows"):
        split(np.arange(30) % 3, seed=0, fraction=fraction)


def test_classes_of_a_single_row_all_stay_in_training():
    with pytest.raises(DataError, match="more rows"):
        split(np.arange(5), seed=0)


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(UsageError, match="from 0 to"):
        split(np.arange(30) % 3, seed=-1)


def test_a_fifth_of_every_class_is_held_out_to_test():
    digits = load("digits")
    held = hold_out_test(digits)
    assert (held.n, len(held.test_y)) == (1438, 359)
    exact = np.bincount(digits.y) * 359 / 1797
    assert np.abs(np.bincount(held.test_y) - exact).max() < 1


def test_what_is_held_out_is_the_rest():
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    y = (np.arange(20) % 2).astype(np.int32)
    data = Dataset(name="t", x=x, y=y, task="classification", class_names=("a", "b"))
    held = hold_out_test(data, fraction=0.3, seed=4)
    rows = sorted(map(tuple, np.concatenate([held.x, held.test_x]).tolist()))
    assert rows == list(map(tuple, x.tolist()))
    assert all(label == row[0] // 2 % 2 for row, label in zip(held.x, held.y, strict=True))
    assert len(held.test_y) == 6


def test_the_test_rows_do_not_depend_on_the_stream_of_the_splits():
    digits = load("digits")
    kept = hold_out_test(digits, fraction=1 / 3, seed=0)
    train, _ = split(digits.y, seed=0)
    assert not np.array_equal(kept.x, digits.x[train])


def test_a_data_set_with_a_test_set_is_left_as_it_is():
    held = hold_out_test(load("wine"))
    assert hold_out_test(held, seed=3) is held


def test_a_tenth_of_the_training_rows_is_kept_for_calibration():
    digits = hold_out_test(load("digits"))
    held = hold_out_calibration(digits)
    assert (held.n, len(held.calibration_y), len(held.test_y)) == (1294, 144, 359)
    exact = np.bincount(digits.y) * 144 / 1438
    assert np.abs(np.bincount(held.calibration_y) - exact).max() < 1
    rows = np.concatenate([held.x, held.calibration_x]).reshape(1438, -1)
    assert sorted(map(tuple, rows)) == sorted(map(tuple, digits.x.reshape(1438, -1)))
    assert held.test_x is digits.test_x


def test_no_split_of_any_seed_touches_the_calibration_slice():
    x = np.arange(300, dtype=np.float32).reshape(150, 2)
    y = (np.arange(150) % 3).astype(np.int32)
    names = ("a", "b", "c")
    data = Dataset(name="t", x=x, y=y, task="classification", class_names=names)
    held = hold_out_calibration(data)
    apart = {tuple(row) for row in held.calibration_x}
    for seed in range(20):
        used = np.concatenate([held.x[part] for part in split(held.y, seed=seed)])
        assert apart.isdisjoint(map(tuple, used))


def test_the_slice_is_the_same_every_time_and_of_a_stream_of_its_own():
    digits = load("digits")
    first, again = hold_out_calibration(digits), hold_out_calibration(digits)
    np.testing.assert_array_equal(first.calibration_x, again.calibration_x)
    as_test = hold_out_test(digits, fraction=0.1)
    assert not np.array_equal(first.calibration_x, as_test.test_x)


def test_data_that_has_a_slice_or_wants_none_is_left_as_it_is():
    held = hold_out_calibration(load("wine"))
    assert hold_out_calibration(held, seed=3) is held
    wine = load("wine")
    assert hold_out_calibration(wine, fraction=0) is wine


@pytest.mark.parametrize("fraction", [1, -0.1, 0.0001])
def test_a_slice_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(DataError, match="give a fraction between 0 and 1"):
        hold_out_calibration(load("wine"), fraction=fraction)
