from itertools import pairwise

import numpy as np
import pytest

from denselab.components import smooth_losses, suggest_rates
from denselab.errors import DataError


def test_smoothing_is_the_weighted_mean_of_the_neighbours():
    losses = np.random.default_rng(0).normal(size=20)
    expected = []
    for place in range(20):
        neighbours = [near for near in range(place - 3, place + 4) if 0 <= near < 20]
        weights = [4 - abs(near - place) for near in neighbours]
        expected.append(np.average(losses[neighbours], weights=weights))

    np.testing.assert_allclose(smooth_losses(losses, 7), expected, rtol=1e-12)


def test_smoothing_does_not_shift_a_dip():
    losses = np.abs(np.arange(41) - 20.0)

    assert smooth_losses(losses, 9).argmin() == 20


def test_an_explosion_reaches_no_further_than_half_the_window():
    losses = np.ones(30)
    losses[-1] = 1e30
    smoothed = smooth_losses(losses, 9)

    np.testing.assert_allclose(smoothed[:-5], 1, rtol=1e-12)
    assert smoothed[-5] > 1e28


@pytest.mark.parametrize("window", [1, 9, 99])
def test_smoothing_leaves_equal_losses_alone(window):
    np.testing.assert_allclose(smooth_losses([2.0] * 30, window), 2.0, rtol=1e-12)


def test_a_window_of_one_changes_nothing():
    np.testing.assert_array_equal(smooth_losses([3.0, 1.0, 2.0], 1), [3.0, 1.0, 2.0])


RATES = 10.0 ** np.arange(-5, 2)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        # In a short sweep slopes are central differences: the steepest is between large falls.
        ([2.3, 2.3, 2.2, 1.5, 0.8, 0.6, 5.0], (1e-2, 1e-2, 1e-1)),
        ([6.0, 4.0, 3.0, 2.0, 1.0, 9.0, 9.0], (1e-5, 1e-3, 1e-2)),
        ([2.0, 2.0, 2.0, 1.9, 1.0, 3.0, np.nan], (1e-2, 1e-2, 1e-2)),
        ([2.0, 1.9, 2.1, 1.8, 1.7, 1.0, 8.0], (1e-1, 1e-2, 1e-1)),
    ],
    ids=["one valley", "straight fall", "not a number at the end", "a bump on the way"],
)
def test_suggestions_are_those_found_by_hand(losses, expected):
    actual = suggest_rates(RATES, losses)

    assert list(actual) == ["steepest", "valley", "minimum/10"]
    assert list(actual.values()) == pytest.approx(list(expected))


def test_suggestions_follow_the_unit_of_the_rates_and_not_the_unit_of_the_losses():
    losses = np.array([2.3, 2.3, 2.2, 1.5, 0.8, 0.6, 5.0])
    before = suggest_rates(RATES, losses)
    after = suggest_rates(RATES * 3, losses * 7 + 1)

    assert list(after.values()) == pytest.approx([3 * rate for rate in before.values()])


def longest_descent_loop(losses):
    """Length of the longest falling subsequence, by trying every one."""
    best = 0
    for choice in range(1, 2 ** len(losses)):
        values = [loss for place, loss in enumerate(losses) if choice >> place & 1]
        if all(later < earlier for earlier, later in pairwise(values)):
            best = max(best, len(values))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_the_valley_is_the_middle_of_a_longest_descent(seed):
    losses = np.random.default_rng(seed).permutation(10).astype(float)
    losses[0] = losses[0] + 20
    rates = 10.0 ** np.arange(10)
    middle = int(np.log10(suggest_rates(rates, losses)["valley"]))

    # A longest descent passes through the middle member, so its two halves are longest too.
    def longest(values):
        return longest_descent_loop(values) if len(values) else 0

    upper = [loss for loss in losses[:middle] if loss > losses[middle]]
    lower = [loss for loss in losses[middle + 1 :] if loss < losses[middle]]
    whole = longest_descent_loop(losses)
    assert longest(upper) + 1 + longest(lower) == whole
    assert longest(lower) == whole // 2


@pytest.mark.parametrize(
    ("rates", "losses", "remedy"),
    [
        (RATES, [1.0, 2.0], "one loss for each rate"),
        (-RATES, np.ones(7), "in the order of the sweep"),
        (RATES[::-1], np.ones(7), "in the order of the sweep"),
        (RATES, [3.0, 2.0, np.nan, 1.0, 1.0, 1.0, 1.0], "sweep over more steps"),
        (RATES, np.arange(7.0), "begin the sweep at a lower rate"),
    ],
    ids=["unequal lengths", "negative rates", "falling rates", "early end", "no fall"],
)
def test_a_sweep_that_says_nothing_is_refused_with_the_remedy(rates, losses, remedy):
    with pytest.raises(DataError, match=remedy):
        suggest_rates(rates, losses)
