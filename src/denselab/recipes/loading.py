"""Finds and reads recipes: the built-in ladder, and anybody's own files."""

import stat
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from os import PathLike
from os.path import expanduser
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from denselab.errors import UsageError
from denselab.recipes.changes import Settings, apply_settings, overlay
from denselab.recipes.problems import suggest
from denselab.recipes.recipe import Recipe
from denselab.recipes.toml import SIZE_LIMIT, read_toml

__all__ = ["Preset", "ladder", "load_recipe", "names"]

Preset: TypeAlias = Literal["published", "tuned"]
"""published: the values of the original exercise; tuned: the fair comparison."""

_EXTRAS = ("one_cycle_warm",)
"""Recipes beside the ladder that are loaded by name like its rungs."""

_TABLES = "default"
"""The recipe for tables; there is a tuned one only, and no preset asks for another."""

_RUNGS = ("plain", "batch_norm", "self_normalizing", "alpha_dropout", "mc_dropout", "one_cycle")


@dataclass(frozen=True)
class _Place:
    """Where a recipe stands.

    Attributes:
        label: "published/plain", or the path of a file.
        file: What to read.
        preset: The ladder of rungs that it extends without naming one.
        asked: What to put before errors: the file that extends it, if one does.
    """

    label: str
    file: Traversable | Path
    preset: Preset
    asked: str

    def key(self) -> str:
        """Names what is read, however it was reached."""
        return str(self.file.resolve()) if isinstance(self.file, Path) else self.label


def names(preset: Preset = "published") -> tuple[str, ...]:
    """Lists the rungs of a ladder, in order.

    Args:
        preset: Which ladder.

    Returns:
        Six names.

    Raises:
        UsageError: If there is no such preset.

    Example:
        >>> names("tuned")[0]
        'plain'
    """
    _check_preset(preset)
    return _RUNGS


def ladder(preset: Preset = "published") -> tuple[Recipe, ...]:
    """Reads all rungs of a ladder, in order.

    Args:
        preset: Which ladder.

    Returns:
        Six recipes.

    Raises:
        UsageError: If there is no such preset.

    Example:
        >>> [rung.optimizer.learning_rate for rung in ladder("published")]
        [5e-05, 5e-05, 0.001, 0.001, 0.001, 0.05]
    """
    return tuple(load_recipe(name, preset=preset) for name in names(preset))


def load_recipe(
    name_or_path: str | PathLike[str], *, preset: Preset = "published", settings: Settings = ()
) -> Recipe:
    """Reads a recipe from the ladder or from a file, everything it extends included.

    A file holds the fields that differ from the recipe it `extends`: a rung ("plain", of the
    preset asked for, or "published/plain") or another file ("base.toml", relative to it). One that
    extends nothing differs from the published plain rung. Its name is the file's, unless it gives
    one.

    Args:
        name_or_path: A rung ("plain" or "tuned/plain"), or a path that ends in ".toml".
        preset: The ladder of rungs that name none.
        settings: Changes to make, see `apply_settings`.

    Returns:
        The recipe, checked.

    Raises:
        UsageError: If it cannot be found or read, or makes no sense. One line: file, field, what
            came, what is allowed.

    Example:
        >>> load_recipe("batch_norm", settings=["network.depth=5"]).network.depth
        5
    """
    chain: list[tuple[_Place, dict[str, object]]] = []
    place: _Place | None = _locate(name_or_path, _check_preset(preset), Path(), "")
    while place is not None:
        document = _read(place)
        if place.key() in {seen.key() for seen, _ in chain}:
            way = " -> ".join([*(seen.label for seen, _ in chain), place.label])
            raise UsageError(f"{place.label}: extends itself ({way}); break the circle")
        chain.append((place, document))
        place = _base(place, document)
    recipe, extends = Recipe(name="default"), None
    for place, document in reversed(chain):
        own = {"name": Path(place.label).stem, "title": "", **document, "extends": extends}
        recipe, extends = overlay(recipe, own, place.label), place.label
    return apply_settings(recipe, settings)


def _base(place: _Place, document: dict[str, object]) -> _Place | None:
    if "extends" not in document:
        return None
    extends = document["extends"]
    if not isinstance(extends, str):
        raise UsageError(
            f"{place.label}: extends must be the name of a rung or of a .toml file, in quotes"
        )
    folder = place.file.parent if isinstance(place.file, Path) else Path()
    return _locate(extends, place.preset, folder, f"{place.label}: extends: ")


def _locate(reference: str | PathLike[str], preset: Preset, folder: Path, asked: str) -> _Place:
    text = str(reference)
    if len(text) > 1000 or not text.isprintable():
        raise UsageError(f"{asked}{text[:60]!r}: no path of a recipe file; rename the file")
    if isinstance(reference, PathLike) or text.lower().endswith(".toml"):
        path = folder / expanduser(text)
        return _Place(str(path), path, preset, asked)
    before, slash, rung = text.rpartition("/")
    if rung == _TABLES and before in ("", "tuned"):
        file = files("denselab.recipes") / "ladder" / "tuned" / f"{rung}.toml"
        return _Place(f"tuned/{rung}", file, "tuned", asked)
    if rung in (*_RUNGS, *_EXTRAS) and (before in get_args(Preset) or not slash):
        chosen = _check_preset(before) if slash else preset
        file = files("denselab.recipes") / "ladder" / chosen / f"{rung}.toml"
        return _Place(f"{chosen}/{rung}", file, chosen, asked)
    meant = suggest(rung, (*_RUNGS, *_EXTRAS, _TABLES))
    hint = f"did you mean {meant}?" if meant else f"there are {', '.join((*_RUNGS, _TABLES))}"
    raise UsageError(
        f"{asked}{text[:60]!r} is no recipe of the ladder; {hint} (a recipe file ends in .toml)"
    )


def _read(place: _Place) -> dict[str, object]:
    where = f"{place.asked}{place.label}"
    try:
        # A pipe or a device would be waited for, or read without end.
        if isinstance(place.file, Path) and not stat.S_ISREG(place.file.stat().st_mode):
            raise UsageError(f"{where}: not a file; give a recipe file")
        with place.file.open("rb") as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except FileNotFoundError:
        raise UsageError(f"{where}: no such file; {_nearby(place)}") from None
    except OSError as error:
        raise UsageError(f"{where}: cannot be read ({error.strerror}); check the path") from None
    return read_toml(data, where)


def _nearby(place: _Place) -> str:
    folder = Path(place.label).parent
    try:
        there = {file.stem: file for file in folder.iterdir() if file.suffix == ".toml"}
    except OSError:
        return f"cannot look into {folder} either, check the path"
    meant = suggest(Path(place.label).stem, sorted(there))
    return f"did you mean {there[meant]}?" if meant else "check the path"


def _check_preset(preset: str) -> Preset:
    for known in get_args(Preset):
        if preset == known:
            return known
    meant = suggest(str(preset), get_args(Preset))
    hint = f"; did you mean {meant}?" if meant else ""
    raise UsageError(f"preset {preset!r} is none of {', '.join(get_args(Preset))}{hint}")
