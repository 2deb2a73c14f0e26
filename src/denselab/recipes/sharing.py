"""What recipes that are trained together share: compiled programs, and weights."""

from collections.abc import Hashable, Iterable, Sequence

from denselab.errors import UsageError
from denselab.recipes.changes import differences
from denselab.recipes.recipe import Recipe

__all__ = ["groups", "programs", "start_source", "weights_source"]

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
    return _fitting(recipe, "weights_from", recipe.weights_from, recipes)


def start_source(recipe: Recipe, recipes: Sequence[Recipe]) -> Recipe | None:
    """Finds the recipe whose trained weights the training of another one starts from.

    Args:
        recipe: The recipe that is trained further.
        recipes: What is trained; names in it are unique.

    Returns:
        The recipe named by `starts_from`; None where that is none.

    Raises:
        UsageError: As `weights_source`, and if the two hold out other rows for validation, so that one would
            validate on rows that its weights were trained on.

    Example:
        >>> from denselab.recipes import ladder, load_recipe
        >>> start_source(load_recipe("one_cycle_warm"), ladder("published")).name
        'alpha_dropout'
    """
    if recipe.starts_from is None:
        return None
    source = _fitting(recipe, "starts_from", recipe.starts_from, recipes)
    for field in ("validation_fraction", "stratified"):
        theirs, ours = getattr(source.training, field), getattr(recipe.training, field)
        if theirs != ours:
            raise UsageError(
                f"recipe {recipe.name}: starts_from = {source.name}: training.{field} is {theirs} there and "
                f"{ours} here, so it would validate on rows it was trained on; make them equal"
            )
    return source


def _fitting(recipe: Recipe, field: str, name: str, recipes: Sequence[Recipe]) -> Recipe:
    where = f"recipe {recipe.name}: {field} = {name}"
    source = next((other for other in recipes if other.name == name), None)
    if source is None:
        listed = ", ".join(other.name for other in recipes)
        raise UsageError(f"{where}: not among the recipes ({listed}); add {name}")
    if source.source is not None:
        raise UsageError(f"{where}: takes its own weights from {source.source}; name that one")
    narrower = (
        recipe.sparsity.method == "structured" and recipe.network.width <= source.network.width
    )
    for path, theirs, ours in differences(recipe, source):
        if narrower and path == "network.width":
            continue  # It takes some of the units.
        if path.startswith(_WEIGHTS_DEPEND_ON) and not path.startswith(_BUT_NOT_ON):
            raise UsageError(
                f"{where}: {path} is {theirs} there and {ours} here, so the weights do not fit; "
                "make them equal"
            )
    return source


def groups(recipes: Sequence[Recipe]) -> tuple[tuple[Recipe, ...], ...]:
    """Puts recipes together that are trained as one population.

    They differ in how sparse they become or in the strength of their penalty alone, which are variables of
    one compiled program, so that no member's result depends on which of them are trained together.

    Args:
        recipes: The recipes, in the order in which they are trained.

    Returns:
        The same recipes; those of a group follow one another, where the first of them stood.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> late = ["training.early_stopping=false", "training.restore_best=false"]
        >>> def sparse(share):
        ...     changes = [*late, "sparsity.method=gradual", f"sparsity.share={share}", f"name=at-{share}"]
        ...     return load_recipe("plain", settings=changes)
        >>> [len(group) for group in groups([load_recipe("plain"), sparse(0.5), sparse(0.9)])]
        [1, 2]
    """
    found: dict[Hashable, list[Recipe]] = {}
    for recipe in recipes:
        alike: Hashable = recipe.name
        if recipe.sparsity.method in ("magnitude", "gradual", "l1"):
            wanted = recipe.sparsity.model_copy(update={"share": 0.5, "strength": 1.0})
            alike = (_program(recipe), recipe.optimizer, wanted, recipe.prediction, recipe.source)
        found.setdefault(alike, []).append(recipe)
    return tuple(tuple(group) for group in found.values())


def _program(recipe: Recipe) -> Hashable:
    optimizer = recipe.optimizer
    decays = optimizer.weight_decay is not None or optimizer.name == "adamw"
    alike = optimizer.model_copy(
        update={"learning_rate": 1.0, "weight_decay": 1.0 if decays else None}
    )
    sparse = recipe.sparsity.model_copy(update={"share": 0.5, "strength": 1.0})
    return recipe.network, recipe.preprocessing, recipe.schedule, recipe.training, sparse, alike
