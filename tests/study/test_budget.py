"""The same costs and the same time give the same study, and verdicts are given up last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.study.budget import Cost, Size, fit, fit_document, least_seconds, study_seconds

COSTS = {"a": Cost(2.0, 1.0, 0.5), "b": Cost(4.0, 2.0, 0.5)}
WANTED = Size(12, 8, {"a": 50, "b": 10})


def fitted(seconds, *, wanted=WANTED, costs=COSTS, lanes=2, verdict_seeds=8):
    return fit(wanted, costs, lanes=lanes, seconds=seconds, verdict_seeds=verdict_seeds)


def test_seconds_are_starts_waves_of_epochs_and_members():
    # a: 2 starts of 2 s, 6 + 4 waves of 50 epochs of 1 s, 20 members of 0.5 s.
    # b: 2 starts of 4 s, 6 + 4 waves of 10 epochs of 2 s, 20 members of 0.5 s.
    assert study_seconds(WANTED, COSTS, lanes=2) == (4 + 500 + 10) + (8 + 200 + 10)


def test_without_tuning_there_is_one_start_and_odd_members_fill_a_wave_of_their_own():
    assert study_seconds(Size(5, 0, {"a": 10}), COSTS, lanes=4) == 2 + 2 * 10 + 2.5


def test_what_fits_is_left_as_it_was_asked():
    found = fitted(732.0)

    assert (found.size, found.seconds, found.gave_up) == (WANTED, 732.0, ())


def test_tuning_rates_go_first_and_no_further_than_needed():
    found = fitted(730.0)

    assert (found.size.seeds, found.size.epochs) == (12, WANTED.epochs)
    assert found.size.rates == 6
    assert found.gave_up == ("tuning: 6 learning rates tried for each recipe instead of 8",)


def test_epochs_go_next_the_same_share_of_each():
    # With 3 rates: 12 s of starts, 15 members a recipe, 8 waves of 50 + 20 s of epochs.
    assert fitted(12 + 15 + 8 * 70).size.epochs == WANTED.epochs

    found = fitted(12 + 15 + 8 * 35)

    assert found.size == Size(12, 3, {"a": 25, "b": 5})
    assert found.gave_up[1] == "epochs: a 25 of 50, b 5 of 10"


def test_seeds_go_next_down_to_what_verdicts_need():
    # A fifth of 50 epochs, but 5 of 10: 10 + 10 s a wave.
    assert fitted(12 + 15 + 8 * 20).size == Size(12, 3, {"a": 10, "b": 5})
    assert fitted(12 + 11 + 6 * 20).size == Size(8, 3, {"a": 10, "b": 5})


def test_all_tuning_goes_before_the_verdicts_do():
    found = fitted(12 + 11 + 6 * 20 - 1)

    assert (found.size.seeds, found.size.rates) == (8, 0)
    assert found.size.epochs["a"] > 10  # What tuning would have taken goes into epochs again.
    assert found.gave_up[0] == "tuning: no learning rates tried for each recipe instead of 8"
    assert not any(line.startswith("verdicts") for line in found.gave_up)


def test_the_verdicts_go_last_and_it_is_said():
    found = fitted(6 + 4 + 2 * 20)

    assert found.size == Size(4, 0, {"a": 10, "b": 5})
    assert found.gave_up[-2:] == (
        "seeds: 4 instead of 12",
        "verdicts: these contrasts need 8 seeds",
    )


def test_a_time_in_which_nothing_sensible_fits_gives_nothing():
    least = least_seconds(WANTED, COSTS, lanes=2)

    assert least == 6 + 3 + 2 * 20
    assert fitted(least).size.seeds == 3
    assert fitted(least - 0.01) is None


def test_what_was_asked_for_is_never_exceeded_even_where_it_is_little():
    little = Size(2, 2, {"a": 3})

    assert fitted(1e9, wanted=little).size == little
    assert fitted(0.1, wanted=little) is None


def test_a_recipe_without_a_cost_is_refused():
    with pytest.raises(UsageError, match="no cost of c; measure every recipe"):
        fitted(100.0, wanted=Size(3, 0, {"c": 5}))


def test_the_record_holds_plain_values():
    found = fitted(730.0)

    document = fit_document(found, WANTED, COSTS)

    assert document["planned"] == {"seeds": 12, "rates": 6, "epochs": {"a": 50, "b": 10}}
    assert document["wanted"]["rates"] == 8
    assert document["costs"]["b"]["epoch_seconds"] == 2.0
    assert document["estimated_seconds"] == found.seconds


times = st.floats(0.01, 20.0)


@given(
    seconds=st.floats(1.0, 5000.0),
    more=st.floats(0.0, 2000.0),
    wanted=st.builds(
        Size,
        st.integers(1, 30),
        st.sampled_from([0, 2, 3, 8]),
        st.fixed_dictionaries({"a": st.integers(1, 200)}),
    ),
    cost=st.builds(Cost, times, times, times),
    lanes=st.integers(1, 8),
)
def test_what_is_planned_fits_and_more_time_never_gives_fewer_seeds(
    seconds, more, wanted, cost, lanes
):
    options = {"wanted": wanted, "costs": {"a": cost}, "lanes": lanes}
    found, richer = fitted(seconds, **options), fitted(seconds + more, **options)

    if found is None:
        return
    assert found.seconds <= seconds
    assert found == fitted(seconds, **options)
    assert richer is not None
    assert richer.size.seeds >= found.size.seeds
