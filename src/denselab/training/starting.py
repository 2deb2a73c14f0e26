"""The weights that a training starts from, where they are those of another recipe."""

from typing import Any

import keras
import numpy as np

from denselab.recipes import Recipe
from denselab.sparsity import remove_units
from denselab.training.network import build_network
from denselab.training.results import RecipeResult
from denselab.training.saving import set_named_weights

__all__ = ["start_weights"]


def start_weights(recipe: Recipe, source: RecipeResult) -> list[tuple[list[Any], list[Any]]]:
    """Takes the weights that each seed's training starts from.

    A structured recipe starts with the most salient units of the source, by the norms of the weights that
    enter and leave them.

    Args:
        recipe: What is to be trained.
        source: The result of the recipe that it starts from.

    Returns:
        For each trial of the source its trainable and its other weights, as the engine takes them.
    """
    found = []
    for trial in source.trials:
        model = _network(source)
        set_named_weights(model, trial.weights)
        if recipe.sparsity.method == "structured":
            width, kept = source.recipe.network.width, recipe.network.width
            if kept < width:
                model = remove_units(model, share=(width - kept) / width)
        found.append((_values(model.trainable_weights), _values(model.non_trainable_weights)))
    return found


def _network(source: RecipeResult) -> keras.Model:
    dataset = source.dataset
    return build_network(source.recipe, features=dataset.features, classes=dataset.classes or 1)


def _values(variables: list[Any]) -> list[np.ndarray]:
    return [np.array(variable.value) for variable in variables]
