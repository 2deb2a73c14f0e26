"""From what was typed to recipes, seeds and data."""

import errno
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from denselab.cli.options import DataOptions, RecipeOptions
from denselab.cli.progress import download_progress
from denselab.data import (
    Dataset,
    hold_out_calibration,
    hold_out_test,
    is_table_file,
    load,
    names,
)
from denselab.errors import UsageError
from denselab.randomness import check_seed
from denselab.recipes import (
    Preset,
    Recipe,
    Variation,
    apply_settings,
    load_recipe,
    read_axis,
    vary,
    weights_source,
)
from denselab.study.ownership import refuse_exchangeable
from denselab.study.plan import with_sources

__all__ = [
    "calibration_share",
    "check_study_folder",
    "check_writable",
    "loaded_data",
    "preset_for",
    "selected_data",
    "selected_recipe",
    "selected_recipes",
    "selected_seeds",
    "varied_recipes",
]

_MOST_SEEDS = 10_000
_LONGEST_NAME = 255
"""Bytes of a name of a file or folder; what nearly every file system takes."""


def loaded_data(name: str, where: DataOptions) -> Dataset:
    """Loads a data set as it comes, and shows how a download goes.

    Args:
        name: Its name, or an image folder.
        where: Where it comes from.

    Returns:
        The data.

    Raises:
        DenselabError: If it cannot be had or used.
    """
    if name not in names() and is_table_file(name) and not Path(name).is_dir():
        raise UsageError(
            f"{name} is a table, which train, predict, evaluate, compare, find-lr and data info read; this "
            "command takes a name of denselab data list"
        )
    with download_progress(name) as progress:
        return load(
            name,
            data_dir=where.data_dir,
            offline=where.offline,
            progress=progress,
            image_size=where.image_size,
        )


def selected_data(name: str, where: DataOptions, *, calibration: float = 0.0) -> Dataset:
    """Loads a data set and sets its test rows apart, the same ones in every command.

    Args:
        name: Its name.
        where: Where it comes from.
        calibration: Share of the other rows to set apart for calibration.

    Returns:
        The data with a test set, and with a calibration slice where one is wanted.

    Raises:
        DenselabError: If it cannot be had or used.
    """
    return hold_out_calibration(hold_out_test(loaded_data(name, where)), fraction=calibration)


def calibration_share(preset: Preset, options: RecipeOptions) -> float:
    """Chooses the share of the training rows that is kept for calibration.

    Args:
        preset: Whose values the recipes have.
        options: What was asked for.

    Returns:
        The share asked for; else 0.1 with tuned values and 0 with published ones, which were found
        without a slice.

    Raises:
        UsageError: If it is no share.

    Example:
        >>> calibration_share("tuned", RecipeOptions())
        0.1
    """
    if options.calibration is None:
        return 0.1 if preset == "tuned" else 0.0
    if not 0 <= options.calibration < 1:
        raise UsageError(
            f"--calibration {options.calibration:g}: give a share from 0 to below 1, such as 0.1"
        )
    return options.calibration


def preset_for(data: str, options: RecipeOptions) -> Preset:
    """Chooses whose values the ladder has.

    Args:
        data: Name of the data set.
        options: What was asked for.

    Returns:
        The preset asked for; else the published values for the data they were published for.

    Example:
        >>> preset_for("cifar10", RecipeOptions()), preset_for("digits", RecipeOptions())
        ('published', 'tuned')
    """
    return options.preset or ("published" if data == "cifar10" else "tuned")


def selected_recipe(name: str, preset: Preset, options: RecipeOptions) -> Recipe:
    """Reads one recipe and makes the changes that were asked for.

    Args:
        name: A rung or a path that ends in ".toml".
        preset: The ladder of rungs that name none.
        options: The changes.

    Returns:
        The recipe.

    Raises:
        UsageError: If there is no such recipe, or a change does not fit it.

    Example:
        >>> selected_recipe("plain", "tuned", RecipeOptions(depth=3)).network.depth
        3
    """
    recipe = load_recipe(name, preset=preset)
    try:
        return apply_settings(recipe, _settings(options))
    except UsageError as error:
        raise UsageError(f"recipe {recipe.name}, {error}") from error


