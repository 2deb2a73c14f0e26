"""Parameters of the estimators: the commonest fields of a recipe by name, and how they change it."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from denselab.errors import UsageError
from denselab.recipes import Recipe, apply_settings, load_recipe

__all__ = ["FIELDS", "recipe_of"]

FIELDS = {
    "depth": "network.depth",
    "width": "network.width",
    "activation": "network.activation",
    "normalization": "network.normalization",
    "optimizer": "optimizer.name",
    "learning_rate": "optimizer.learning_rate",
    "weight_decay": "optimizer.weight_decay",
    "schedule": "schedule.kind",
    "batch_size": "training.batch_size",
    "epochs": "training.epochs",
    "early_stopping": "training.early_stopping",
    "patience": "training.patience",
    "validation_fraction": "training.validation_fraction",
    "label_smoothing": "training.label_smoothing",
    "n_draws": "prediction.draws",
}
"""Parameter of an estimator -> field of its recipe."""


def recipe_of(parameters: Mapping[str, Any]) -> Recipe:
    """Finds the recipe that an estimator's parameters describe.

    Args:
        parameters: As `get_params` gives them: `recipe`, `dropout`, the names in `FIELDS` and `settings`, which
            come last; None changes nothing.

    Returns:
        The recipe. One whose weights would come from another is trained from fresh weights.

    Raises:
        UsageError: If there is no such recipe, or it would make no sense.

    Example:
        >>> recipe_of({"recipe": "plain", "depth": 3, "settings": {"network.width": 8}}).network.depth
        3
    """
    recipe = _named(parameters.get("recipe"))
    changes: dict[str, Any] = {}
    if recipe.source is not None:
        changes |= {"weights_from": "none", "starts_from": "none"}
    changes |= {
        field: parameters[name]
        for name, field in FIELDS.items()
        if parameters.get(name) is not None
    }
    if parameters.get("patience") is not None:
        changes.setdefault("training.early_stopping", True)
    settings = parameters.get("settings") or {}
    if not isinstance(settings, Mapping):
        settings = list(settings)
        return apply_settings(
            apply_settings(recipe, _with_dropout(changes, recipe, parameters)), settings
        )
    return apply_settings(recipe, _with_dropout(changes, recipe, parameters) | dict(settings))


def _named(recipe: Any) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str | PathLike):
        return load_recipe(recipe, preset="tuned")
    raise UsageError(
        f"recipe is {recipe!r}; give the name of a built-in recipe, the path of a .toml file, or a Recipe"
    )


def _with_dropout(
    changes: dict[str, Any], recipe: Recipe, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Adds the rate of dropout, and a kind where the recipe has none: the one that suits the activation."""
    rate = parameters.get("dropout")
    if rate is None:
        return changes
    if rate == 0:
        return changes | {"network.dropout.kind": "none"}
    kind = recipe.network.dropout.kind
    if kind == "none":
        activation = changes.get("network.activation", recipe.network.activation)
        kind = "alpha_dropout" if activation == "selu" else "dropout"
    return changes | {"network.dropout.kind": kind, "network.dropout.rate": rate}
