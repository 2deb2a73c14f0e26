from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.study.statistics import wrong_winners

SCORES = st.integers(0, 9).map(float)
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=9)


def test_shares_by_hand():
    shares = wrong_winners(np.array([3.0, 4.0, 5.0]), np.array([1.0, 4.0, 4.5]))

    # Of 9 pairs: 4 and 4.5 beat 3, 4.5 beats 4, and 4 ties with 4.
    assert shares.unpaired.share == pytest.approx(3.5 / 9)
    assert shares.paired.share == pytest.approx(0.5 / 3)


@settings(deadline=None)
@given(PAIRS)
def test_shares_are_those_of_counting_every_pair(pairs):
    def point(b, w):
        return 1.0 if w > b else 0.5 if w == b else 0.0

    better, worse = zip(*pairs, strict=True)
    shares = wrong_winners(np.array(better), np.array(worse))

    every = [point(b, w) for b in better for w in worse]
    assert shares.unpaired.share == pytest.approx(sum(every) / len(every))
    assert shares.paired.share == pytest.approx(sum(point(b, w) for b, w in pairs) / len(pairs))
    for one in shares:
        assert 0 <= one.low <= one.share + 1e-12
        assert one.share - 1e-12 <= one.high <= 1


@settings(deadline=None)
@given(PAIRS)
def test_of_two_arms_one_wins_so_the_shares_of_both_make_one(pairs):
    better, worse = map(np.array, zip(*pairs, strict=True))

    one, other = wrong_winners(better, worse), wrong_winners(worse, better)

    assert one.unpaired.share + other.unpaired.share == pytest.approx(1)
    assert one.paired.low == pytest.approx(1 - other.paired.high)


def test_never_wrong_in_twelve_pairs_is_not_never_wrong():
    shares = wrong_winners(np.arange(12) + 100.0, np.arange(12) + 0.0)

    # Wilson's interval of 0 in 12.
    assert shares.paired == pytest.approx((0.0, 0.0, 0.2425), abs=1e-4)
    assert shares.unpaired.share == 0
    assert shares.unpaired.high > 0.1


@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize("gap", [0.0, 1.0, 2.0])
def test_intervals_of_the_unpaired_share_hold_what_they_promise(gap, correlation):
    stream, studies, hits = np.random.default_rng(0), 1_000, 0
    truth = NormalDist().cdf(-gap / sqrt(2))
    for _ in range(studies):
        both = sqrt(correlation) * stream.normal(size=12)
        better, worse = both + sqrt(1 - correlation) * stream.normal(size=(2, 12))
        interval = wrong_winners(better + gap, worse).unpaired
        hits += interval.low <= truth <= interval.high

    # Measured 92 to 97 %; an interval of a share at n = 12 is no exact one.
    assert hits / studies > 0.90