def selected_recipes(
    asked: Sequence[str], preset: Preset, options: RecipeOptions
) -> tuple[Recipe, ...]:
    """Reads several recipes, and those whose weights others of them take.

    Args:
        asked: Names and paths.
        preset: The ladder of rungs that name none.
        options: Changes to make to all of them.

    Returns:
        The recipes in the order they were named, each source before the first that needs it.

    Raises:
        UsageError: If one cannot be read, two have one name, or shared weights do not fit.

    Example:
        >>> recipes = selected_recipes(["plain", "mc_dropout"], "tuned", RecipeOptions())
        >>> [recipe.name for recipe in recipes]
        ['plain', 'alpha_dropout', 'mc_dropout']
    """
    recipes = [selected_recipe(name, preset, options) for name in asked]
    known = [recipe.name for recipe in recipes]
    for name in known:
        if known.count(name) > 1:
            raise UsageError(
                f"two recipes are called {name}; name each once, or give one of the files another "
                'name = "..."'
            )
    return _with_sources(recipes, preset, options)


def varied_recipes(
    base: str, axes: Sequence[str], preset: Preset, options: RecipeOptions
) -> Variation:
    """Reads a recipe and varies it.

    Args:
        base: Its name or path.
        axes: What is varied, each as FIELD=A,B,...
        preset: The ladder of rungs that name none.
        options: Changes to make to all arms.

    Returns:
        The arms, with those whose weights others take, and what crosses.

    Raises:
        UsageError: If the recipe cannot be read, or an axis makes no sense.

    Example:
        >>> varied = varied_recipes("plain", ["depth=2,4"], "tuned", RecipeOptions())
        >>> [recipe.name for recipe in varied.recipes]
        ['depth-2', 'depth-4']
    """
    recipe, read = load_recipe(base, preset=preset), [read_axis(axis) for axis in axes]
    varied = vary(recipe, read, settings=_settings(options))
    complete = _with_sources(varied.recipes, preset, options)
    # The arms first: what is varied is held against the first of them.
    added = (one for one in complete if one not in varied.recipes)
    return replace(varied, recipes=(*varied.recipes, *added))


def _with_sources(
    recipes: Sequence[Recipe], preset: Preset, options: RecipeOptions
) -> tuple[Recipe, ...]:
    complete, _ = with_sources(recipes, lambda name: selected_recipe(name, preset, options))
    for recipe in complete:
        weights_source(recipe, complete)
    return complete


def selected_seeds(first: int, count: int, *, option: str = "--seeds") -> tuple[int, ...]:
    """Lists the seeds of a command.

    Args:
        first: The first seed.
        count: How many.
        option: The option that said how many.

    Returns:
        Consecutive seeds.

    Raises:
        UsageError: If there are none, too many, or some are out of range.

    Example:
        >>> selected_seeds(3, 2)
        (3, 4)
    """
    if not 1 <= count <= _MOST_SEEDS:
        raise UsageError(f"{option} {count}: give a number from 1 to {_MOST_SEEDS:,}")
    for seed in (first, first + count - 1):
        check_seed(seed)
    return tuple(range(first, first + count))


def _settings(options: RecipeOptions) -> Sequence[str]:
    short = {
        "network.depth": options.depth,
        "network.width": options.width,
        "training.epochs": options.epochs,
    }
    given = [f"{field}={value}" for field, value in short.items() if value is not None]
    return [*given, *(options.settings or ())]


def check_study_folder(out: Path | None) -> None:
    """Checks that a study can be kept where it was asked for, before anything is said or trained.

    Args:
        out: What `--out` named; None for a folder below `studies`.

    Raises:
        UsageError: If it cannot be written to.
        UnsafeFileError: If others on the machine could exchange it.
    """
    check_writable(out or Path("studies"))
    if out is not None:
        refuse_exchangeable(out)


def check_writable(folder: Path) -> None:
    """Checks that a folder can be written to, or made, before work goes into what it is to hold.

    Args:
        folder: The folder.

    Raises:
        UsageError: If it cannot.
    """
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in folder.parts):
        raise UsageError(f"--out {str(folder)[:40]}…: a name is too long; name a shorter folder")
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise UsageError(f"--out {folder}: {nearest} is a file; name a folder")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"--out {folder}: cannot write to {nearest} ({error.strerror}); choose another folder"
        ) from error
