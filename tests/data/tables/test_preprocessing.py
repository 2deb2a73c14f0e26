"""Preprocessing by hand, against a slow loop, by law, and there and back."""

import math
import statistics

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.data import Preprocessing, PreprocessingOptions, Reading, read_table
from denselab.errors import DataError, UsageError

SCALINGS = ["none", "standard", "robust", "quantile"]


def fitted(rows=None, *, columns, y=None, **options):
    names = list(columns)
    y = y or (["p", "q"] * len(columns[names[0]]))[: len(columns[names[0]])]
    table = read_table({**columns, "y": y}, target="y")
    return table, Preprocessing.fit(table, rows, options=PreprocessingOptions(**options))


# By hand


def test_standard_scaling_of_imputed_numbers_with_their_mark():
    table, done = fitted(columns={"a": [1.0, None, 2.0, 6.0]})

    # Median 2; 1, 2, 2, 6 has the mean 11/4 and the deviation sqrt(59)/4.
    deviation = math.sqrt(59) / 4
    expected = [[(v - 2.75) / deviation, m] for v, m in ((1, 0), (2, 1), (2, 0), (6, 0))]
    assert done.feature_names == ("a", "a is missing")
    np.testing.assert_array_equal(done.transform(table), np.float32(expected))


def test_robust_scaling_is_clipped_smoothly():
    table, done = fitted(columns={"a": [0.0, 1.0, 2.0, 3.0, 1000.0]}, scaling="robust")

    # Quartiles 1, 2, 3, so z = (x - 2) / 2; then z / sqrt(1 + (z / 3)**2).
    z = np.array([-1, -0.5, 0, 0.5, 499])
    np.testing.assert_allclose(done.transform(table)[:, 0], z / np.sqrt(1 + z**2 / 9), rtol=1e-6)
    assert done.transform(table).max() < 3


def test_robust_scaling_takes_half_the_range_where_the_quartiles_meet():
    table, done = fitted(columns={"a": [5.0] * 7 + [7.0]}, scaling="robust")

    z = 1 / math.sqrt(1 + 1 / 9) * 2
    assert done.transform(table)[-1, 0] == pytest.approx(2 / math.sqrt(1 + 4 / 9), rel=1e-6)
    assert z < 2
    assert done.transform(table)[0, 0] == 0


def test_quantile_scaling_gives_normal_scores_of_ranks():
    table, done = fitted(columns={"a": [10.0, -3.0, 500.0, 11.0]}, scaling="quantile")

    score = statistics.NormalDist().inv_cdf
    expected = [score(0.375), score(0.125), score(0.875), score(0.625)]
    np.testing.assert_allclose(done.transform(table)[:, 0], expected, rtol=1e-6)


def test_no_scaling_leaves_numbers_as_they_are():
    table, done = fitted(columns={"a": [3.0, -1.5, None]}, scaling="none")

    assert done.transform(table)[:, 0].tolist() == [3.0, -1.5, 0.75]


def test_categories_have_a_slot_each_and_share_one_where_they_are_rare():
    colour = ["red"] * 3 + ["blue"] * 4 + ["pink", "grey", None]
    table, done = fitted(columns={"c": colour})

    assert done.feature_names == ("c: rare", "c is missing", "c=blue", "c=red")
    slots = [3] * 3 + [2] * 4 + [0, 0, 1]
    np.testing.assert_array_equal(done.transform(table), np.eye(4, dtype=np.float32)[slots])


def test_the_commonest_categories_have_the_slots_there_are():
    colour = ["a"] * 2 + ["b"] * 4 + ["c"] * 3
    _, done = fitted(columns={"c": colour}, most_levels=2, fewest_rows=1)

    assert done.feature_names == ("c: rare", "c=b", "c=c")


@pytest.mark.parametrize(
    ("training", "expected"),
    [(["u"] * 3 + ["v"] * 3, [0, 0]), (["u"] * 3 + ["v"] * 3 + ["w"], [1, 0, 0])],
    ids=["no slot of rare ones: all zero", "the slot of rare ones"],
)
@pytest.mark.parametrize("new", ["never seen", None], ids=["unseen", "missing"])
def test_values_of_no_training_row_have_their_place(training, expected, new):
    _, done = fitted(columns={"c": training})

    assert done.transform(read_table({"c": [new, "u"]}))[0].tolist() == expected


def test_integer_codes_keep_0_for_the_unseen():
    colour = ["u"] * 3 + ["v"] * 3 + [None]
    table, done = fitted(columns={"a": [1.0] * 3 + [2.0] * 4, "c": colour}, encoding="integer")

    assert done.feature_names == ("a", "c")
    assert done.cardinalities == {1: 4}
    assert done.transform(table)[:, 1].tolist() == [2, 2, 2, 3, 3, 3, 1]
    new = read_table({"a": [1.0, 2.0], "c": ["w", "v"]})
    assert done.transform(new)[:, 1].tolist() == [0, 3]


