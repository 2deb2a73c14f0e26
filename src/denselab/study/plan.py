"""What a study is to train: recipes, seeds, and on which data."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.randomness import check_seed
from denselab.recipes import Recipe, start_source, weights_source
from denselab.study.hashing import hashed, settings_hash
from denselab.study.tuning import Tuning

__all__ = [
    "BuiltModel",
    "Plan",
    "default_folder",
    "plan_hash",
    "plan_study",
    "training_order",
    "with_sources",
]

_MOST_SEEDS = 10_000


@dataclass(frozen=True)
class BuiltModel:
    """A Keras model that the user builds and compiles, as a study knows it.

    Attributes:
        name: What it is called.
        title: What it is, in a line.
        settings: Hash of its architecture, its compiled settings and how it is trained.
    """

    name: str
    title: str
    settings: str


@dataclass(frozen=True)
class Plan:
    """What a study is to train.

    Attributes:
        recipes: The recipes, in the order in which they are shown.
        dataset: Name of the data set.
        fingerprint: Its fingerprint, test set included.
        seeds: One whole number a trial of each recipe.
        preset: Whose values the recipes have: "published", "tuned", or another word.
        tuning: How the learning rate of every recipe is chosen first; None keeps the recipes' own.
        models: Models that the user builds, shown after the recipes; each is compared like a recipe.

    Raises:
        UsageError: If there is no recipe or no seed, one of them twice, or a recipe takes its
            weights from one that is not there.
    """

    recipes: tuple[Recipe, ...]
    dataset: str
    fingerprint: str
    seeds: tuple[int, ...]
    preset: str
    tuning: Tuning | None = None
    models: tuple[BuiltModel, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that is compared, in order."""
        return tuple(one.name for one in (*self.recipes, *self.models))

    def __post_init__(self) -> None:
        _check_names(self.names)
        for recipe in self.recipes:
            weights_source(recipe, self.recipes)
            start_source(recipe, self.recipes)
        _check_seeds(self.seeds)


def plan_study(
    recipes: Sequence[Recipe],
    dataset: Dataset,
    *,
    seeds: Iterable[int],
    preset: str,
    tuning: Tuning | None = None,
) -> Plan:
    """Plans a study of some recipes on a data set.

    Args:
        recipes: The recipes; see `with_sources` for those that take their weights from another.
        dataset: The data, with its test set.
        seeds: One whole number a trial of each recipe.
        preset: Whose values the recipes have.
        tuning: How learning rates are chosen first; None keeps those of the recipes.

    Returns:
        The plan.

    Raises:
        UsageError: If the plan makes no sense.

    Example:
        >>> from denselab.data import load
        >>> from denselab.recipes import ladder
        >>> plan = plan_study(ladder("tuned"), load("digits"), seeds=range(5), preset="tuned")
        >>> plan.dataset, len(plan.recipes), plan.seeds
        ('digits', 6, (0, 1, 2, 3, 4))
    """
    checked = tuple(check_seed(seed) for seed in seeds)
    return Plan(tuple(recipes), dataset.name, dataset.fingerprint, checked, preset, tuning)


def with_sources(
    recipes: Sequence[Recipe], find: Callable[[str], Recipe]
) -> tuple[tuple[Recipe, ...], tuple[str, ...]]:
    """Adds the recipes whose weights others take or start from, where they were not asked for.

    Args:
        recipes: What was asked for.
        find: Name of a recipe -> that recipe, with the same changes that the others have.

    Returns:
        The recipes, each one that was added before the first that needs it; and the names of those
        that were added, for the user to be told.

    Raises:
        UsageError: Whatever `find` raises.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> recipes, added = with_sources([load_recipe("mc_dropout")], load_recipe)
        >>> [recipe.name for recipe in recipes], added
        (['alpha_dropout', 'mc_dropout'], ('alpha_dropout',))
    """
    known = {recipe.name for recipe in recipes}
    complete: list[Recipe] = []
    added: list[str] = []
    for recipe in recipes:
        if recipe.source is not None and recipe.source not in known:
            complete.append(find(recipe.source))
            added.append(recipe.source)
            known.add(recipe.source)
        complete.append(recipe)
    return tuple(complete), tuple(added)


def training_order(plan: Plan) -> tuple[Recipe, ...]:
    """Orders recipes so that each one comes after the one whose weights it takes or starts from.

    Args:
        plan: The plan.

    Returns:
        The recipes of the plan, else in its order.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> recipes = (load_recipe("mc_dropout"), load_recipe("alpha_dropout"))
        >>> [recipe.name for recipe in training_order(Plan(recipes, "toy", "0" * 64, (0,), ""))]
        ['alpha_dropout', 'mc_dropout']
    """
    ordered: dict[str, Recipe] = {}
    for recipe in plan.recipes:
        source = start_source(recipe, plan.recipes) or weights_source(recipe, plan.recipes)
        ordered.setdefault(source.name, source)
        ordered.setdefault(recipe.name, recipe)
    return tuple(ordered.values())


def plan_hash(plan: Plan) -> str:
    """Hashes what decides about a study's results: data, recipes and seeds.

    Args:
        plan: The plan.

    Returns:
        64 hexadecimal digits. The order of recipes, their titles and the name of the data set do
        not count.
    """
    recipes = sorted([recipe.name, settings_hash(recipe)] for recipe in plan.recipes)
    decided: list[object] = ["plan", 1, plan.fingerprint, recipes, sorted(plan.seeds)]
    if plan.tuning is not None:
        decided.append(["tuning", plan.tuning.rates, plan.tuning.seed])
    if plan.models:
        decided.append(["models", sorted([one.name, one.settings] for one in plan.models)])
    return hashed(decided)


def default_folder(data: str, plan: Plan) -> Path:
    """Names the folder of a study; the same plan always has the same, so it is resumed.

    Args:
        data: What to call the data; what no file name should hold is left out.
        plan: The plan.

    Returns:
        A relative path.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> plan = Plan((load_recipe("plain"),), "toy", "0" * 64, (0,), "published")
        >>> default_folder("../my data.csv", plan).as_posix()
        'studies/my-data.csv-5482187957'
    """
    clean = re.sub(r"[^A-Za-z0-9_.]+", "-", data)[:64].strip("-.") or "data"
    return Path("studies") / f"{clean}-{plan_hash(plan)[:10]}"


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise UsageError("a study of no recipes; give at least one")
    seen: dict[str, str] = {}
    for name in names:
        # Names become names of files, and some file systems take A for a.
        folded = name.casefold()
        if folded in seen:
            raise UsageError(
                f"recipes {seen[folded]} and {name}: names must differ, and not in case "
                "alone; name each recipe once, or rename one"
            )
        seen[folded] = name


def _check_seeds(seeds: Sequence[int]) -> None:
    if not 1 <= len(seeds) <= _MOST_SEEDS:
        raise UsageError(f"{len(seeds):,} seeds; give from 1 to {_MOST_SEEDS:,}")
    for seed in seeds:
        check_seed(seed)
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if list(seeds).count(seed) > 1)
        raise UsageError(f"seed {twice} is given twice; give each once")
