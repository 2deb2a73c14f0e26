import re

import pytest

from denselab.report import contents_of
from denselab.report.answer import answer_of, cost_of
from denselab.report.evidence import gather


def answer(make_study, **accuracies):
    return answer_of(gather(make_study(accuracies)))


def test_the_one_arm_that_helps_is_named_with_its_gain(make_study):
    found = answer(make_study, plain=0.90, batch_norm=0.94)

    assert found.headline.startswith("batch_norm helps: +")
    assert found.headline.endswith("points against plain.")
    assert found.findings[0].verdict == "better"
    assert "+" in found.findings[0].interval


def test_several_that_help_are_listed_and_one_that_hurts_stands_below(make_study):
    found = answer(make_study, plain=0.80, batch_norm=0.90, self_normalizing=0.95, one_cycle=0.70)

    assert re.fullmatch(
        r"batch_norm \(\+\d+\.\d+ points\) and self_normalizing \(\+\d\.\d+ points\) help\.",
        found.headline,
    )
    assert re.fullmatch(r"one_cycle \(\u2212\d+\.\d+ points\) hurts\.", found.sentences[0])


def test_where_nothing_helps_what_hurts_is_named(make_study):
    headline = answer(make_study, plain=0.90, batch_norm=0.80).headline

    assert re.fullmatch(
        r"Nothing is shown to help; batch_norm \(\u2212\d+\.\d+ points\) hurts\.", headline
    )


def test_undecided_says_so_and_how_many_seeds_would_decide(make_study):
    found = answer(make_study, plain=0.90, batch_norm=0.9005)

    assert found.headline == "Nothing is decided yet."
    assert "undecided. About" in found.sentences[0]


def test_arms_within_the_region_make_no_difference_that_matters(make_study):
    # Accuracies are cut off at 1, so all trials are equal.
    found = answer(make_study, plain=1.2, batch_norm=1.2)

    assert found.headline == "Nothing makes a difference that matters."


def test_too_few_seeds_give_no_verdict_and_say_how_many_it_takes(make_study, about):
    contents = contents_of(make_study(about=about(seeds=3)))

    assert contents.answer.headline == "No verdict: too few seeds: there must be 6."
    assert "The same command with --seeds 6 trains the rest." in contents.alerts[0].text


def test_a_study_that_goes_on_gives_no_verdict_and_says_how_far_it_is(make_study):
    contents = contents_of(make_study(missing=[("batch_norm", 7)]))

    assert contents.answer.headline == "No verdict: 1 trial is still to be done."
    assert contents.alerts[0].text.startswith("Not finished: 15 of 16 trials are done")
    assert contents.answer.findings[0].difference != "-"


def test_one_arm_is_no_comparison(make_study):
    contents = contents_of(make_study({"plain": 0.9}))

    assert contents.answer.headline == "One arm, no comparison."
    assert "contrasts" not in [section.name for section in contents.sections]


def test_mean_deviation_and_n_stand_beside_the_best_arm(make_study):
    sentence = next(
        s for s in answer(make_study, plain=0.9, batch_norm=0.94).sentences if "Highest" in s
    )

    assert "batch_norm, 9" in sentence
    assert " ± " in sentence
    assert sentence.endswith("(mean ± standard deviation over seeds, n = 8).")


@pytest.mark.parametrize(
    ("arm", "against", "expected"),
    [
        (
            "mc_dropout",
            "alpha_dropout",
            "no training of its own; 10 passes a prediction instead of 1",
        ),
        ("batch_norm", "plain", "1.2 \u00d7 the training time (1.2 to 1.2)"),
    ],
)
def test_costs_are_ratios_with_intervals_and_passes(make_study, arm, against, expected):
    names = ("plain", "batch_norm", "alpha_dropout", "mc_dropout")
    evidence = gather(make_study(dict.fromkeys(names, 0.9)))

    assert cost_of(evidence, arm, against) == expected
