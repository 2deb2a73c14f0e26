"""Hashes of values: same values, same hash, in every process and version."""

import hashlib
import json
from collections.abc import Iterator, Mapping

from denselab.recipes import Recipe, fields, resolved

__all__ = ["hashed", "settings_hash"]

_LABELS = ("name", "title", "extends")


def hashed(value: object) -> str:
    """Hashes plain values: text, numbers, booleans, None, and lists and dictionaries of them.

    Args:
        value: The value. Floats count to their last bit; the order of a dictionary's keys does not.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> hashed({"a": 1, "b": 0.1}) == hashed({"b": 0.1, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=repr).encode()).hexdigest()


def settings_hash(recipe: Recipe) -> str:
    """Hashes the hyper-parameters of a recipe.

    Only fields that differ from their defaults count, so that a later version which knows more
    fields still recognises a trial. Name, title and origin do not count.

    Args:
        recipe: The recipe.

    Returns:
        16 hexadecimal digits.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> renamed = Recipe(name="renamed")
        >>> settings_hash(load_recipe("plain")) == settings_hash(renamed)
        True
    """
    known = fields()
    settings = {
        field: value
        for field, value in _flat(resolved(recipe), "")
        if field not in _LABELS and value != known[field].default
    }
    return hashed(settings)[:16]


def _flat(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
