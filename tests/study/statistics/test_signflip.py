from itertools import product
from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.study.statistics import holm, seeds_for_a_verdict, sign_flip_p

NUMBERS = st.integers(-50, 50).map(lambda n: n / 10)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        pytest.param([1, 2, 3], 2 / 8, id="all of one sign"),
        pytest.param([-1, -2, -3], 2 / 8, id="all of the other"),
        pytest.param([1, 2, -3], 1.0, id="they cancel"),
        pytest.param([1, 1, -1], 1.0, id="ties count"),
        pytest.param([3, 1, -1], 6 / 8, id="in between"),
        pytest.param([0, 0], 1.0, id="no difference"),
        pytest.param([0.1, 0.2, -0.3], 1.0, id="sums that differ in their last bit"),
    ],
)
def test_p_by_hand(differences, expected):
    assert sign_flip_p(differences) == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_p_is_the_share_of_sign_patterns_as_far_from_zero(differences):
    seen = abs(sum(differences)) - 1e-9
    patterns = list(product((-1, 1), repeat=len(differences)))
    sums = [sum(s * d for s, d in zip(one, differences, strict=True)) for one in patterns]

    assert sign_flip_p(differences) == sum(abs(one) >= seen for one in sums) / len(patterns)


def test_the_smallest_p_of_twenty_seeds_is_exact():
    assert sign_flip_p([1.0] * 20) == 2 / 2**20


def test_beyond_twenty_seeds_random_patterns_come_close_to_all_patterns():
    d = np.random.default_rng(0).normal(0.35, 1, 21)
    sums = d[:1]
    for value in d[1:]:
        sums = np.concatenate([sums + value, sums - value])
    exact = (abs(sums) >= abs(d.sum()) - 1e-9).mean()

    p = sign_flip_p(d)

    assert 0.01 < exact < 0.5
    assert abs(p - exact) < 5 * sqrt(exact * (1 - exact) / 20_000)
    assert p == sign_flip_p(d)
    assert p != sign_flip_p(d, seed=1)


def test_random_patterns_never_give_a_p_of_zero():
    assert sign_flip_p([1.0] * 40) == 1 / 20_000


def test_without_differences_there_is_no_p():
    assert isnan(sign_flip_p([]))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


def test_what_could_not_be_tested_counts_in_the_family_and_stays_untested():
    first, second = holm([0.01, nan])

    assert first == pytest.approx(0.02)
    assert isnan(second)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(0.001, 0.5))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, level):
    order = sorted(range(len(p)), key=lambda place: p[place])
    rejected = set()
    for rank, place in enumerate(order):
        if min(1.0, (len(p) - rank) * p[place]) > level:
            break
        rejected.add(place)

    adjusted = holm(p)

    assert {place for place, value in enumerate(adjusted) if value <= level} == rejected
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))


@pytest.mark.parametrize(("contrasts", "seeds"), [(1, 6), (5, 8), (15, 10), (15 * 8, 13)])
def test_seeds_for_a_verdict_are_those_of_the_literature(contrasts, seeds):
    assert seeds_for_a_verdict(contrasts) == seeds
    # A fifth less error, as at a first look, takes no seed more.
    assert seeds_for_a_verdict(contrasts, level=0.04) == seeds


@settings(deadline=None)
@given(st.integers(1, 300), st.floats(1e-4, 0.5))
def test_it_is_the_least_number_that_can_reach_the_level(contrasts, level):
    n = seeds_for_a_verdict(contrasts, level=level)

    assert 2 / 2**n <= level / contrasts
    assert n == 1 or 2 / 2 ** (n - 1) > level / contrasts


@pytest.mark.parametrize(("contrasts", "level"), [(0, 0.05), (5, 0.0), (5, 1.0)])
def test_a_family_has_contrasts_and_a_level(contrasts, level):
    with pytest.raises(UsageError, match="give"):
        seeds_for_a_verdict(contrasts, level=level)
