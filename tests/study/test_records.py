"""What follows from records: whose trials they are, and which is best."""

from dataclasses import replace
from math import inf, nan

import pytest

from denselab.recipes import apply_settings
from denselab.study import ScoresRecord, best_trial
from denselab.study.records import trials_of


def test_a_trial_with_other_hyper_parameters_is_another(trial, find):
    other = apply_settings(find("plain"), ["optimizer.learning_rate=1e-3"])
    assert trials_of(other, [trial()]) == {}
    assert list(trials_of(find("plain"), [trial(seed=3)])) == [3]


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(1.0, 0.5), (2.0, 0.6), (0.5, 0.4)], 1),
        ([(1.0, 0.5), (0.9, 0.5)], 1),
        ([(1.0, 0.5), (1.0, 0.5)], 0),
        ([(2.0, nan), (1.0, nan)], 1),
        ([(nan, nan), (5.0, 0.1)], 1),
        ([(inf, 0.9), (5.0, 0.1)], 1),
    ],
    ids=["accuracy", "then loss", "then seed", "regression: loss", "not finite", "infinite"],
)
def test_the_best_trial_is_chosen_by_its_validation_rows(trial, scores, best):
    trials = [
        replace(trial(seed=seed), validation=ScoresRecord(*pair), test=ScoresRecord(0.0, 1 - seed))
        for seed, pair in enumerate(scores)
    ]
    assert best_trial(reversed(trials)) == trials[best]


def test_a_failed_trial_is_never_best(trial):
    good = replace(trial(), validation=ScoresRecord(1.0, 1.0), status="diverged")
    assert best_trial([good]) is None
    assert best_trial([good, trial(seed=1)]) == trial(seed=1)
