"""Recipes as differences from one another: laying settings over a recipe, and telling two apart."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pydantic import ValidationError

from denselab.errors import UsageError
from denselab.recipes.problems import explain
from denselab.recipes.recipe import Recipe
from denselab.recipes.table import Table
from denselab.recipes.toml import write_toml

__all__ = [
    "Difference",
    "Settings",
    "apply_settings",
    "differences",
    "overlay",
    "resolved",
    "to_toml",
]

Settings: TypeAlias = Mapping[str, object] | Sequence[str]
"""`{"network.depth": 3}` or `["network.depth=3"]`."""

_LABELS = ("name", "title", "extends")
"""Fields that name a recipe and say nothing about what is trained."""


class Difference(NamedTuple):
    """One field in which two recipes differ; a field that one of them has no use for is None."""

    field: str
    before: object
    after: object


def resolved(recipe: Table) -> dict[str, object]:
    """Lists every field of a recipe that means something with the choices it made.

    Options that belong to another choice (the momentum of sgd in a recipe with adam) are left
    out, so what is left of `optimizer` are arguments of that Keras optimizer; None is its default.

    Args:
        recipe: The recipe, or one of its tables.

    Returns:
        Nested dictionaries, in the order of the fields.

    Example:
        >>> resolved(Recipe(name="mine"))["schedule"]
        {'kind': 'constant'}
    """
    left_out = recipe.foreign()
    values = ((name, getattr(recipe, name)) for name in type(recipe).model_fields)
    return {
        name: resolved(value) if isinstance(value, Table) else value
        for name, value in values
        if name not in left_out
    }


def to_toml(recipe: Recipe) -> str:
    """Writes a recipe as a file that `load_recipe` reads back to the same recipe.

    Every field stands in it, so later changes of the ladder do not reach it. `extends` is kept
    where it names a rung; the path of a file is left out, as it may mean nothing elsewhere.

    Args:
        recipe: The recipe.

    Returns:
        A TOML document.

    Example:
        >>> print(to_toml(Recipe(name="mine")).splitlines()[0])
        name = "mine"
    """
    table = resolved(recipe)
    if not re.fullmatch(r"(published|tuned)/\w+", recipe.extends or ""):
        del table["extends"]
    return write_toml(table)


def differences(recipe: Recipe, base: Recipe) -> list[Difference]:
    """Lists the fields in which a recipe differs from another, but for name, title and origin.

    Args:
        recipe: The recipe.
        base: What to compare it with.

    Returns:
        One entry a field, in the order of the fields.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> for change in differences(load_recipe("mc_dropout"), load_recipe("alpha_dropout")):
        ...     print(change.field, change.before, change.after)
        weights_from None alpha_dropout
        network.dropout.monte_carlo False True
        prediction.draws 1 10
    """
    after, before = _flat(resolved(recipe)), _flat(resolved(base))
    order = [*after, *(field for field in before if field not in after)]
    return [
        Difference(field, before.get(field), after.get(field))
        for field in order
        if field not in _LABELS and before.get(field) != after.get(field)
    ]


def apply_settings(recipe: Recipe, settings: Settings) -> Recipe:
    """Changes single fields of a recipe.

    All settings are applied before the result is checked; of two for one field the later counts.
    A new optimizer, schedule or kind of dropout drops those options of the old one that it does
    not have and keeps the rest, the learning rate included.

    Args:
        recipe: The recipe to start from.
        settings: `["optimizer.learning_rate=1e-3", "network.activation=gelu"]`, each value read as
            TOML and, where it is none, as text; or a mapping from dotted field to value.
            The word "none" unsets a field that may be unset.

    Returns:
        The changed recipe.

    Raises:
        UsageError: If a field is unknown or a value does not fit.

    Example:
        >>> apply_settings(Recipe(name="mine"), ["network.depth=3"]).network.depth
        3
    """
    layer: dict[str, object] = {}
    for field, value in _pairs(settings):
        _put(layer, field.split("."), value)
    if "extends" in layer:
        raise UsageError("settings: extends belongs in a recipe file; name that recipe instead")
    return overlay(recipe, layer, "settings") if layer else recipe


def overlay(base: Recipe, layer: Mapping[str, object], source: str) -> Recipe:
    """Lays a nested mapping of changes over a recipe.

    Args:
        base: What to start from.
        layer: The changes, as a recipe file would hold them.
        source: What to call them in errors.

    Returns:
        The changed recipe, checked.

    Raises:
        UsageError: If the result is no valid recipe.

    Example:
        >>> overlay(Recipe(name="a"), {"network": {"width": 8}}, "b.toml").network.width
        8
    """
    try:
        return Recipe.model_validate(_merged(base, layer))
    except ValidationError as error:
        raise UsageError(explain(error, source)) from None


def _merged(base: Table, layer: Mapping[str, object]) -> dict[str, object]:
    merged = resolved(base)
    for choice in base.choices:
        chosen = layer.get(choice.selector)
        if isinstance(chosen, str) and chosen != getattr(base, choice.selector):
            for option in choice.foreign(chosen):
                merged.pop(option, None)
    for key, value in layer.items():
        table = getattr(base, key) if key in type(base).model_fields else None
        if isinstance(table, Table) and isinstance(value, Mapping):
            merged[key] = _merged(table, value)
        else:
            merged[key] = value
    return merged


def _pairs(settings: Settings) -> list[tuple[str, object]]:
    if isinstance(settings, Mapping):
        return [(str(field), _plain(value)) for field, value in settings.items()]
    return [_parsed(text) for text in ([settings] if isinstance(settings, str) else settings)]


def _plain(value: object) -> object:
    """Takes a scalar of NumPy or JAX for the Python number it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _parsed(text: str) -> tuple[str, object]:
    field, equals, value = (part.strip() for part in text.partition("="))
    if not (equals and all(field.split("."))):
        raise UsageError(
            f"setting {text[:60]!r}: write field=value, such as optimizer.learning_rate=1e-3"
        )
    return field, _value(value)


def _value(text: str) -> object:
    # A value is one short line; anything longer or not TOML is taken as text and then refused
    # by the field it is meant for, if it is not one of text.
    if "\n" in text or len(text) > 1000:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _put(layer: dict[str, object], path: list[str], value: object) -> None:
    for part in path[:-1]:
        inner = layer.get(part)
        copy = dict(inner) if isinstance(inner, Mapping) else {}
        layer[part] = copy
        layer = copy
    layer[path[-1]] = value


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