def test_truth_values_are_1_and_0_and_the_commoner_where_missing():
    table, done = fitted(columns={"b": ["Yes", "no", "yes", None]})

    assert done.feature_names == ("b", "b is missing")
    assert done.transform(table).tolist() == [[1, 0], [0, 0], [1, 0], [1, 1]]


def test_classes_are_numbered_in_order_and_named_again():
    table, done = fitted(columns={"a": [1.0, 2.0, 3.0, 4.0]}, y=[10, 9, 10, 9])
    assert table.schema.task == "regression"  # Four rows are too few for two classes.
    table = read_table(
        {"a": [1.0, 2.0, 3.0, 4.0], "y": [10, 9, 10, 9]}, target="y", task="classification"
    )
    done = Preprocessing.fit(table)

    assert done.class_names == ("9", "10")
    assert done.transform_target(table).tolist() == [1, 0, 1, 0]
    assert done.target.decode(np.array([1, 0])).tolist() == ["10", "9"]


def test_a_quantity_is_brought_to_standard_units_and_back():
    table, done = fitted(np.array([0, 1]), columns={"a": [1.0, 2.0, 3.0]}, y=[100.5, 300.5, 7.25])

    y = done.transform_target(table)
    assert y.dtype == np.float32
    assert y.tolist() == [100.5, 300.5, 7.25]
    assert done.target.standardise(y).tolist()[:2] == [-1, 1]
    assert done.target.decode(done.target.standardise(y)[:2]).tolist() == [100.5, 300.5]


# Training rows only


@pytest.mark.parametrize("scaling", SCALINGS)
def test_nothing_of_the_other_rows_is_known(scaling):
    columns = {"a": [1.0, 2.0, 4.0, 1e30, None], "c": ["u", "v", "u", "w", None]}
    rows, options = np.array([0, 1, 2]), PreprocessingOptions(scaling=scaling, fewest_rows=1)
    table = read_table({**columns, "y": list("pqpqp")}, target="y")
    alone = read_table({"a": [1.0, 2.0, 4.0], "c": list("uvu"), "y": list("pqp")}, target="y")

    done = Preprocessing.fit(table, rows, options=options)

    assert done.to_json() == Preprocessing.fit(alone, options=options).to_json()


# Against a slow loop, by hypothesis

cells = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32), st.integers(-5, 5).map(float))


@st.composite
def tables(draw):
    n = draw(st.integers(4, 30))
    numbers = draw(
        st.lists(cells, min_size=n, max_size=n).filter(lambda v: any(c is not None for c in v))
    )
    letters = st.sampled_from(["u", "v", "w", "x y", 'q"', None])
    words = draw(
        st.lists(letters, min_size=n, max_size=n).filter(lambda v: len(set(v) - {None}) > 1)
    )
    y = draw(st.permutations((["p", "q"] * n)[:n]))
    frame = pl.DataFrame(
        {"a": numbers, "c": words, "y": y}, schema={"a": pl.Float64, "c": pl.String, "y": pl.String}
    )
    kinds = {"a": "number", "c": "category"}
    return read_table(frame, target="y", reading=Reading(kinds=kinds))


def slow(table, fewest):
    """Standard scaling and one-hot encoding, as the definition reads, a cell at a time."""
    rows = table.frame.rows(named=True)
    there = sorted(row["a"] for row in rows if row["a"] is not None)
    middle = len(there) // 2
    median = there[middle] if len(there) % 2 else (there[middle - 1] + there[middle]) / 2
    filled = [median if row["a"] is None else row["a"] for row in rows]
    mean = math.fsum(filled) / len(filled)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in filled) / len(filled))
    counts = {word: sum(row["c"] == word for row in rows) for word in {row["c"] for row in rows}}
    missing = counts.pop(None, 0)
    kept = sorted(word for word, count in counts.items() if count >= fewest)
    out = []
    for value, row in zip(filled, rows, strict=True):
        cells = [0.0 if min(filled) == max(filled) else (value - mean) / deviation]
        cells += [float(row["a"] is None)] if len(there) < len(rows) else []
        cells += (
            [float(row["c"] in counts and row["c"] not in kept)] if len(kept) < len(counts) else []
        )
        cells += [float(row["c"] is None)] if missing else []
        out.append([*cells, *(float(row["c"] == word) for word in kept)])
    return np.array(out)


@settings(deadline=None, max_examples=150)
@given(tables(), st.integers(1, 4))
def test_training_rows_come_out_as_a_slow_loop_says(table, fewest):
    done = Preprocessing.fit(table, options=PreprocessingOptions(fewest_rows=fewest))

    found = done.transform(table)

    assert found.dtype == np.float32
    assert found.shape == (len(table), len(done.feature_names))
    # Sums in another order differ by some units in the last place of the largest value.
    np.testing.assert_allclose(found, slow(table, fewest), rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=100)
