import json
from dataclasses import replace
from math import isnan, sqrt

import numpy as np
import pytest
from scipy import stats

from denselab.errors import UsageError
from denselab.study.statistics import (
    ACCURACY,
    LOG_LOSS,
    Arm,
    Question,
    answer,
    holm,
    resampled_estimate,
    rows_estimate,
    sign_flip_p,
    two_way_bootstrap,
)

POINTS = replace(ACCURACY, scale=1.0)
ONE = (("b", "a"),)
NAMES = "abcdef"
FIVE = tuple(zip(NAMES[1:], NAMES[:-1], strict=True))


def arms_of(**scores):
    return {name: Arm(dict(enumerate(own))) for name, own in scores.items()}


def one(question, arms, **options):
    return answer(question, arms, resamples=99, **options).contrasts[0]


@pytest.fixture
def scores():
    stream = np.random.default_rng(0)
    a = stream.normal(50, 0.5, 12)
    return {"a": a.tolist(), "b": (a + stream.normal(1, 0.3, 12)).tolist()}


def test_every_figure_is_the_one_of_its_function(scores):
    found = one(Question(POINTS, ONE, region=0.5), arms_of(**scores))
    d = np.subtract(scores["b"], scores["a"])

    assert found.difference == pytest.approx(d.mean())
    assert found.sd == pytest.approx(d.std(ddof=1))
    assert found.correlation == pytest.approx(np.corrcoef(scores["a"], scores["b"])[0, 1])
    assert found.interval == pytest.approx(tuple(stats.ttest_1samp(d, 0).confidence_interval(0.96)))
    assert found.p == found.p_holm == sign_flip_p(d)
    assert found.bootstrap == two_way_bootstrap(d[:, None], level=0.04, resamples=99)
    assert (found.n, found.left_out, found.estimate.scope) == (12, 0, "seeds")
    assert (found.verdict, found.reason, found.winner) == ("better", "", "b")


def test_a_family_shares_its_level_and_holm_corrects_over_it(scores):
    arms = arms_of(**scores, c=[score + 0.01 * place for place, score in enumerate(scores["b"])])
    verdicts = answer(Question(POINTS, FIVE[:2], region=0.5), arms, resamples=0)

    d = np.subtract(scores["b"], scores["a"])
    expected = tuple(stats.ttest_1samp(d, 0).confidence_interval(0.98))
    assert verdicts.contrasts[0].interval == pytest.approx(expected)
    assert holm([c.p for c in verdicts.contrasts]) == tuple(c.p_holm for c in verdicts.contrasts)
    assert [c.verdict for c in verdicts.contrasts] == ["better", "equivalent"]


def test_where_less_is_better_the_lower_arm_wins():
    arms = arms_of(a=[0.50 + 0.001 * k for k in range(8)], b=[0.40 + 0.002 * k for k in range(8)])
    question = Question(LOG_LOSS, ONE, region=0.01)

    found = one(question, arms)

    assert found.difference < 0
    assert (found.verdict, found.winner, found.wrong.unpaired.share) == ("better", "b", 0)
    assert one(replace(question, contrasts=(("a", "b"),)), arms).verdict == "worse"


def test_shares_are_told_in_points(scores):
    shares = {name: [score / 100 for score in own] for name, own in scores.items()}

    found = answer(Question(ACCURACY, ONE, region=0.5), arms_of(**shares), resamples=0)
    expected = answer(Question(POINTS, ONE, region=0.5), arms_of(**scores), resamples=0)

    assert found.contrasts[0].interval == pytest.approx(expected.contrasts[0].interval)
    assert found.arms[0].mean == pytest.approx(expected.arms[0].mean)


