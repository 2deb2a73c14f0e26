"""Weights that a training starts from: all of another recipe's, or those of its most salient units."""

import numpy as np
import pytest

from denselab.data import hold_out_test, load
from denselab.recipes import load_recipe
from denselab.training import train_recipe
from denselab.training.starting import start_weights

SMALL = ["network.depth=2", "network.width=12", "training.epochs=2"]


@pytest.fixture(scope="module", params=["plain", "batch_norm"])
def source(request):
    recipe = load_recipe(request.param, preset="tuned", settings=SMALL)
    return train_recipe(recipe, hold_out_test(load("wine")), seeds=[0, 1])


def structured(source, width):
    changes = ["sparsity.method=structured", "starts_from=plain", "name=narrow"]
    return load_recipe(
        source.recipe.name,
        preset="tuned",
        settings=[*SMALL, *changes, f"network.width={width}", f"starts_from={source.recipe.name}"],
    )


def test_units_that_are_kept_bring_their_weights_along(source):
    for (trainable, _), trial in zip(
        start_weights(structured(source, 5), source), source.trials, strict=True
    ):
        first = trial.weights["hidden_1/kernel"]
        kept = next(value for value in trainable if value.shape == (first.shape[0], 5))
        columns = [tuple(column) for column in first.T]
        assert all(tuple(column) in columns for column in kept.T)


def test_what_is_left_trains_as_a_narrow_recipe(source):
    wine = hold_out_test(load("wine"))
    result = train_recipe(structured(source, 5), wine, seeds=[0, 1], source=source)
    assert result.trials[0].weights["hidden_2/kernel"].shape == (5, 5)
    assert all(np.isfinite(trial.test.loss) for trial in result.trials)
