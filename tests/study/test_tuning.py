"""Learning rates: which are tried, which is chosen, and when the choice is at the border."""

import itertools
import json

import pytest

from denselab.data import hold_out_test, load
from denselab.errors import InterruptedTrainingError, UsageError
from denselab.randomness import integer_seed
from denselab.recipes import load_recipe
from denselab.study import Tuning, compare_recipes, plan_study, read_study, recipes_of
from denselab.study.tuning import (
    RateRecord,
    TuningRecord,
    candidate_rates,
    rate_record,
    tuning_records,
    with_rate,
)

SETTINGS = ["network.depth=2", "network.width=16", "training.epochs=2"]


def tried(*scores):
    """Adds rates 1, 2, 3, ... one by one, each with a loss and an accuracy."""
    wanted = [float(number) for number in range(1, len(scores) + 1)]
    record = TuningRecord("a", ())
    for rate, (loss, accuracy) in reversed(list(zip(wanted, scores, strict=True))):
        status = "finished" if loss is not None else "diverged"
        record = with_rate(record, RateRecord(rate, loss, accuracy, status), wanted)
    return record


@pytest.mark.parametrize("rates", [2, 5, 8])
def test_rates_are_half_a_decade_apart_around_the_recipe_s_own(rates):
    recipe = load_recipe("plain", preset="tuned")
    found = candidate_rates(recipe, Tuning(rates=rates))
    assert len(found) == rates
    assert recipe.optimizer.learning_rate in found
    ratios = [later / now for now, later in itertools.pairwise(found)]
    assert ratios == pytest.approx([10**0.5] * (rates - 1), rel=5e-3)


def test_the_seed_of_the_tuning_is_none_of_the_usual_seeds():
    assert Tuning().seed == integer_seed(0, "tuning") > 10_000


@pytest.mark.parametrize(
    ("scores", "chosen", "boundary"),
    [
        ([(0.9, 0.5), (0.8, 0.7), (0.7, 0.6)], 2.0, ""),
        ([(0.9, 0.5), (0.8, 0.7), (0.7, 0.7)], 3.0, "highest"),
        ([(0.5, 0.9), (0.8, 0.7), (0.7, 0.7)], 1.0, "lowest"),
        ([(0.9, 0.5), (0.8, 0.6), (None, None)], 2.0, ""),
        ([(None, None), (None, None)], None, ""),
        ([(0.9, None), (0.4, None), (0.7, None)], 2.0, ""),
    ],
    ids=["accuracy", "then loss", "lowest", "diverged", "all diverged", "regression"],
)
def test_the_choice_is_the_best_in_validation(scores, chosen, boundary):
    record = tried(*scores)
    assert (record.chosen, record.boundary) == (chosen, boundary)
    assert [one.learning_rate for one in record.tried] == [1.0, 2.0, 3.0][: len(scores)]


def test_nothing_is_chosen_before_all_are_tried():
    record = with_rate(TuningRecord("a", ()), RateRecord(1.0, 0.1, 0.9, "finished"), [1.0, 2.0])
    assert (record.chosen, len(record.tried)) == (None, 1)


def test_what_is_not_finite_is_none_and_json_takes_it():
    record = TuningRecord("a", (rate_record(1.0, float("nan"), float("inf"), "diverged"),))
    assert json.loads(json.dumps(record.to_json(), allow_nan=False))["tried"][0]["loss"] is None


@pytest.mark.parametrize("rates", [1, 0, 101])
def test_a_budget_that_is_no_choice_is_refused(rates):
    with pytest.raises(UsageError, match="give from 2 to 100"):
        Tuning(rates=rates)


def test_tuning_resumes_and_looks_at_no_test_row(tmp_path):
    """Interrupted while rates are tried, and again: each rate is tried once, then seeds train."""
    digits = hold_out_test(load("digits"))
    recipe = load_recipe("plain", preset="tuned", settings=SETTINGS)
    plan = plan_study([recipe], digits, seeds=[0, 1], preset="tuned", tuning=Tuning(rates=4))
    asked = {"folder": tmp_path / "s", "command": "again"}
    seen = []

    def stop(event):
        seen.append(event)
        if event.finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedTrainingError, match="0 of 2 trials"):
        compare_recipes(plan, digits, progress=stop, **asked)
    before = tuning_records(read_study(tmp_path / "s"))["plain"]
    assert (len(before.tried), before.chosen) == (2, None)
    assert {event.recipe for event in seen} == {"plain (tuning)"}

    events = []
    compare_recipes(plan, digits, progress=events.append, **asked)
    assert max(e.members for e in events if e.recipe == "plain (tuning)") == 2
    study = read_study(tmp_path / "s")
    record = tuning_records(study)["plain"]
    assert [one.learning_rate for one in record.tried] == list(
        candidate_rates(recipe, Tuning(rates=4))
    )
    assert set(before.tried) <= set(record.tried)
    best = max(record.tried, key=lambda one: (one.accuracy, -one.loss))
    assert recipes_of(study)[0].optimizer.learning_rate == record.chosen == best.learning_rate
    assert len(study.trials) == 2

    again = []
    compare_recipes(plan, digits, progress=again.append, **asked)
    assert again == []


def test_a_study_that_was_tuned_otherwise_is_refused(tmp_path):
    digits = hold_out_test(load("digits"))
    recipe = load_recipe("plain", preset="tuned", settings=SETTINGS)
    plan = plan_study([recipe], digits, seeds=[0], preset="tuned")
    asked = {"folder": tmp_path / "s", "command": "again"}
    compare_recipes(plan, digits, **asked)
    other = plan_study([recipe], digits, seeds=[0], preset="tuned", tuning=Tuning(rates=2))
    with pytest.raises(UsageError, match="without tuning, this one is to be tuned over 2 rates"):
        compare_recipes(other, digits, **asked)
