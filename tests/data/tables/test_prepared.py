"""Data sets from tables: test rows apart first, figures from the rows that are left."""

import numpy as np
import pytest

from denselab.data import PreprocessingOptions, hold_out_test, read_table, table_dataset
from denselab.data.arrays import from_arrays
from denselab.errors import DataError

N = 50
AGES = np.arange(N) / 7
LETTERS = list("uvuvw" * 10)


def table(**columns):
    return read_table({"age": AGES, "sort": LETTERS, **columns}, target="y")


def test_the_test_rows_are_those_of_any_other_data():
    labels = (["p", "p", "q", "p", "q"]) * 10
    made = table_dataset(table(y=labels), seed=3).dataset
    other = hold_out_test(from_arrays(AGES[:, None], np.array(labels)), seed=3)

    np.testing.assert_array_equal(made.x[:, 0], other.x[:, 0])
    np.testing.assert_array_equal(made.test_x[:, 0], other.test_x[:, 0])
    np.testing.assert_array_equal(made.test_y, other.test_y)


def test_names_and_counts_are_those_of_the_table():
    data = table_dataset(table(y=list("pq") * 25), calibration=0.1).dataset

    assert data.feature_names == ("age", "sort=u", "sort=v", "sort=w")
    assert data.class_names == ("p", "q")
    assert (data.n, len(data.calibration_y), len(data.test_y)) == (36, 4, 10)
    assert data.x.dtype == data.test_x.dtype == np.float32
    assert (data.name, data.source) == ("table", "mapping of columns")


def test_figures_know_neither_test_nor_calibration_rows():
    base = table_dataset(table(y=list("pq") * 25), calibration=0.1)
    held = np.concatenate([base.dataset.test_x[:, 0], base.dataset.calibration_x[:, 0]])
    is_held = np.isin(AGES.astype(np.float32), held)
    changed = {
        "age": np.where(is_held, 1e6 + AGES, AGES),
        "sort": np.where(is_held, "new", LETTERS),
        "y": list("pq") * 25,
    }
    options = PreprocessingOptions(scaling="quantile")
    honest = table_dataset(table(y=list("pq") * 25), calibration=0.1, options=options)
    spoilt = table_dataset(read_table(changed, target="y"), calibration=0.1, options=options)

    assert spoilt.preprocessing.to_json() == honest.preprocessing.to_json()
    np.testing.assert_array_equal(spoilt.dataset.x, honest.dataset.x)
    assert (spoilt.dataset.test_x[:, 1:] == 0).all()


def test_a_quantity_stays_in_its_units():
    prices = AGES * 1000 + 0.5
    data, fitted = table_dataset(table(y=prices))

    assert data.task == "regression"
    assert data.class_names is None
    assert sorted([*data.y, *data.test_y]) == sorted(prices.astype(np.float32))
    assert fitted.target.mean == pytest.approx(float(np.mean(data.y)), rel=1e-6)


def test_a_class_of_two_rows_keeps_its_number():
    labels = [*("ab" * 24), "c", "c"]
    data, fitted = table_dataset(table(y=labels))

    assert data.class_names == fitted.class_names == ("a", "b", "c")


def test_no_test_rows_can_be_wanted():
    data = table_dataset(table(y=list("pq") * 25), test=0).dataset

    assert (data.n, data.test_x) == (N, None)


def test_a_table_without_target_is_no_data_set():
    with pytest.raises(DataError, match="read without a target; name the column"):
        table_dataset(read_table({"age": AGES}))
