import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.study.statistics import FIRST_LOOK, LEVEL, look_level

GROWING = st.lists(st.integers(1, 400), min_size=1, max_size=12, unique=True).map(sorted)


def test_one_look_as_planned_spends_four_fifths():
    assert look_level([12]) == look_level([12], planned=12) == FIRST_LOOK == 0.04


def test_looks_after_the_plan_spend_half_of_what_is_left():
    sizes = [12, 20, 40, 80]

    levels = [look_level(sizes[: k + 1]) for k in range(4)]

    assert levels == pytest.approx([0.04, 0.005, 0.0025, 0.00125])


def test_early_looks_within_a_plan_cost_little():
    levels = [look_level([8, 16, 24][: k + 1], planned=24) for k in range(3)]

    assert levels[0] < 0.0005
    assert levels[2] > 0.7 * 0.04
    assert sum(levels) == pytest.approx(0.04)


@settings(deadline=None)
@given(GROWING, st.none() | st.integers(1, 400))
def test_all_looks_together_spend_no_more_than_there_is(sizes, planned):
    levels = [look_level(sizes[: k + 1], planned=planned) for k in range(len(sizes))]

    assert sum(levels) < LEVEL
    assert all(level >= 0 for level in levels)


@pytest.mark.parametrize("sizes", [[12, 12], [12, 8], [0, 4]], ids=str)
def test_a_look_without_new_seeds_is_refused(sizes):
    with pytest.raises(UsageError, match="each look must have more seeds"):
        look_level(sizes)


def test_other_nonsense_is_refused():
    with pytest.raises(UsageError, match="give the number of seeds at each look"):
        look_level([])
    with pytest.raises(UsageError, match="give at least 1"):
        look_level([4], planned=0)
    with pytest.raises(UsageError, match=r"such as 0\.05"):
        look_level([4], level=1.5)