@pytest.mark.parametrize("seeds", [1, 5, 7])
def test_below_the_least_number_of_seeds_there_is_no_verdict(seeds):
    arms = arms_of(
        **{name: [k + 10.0 * place for k in range(seeds)] for place, name in enumerate(NAMES)}
    )

    verdicts = answer(Question(POINTS, FIVE, region=0.5), arms, resamples=0)

    assert verdicts.least_seeds == 8
    assert {(c.verdict, c.reason) for c in verdicts.contrasts} == {
        ("none", "too few seeds: there must be 8")
    }
    assert all(c.difference == 10 for c in verdicts.contrasts)


def test_failed_trials_are_left_out_and_counted(scores):
    arms = arms_of(a=scores["a"], b=[*scores["b"][:-1], None])

    found = one(Question(POINTS, ONE, region=0.5), arms)
    verdicts = answer(Question(POINTS, ONE, region=0.5), arms, resamples=0)

    assert (found.n, found.left_out, found.verdict) == (11, 1, "better")
    assert [(arm.name, arm.n, arm.failed) for arm in verdicts.arms] == [("a", 12, 0), ("b", 11, 1)]


def test_an_arm_that_often_fails_gets_no_verdict(scores):
    arms = arms_of(a=scores["a"], b=[*scores["b"][:-3], None, None, None])

    found = one(Question(POINTS, ONE, region=0.5), arms)

    assert (found.n, found.verdict, found.reason) == (9, "none", "3 of 12 trials of b failed")


def test_an_arm_of_failures_only_has_no_figures():
    found = one(Question(POINTS, ONE, region=0.5), arms_of(a=[1.0, 2.0], b=[None, None]))

    assert (found.n, found.verdict, found.winner) == (0, "none", None)
    assert isnan(found.difference)


def test_other_metrics_have_intervals_and_no_verdict(scores):
    question = Question(POINTS, ONE, region=0.0, primary=False)

    found = one(question, arms_of(**scores))

    assert (found.verdict, found.reason) == ("none", "not the primary metric")
    assert found.interval.low > 0


def test_rows_make_the_interval_speak_of_new_rows():
    stream = np.random.default_rng(1)
    rows = {name: (stream.random((12, 30)) < 0.7).astype(float) for name in "ab"}
    arms = {
        name: Arm({seed: one.mean() for seed, one in enumerate(own)}, dict(enumerate(own)))
        for name, own in rows.items()
    }

    verdicts = answer(Question(ACCURACY, ONE, region=0.5), arms, resamples=99)

    found = verdicts.contrasts[0]
    assert found.estimate == rows_estimate(100 * (rows["b"] - rows["a"]))
    assert (found.estimate.scope, verdicts.rows) == ("seeds and rows", 30)


def test_splits_are_corrected_and_neither_tested_nor_resampled(scores):
    question = Question(POINTS, ONE, region=0.5, test_fraction=0.2)

    found = one(question, arms_of(**scores))

    d = np.subtract(scores["b"], scores["a"])
    assert found.interval == resampled_estimate(d, test_fraction=0.2).interval(0.04)
    assert isnan(found.p)
    assert isnan(found.bootstrap.low)


def test_arms_without_any_difference_are_equivalent():
    found = one(Question(POINTS, ONE, region=0.5), arms_of(a=[1.0, 2.0] * 4, b=[1.0, 2.0] * 4))

    assert (found.verdict, found.p, found.winner, found.wrong) == ("equivalent", 1.0, None, None)


def test_an_undecided_contrast_says_how_many_seeds_it_would_take():
    stream = np.random.default_rng(2)
    arms = arms_of(a=stream.normal(50, 0.5, 12).tolist(), b=stream.normal(50.4, 0.5, 12).tolist())

    found = one(Question(POINTS, ONE, region=0.1), arms)

    assert found.verdict == "undecided"
    assert 12 < found.seeds_to_decide < 200


def test_the_same_seed_gives_the_same_answer(scores):
    question = Question(POINTS, ONE, region=0.5)
    arms = arms_of(a=scores["a"] * 2, b=scores["b"] * 2)

    assert one(question, arms) == one(question, arms) != one(question, arms, seed=1)


