from math import inf, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from denselab.errors import UsageError
from denselab.study.statistics import resampled_estimate, rows_estimate, seeds_estimate
from denselab.study.statistics.estimates import t_quantile

NUMBERS = st.integers(-1000, 1000).map(lambda n: n / 16)
MATRICES = st.tuples(st.integers(2, 6), st.integers(2, 6)).flatmap(
    lambda shape: arrays(float, shape, elements=NUMBERS)
)


def test_an_interval_by_hand():
    estimate = seeds_estimate([1.0, 2.0, 3.0])

    # Standard error 1 / sqrt(3); the quantile of 2 degrees of freedom is 4.3027.
    assert estimate.standard_error == pytest.approx(1 / sqrt(3))
    assert estimate.interval(0.05) == pytest.approx(
        (2 - 4.3027 / sqrt(3), 2 + 4.3027 / sqrt(3)), abs=1e-4
    )


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=30).filter(lambda d: len(set(d)) > 1))
def test_the_interval_over_seeds_is_the_one_of_scipy(differences):
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.96)

    assert seeds_estimate(differences).interval(0.04) == pytest.approx(tuple(expected))


def test_differences_that_are_all_equal_leave_an_interval_without_width():
    assert seeds_estimate([0.1] * 7).interval(0.05) == (0.1, 0.1)
    assert rows_estimate(np.full((7, 3), 0.1)).interval(0.05) == pytest.approx((0.1, 0.1))


@pytest.mark.parametrize("differences", [[], [1.0]], ids=["none", "one"])
def test_below_two_pairs_there_is_no_interval(differences):
    assert all(map(isnan, seeds_estimate(differences).interval(0.05)))


def by_definition(d):
    """Variance and degrees of freedom of a two-way layout, cell by cell."""
    n, m = len(d), len(d[0])
    mean = sum(map(sum, d)) / (n * m)
    seeds = [sum(line) / m for line in d]
    rows = [sum(line[r] for line in d) / n for r in range(m)]
    ms_seeds = m * sum((s - mean) ** 2 for s in seeds) / (n - 1)
    ms_rows = n * sum((r - mean) ** 2 for r in rows) / (m - 1)
    rest = sum((d[s][r] - seeds[s] - rows[r] + mean) ** 2 for s in range(n) for r in range(m))
    ms_rest = rest / ((n - 1) * (m - 1))
    variance = (ms_seeds + max(0, ms_rows - ms_rest)) / (n * m)
    spent = ms_seeds**2 / (n - 1) + ms_rows**2 / (m - 1) + ms_rest**2 / ((n - 1) * (m - 1))
    freedom = (variance * n * m) ** 2 / spent if spent else n - 1
    return variance, max(freedom, n - 1)


@settings(deadline=None)
@given(MATRICES)
def test_seeds_and_rows_give_the_variance_of_the_definition(d):
    estimate = rows_estimate(d)
    variance, degrees = by_definition(d.tolist())

    assert estimate.standard_error**2 == pytest.approx(variance, rel=1e-6, abs=1e-9)
    if variance > 1e-6:
        assert estimate.degrees == pytest.approx(degrees, rel=1e-6)


@settings(deadline=None)
@given(MATRICES)
def test_to_speak_of_new_rows_as_well_never_makes_an_estimate_surer(d):
    both, seeds = rows_estimate(d), seeds_estimate(d.mean(axis=1))

    assert both.standard_error >= seeds.standard_error - 1e-12
    assert both.mean == pytest.approx(seeds.mean)
    assert both.degrees >= seeds.degrees


def test_one_row_is_no_sample_of_rows():
    assert rows_estimate(np.array([[1.0], [2.0], [4.0]])) == seeds_estimate([1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    "row_effect", [pytest.param(0.0, id="rows alike"), pytest.param(4.0, id="rows unlike")]
)
def test_nineteen_of_twenty_intervals_hold_the_truth_over_new_seeds_and_new_rows(row_effect):
    stream, studies, hits = np.random.default_rng(5), 2_000, 0
    for _ in range(studies):
        d = stream.normal(size=(8, 1)) + row_effect * stream.normal(size=(1, 40))
        low, high = rows_estimate(d + 6 * stream.normal(size=(8, 40))).interval(0.05)
        hits += low <= 0 <= high

    # Not below 95 % by more than three standard errors of 0.5 %.
    assert hits / studies > 0.95 - 3 * sqrt(0.05 * 0.95 / studies)


def test_seeds_alone_would_miss_the_truth_over_new_rows():
    stream, missed = np.random.default_rng(6), 0
    for _ in range(500):
        d = stream.normal(size=(8, 1)) + 4.0 * stream.normal(size=(1, 40))
        low, high = seeds_estimate(d.mean(axis=1)).interval(0.05)
        missed += not low <= 0 <= high

    assert missed > 0.15 * 500


def test_splits_that_share_rows_are_corrected_by_hand():
    # Variance 1, five splits with a fifth of the rows: 1/5 + 0.2/0.8.
    estimate = resampled_estimate([-1.0, 1.0, 0.0, -1.0, 1.0], test_fraction=0.2)

    assert estimate.standard_error == pytest.approx(sqrt(0.2 + 0.25))
    assert (estimate.degrees, estimate.scope) == (4, "splits")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_test_fraction_is_a_share(fraction):
    with pytest.raises(UsageError, match=r"give the share of rows .* such as 0\.2"):
        resampled_estimate([1.0, 2.0], test_fraction=fraction)


@pytest.mark.parametrize("degrees", [1, 7.5, 1000, inf])
def test_quantiles_are_those_of_scipy(degrees):
    assert t_quantile(0.996, degrees) == pytest.approx(stats.t.ppf(0.996, degrees))
