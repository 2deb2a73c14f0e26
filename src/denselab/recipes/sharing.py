"""What recipes that are trained together share: compiled programs, and weights."""

from collections.abc import Hashable, Iterable, Sequence

from denselab.errors import UsageError
from denselab.recipes.changes import differences
from denselab.recipes.recipe import Recipe

__all__ = ["programs", "weights_source"]

_WEIGHTS_DEPEND_ON = ("network.", "preprocessing.")
_BUT_NOT_ON = ("network.dropout.", "network.l1")


def programs(recipes: Iterable[Recipe]) -> int:
    """Counts the programs that have to be compiled to train some recipes on one data set.

    Recipes share a program if they differ at most in their learning rate, in how large their weight
    decay is (not in whether there is one), in their names and in how they predict. A recipe that
    takes its weights from another trains nothing and needs none.

    Args:
        recipes: The recipes.

    Returns:
        A number from 0 to that of the recipes.

    Example:
        >>> from denselab.recipes import ladder
        >>> programs(ladder("published"))
        5
    """
    return len({_program(recipe) for recipe in recipes if recipe.weights_from is None})


def weights_source(recipe: Recipe, recipes: Sequence[Recipe]) -> Recipe:
    """Finds the recipe whose trained weights another one predicts with.

    Args:
        recipe: The recipe that predicts.
        recipes: What is trained; names in it are unique.

    Returns:
        The recipe named by `weights_from`; the recipe itself where that is none.

    Raises:
        UsageError: If that recipe is not among them, trains nothing itself, or has another network
            (dropout aside) or preprocessing, so that its weights would not fit.

    Example:
        >>> from denselab.recipes import ladder
        >>> rungs = ladder("published")
        >>> weights_source(rungs[4], rungs).name
        'alpha_dropout'
    """
    if recipe.weights_from is None:
        return recipe
    where = f"recipe {recipe.name}: weights_from = {recipe.weights_from}"
    source = next((other for other in recipes if other.name == recipe.weights_from), None)
    if source is None:
        listed = ", ".join(other.name for other in recipes)
        raise UsageError(f"{where}: not among the recipes ({listed}); add {recipe.weights_from}")
    if source.weights_from is not None:
        raise UsageError(
            f"{where}: takes its own weights from {source.weights_from}; name that one"
        )
    for field, theirs, ours in differences(recipe, source):
        if field.startswith(_WEIGHTS_DEPEND_ON) and not field.startswith(_BUT_NOT_ON):
            raise UsageError(
                f"{where}: {field} is {theirs} there and {ours} here, so the weights do not fit; "
                "make them equal"
            )
    return source


def _program(recipe: Recipe) -> Hashable:
    optimizer = recipe.optimizer
    decays = optimizer.weight_decay is not None or optimizer.name == "adamw"
    alike = optimizer.model_copy(
        update={"learning_rate": 1.0, "weight_decay": 1.0 if decays else None}
    )
    return recipe.network, recipe.preprocessing, recipe.schedule, recipe.training, alike
