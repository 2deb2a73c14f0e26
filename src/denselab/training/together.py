"""Trains recipes that share a program as one population: a whole curve over shares of zeros at once."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

from denselab.data import Dataset
from denselab.engine import claim_cores
from denselab.errors import UsageError
from denselab.recipes import Recipe, groups
from denselab.training.following import Following, Reporting
from denselab.training.network import penalty
from denselab.training.results import RecipeResult, Trial
from denselab.training.train import splits_for, train_places

__all__ = ["train_together"]


def train_together(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    *,
    seeds: Mapping[str, Sequence[int]],
    on_trial: Callable[[Trial], None] | None = None,
    **following: Unpack[Following],
) -> tuple[RecipeResult, ...]:
    """Trains recipes that differ in their sparsity alone, side by side in one compiled program.

    Every member ends with the bytes it would end with among others, or alone.

    Args:
        recipes: One group of `denselab.recipes.groups`.
        dataset: Classification data with a test set.
        seeds: Name of each recipe -> its seeds.
        on_trial: Called with each trial as soon as it is done and scored.
        **following: `on_progress` and `checkpoints`, see `Following`. Members are counted over all recipes, in
            their order, under the name of the first.

    Returns:
        One result a recipe, in their order; compiling counts for the first.

    Raises:
        UsageError: If the recipes do not share a program or start from another's weights, or the data has no
            classes or no test set.
        KeyboardInterrupt: After Ctrl-C; what was done has been handed to `on_trial`, the others to
            `checkpoints`.
    """
    _check(recipes, dataset)
    claim_cores()
    places = [(recipe, seed) for recipe in recipes for seed in seeds[recipe.name]]
    trials: dict[tuple[str, int], Trial] = {}

    def done(place: int, trial: Trial) -> None:
        recipe, seed = places[place]
        named = dataclasses.replace(trial, recipe=recipe.name)
        trials[recipe.name, seed] = named
        if on_trial is not None:
            on_trial(named)

    every_seed = [seed for _, seed in places]
    splits = splits_for(recipes[0], dataset, every_seed)
    result = train_places(
        recipes[0],
        dataset,
        splits,
        seeds=every_seed,
        report=Reporting(on_place=done, **following),
        further={"scalars": _scalars(places, len(splits[0][0]))},
    )
    return tuple(
        RecipeResult(
            recipe,
            dataset,
            tuple(trials[recipe.name, seed] for seed in seeds[recipe.name]),
            0.0 if number else result.compile_seconds,
            result.notes,
        )
        for number, recipe in enumerate(recipes)
    )


def _scalars(places: Sequence[tuple[Recipe, int]], train_rows: int) -> dict[str, list[float]]:
    """Gives each member the values of its recipe; all of them are variables of the optimizer."""
    found = {"optimizer.sparsity": [recipe.sparsity.share for recipe, _ in places]}
    if places[0][0].sparsity.method == "l1":
        found["optimizer.strength"] = [penalty(recipe, train_rows) for recipe, _ in places]
    return found


def _check(recipes: Sequence[Recipe], dataset: Dataset) -> None:
    if not recipes or len(groups(recipes)) > 1 or recipes[0].sparsity.method == "none":
        listed: Any = ", ".join(recipe.name for recipe in recipes) or "none"
        raise UsageError(
            f"recipes {listed} do not share a program; give one group of denselab.recipes.groups"
        )
    if recipes[0].source is not None:
        raise UsageError(
            f"recipe {recipes[0].name} takes its weights from {recipes[0].source}; train it with train_recipe"
        )
    if dataset.classes is None or dataset.test_x is None:
        raise UsageError(
            f"{dataset.name} has no classes or no test set; give classification data, and call "
            "denselab.data.hold_out_test on it first"
        )
