"""Recipes that differ from one another in chosen fields: along one axis, or over a grid of several."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from denselab.errors import UsageError
from denselab.recipes.changes import apply_settings
from denselab.recipes.problems import suggest
from denselab.recipes.recipe import Recipe, fields
from denselab.recipes.table import Choice, Table

__all__ = ["Axis", "Crossing", "Variation", "read_axis", "vary"]

_NO_AXES = ("name", "title", "extends", "weights_from", "starts_from")
"""Fields that say what a recipe is called and where it comes from."""

_MOST_ARMS = 64
_LONGEST_NAME = 64


class Axis(NamedTuple):
    """A field of a recipe, and the values it takes in turn.

    Attributes:
        field: Its dotted path, such as "network.activation".
        label: What it is called in the names of arms, such as "activation".
        values: The values, as they would stand behind `--set FIELD=`.
    """

    field: str
    label: str
    values: tuple[str, ...]


class Crossing(NamedTuple):
    """Four arms of a grid that show whether two changes add up.

    Attributes:
        name: What it is called: "activation x residual".
        both: Name of the arm with both changes.
        first: Name of the arm with the change on the first axis alone.
        second: Name of the arm with the change on the second axis alone.
        neither: Name of the arm with neither.
    """

    name: str
    both: str
    first: str
    second: str
    neither: str


@dataclass(frozen=True)
class Variation:
    """A recipe, varied.

    Attributes:
        recipes: One arm a combination of values; the first has the first value of every axis, and the
            values of the last axis change fastest.
        crossings: With two axes, one a pair of values that are not the first ones; otherwise none.
    """

    recipes: tuple[Recipe, ...]
    crossings: tuple[Crossing, ...]


def read_axis(text: str) -> Axis:
    """Reads an axis as it is typed.

    Args:
        text: FIELD=A,B,...; the field by its dotted path, by the last part or parts of it that no other
            field has, or by its table where one field decides about the rest ("optimizer" is
            "optimizer.name").

    Returns:
        The axis.

    Raises:
        UsageError: If there is no such field, more than one, or fewer than two values.

    Example:
        >>> read_axis("activation=relu,elu")
        Axis(field='network.activation', label='activation', values=('relu', 'elu'))
        >>> read_axis("dropout.rate=0.1,0.2").label, read_axis("schedule=constant,cosine").field
        ('dropout.rate', 'schedule.kind')
    """
    asked, equals, listed = (part.strip() for part in text.partition("="))
    if not (asked and equals):
        raise UsageError(
            f"--vary {text[:60]!r}: write FIELD=A,B,..., such as activation=relu,elu,selu"
        )
    field = _field(asked)
    values = tuple(value.strip() for value in listed.split(","))
    if len(values) < 2 or not all(values):
        raise UsageError(
            f"--vary {text[:60]}: takes at least two values with commas, such as {asked[:40]}=A,B; "
            "for one value there is --set"
        )
    return Axis(field, _label(field), values)


def vary(base: Recipe, axes: Sequence[Axis], *, settings: Sequence[str] = ()) -> Variation:
    """Builds one recipe a combination of values.

    Args:
        base: What all of them have in common.
        axes: The axes, from `read_axis`.
        settings: Changes to all of them, see `apply_settings`. One that means nothing with the value that an
            arm has on an axis (a momentum with adam) changes the other arms alone.

    Returns:
        The arms; they are named by axes and values, such as "activation-relu_residual-true", or by
        values alone where that would be too long.

    Raises:
        UsageError: If a value does not fit, two are the same, a field is set twice, or there are too many
            arms.

    Example:
        >>> varied = vary(Recipe(name="base"), [read_axis("activation=relu,elu")])
        >>> [recipe.name for recipe in varied.recipes]
        ['activation-relu', 'activation-elu']
    """
    _check_axes(axes, settings)
    combinations = list(itertools.product(*(axis.values for axis in axes)))
    wanted = [[one for one in settings if _means(one, axes, values)] for values in combinations]
    # What means nothing anywhere was meant otherwise; it is refused where it is applied.
    useless = [one for one in settings if not any(one in own for own in wanted)]
    built = [
        _built(base, axes, values, [*own, *useless])
        for values, own in zip(combinations, wanted, strict=True)
    ]
    names = _names(axes, built)
    recipes = tuple(
        apply_settings(recipe, {"name": name, "title": _title(base, axes, recipe)})
        for name, recipe in zip(names, built, strict=True)
    )
    return Variation(recipes, tuple(_crossings(axes, recipes)))


def _field(asked: str) -> str:
    """Finds the one field that is meant."""
    paths = _axes()
    tables = {selector.rpartition(".")[0]: selector for selector in _selectors()}
    named = [tables[table] for table in tables if _ends(table, asked)]
    found = named or [path for path in paths if _ends(path, asked)]
    exact = [path for path in found if path == asked]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise UsageError(f"--vary {asked}: means {' or '.join(found)}; write one of them")
    known = {_label(path): path for path in paths}
    meant = suggest(asked[:60], [*known, *tables, *paths])
    hint = f"did you mean {meant}?" if meant else "denselab recipes plain shows the fields"
    raise UsageError(f"--vary {asked[:60]}: is no field of a recipe; {hint}")


def _ends(path: str, asked: str) -> bool:
    return path == asked or path.endswith(f".{asked}")


def _axes() -> list[str]:
    """Lists the fields that can be varied."""
    return [
        path
        for path, field in fields().items()
        if path not in _NO_AXES and not _table(field.annotation)
    ]


def _selectors() -> Iterator[str]:
    """Lists the fields that decide alone about the rest of their table."""
    for path, field in fields().items():
        if (table := _table(field.annotation)) and len(table.choices) == 1:
            yield f"{path}.{table.choices[0].selector}"


def _table(kind: object) -> type[Table] | None:
    return kind if isinstance(kind, type) and issubclass(kind, Table) else None


def _label(path: str) -> str:
    """Names a field as shortly as can be understood."""
    parts = path.split(".")
    if path in _selectors():
        return parts[-2]
    alone = sum(other.rpartition(".")[2] == parts[-1] for other in fields()) == 1
    return parts[-1] if alone and len(parts) < 3 else ".".join(parts[-2:])


def _check_axes(axes: Sequence[Axis], settings: Sequence[str]) -> None:
    varied = [axis.field for axis in axes]
    for axis in axes:
        if varied.count(axis.field) > 1:
            raise UsageError(f"--vary {axis.label} is given twice; give all its values at once")
    for setting in settings:
        field = setting.partition("=")[0].strip()
        if field in varied:
            raise UsageError(f"{field} is to be varied, and set by {setting[:60]}; leave one out")
    arms = 1
    for axis in axes:
        arms *= len(axis.values)
    if arms > _MOST_ARMS:
        raise UsageError(f"--vary: {arms:,} arms; give values for at most {_MOST_ARMS}")


def _means(setting: str, axes: Sequence[Axis], values: Sequence[str]) -> bool:
    """Says whether a setting means anything beside the values that an arm has on the axes."""
    table, _, option = setting.partition("=")[0].strip().rpartition(".")
    return not any(
        option in choice.foreign(value)
        for axis, value in zip(axes, values, strict=True)
        for choice in _choices(table)
        if axis.field == f"{table}.{choice.selector}"
    )


def _choices(table: str) -> tuple[Choice, ...]:
    field = fields().get(table)
    kind = None if field is None else _table(field.annotation)
    return () if kind is None else kind.choices


def _built(
    base: Recipe, axes: Sequence[Axis], values: Sequence[str], settings: Sequence[str]
) -> Recipe:
    changes = [f"{axis.field}={value}" for axis, value in zip(axes, values, strict=True)]
    try:
        return apply_settings(base, [*settings, *changes])
    except UsageError as error:
        shown = ", ".join(
            f"{axis.label}={value[:40]}" for axis, value in zip(axes, values, strict=True)
        )
        raise UsageError(f"recipe {base.name} with {shown}, {error}") from error


def _names(axes: Sequence[Axis], built: Sequence[Recipe]) -> list[str]:
    words = [[_word(recipe, axis) for axis in axes] for recipe in built]
    for one, another in itertools.combinations(words, 2):
        if one == another:
            raise UsageError(f"--vary: {' and '.join(one)} is given twice; give each value once")
    names = [
        "_".join(f"{axis.label}-{word}" for axis, word in zip(axes, own, strict=True))
        for own in words
    ]
    if max(map(len, names)) > _LONGEST_NAME:
        names = ["_".join(own) for own in words]
    return names


def _word(recipe: Recipe, axis: Axis) -> str:
    """Writes the value that a recipe has on an axis, fit for a name."""
    value: object = recipe
    for part in axis.field.split("."):
        value = getattr(value, part)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    # Numbers may have signs, and one of them no file name should hold.
    return str(value).replace("+", "")


def _title(base: Recipe, axes: Sequence[Axis], recipe: Recipe) -> str:
    changes = ", ".join(f"{axis.label} = {_word(recipe, axis)}" for axis in axes)
    return f"{base.name} with {changes}"[:200]


def _crossings(axes: Sequence[Axis], recipes: Sequence[Recipe]) -> Iterator[Crossing]:
    if len(axes) != 2:
        return
    first, second = axes
    across = len(second.values)
    grid = [recipes[start : start + across] for start in range(0, len(recipes), across)]
    small = len(recipes) == 4
    for i, j in itertools.product(range(1, len(grid)), range(1, across)):
        both = grid[i][j]
        names = (
            (first.label, second.label)
            if small
            else (f"{axis.label}-{_word(both, axis)}" for axis in axes)
        )
        arms = both, grid[i][0], grid[0][j], grid[0][0]
        yield Crossing(" x ".join(names), *(arm.name for arm in arms))