@given(tables(), st.sampled_from(SCALINGS), st.sampled_from(["onehot", "integer"]))
def test_json_there_and_back_makes_the_same_bytes(table, scaling, encoding):
    options = PreprocessingOptions(scaling=scaling, encoding=encoding)
    done = Preprocessing.fit(table, options=options)

    again = Preprocessing.from_json(done.to_json())

    assert again == done
    assert again.transform(table).tobytes() == done.transform(table).tobytes()
    assert again.target.encode(table.frame["y"]).tolist() == done.transform_target(table).tolist()


@settings(deadline=None, max_examples=100)
@given(tables(), st.sampled_from(SCALINGS))
def test_every_scaling_keeps_the_order_of_numbers(table, scaling):
    done = Preprocessing.fit(table, options=PreprocessingOptions(scaling=scaling))
    values = table.frame["a"].to_numpy().astype(float)
    scaled = done.transform(table)[~np.isnan(values), 0]

    order = np.argsort(values[~np.isnan(values)], kind="stable")
    assert (np.diff(scaled[order]) >= 0).all()


# New tables


def test_columns_are_found_by_name_in_any_order_and_type():
    table, done = fitted(columns={"a": [1.0, 2.0, 5.0], "c": [7, 8, 7], "b": ["t", "f", "t"]})
    kinds = Reading(kinds={"c": "category"})
    table = read_table(
        {"a": [1.0, 2.0, 5.0], "c": [7, 8, 7], "b": ["t", "f", "t"], "y": list("pqp")},
        target="y",
        reading=kinds,
    )
    done = Preprocessing.fit(table, options=PreprocessingOptions(fewest_rows=1))
    new = {
        "c": ["7", "8", "7"],
        "extra": [0, 0, 0],
        "b": [True, False, True],
        "a": ["1", "2.0", "5e0"],
    }

    np.testing.assert_array_equal(done.transform(read_table(new)), done.transform(table))
    floats = {**new, "c": [7.0, 8.0, 7.0]}
    np.testing.assert_array_equal(done.transform(read_table(floats)), done.transform(table))


WRONG = {
    "a missing column": (
        {"Age": [1.0], "c": ["u"]},
        r"lacks 1 of 2 columns: 'age'; it has 'Age'; give the columns under the names",
    ),
    "several missing columns": ({"z": [1.0]}, "lacks 2 of 2 columns: 'age', 'c'"),
    "text for numbers": ({"age": ["old"], "c": ["u"]}, "'age' holds 'old'; expected numbers: mend"),
    "infinite numbers": ({"age": [math.inf], "c": ["u"]}, "'age' holds infinite numbers"),
    "dates for numbers": (
        {"age": np.array(["2020-01-01"], "datetime64[D]"), "c": ["u"]},
        "'age' holds Date.*; expected numbers",
    ),
    "dates for categories": (
        {"age": [1.0], "c": np.array(["2020-01-01"], "datetime64[D]")},
        "'c' holds Date.*; expected categories",
    ),
}


@pytest.mark.parametrize(("new", "message"), WRONG.values(), ids=WRONG)
def test_a_table_that_does_not_fit_is_refused_with_its_columns(new, message):
    _, done = fitted(columns={"age": [30.0, 40.0, 50.0], "c": ["u", "v", "u"]})

    with pytest.raises(DataError, match=message) as error:
        done.transform(read_table(new))
    assert "\n" not in str(error.value)


def test_a_class_of_no_training_row_is_named():
    _, done = fitted(columns={"a": [1.0, 2.0, 3.0]})

    with pytest.raises(
        DataError, match=r"holds 'r', a class of no row that was trained on .*'p', 'q'"
    ):
        done.transform_target(read_table({"a": [1.0], "y": ["r"]}))


def test_a_target_that_is_not_there_is_named():
    _, done = fitted(columns={"a": [1.0, 2.0, 3.0]})

    with pytest.raises(DataError, match="has no column 'y', the target"):
        done.transform_target(read_table({"a": [1.0]}))


def test_a_column_without_a_value_in_the_rows_fitted_is_refused():
    with pytest.raises(DataError, match="'a' has no value in the rows fitted; drop it"):
        fitted(np.array([0, 1]), columns={"a": [None, None, 3.0, 4.0]})


def test_values_too_far_out_for_float32_are_refused():
    _, done = fitted(columns={"a": [1e-30, 2e-30, 3e-30]})

    with pytest.raises(DataError, match="'a' is too far from the rows fitted"):
        done.transform(read_table({"a": [1e38]}))


def test_a_table_without_target_cannot_be_fitted():
    with pytest.raises(DataError, match="read without a target; name the column"):
        Preprocessing.fit(read_table({"a": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scaling": "minmax"}, "scaling 'minmax' is unknown; expected none or standard"),
        ({"encoding": "hash"}, "encoding 'hash' is unknown; expected onehot or integer"),
        ({"most_levels": 0}, "give at least 1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_options_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        PreprocessingOptions(**wrong)


def test_two_features_never_have_one_name():
    columns = {"a": [1.0, None, 3.0], "a is missing": [4.0, 5.0, 6.0]}
    _, done = fitted(columns=columns)

    assert done.feature_names == ("a", "a is missing", "a is missing (2)")
