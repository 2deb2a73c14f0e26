"""An interaction is the difference of two differences, under each seed and on each row."""

import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.study.statistics import (
    ACCURACY,
    Arm,
    Interaction,
    Question,
    amount,
    answer,
    with_interactions,
)

NAME = Interaction("a x b", "ab", "a", "b", "none")


def made_arms(seeds=8, rows=40, *, extra=0.0):
    """Scores of single rows; where both changes meet, `extra` is added to every one."""
    stream = np.random.default_rng(0)
    arms = {}
    for name, gain in {"none": 0.0, "a": 0.1, "b": 0.2, "ab": 0.3 + extra}.items():
        values = {seed: gain + 0.01 * stream.standard_normal(rows) for seed in range(seeds)}
        arms[name] = Arm({s: float(v.mean()) for s, v in values.items()}, values)
    return arms


def ask(arms):
    question = Question(ACCURACY, (NAME.contrast,), region=0.5)
    return answer(question, with_interactions(arms, [NAME])).contrasts[0]


def test_it_is_the_difference_of_differences_of_every_seed():
    arms = made_arms(extra=0.05)
    by_seed = [
        (arms["ab"].scores[s] - arms["b"].scores[s])
        - (arms["a"].scores[s] - arms["none"].scores[s])
        for s in range(8)
    ]

    found = ask(arms)

    assert found.difference == pytest.approx(100 * np.mean(by_seed))
    assert found.sd == pytest.approx(100 * np.std(by_seed, ddof=1))
    assert found.estimate.scope == "seeds and rows"


def test_effects_that_add_up_are_equivalent_and_those_that_help_each_other_better():
    assert ask(made_arms()).verdict == "equivalent"
    assert ask(made_arms(extra=0.05)).verdict == "better"
    assert ask(made_arms(extra=-0.05)).verdict == "worse"


def test_rows_are_added_row_by_row():
    arms = made_arms()
    added = with_interactions(arms, [NAME])["sum of a and b"]

    expected = arms["a"].rows[3] + arms["b"].rows[3] - arms["none"].rows[3]
    assert np.array_equal(added.rows[3], expected)
    assert added.scores[3] == pytest.approx(expected.mean())


def test_a_seed_failed_where_one_of_its_trials_did_and_is_left_out_where_one_is_missing():
    arms = made_arms()
    arms["a"] = Arm({**arms["a"].scores, 2: None}, arms["a"].rows)
    arms["b"] = Arm({s: v for s, v in arms["b"].scores.items() if s != 5}, arms["b"].rows)

    added = with_interactions(arms, [NAME])["sum of a and b"]

    assert added.scores[2] is None
    assert set(added.scores) == {0, 1, 2, 3, 4, 6, 7}
    assert ask(arms).n == 6


def test_without_rows_it_speaks_of_seeds_alone():
    arms = {name: Arm(arm.scores) for name, arm in made_arms().items()}

    assert ask(arms).estimate.scope == "seeds"


def test_an_unknown_arm_and_other_rows_are_refused():
    arms = made_arms()
    with pytest.raises(UsageError, match="a x b: no arm is called ab; there are none, a, b"):
        with_interactions({n: arms[n] for n in ("none", "a", "b")}, [NAME])
    with pytest.raises(UsageError, match="scores of 39 and 40 test rows"):
        with_interactions({**arms, "a": made_arms(rows=39)["a"]}, [NAME])


def test_means_that_differ_in_their_last_bits_have_no_winner():
    arms = {
        "a": Arm(dict(enumerate([0.1, 0.2, 0.3]))),
        "b": Arm(dict(enumerate([0.3, 0.2, 0.1 + 1e-17]))),
        "c": Arm(dict(enumerate([0.3, 0.1, 0.2]))),
    }
    question = Question(ACCURACY, (("b", "a"), ("c", "a"), ("c", "b")), region=0.5)

    for contrast in answer(question, arms).contrasts:
        assert contrast.winner is None
        assert abs(contrast.difference) < 1e-12
        assert amount(contrast.difference) == "+0.00"
