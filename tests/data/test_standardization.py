"""Mean and scale against a loop over the definition, and features that never change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from denselab.data import standardization
from denselab.errors import DataError

# float32 has 24 bits; the result of float64 arithmetic is rounded to it once.
ROUNDING = 2.0**-23


@given(arrays(np.float64, (7, 3), elements=st.integers(-1000, 1000).map(float)))
@settings(deadline=None)
def test_mean_and_scale_follow_the_definition(x):
    mean, scale = standardization(x)
    for column in range(3):
        values = x[:, column].tolist()
        expected = sum(values) / 7
        deviation = (sum((value - expected) ** 2 for value in values) / 7) ** 0.5
        assert mean[column] == pytest.approx(expected, rel=ROUNDING, abs=1e-10)
        if max(values) == min(values):
            assert scale[column] == 0
        else:
            assert scale[column] == pytest.approx(1 / deviation, rel=ROUNDING)


def test_only_the_given_rows_are_fitted():
    x = np.array([[1.0], [3.0], [1000.0]])
    mean, scale = standardization(x, np.array([0, 1]))
    assert (mean.tolist(), scale.tolist()) == ([2.0], [1.0])


def test_more_rows_than_a_chunk_give_what_numpy_gives():
    x = np.random.default_rng(0).integers(0, 256, (3000, 4, 4, 3), dtype=np.uint8)
    rows = np.arange(5, 2900, 2)
    mean, scale = standardization(x, rows)
    wide = x[rows].astype(np.float64)
    assert mean.dtype == scale.dtype == np.float32
    np.testing.assert_allclose(mean, wide.mean(axis=0), rtol=ROUNDING)
    np.testing.assert_allclose(scale, 1 / wide.std(axis=0), rtol=ROUNDING)


def test_standardised_rows_have_mean_0_and_deviation_1():
    x = np.random.default_rng(1).normal(50, 9, (500, 2)).astype(np.float32)
    z = standardization(x)(x)
    assert z.dtype == np.float32
    # Rounding the mean (about 50) to float32 moves every entry by up to 50 * ROUNDING / 9.
    np.testing.assert_allclose(z.mean(axis=0, dtype=np.float64), 0, atol=50 * ROUNDING)
    np.testing.assert_allclose(z.std(axis=0, dtype=np.float64), 1, rtol=50 * ROUNDING)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e30, 3e38])
def test_a_constant_feature_maps_to_0(value, dtype):
    # The float64 mean of many 0.1 is not 0.1: rounding leaves a deviation of about 1e-15.
    x = np.full((1001, 1), value, dtype)
    fitted = standardization(x)
    assert fitted.scale.tolist() == [0.0]
    assert (fitted(x) == 0).all()


def test_a_constant_feature_maps_to_0_also_in_rows_that_were_not_fitted():
    x = np.array([[4.0], [4.0], [9.0]])
    assert standardization(x, np.array([0, 1]))(x).tolist() == [[0.0], [0.0], [0.0]]


def test_a_deviation_too_small_to_invert_counts_as_constant():
    x = np.array([[0.0], [1e-45]], np.float32)
    assert standardization(x).scale.tolist() == [0.0]


def test_a_large_offset_does_not_swallow_the_deviation():
    x = np.array([[1e8], [1e8 + 8]], np.float32)
    assert standardization(x).scale.tolist() == [0.25]


def test_no_row_to_fit_is_refused():
    with pytest.raises(DataError, match="give at least one training row"):
        standardization(np.zeros((3, 2)), np.array([], int))
