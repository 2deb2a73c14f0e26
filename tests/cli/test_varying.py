"""`compare --vary`: arms are built from one recipe, and the family follows from the axes."""

import json
from importlib import import_module

import pytest

from denselab.errors import UsageError
from denselab.study import Asked
from denselab.study.statistics import Interaction

SMALL = ["--depth", "2", "--width", "4", "--epochs", "3", "--no-timing"]
GRID = ["--vary", "activation=relu,elu", "--vary", "residual=false,true"]


@pytest.fixture
def asked(denselab, monkeypatch):
    """Runs compare up to the training, and gives the plan and the question that it began with."""

    def call(*options):
        seen = {}

        def compare_recipes(plan, dataset, *, asked, **_):
            seen.update(plan=plan, question=asked)
            raise UsageError("enough is known")

        module = import_module("denselab.study.compare")  # The name means a function as well.
        monkeypatch.setattr(module, "compare_recipes", compare_recipes)
        answer = denselab("compare", "wine", *SMALL, *options)
        assert "enough is known" in answer.err, answer.err
        return seen["plan"], seen["question"], answer.err

    return call


def test_one_axis_holds_every_arm_against_the_first(asked):
    plan, question, _ = asked("--vary", "activation=relu,elu,selu")

    assert plan.names == ("activation-relu", "activation-elu", "activation-selu")
    assert [recipe.network.depth for recipe in plan.recipes] == [2, 2, 2]
    assert question == Asked(baseline="activation-relu")
    assert len(plan.seeds) == 12
    assert plan.tuning.rates == 8


def test_two_axes_ask_about_their_interaction_as_well(asked):
    plan, question, err = asked(*GRID)

    neither, second, first, both = plan.names
    assert question.baseline == neither == "activation-relu_residual-false"
    crossed = Interaction("activation x residual", both, first, second, neither)
    assert question.interactions == (crossed,)
    assert "12 seeds, 4 contrasts: a true difference of 1 points" in err
    assert "whether two changes add up takes more" in err


def test_a_baseline_and_contrasts_override_what_is_held_against_what(asked):
    _, against_both, _ = asked(*GRID, "--baseline", "activation-elu_residual-true")
    pair = "activation-elu_residual-true:activation-relu_residual-true"
    _, one, _ = asked(*GRID, "--contrasts", pair)

    assert against_both.baseline == "activation-elu_residual-true"
    assert len(against_both.interactions) == 1
    assert one == Asked(contrasts=(tuple(pair.split(":")),))


def test_the_recipe_that_is_varied_can_be_any_and_its_source_comes_after_the_arms(asked):
    plan, question, _ = asked("--recipes", "mc_dropout", "--vary", "draws=10,20")

    assert plan.names == ("draws-10", "draws-20", "alpha_dropout")
    assert question.baseline == "draws-10"


def test_a_dry_run_shows_the_arms(denselab, folder):
    plan = json.loads(denselab("compare", "wine", *GRID, *SMALL, "--dry-run", "--json").out)

    assert [one["recipe"]["network"]["residual"] for one in plan["recipes"]] == [
        False,
        True,
        False,
        True,
    ]
    assert plan["programs"] == 4
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vary", "activaton=relu,elu"], "did you mean activation?"),
        (["--vary", "patience=3,4"], "means schedule.patience or training.patience"),
        (["--vary", "activation=relu,rleu"], "did you mean relu?"),
        (["--vary", "depth=2,3", "--depth", "4"], "network.depth is to be varied, and set by"),
        ([*GRID, "--recipes", "plain,one_cycle"], "varies one recipe, --recipes names 2"),
        ([*GRID, "--baseline", "plain"], "no arm is called plain; there are activation-relu_"),
    ],
)
def test_what_cannot_be_varied_is_one_line_and_exits_with_2(denselab, folder, options, message):
    answer = denselab("compare", "wine", *options)

    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert list(folder.iterdir()) == []
