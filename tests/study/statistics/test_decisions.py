from math import nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from denselab.errors import UsageError
from denselab.study.statistics import (
    Estimate,
    Interval,
    decide,
    planned_power,
    planned_seeds,
    seeds_estimate,
    seeds_to_decide,
)

OPPOSITE = {"better": "worse", "worse": "better"}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.9, "better"),
        (-0.9, -0.1, "worse"),
        (-0.4, 0.3, "equivalent"),
        (-0.5, 0.5, "equivalent"),
        (0.1, 0.4, "equivalent"),
        (-0.4, 0.6, "undecided"),
        (0.0, 0.6, "undecided"),
        (-2.0, 2.0, "undecided"),
        (nan, nan, "undecided"),
    ],
)
def test_the_interval_says_which_verdict(low, high, verdict):
    assert decide(Interval(low, high), region=0.5) == verdict


@settings(deadline=None)
@given(st.floats(-2, 2), st.floats(0, 2), st.floats(0, 1))
def test_where_lower_is_better_the_verdict_turns_round(low, width, region):
    interval = Interval(low, low + width)

    verdict = decide(interval, region=region)

    turned = decide(interval, region=region, higher_is_better=False)
    assert turned == OPPOSITE.get(verdict, verdict)


@settings(deadline=None)
@given(
    st.lists(st.integers(-20, 20).map(lambda n: n / 8), min_size=3, max_size=9), st.floats(0, 0.2)
)
def test_seeds_to_decide_are_the_first_that_do(differences, fixed):
    known = seeds_estimate(differences)
    estimate = Estimate(known.mean, known.n, known.seed_variance, fixed**2, known.degrees)

    found = seeds_to_decide(estimate, region=0.5, level=0.01)

    sizes = np.arange(known.n + 1, 2001)
    halves = stats.t.ppf(0.995, sizes - 1) * np.sqrt(known.seed_variance / sizes + fixed**2)
    ends = zip(known.mean - halves, known.mean + halves, strict=True)
    decided = [decide(Interval(*pair), region=0.5) != "undecided" for pair in ends]
    least = int(sizes[decided.index(True)]) if any(decided) else None
    assert found == least or (least is None and found > 2000)


def test_where_the_rows_leave_it_open_no_number_of_seeds_decides():
    estimate = Estimate(0.5, 12, seed_variance=0.5, fixed_variance=0.3, degrees=20)

    assert seeds_to_decide(estimate, region=0.5, level=0.01) is None


def test_from_one_pair_nothing_can_be_foretold():
    assert seeds_to_decide(seeds_estimate([1.0]), region=0.5, level=0.01) is None


def test_without_a_region_power_is_that_of_the_t_test():
    power = planned_power(12, contrasts=5, difference=1.0, deviation=0.7, region=0.0, level=0.05)

    shift, quantile = 1.0 * sqrt(12) / 0.7, stats.t.ppf(0.995, 11)
    assert power.better == pytest.approx(stats.nct.sf(quantile, 11, shift), abs=1e-4)
    assert power.worse == pytest.approx(stats.nct.cdf(-quantile, 11, shift), abs=1e-6)
    assert power.equivalent == 0


@pytest.mark.parametrize("difference", [0.0, 0.3, 0.5, 1.0, -0.6])
@pytest.mark.parametrize("n", [8, 34])
def test_planned_power_is_what_simulated_studies_show(n, difference):
    power = planned_power(n, contrasts=3, difference=difference, deviation=0.7, region=0.5)
    studies = 4_000
    d = np.random.default_rng(1).normal(difference, 0.7, (studies, n))
    half = stats.t.ppf(1 - 0.04 / 6, n - 1) * d.std(axis=1, ddof=1) / sqrt(n)
    verdicts = [
        decide(Interval(middle - h, middle + h), region=0.5)
        for middle, h in zip(d.mean(axis=1), half, strict=True)
    ]

    for verdict, expected in power._asdict().items():
        error = sqrt(max(expected * (1 - expected), 1 / studies) / studies)
        assert abs(verdicts.count(verdict) / studies - expected) < 5 * error


def test_power_is_the_same_each_time_and_symmetric():
    one = planned_power(12, contrasts=5, difference=0.7, deviation=0.7, region=0.5)
    two = planned_power(12, contrasts=5, difference=-0.7, deviation=0.7, region=0.5)

    assert (one.better, one.worse) == pytest.approx((two.worse, two.better))
    assert one == planned_power(12, contrasts=5, difference=0.7, deviation=0.7, region=0.5)


def test_planned_seeds_are_just_enough():
    plan = {"contrasts": 5, "difference": 0.8, "deviation": 0.7, "region": 0.5}

    n = planned_seeds(**plan, power=0.9)

    assert sum(planned_power(n, **plan)) >= 0.9 > sum(planned_power(n - 1, **plan))


def test_no_number_of_seeds_shows_two_arms_equal_to_the_last_bit():
    assert planned_seeds(contrasts=1, difference=0.0, deviation=1.0, region=0.0) is None


@pytest.mark.parametrize(
    "wrong", [{"n": 1}, {"contrasts": 0}, {"deviation": 0.0}], ids=lambda one: next(iter(one))
)
def test_a_plan_without_seeds_contrasts_or_deviation_is_refused(wrong):
    plan = {"n": 12, "contrasts": 5, "difference": 1.0, "deviation": 0.7, "region": 0.5, **wrong}

    with pytest.raises(UsageError, match="give at least 2 seeds, one contrast and a deviation"):
        planned_power(plan.pop("n"), **plan)
