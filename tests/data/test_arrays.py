"""The door: what comes in, as what, and what is sent back with the remedy."""

import numpy as np
import pytest

from denselab.data import from_arrays
from denselab.data.arrays import clean_name
from denselab.errors import DataError

X = np.arange(12, dtype=np.float64).reshape(6, 2)
Y = np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        pytest.param(X, np.float32, id="float64"),
        pytest.param(X.astype(np.float16), np.float32, id="float16"),
        pytest.param(X.astype(">f4"), np.float32, id="big-endian"),
        pytest.param(np.asfortranarray(X), np.float32, id="Fortran order"),
        pytest.param(X[::-1][::-1], np.float32, id="strided"),
        pytest.param(X.astype(np.int64), np.float32, id="int64"),
        pytest.param(X.astype(">u2"), np.float32, id="big-endian uint16"),
        pytest.param(X.astype(np.uint8), np.uint8, id="uint8"),
        pytest.param(X.tolist(), np.float32, id="lists"),
        pytest.param(np.ma.array(X, mask=False), np.float32, id="masked array without mask"),
    ],
)
def test_numbers_come_in_in_any_form(x, dtype):
    data = from_arrays(x, Y)
    assert data.x.dtype == dtype
    assert data.x.dtype.isnative
    assert data.x.flags.c_contiguous
    assert data.x.tolist() == X.tolist()


def test_bool_inputs_become_0_and_1():
    data = from_arrays(X > 5, Y)
    assert data.x.dtype == np.uint8
    assert data.x.tolist() == (X > 5).astype(int).tolist()


def test_the_arrays_are_copied():
    x, y = X.astype(np.float32), Y.astype(np.int32)
    data = from_arrays(x, y, class_names=["a", "b"])
    x[:], y[:] = 0, 0
    assert data.x.tolist() == X.tolist()
    assert data.y.tolist() == Y.tolist()


def test_rows_with_three_axes_are_images():
    assert from_arrays(np.zeros((6, 4, 5, 3), np.uint8), Y).image_shape == (4, 5, 3)
    assert from_arrays(np.zeros((6, 3, 4, 5), np.uint8), Y).image_shape is None
    assert from_arrays(X, Y).image_shape is None


@pytest.mark.parametrize(
    ("y", "codes", "names"),
    [
        pytest.param([0, 5, 7, 5, 0, 7], [0, 1, 2, 1, 0, 2], ("0", "5", "7"), id="gaps"),
        pytest.param([-1, 1, -1, 1, 1, 1], [0, 1, 0, 1, 1, 1], ("-1", "1"), id="minus one"),
        pytest.param([1, 2, 3, 1, 2, 3], [0, 1, 2, 0, 1, 2], ("1", "2", "3"), id="from one"),
        pytest.param([True, False] * 3, [1, 0] * 3, ("False", "True"), id="bool"),
        pytest.param(
            ["b", "a", "b", "a", "c", "c"], [1, 0, 1, 0, 2, 2], ("a", "b", "c"), id="text"
        ),
        pytest.param(np.array([[0], [1]] * 3), [0, 1] * 3, ("0", "1"), id="column"),
        pytest.param(np.array([0, 1] * 3, ">i8"), [0, 1] * 3, ("0", "1"), id="big-endian"),
        pytest.param(np.array([0, 254] * 3, "u1"), [0, 1] * 3, ("0", "254"), id="uint8"),
    ],
)
def test_labels_are_numbered_in_rising_order_and_keep_their_names(y, codes, names):
    data = from_arrays(X, y)
    assert data.y.dtype == np.int32
    assert (data.y.tolist(), data.class_names) == (codes, names)


@pytest.mark.parametrize(
    ("y", "names", "codes"),
    [
        pytest.param([0, 2, 0, 2, 0, 2], ["a", "b", "c"], [0, 2, 0, 2, 0, 2], id="an absent class"),
        pytest.param([0, 5, 7, 5, 0, 7], ["a", "b", "c"], [0, 1, 2, 1, 0, 2], id="gaps"),
        pytest.param(["y", "n", "y", "n", "n", "y"], ["n", "y"], [1, 0, 1, 0, 0, 1], id="text"),
        pytest.param(
            ["y", "n", "y", "n", "n", "y"], ["y", "n"], [0, 1, 0, 1, 1, 0], id="own order"
        ),
    ],
)
def test_class_names_are_taken_in_the_order_of_the_labels(y, names, codes):
    data = from_arrays(X, y, class_names=names)
    assert (data.y.tolist(), data.class_names) == (codes, tuple(names))


def test_a_regression_keeps_its_quantities_as_float32():
    data = from_arrays(X, [[0.5], [1], [2], [3], [4], [5]], task="regression")
    assert data.y.dtype == np.float32
    assert data.y.tolist() == [0.5, 1, 2, 3, 4, 5]
    assert data.class_names is None


def test_the_source_says_that_they_were_arrays():
    assert from_arrays(X, Y, name="mine").source == "mine, NumPy arrays"


def with_entry(value):
    x = X.copy()
    x[2, 1] = value
    return x


