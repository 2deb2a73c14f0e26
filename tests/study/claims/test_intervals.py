from math import nan

import pytest

from denselab.study.claims.intervals import (
    against_bounds,
    against_expectation,
    seeds_by_ratio,
    seeds_until,
    share_interval,
)
from denselab.study.statistics import Interval, seeds_estimate

C, R, U = "confirmed", "refuted", "undecided"


@pytest.mark.parametrize(
    ("low", "high", "better", "equivalent", "not_worse", "worse"),
    [
        (0.1, 0.9, C, U, C, R),
        (0.6, 0.9, C, R, C, R),
        (0.1, 0.4, R, C, C, R),
        (-0.4, 0.4, R, C, C, R),
        (-0.4, 0.9, U, U, C, R),
        (-0.9, 0.9, U, U, U, U),
        (-0.9, -0.1, R, U, U, C),
        (-0.9, -0.6, R, R, R, C),
        (nan, nan, U, U, U, U),
    ],
)
def test_an_interval_answers_every_expectation(low, high, better, equivalent, not_worse, worse):
    wanted = {"better": better, "equivalent": equivalent, "not_worse": not_worse, "worse": worse}
    for expect, answer in wanted.items():
        assert against_expectation(Interval(low, high), expect, region=0.5) == answer
        turned = Interval(-high, -low)
        assert against_expectation(turned, expect, region=0.5, higher_is_better=False) == answer


@pytest.mark.parametrize(
    ("ends", "below", "above", "within"),
    [
        ((0.5, 0.7), C, R, R),
        ((0.5, 0.95), C, U, U),
        ((0.95, 1.0), C, C, C),
        ((1.0, 1.5), U, C, U),
        ((1.2, 1.5), R, C, R),
        ((0.5, 1.5), U, U, U),
        ((nan, nan), U, U, U),
    ],
    ids=str,
)
def test_an_interval_is_held_against_bounds(ends, below, above, within):
    wanted = {"below": below, "above": above, "within": within}
    for expect, answer in wanted.items():
        assert against_bounds(Interval(*ends), expect, low=0.9, high=1.1) == answer


def test_the_least_number_of_seeds_that_decides_is_found():
    estimate = seeds_estimate([0.0, 2.0, 0.0, 2.0, 0.0, 2.0])

    def decide(ends):
        return against_expectation(ends, "better", region=0.1)

    needed = seeds_until(estimate, 0.05, decide)
    # By hand: t(0.975, n - 1) sqrt(1.2 / n) < 1 first holds at n = 8 (0.916), not at 7 (1.013).
    assert needed == 8
    assert seeds_until(seeds_estimate([-1.0, 1.0]), 0.05, lambda ends: U) is None
    assert seeds_until(seeds_estimate([1.0]), 0.05, decide) is None


def test_a_ratio_that_straddles_its_bound_needs_more_pairs():
    def decide(ends):
        return against_bounds(ends, "below", low=1.0, high=1.0)

    # log 0.9 = -0.105; a half-width of 0.2 at 8 pairs is below that from 8 (0.2 / 0.105)² = 28.8 on.
    wide = Interval(0.9 / 2.718281828**0.2, 0.9 * 2.718281828**0.2)
    assert seeds_by_ratio(0.9, wide, 8, decide) == 29
    assert seeds_by_ratio(0.9, Interval(0.0, nan), 8, decide) is None


def test_the_interval_of_a_share_is_exact():
    # All of n: the lower end solves p^n = 0.025.
    assert share_interval(8, 8) == pytest.approx((0.025 ** (1 / 8), 1.0))
    assert share_interval(0, 8) == pytest.approx((0.0, 1 - 0.025 ** (1 / 8)))
    low, high = share_interval(4, 8)
    assert (low, high) == pytest.approx((1 - high, 1 - low))
