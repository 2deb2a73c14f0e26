"""Costs are measured once, the plan follows from them, and a study goes on as it was planned."""

import json
from dataclasses import replace

import numpy as np
import pytest

from denselab.cli.budget import (
    Measured,
    _cost,
    _Machine,
    _part,
    budget_seconds,
    budget_words,
    job_for,
    measured_costs,
    planned_within,
    record_budget,
)
from denselab.cli.options import RecipeOptions
from denselab.cli.selection import selected_recipes
from denselab.data import hold_out_test, load
from denselab.errors import UsageError
from denselab.study import Tuning, plan_study, read_study
from denselab.study.budget import Cost

SMALL = RecipeOptions(depth=1, width=4, epochs=10)
COST = Cost(start_seconds=1.0, epoch_seconds=0.5, member_seconds=0.1)


@pytest.fixture(scope="module")
def wine():
    return hold_out_test(load("wine"))


@pytest.fixture
def wanted(wine):
    recipes = selected_recipes(["plain", "mc_dropout"], "tuned", SMALL)
    return plan_study(recipes, wine, seeds=range(12), preset="tuned", tuning=Tuning())


@pytest.fixture
def measuring(monkeypatch):
    """Stands in for the measurement; `calls` counts it."""
    calls = []

    def measured(recipes, dataset, *, members):
        calls.append(members)
        trained = [one.name for one in recipes if one.weights_from is None]
        return Measured(dict.fromkeys(trained, COST), 2, 1.5)

    monkeypatch.setattr("denselab.cli.budget.measured_costs", measured)
    return calls


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("0.5h", 1800), (" 2 M ", 120)],
)
def test_a_time_is_a_number_with_its_unit(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", "m", "10 minutes", "-5m", "0s", "1e3s", "9999999h", "nan"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="give a time such as 90s, 10m or 1h30m"):
        budget_seconds(text)


def test_a_plan_that_fits_is_left_alone(wanted):
    plan, document = planned_within(
        1e4, wanted, Measured({"plain": COST, "alpha_dropout": COST}, 2, 1.0), verdict_seeds=7
    )

    assert plan == wanted
    assert document["gave_up"] == []
    assert document["lanes"] == 2


def test_a_plan_that_does_not_gives_up_rates_epochs_and_seeds(wanted, measuring, wine, tmp_path):
    job = job_for(wanted, wine, None, folder=tmp_path / "s", seconds=70.0)

    assert job.plan.tuning == Tuning(3)
    assert job.plan.seeds == wanted.seeds
    assert [recipe.training.epochs for recipe in job.plan.recipes] == [6, 6, 10]
    assert job.budget["gave_up"] == [
        "tuning: 3 learning rates tried for each recipe instead of 8",
        "epochs: 6 instead of 10",
    ]
    assert list(budget_words(job.budget)) == [
        "budget 1 min 10 s: takes at most about 55 s (12 seeds, 2 members at a time; measured in 2 s)",
        "given up for the budget: tuning: 3 learning rates tried for each recipe instead of 8",
        "given up for the budget: epochs: 6 instead of 10",
    ]


def test_a_time_that_is_too_short_is_refused_with_one_that_is_not(
    wanted, measuring, wine, tmp_path
):
    with pytest.raises(UsageError, match=r"15 s are too short; .* Give at least --budget 1m"):
        job_for(wanted, wine, None, folder=tmp_path / "s", seconds=15.0)

    assert not (tmp_path / "s").exists()


def test_a_study_that_was_begun_keeps_its_size_whatever_would_be_measured_now(
    wanted, measuring, wine, tmp_path, monkeypatch, capsys
):
    first = job_for(wanted, wine, None, folder=tmp_path / "s", seconds=70.0)
    record_budget(first, wine, command="c")
    monkeypatch.setattr("denselab.cli.budget.measured_costs", None)

    again = job_for(wanted, wine, None, folder=tmp_path / "s", seconds=70.0)

    assert again == first
    assert len(measuring) == 1
    assert read_study(tmp_path / "s").documents["budget"] == first.budget
    assert "given up for the budget: epochs: 6 instead of 10\n" in capsys.readouterr().err


def test_a_study_that_was_planned_for_another_time_is_refused(wanted, measuring, wine, tmp_path):
    record_budget(
        job_for(wanted, wine, None, folder=tmp_path / "s", seconds=70.0), wine, command="c"
    )

    with pytest.raises(
        UsageError, match=r"holds a study that was planned for 1 min 10 s; ask for the same"
    ):
        job_for(wanted, wine, None, folder=tmp_path / "s", seconds=60.0)


def test_a_study_that_was_planned_from_another_wish_is_refused(wanted, measuring, wine, tmp_path):
    record_budget(
        job_for(wanted, wine, None, folder=tmp_path / "s", seconds=70.0), wine, command="c"
    )
    more = replace(wanted, seeds=tuple(range(20)))

    with pytest.raises(UsageError, match="planned from other recipes, seeds, rates or epochs"):
        job_for(more, wine, None, folder=tmp_path / "s", seconds=70.0)


def test_the_folder_follows_from_what_was_asked_and_not_from_what_was_measured(
    wanted, measuring, wine
):
    job = job_for(wanted, wine, None, folder=None, seconds=70.0)
    free = job_for(wanted, wine, None, folder=None, seconds=None)

    assert job.folder.name == f"{free.folder.name}-70s"
    assert (free.plan, free.budget) == (wanted, None)


def test_a_dry_run_shows_the_time_and_leaves_nothing(denselab, folder, measuring):
    command = ["compare", "wine", "--recipes", "plain,one_cycle", "--depth", "1", "--dry-run"]
    words = denselab(*command, "--budget", "2m")
    plain = denselab(*command, "--budget", "2m", "--json")

    assert words.code == 0
    assert "budget 2 min 0 s: takes at most about" in words.out
    assert "given up for the budget: tuning: 3 learning rates" in words.out
    plan = json.loads(plain.out)
    assert plan["tuning_rates"] == plan["budget"]["planned"]["rates"] == 3
    assert len(plan["seeds"]) == plan["budget"]["planned"]["seeds"]
    assert list(folder.iterdir()) == []


def test_a_wrong_budget_is_refused_before_anything_is_measured(denselab, measuring):
    answer = denselab("compare", "wine", "--budget", "soon")

    assert (answer.code, measuring) == (2, [])
    assert "--budget soon: give a time such as 90s, 10m or 1h30m" in answer.err


def test_epochs_are_timed_without_the_first_and_starts_are_what_is_left():
    clocks = [np.array([3.0, 4.0, 5.0]), np.array([3.0, 6.0, 9.0])]

    cost = _cost(clocks, 20.0, _Machine(2, 2), share=10.0)

    assert cost.epoch_seconds == 10.0 * (1.0 + 3.0) / 2
    assert cost.start_seconds == 20.0 - (5.0 + 9.0) / 2


def test_members_that_diverged_at_once_are_no_reason_to_fail():
    assert _cost([np.array([2.0]), np.array([])], 5.0, _Machine(2, 1), share=1.0) == Cost(
        3.0, 2.0, 0.05
    )


def test_few_rows_stand_for_all_and_none_of_them_is_a_test_row():
    data = hold_out_test(load("digits"))
    (plain,) = selected_recipes(["plain"], "tuned", RecipeOptions())
    small = plain.model_copy(
        update={"training": plain.training.model_copy(update={"batch_size": 4})}
    )

    part = _part(small, data)

    assert part.n == -(-64 * 4 // (1 - small.training.validation_fraction)) < data.n
    rows = {row.tobytes() for row in data.x}
    assert all(row.tobytes() in rows for row in part.test_x)
    assert set(part.y) == set(data.y)


def test_measuring_trains_every_program_once_and_no_test_row_is_looked_at(wine, monkeypatch):
    asked = []

    class Result:
        def __init__(self, seeds):
            self.trials = [self for _ in seeds]
            self.trace = {"seconds": np.array([0.5, 1.0, 1.5])}

    def train_recipe(recipe, dataset, *, seeds):
        asked.append((recipe.name, recipe.training.epochs))
        assert dataset.calibration_x is None
        return Result(seeds)

    monkeypatch.setattr("denselab.training.train_recipe", train_recipe)
    recipes = selected_recipes(["plain", "mc_dropout", "one_cycle"], "tuned", SMALL)
    faster = recipes[0].model_copy(
        update={
            "name": "faster",
            "optimizer": recipes[0].optimizer.model_copy(update={"learning_rate": 0.1}),
        }
    )

    measured = measured_costs([*recipes, faster], wine, members=4)

    assert asked == [("plain", 3), ("alpha_dropout", 3), ("one_cycle", 3)]
    assert set(measured.costs) == {"plain", "alpha_dropout", "one_cycle", "faster"}
    assert measured.costs["faster"] == measured.costs["plain"]
    assert measured.costs["plain"].epoch_seconds == pytest.approx(0.5)