def test_json_has_plain_values_and_none_for_what_is_not_known():
    verdicts = answer(Question(POINTS, ONE, region=0.5), arms_of(a=[1.0], b=[2.0]))

    shown = verdicts.to_json()

    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    contrast = shown["contrasts"][0]
    assert (contrast["difference"], contrast["interval"]) == (1.0, [None, None])
    assert (contrast["verdict"], contrast["wrong_winner"]["paired"]["share"]) == ("none", 0.0)
    assert (shown["level"], shown["least_seeds"], shown["test_rows"]) == (0.04, 6, None)


def test_scores_that_are_not_finite_and_arms_that_are_not_there_are_refused():
    question = Question(POINTS, ONE, region=0.5)

    with pytest.raises(UsageError, match="give None for a trial that failed"):
        answer(question, arms_of(a=[1.0], b=[float("nan")]))
    with pytest.raises(UsageError, match="no arm is called b; there are a"):
        answer(question, arms_of(a=[1.0]))


# The procedure as a whole, in short; benchmarks/verdicts.py has the long form.


def null_study(stream, *, rows, row_effect, seeds=12):
    """Six arms alike over new rows: whatever makes them differ is chance."""
    base = stream.normal(size=rows)
    skill = row_effect * stream.normal(size=(6, 1, rows)) + 0.1 * stream.normal(size=(6, seeds, 1))
    right = (base + skill + stream.normal(size=(6, seeds, rows)) > 0).astype(float)
    return {
        name: Arm({seed: one.mean() for seed, one in enumerate(own)}, dict(enumerate(own)))
        for name, own in zip(NAMES, right, strict=True)
    }


def names_a_winner(arms):
    verdicts = answer(Question(ACCURACY, FIVE, region=0.0), arms, resamples=0)
    return any(c.verdict in ("better", "worse") for c in verdicts.contrasts)


@pytest.mark.parametrize("row_effect", [0.0, 0.8], ids=["rows alike", "rows unlike"])
def test_at_most_four_null_studies_of_a_hundred_name_a_winner(row_effect):
    stream, studies = np.random.default_rng(3), 400

    errors = sum(
        names_a_winner(null_study(stream, rows=150, row_effect=row_effect)) for _ in range(studies)
    )

    assert errors / studies <= 0.04 + 3 * sqrt(0.04 * 0.96 / studies)


def test_seeds_alone_would_name_far_more():
    stream = np.random.default_rng(4)
    studies = [null_study(stream, rows=150, row_effect=0.8) for _ in range(100)]

    blind = [{name: replace(arm, rows=None) for name, arm in arms.items()} for arms in studies]

    assert sum(map(names_a_winner, blind)) > 20


def test_a_planted_point_at_deviation_one_half_is_found_in_four_of_five_studies():
    stream, studies, found = np.random.default_rng(5), 400, 0
    for _ in range(studies):
        scores = stream.normal(0, 0.5, (6, 12))
        scores[-1] += 1.0
        arms = arms_of(**dict(zip(NAMES, scores.tolist(), strict=True)))
        verdicts = answer(Question(POINTS, FIVE, region=0.5), arms, resamples=0)
        found += verdicts.contrasts[-1].verdict == "better"

    assert found / studies >= 0.8


def test_arms_at_the_border_of_the_region_are_seldom_called_equivalent():
    stream, studies, wrong = np.random.default_rng(6), 400, 0
    for _ in range(studies):
        scores = stream.normal(0, 0.5, (2, 34))
        scores[1] += 0.5
        verdicts = answer(
            Question(POINTS, ONE, region=0.5),
            arms_of(a=scores[0].tolist(), b=scores[1].tolist()),
            resamples=0,
        )
        wrong += verdicts.contrasts[0].verdict == "equivalent"

    assert wrong / studies <= 0.04 + 3 * sqrt(0.04 * 0.96 / studies)
