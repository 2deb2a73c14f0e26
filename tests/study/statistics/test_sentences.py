from dataclasses import replace

import numpy as np
import pytest

from denselab.study.statistics import (
    ACCURACY,
    LOG_LOSS,
    Arm,
    Interval,
    Question,
    answer,
    contrast_sentences,
    reading_sentences,
)

POINTS = replace(ACCURACY, scale=1.0)
QUESTION = Question(POINTS, (("b", "a"),), region=0.5)


def words(b, a=None, question=QUESTION):
    a = [0.0, 0.1] * (len(b) // 2) if a is None else a
    verdicts = answer(
        question, {"a": Arm(dict(enumerate(a))), "b": Arm(dict(enumerate(b)))}, resamples=99
    )
    return " ".join(contrast_sentences(verdicts, verdicts.contrasts[0]))


def test_a_winner_is_named_with_its_interval_and_how_often_one_seed_misleads():
    text = words([2.0, 2.3] * 6)

    assert text.startswith("b is better than a: +2.10 points (+")
    assert (
        "Of 100 comparisons of one seed each, 0 (0 to 24) would have named a, the worse arm" in text
    )


def test_a_loser_is_named_too():
    text = words([-2.0, -2.3] * 6)

    assert text.startswith("b is worse than a: -2.20 points")
    assert "would have named b, the worse arm" in text


def test_between_equals_the_winner_is_chance():
    text = words([0.11, 0.0] * 6)

    assert text.startswith("b and a are equivalent: +0.005 points (")
    assert "is within ±0.5 points." in text
    assert text.endswith("Between equals the winner is chance.")


def test_a_difference_that_is_real_and_small_is_said_to_be_both():
    assert "The difference is real, but too small to matter." in words([0.2, 0.31] * 6)


def test_equal_means_have_no_wrong_winner():
    assert words([0.0, 0.1] * 6).endswith("The means are equal.")


def test_what_is_undecided_says_what_would_decide():
    assert "About" in words([2.0, -1.0, 0.5, 0.4] * 3)
    assert "seeds would decide, were mean and deviation to stay" in words([2.0, -1.0, 0.5, 0.4] * 3)


def test_where_the_rows_leave_it_open_more_rows_are_asked_for():
    rows = np.tile([1.0] * 12 + [0.0] * 8, (8, 1))
    rows[::2, 0] = 0
    other = np.tile([0.0] * 8 + [1.0] * 12, (8, 1))
    other[::3, 9] = 0
    arms = {
        name: Arm({s: r.mean() for s, r in enumerate(own)}, dict(enumerate(own)))
        for name, own in (("a", rows), ("b", other))
    }
    verdicts = answer(replace(QUESTION, measure=ACCURACY), arms, resamples=99)

    text = " ".join(contrast_sentences(verdicts, verdicts.contrasts[0]))

    assert "No number of seeds would decide: it takes more test rows." in text


def test_too_few_seeds_say_how_many_there_must_be():
    assert words([1.0, 1.1]).startswith(
        "No verdict on b against a: too few seeds: there must be 6; there are 2."
    )


def test_failures_are_named():
    text = words([2.0, 2.3] * 5 + [2.0, None])

    assert text.endswith("1 seed is no pair and left out; trials that failed: 1 of b.")


def test_a_check_that_does_not_agree_is_heard():
    verdicts = answer(
        QUESTION, {"a": Arm(dict.fromkeys(range(8), 0.0)), "b": Arm({s: 1 + s for s in range(8)})}
    )
    doubted = replace(verdicts.contrasts[0], p_holm=0.2, bootstrap=Interval(-0.5, 3.0))

    assert "A check" not in " ".join(contrast_sentences(verdicts, verdicts.contrasts[0]))
    assert (
        "A check does not confirm it: the sign-flip test over seeds gives p = 0.2 by Holm and the "
        "bootstrap gives -0.50 to +3.00." in contrast_sentences(verdicts, doubted)
    )


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (QUESTION, "new seeds on these test rows, since scores of single rows are not known"),
        (replace(QUESTION, test_fraction=0.2), "Nadeau-Bengio correction"),
        (QUESTION, "Intervals hold in 96 % of studies"),
        (QUESTION, "higher is better"),
        (replace(QUESTION, measure=LOG_LOSS), "Differences are of loss in nats"),
        (replace(QUESTION, measure=LOG_LOSS), "lower is better"),
        (replace(QUESTION, level=0.005), "99.5 %"),
        (replace(QUESTION, region=0.25), "within ±0.25 points"),
    ],
)
def test_how_to_read_the_figures_is_said(question, expected):
    arms = {name: Arm({s: s + k for s in range(8)}) for k, name in enumerate("ab")}

    assert expected in " ".join(reading_sentences(answer(question, arms, resamples=0)))


def test_metrics_without_verdicts_do_not_explain_verdicts():
    arms = {name: Arm({s: s + k for s in range(8)}) for k, name in enumerate("ab")}
    verdicts = answer(replace(QUESTION, primary=False), arms, resamples=0)

    assert "equivalent" not in " ".join(reading_sentences(verdicts))
