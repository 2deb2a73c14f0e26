"""A curve over shares of zeros trains as one population, each member to the bytes it would reach alone."""

import numpy as np
import pytest

from denselab.data import hold_out_test, load
from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.training import train_recipe, train_together
from denselab.training.network import penalty

SMALL = [
    "network.depth=2",
    "network.width=16",
    "training.epochs=5",
    "training.early_stopping=false",
    "training.restore_best=false",
]


@pytest.fixture(scope="module")
def wine():
    return hold_out_test(load("wine"))


def sparse(method, share, *settings):
    wanted = [f"sparsity.method={method}", f"sparsity.share={share}", f"name={method}-{share}"]
    return load_recipe("plain", preset="tuned", settings=[*SMALL, *wanted, *settings])


def zeros(trial):
    return {
        name: int((value == 0).sum()) / value.size
        for name, value in trial.weights.items()
        if name.endswith("kernel")
    }


@pytest.mark.parametrize("method", ["magnitude", "gradual", "l1"])
def test_every_member_of_a_curve_has_its_own_share_of_exact_zeros(wine, method):
    recipes = [sparse(method, share) for share in (0.0, 0.5, 0.9)]
    results = train_together(recipes, wine, seeds={one.name: [0, 1] for one in recipes})

    for recipe, result in zip(recipes, results, strict=True):
        assert [(t.recipe, t.seed) for t in result.trials] == [(recipe.name, 0), (recipe.name, 1)]
        for trial in result.trials:
            for name, share in zeros(trial).items():
                size = trial.weights[name].size
                assert abs(share - recipe.sparsity.share) * size <= 1


def test_a_member_does_not_depend_on_which_others_train_with_it(wine):
    recipes = [sparse("l1", share, f"sparsity.strength={share}") for share in (0.3, 0.8)]
    told = []
    results = train_together(
        recipes, wine, seeds={"l1-0.3": [0], "l1-0.8": [1, 0]}, on_trial=told.append
    )
    alone = train_recipe(recipes[1], wine, seeds=[0]).trials[0]

    together = results[1].trials[1]
    assert together.test == alone.test
    for name, value in alone.weights.items():
        np.testing.assert_array_equal(together.weights[name], value)
    assert {(t.recipe, t.seed) for t in told} == {("l1-0.3", 0), ("l1-0.8", 0), ("l1-0.8", 1)}
    assert results[0].compile_seconds > 0 == results[1].compile_seconds


def test_recipes_of_different_programs_are_refused(wine):
    other = [sparse("gradual", 0.5), sparse("magnitude", 0.5)]
    with pytest.raises(UsageError, match="do not share a program"):
        train_together(other, wine, seeds={one.name: [0] for one in other})


def test_the_l1_penalty_takes_off_as_much_in_all_whatever_the_rate():
    slow, fast = (sparse("l1", 0.5, f"optimizer.learning_rate={rate}") for rate in (1e-4, 1e-2))
    rows = 320  # Ten steps an epoch, and five epochs of which 0.7 have the penalty.
    for recipe in (slow, fast):
        in_all = penalty(recipe, rows) * recipe.optimizer.learning_rate * 35
        assert in_all == pytest.approx(recipe.sparsity.strength)