@pytest.mark.parametrize(
    ("x", "remedy"),
    [
        pytest.param(
            with_entry(np.nan), r"1 NaN or infinite .* first at x\[2, 1\]; fill", id="NaN"
        ),
        pytest.param(with_entry(-np.inf), r"first at x\[2, 1\]; fill", id="infinity"),
        pytest.param(with_entry(1e39), "scale them down", id="beyond float32"),
        pytest.param((X + 2**53).astype(np.int64), "drop identifiers, or scale", id="beyond 2**53"),
        pytest.param(1e9 + X / 100, r"x\[:, 0\] varies by less .* subtract its mean", id="offset"),
        pytest.param(X.astype(object), r"x.astype\('float32'\)", id="objects"),
        pytest.param(X + 1j, "real and imaginary parts as two features", id="complex"),
        pytest.param(X.astype(str), "turn it into numbers", id="text"),
        pytest.param(X.astype("M8[s]"), "days since", id="dates"),
        pytest.param(np.zeros((6, 2), "f4,f4"), "structured_to_unstructured", id="records"),
        pytest.param(np.ma.array(X, mask=X > 3), "masked entries; fill them", id="masked"),
        pytest.param([[1], [1, 2], [1], [1], [1], [1]], "give rows of one length", id="ragged"),
        pytest.param(np.array(3.0), r"expected \(n, features\)", id="zero-dim"),
        pytest.param(X[:, 0], r"x.reshape\(-1, 1\)", id="one axis"),
        pytest.param(np.zeros((6, 0)), "at least one row and one feature", id="no feature"),
        pytest.param(np.zeros((0, 2)), "at least one row and one feature", id="no row"),
        pytest.param(X[:1], "give at least two", id="one row"),
        pytest.param(X[:5], "give one entry of y a row", id="other length"),
    ],
)
def test_inputs_that_cannot_be_trained_on_are_refused_with_the_remedy(x, remedy):
    with pytest.raises(DataError, match=remedy) as refused:
        from_arrays(x, Y)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("y", "remedy"),
    [
        pytest.param(Y.astype(float), r"y.astype\(int\) .* task='regression'", id="floats"),
        pytest.param(Y.astype(object), r"y.astype\(str\)", id="objects"),
        pytest.param(Y + 1j, "expected whole numbers, bool or text", id="complex"),
        pytest.param(np.eye(2)[Y], r"y.argmax\(axis=1\)", id="one-hot"),
        pytest.param(np.array(1), "expected one entry per row", id="zero-dim"),
        pytest.param([1] * 6, r"one class only \(1\); give at least two", id="one class"),
        pytest.param(np.arange(6), "task='regression' if y is a quantity", id="all differ"),
        pytest.param(np.array([0, 255] * 3, "u1"), "-1 wrapped round.* drop those", id="uint8 255"),
        pytest.param(["a", "", "a", "", "a", "a"], "class name 1 is empty", id="empty text"),
        pytest.param(["a", "a\x00b", "a", "ab", "a", "a"], "'ab' occurs twice", id="NUL"),
    ],
)
def test_labels_that_are_none_are_refused_with_the_remedy(y, remedy):
    with pytest.raises(DataError, match=remedy):
        from_arrays(X, y)


@pytest.mark.parametrize(
    ("y", "remedy"),
    [
        pytest.param([1.0, np.nan, 2, 3, 4, 5], r"first at y\[1\]; fill", id="NaN"),
        pytest.param(["1", "2", "3", "4", "5", "6"], "turn it into numbers", id="text"),
        pytest.param(
            1e9 + np.arange(6) / 100, "y varies by less .* subtract its mean", id="offset"
        ),
    ],
)
def test_targets_that_are_none_are_refused_with_the_remedy(y, remedy):
    with pytest.raises(DataError, match=remedy):
        from_arrays(X, y, task="regression")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        pytest.param({"task": "clustering"}, "classification or regression", id="task"),
        pytest.param({"feature_names": ["a"]}, "give one name per feature", id="too few features"),
        pytest.param({"feature_names": ["a", " "]}, "feature name 2 is empty", id="empty feature"),
        pytest.param({"feature_names": ["a", "a"]}, "'a' occurs twice", id="feature twice"),
        pytest.param({"class_names": ["a"]}, "give one name per label", id="too few classes"),
        pytest.param(
            {"task": "regression", "class_names": ["a"]}, "leave them out", id="regression"
        ),
    ],
)
def test_names_that_do_not_fit_are_refused_with_the_remedy(options, remedy):
    with pytest.raises(DataError, match=remedy):
        from_arrays(X, Y, **options)


def test_text_labels_must_be_among_the_class_names():
    with pytest.raises(DataError, match="'b', which is no class name; expected a, c"):
        from_arrays(X, ["a", "b"] * 3, class_names=["a", "c"])


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain", "plain"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("two\nlines\r\ttab", "twolinestab"),
        ("nul\x00", "nul"),
        ("\u202eright to left", "right to left"),
        ("\x9b31mC1", "31mC1"),
        ("Zoë ß 中", "Zoë ß 中"),
        (7, "7"),
    ],
)
def test_names_lose_what_would_steer_a_terminal(raw, clean):
    assert clean_name(raw) == clean
    assert from_arrays(X, Y, feature_names=["x", str(raw)]).feature_names == ("x", clean)
