import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator

from denselab.errors import DataError
from denselab.estimators.features import features_of

COLUMNS = {
    "age": [20, 30, None, 50],
    "town": ["Bonn", "Ulm", "Bonn", None],
    "code": [1, 2, 1, 2],
    "member": [True, False, True, True],
    "size": ["1.5", "2", "3", "4"],
    "answer": ["yes", "no", "no", "yes"],
}
KINDS = ["number", "category", "category", "boolean", "number", "boolean"]


def polars_frame():
    codes = pl.Series("code", list(map(str, COLUMNS["code"])), pl.Categorical)
    return pl.DataFrame(COLUMNS).with_columns(codes)


def pyarrow_table():
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return polars_frame().to_arrow()


FRAMES = {"polars": polars_frame, "pyarrow": pyarrow_table}


@pytest.mark.parametrize("library", FRAMES)
def test_columns_of_a_frame_are_what_they_hold(library):
    estimator = BaseEstimator()
    table = features_of(estimator, FRAMES[library](), reset=True)
    assert [column.kind for column in table.schema.columns] == KINDS
    assert list(estimator.feature_names_in_) == list(COLUMNS)
    assert estimator.n_features_in_ == 6


def test_frames_of_two_libraries_are_one_table():
    one, other = (features_of(BaseEstimator(), make(), reset=True) for make in FRAMES.values())
    assert one.frame.equals(other.frame)


def test_columns_of_numbers_stay_even_where_they_count_the_rows():
    X = np.stack([np.arange(50.0), np.ones(50)], axis=1)
    table = features_of(BaseEstimator(), X, reset=True)
    assert [column.kind for column in table.schema.features] == ["number", "number"]


def test_arrays_may_hold_missing_values_and_text():
    X = np.array([["a", 1.5], ["b", np.nan], ["a", 2.5]], object)
    table = features_of(BaseEstimator(), X, reset=True)
    assert [column.kind for column in table.schema.columns] == ["category", "number"]
    assert table.frame["x_2"].to_list() == ["1.5", None, "2.5"]


def test_numbers_among_objects_are_numbers():
    table = features_of(BaseEstimator(), [[1, 2.5], ["3", 4]], reset=True)
    assert [column.kind for column in table.schema.columns] == ["number", "number"]


def test_rows_to_predict_are_named_as_in_fit():
    estimator = BaseEstimator()
    features_of(estimator, pl.DataFrame({"a": [1.0], "b": [2.0]}), reset=True)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        table = features_of(estimator, np.array([[3.0, 4.0]]), reset=False)
    assert table.frame.columns == ["a", "b"]


def test_columns_in_another_order_are_refused():
    estimator = BaseEstimator()
    features_of(estimator, pl.DataFrame({"a": [1.0], "b": [2.0]}), reset=True)
    with pytest.raises(ValueError, match="must be in the same order"):
        features_of(estimator, pl.DataFrame({"b": [1.0], "a": [2.0]}), reset=False)


def test_dates_say_what_to_do():
    frame = pl.DataFrame({"day": pl.Series(["2020-01-01"]).str.to_date()})
    with pytest.raises(DataError, match="turn them into numbers"):
        features_of(BaseEstimator(), frame, reset=True)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (csr_matrix(np.eye(3)), "[Ss]parse"),
        (np.array([[np.inf]]), "infinity"),
        (np.arange(3.0), "Reshape your data"),
    ],
)
def test_what_is_no_table_is_refused(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        features_of(BaseEstimator(), X, reset=True)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8", "<i4", "<u8", "bool"])
def test_columns_of_an_array_hold_its_numbers(dtype):
    array = np.array([[0, 1], [1, 1], [1, 0]]).astype(dtype)
    table = features_of(BaseEstimator(), array, reset=True)
    assert table.frame.to_numpy().tolist() == array.tolist()
