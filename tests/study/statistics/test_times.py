from math import exp, inf, isnan, log, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from denselab.errors import UsageError
from denselab.study.statistics import ratio_interval, restricted_mean, restricted_ratio

TIMES = st.integers(1, 500).map(lambda n: n / 8)
PAIRS = st.lists(st.tuples(TIMES, TIMES), min_size=2, max_size=9)


def test_twice_and_half_as_long_cancel():
    assert ratio_interval([2.0, 1.0], [1.0, 2.0]).ratio == pytest.approx(1)


@settings(deadline=None)
@given(PAIRS)
def test_a_ratio_is_a_t_interval_of_logarithms(pairs):
    logs = [log(a / b) for a, b in pairs]
    ratio = ratio_interval(*zip(*pairs, strict=True), level=0.1)

    assert ratio.ratio == pytest.approx(exp(np.mean(logs)))
    if np.std(logs) > 1e-9:
        low, high = stats.ttest_1samp(logs, 0).confidence_interval(0.9)
        assert np.log(ratio.low) == pytest.approx(low)
        assert np.log(ratio.high) == pytest.approx(high)


@settings(deadline=None)
@given(PAIRS, st.floats(1, 60))
def test_arms_that_change_places_turn_the_ratio_round(pairs, horizon):
    a, b = zip(*pairs, strict=True)

    for one, other in [
        (ratio_interval(a, b), ratio_interval(b, a)),
        (
            restricted_ratio(a, b, horizon=horizon, resamples=99),
            restricted_ratio(b, a, horizon=horizon, resamples=99),
        ),
    ]:
        assert one.ratio == pytest.approx(1 / other.ratio)
        if 0 < one.low < inf and 0 < other.high < inf:
            assert one.low == pytest.approx(1 / other.high)


def test_one_pair_has_a_ratio_and_no_interval():
    ratio = ratio_interval([3.0], [1.5])

    assert ratio.ratio == pytest.approx(2)
    assert isnan(ratio.low)
    assert isnan(ratio.high)


def test_who_misses_the_target_counts_as_long_as_anybody_ran():
    assert restricted_mean([10, inf, 60], horizon=50) == pytest.approx(110 / 3)
    assert restricted_ratio([10, inf], [20, 40], horizon=50).ratio == pytest.approx(1)


@settings(deadline=None)
@given(PAIRS)
def test_to_miss_is_never_faster_than_to_reach(pairs):
    a, b = map(list, zip(*pairs, strict=True))

    missed = restricted_ratio([inf, *a[1:]], b, horizon=70, resamples=99).ratio

    assert missed >= restricted_ratio(a, b, horizon=70, resamples=99).ratio


def test_where_nobody_reached_the_target_there_is_nothing_to_compare():
    ratio = restricted_ratio([inf, inf], [inf, inf], horizon=50)

    assert ratio.ratio == 1
    assert isnan(ratio.low)


def test_intervals_of_restricted_ratios_hold_the_truth():
    stream, studies, hits = np.random.default_rng(0), 400, 0
    many = stream.lognormal(0, 0.5, 10**6)
    truth = np.minimum(20 * many, 40).mean() / np.minimum(15 * many, 40).mean()
    for place in range(studies):
        a, b = 20 * stream.lognormal(0, 0.5, 12), 15 * stream.lognormal(0, 0.5, 12)
        ratio = restricted_ratio(
            np.where(a > 40, inf, a),
            np.where(b > 40, inf, b),
            horizon=40,
            seed=place,
            resamples=199,
        )
        hits += ratio.low <= truth <= ratio.high

    assert hits / studies > 0.95 - 3 * sqrt(0.05 * 0.95 / studies)


def test_the_same_seed_gives_the_same_interval():
    a, b = [10.0, 20.0, inf], [15.0, 30.0, 35.0]

    first, again = (restricted_ratio(a, b, horizon=50, seed=1) for _ in range(2))

    assert first == again


@pytest.mark.parametrize("wrong", [nan, 0.0, -1.0])
def test_a_time_is_above_zero(wrong):
    with pytest.raises(UsageError, match="give times above 0, infinite where"):
        restricted_ratio([1.0, wrong], [1.0, 2.0], horizon=5)


def test_other_nonsense_is_refused():
    with pytest.raises(UsageError, match="use restricted_ratio"):
        ratio_interval([1.0, inf], [1.0, 2.0])
    with pytest.raises(UsageError, match="2 times against 1"):
        ratio_interval([1.0, 2.0], [1.0])
    with pytest.raises(UsageError, match="no times"):
        restricted_mean([], horizon=5)
    with pytest.raises(UsageError, match="give the longest time"):
        restricted_mean([1.0], horizon=inf)
