from math import isnan, sqrt

import numpy as np
import pytest

from denselab.randomness import generator
from denselab.study.statistics import rows_estimate, seeds_estimate, two_way_bootstrap


def slow(d, level, seed, resamples):
    """The same bootstrap with copies in place of counts."""
    n, m = d.shape
    stream = generator(seed, "resampling")
    seeds = stream.integers(0, n, (resamples, n))
    rows = stream.integers(0, m, (resamples, m))
    sizes = []
    for some_seeds, some_rows in zip(seeds, rows, strict=True):
        again = rows_estimate(d[np.ix_(some_seeds, some_rows)])
        sizes.append(abs(again.mean - d.mean()) / again.standard_error)
    assert (level, resamples) == (0.1, 99)
    half = sorted(sizes)[89] * rows_estimate(d).standard_error
    return d.mean() - half, d.mean() + half


@pytest.mark.parametrize("rows", [1, 7])
def test_counting_copies_gives_what_copying_gives(rows):
    d = np.random.default_rng(0).normal(size=(9, rows))

    fast = two_way_bootstrap(d, level=0.1, seed=3, resamples=99)

    assert fast == pytest.approx(slow(d, 0.1, 3, 99))


def test_the_interval_moves_and_stretches_with_the_differences():
    d = np.random.default_rng(1).normal(size=(8, 20))
    low, high = two_way_bootstrap(d, level=0.05, resamples=199)

    moved = two_way_bootstrap(10 + 3 * d, level=0.05, resamples=199)

    assert moved == pytest.approx((10 + 3 * low, 10 + 3 * high))


def test_the_same_seed_gives_the_same_interval():
    d = np.random.default_rng(2).normal(size=(8, 20))

    first, again, other = (
        two_way_bootstrap(d, level=0.05, seed=s, resamples=199) for s in (0, 0, 1)
    )

    assert first == again != other


def test_no_spread_leaves_no_width():
    assert two_way_bootstrap(np.full((6, 3), 0.25), level=0.05, resamples=99) == (0.25, 0.25)


def test_one_seed_has_no_interval():
    assert all(map(isnan, two_way_bootstrap(np.ones((1, 5)), level=0.05)))


def test_at_six_seeds_it_covers_where_percentiles_do_not():
    stream, studies = np.random.default_rng(3), 400
    covered = percentile = 0
    for place in range(studies):
        d = stream.normal(size=(6, 1))
        low, high = two_way_bootstrap(d, level=0.05, seed=place, resamples=199)
        covered += low <= 0 <= high
        means = d[stream.integers(0, 6, (199, 6)), 0].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        percentile += low <= 0 <= high

    error = sqrt(0.05 * 0.95 / studies)
    assert covered / studies > 0.95 - 3 * error > percentile / studies


def test_it_is_about_as_wide_as_the_t_interval():
    d = np.random.default_rng(4).normal(size=(30, 1))

    low, high = two_way_bootstrap(d, level=0.05)

    expected = seeds_estimate(d[:, 0]).interval(0.05)
    assert (high - low) / (expected.high - expected.low) == pytest.approx(1, abs=0.15)
