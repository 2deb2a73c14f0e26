import numpy as np
import pytest

from denselab.estimators.preparing import _split


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_folds_that_differ_by_a_row_have_parts_of_one_size(task):
    labels = np.arange(1438) % 3
    sizes = {
        tuple(map(len, _split(labels[:rows], seed, 0.1, task)))
        for rows in (1437, 1438)
        for seed in (0, 1)
    }
    assert sizes == {(1289, 143)}


@pytest.mark.parametrize("rows", [2, 3, 10, 99, 150, 1000, 12345])
def test_less_than_a_row_in_a_hundred_stays_out(rows):
    labels = np.arange(rows) % 2
    train, validation = _split(labels, 5, 0.3, "classification")
    both = np.concatenate([train, validation])
    assert len(np.unique(both)) == len(both) > 0.99 * rows
    assert len(train) > 0


def test_rows_that_cannot_be_divided_all_train():
    train, validation = _split(np.array([0, 1]), 0, 0.3, "classification")
    assert (train.tolist(), validation.tolist()) == ([0, 1], [])


def test_classes_are_divided_in_proportion():
    labels = np.repeat([0, 1], [900, 100])
    for part in _split(labels, 0, 0.2, "classification"):
        assert labels[part].mean() == pytest.approx(0.1, abs=0.01)
