"""From what users hand to `fit` to arrays that can be measured, or to the reason why not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from denselab.doctor.facts.tables import Table, measure

__all__ = ["Read", "read_arrays"]


class Read(NamedTuple):
    """What came of reading inputs or targets.

    Attributes:
        tables: One table a name, None where there is none.
        reasons: Why not, one line each.
        texts: Names of what holds text.
    """

    tables: tuple[Table | None, ...]
    reasons: tuple[str, ...] = ()
    texts: frozenset[str] = frozenset()


_DENSE_VALUES = 50_000_000
"""Sparse matrices are made dense up to this many values."""


def read_arrays(what: str, given: Any, names: Sequence[str]) -> Read:
    """Reads inputs or targets.

    Args:
        what: `x` or `y`, for words.
        given: An array, a list of arrays, a dictionary by name, or anything else.
        names: Names of the model's inputs or outputs.

    Returns:
        Tables in the order of the names, and one line for everything that could not be read.

    Example:
        >>> read_arrays("x", iter([[1.0]]), ["x"]).reasons
        ('x is a list_iterator, which is read once: give arrays to have it looked at',)
    """
    if given is None:
        return Read((None,) * len(names))
    if isinstance(given, Mapping):
        parts: list[Any] = [given.get(name) for name in names]
        if len(names) == 1 and parts == [None] and len(given) == 1:
            parts = list(given.values())
    elif isinstance(given, list | tuple) and _is_list_of_arrays(given, len(names)):
        parts = list(given)
    else:
        parts = [given]
    parts += [None] * (len(names) - len(parts))
    reasons: list[str] = []
    texts: list[str] = []
    tables: list[Table | None] = []
    for name, part in zip(names, parts, strict=False):
        label = what if len(names) == 1 else f"{what}[{name!r}]"
        array = _as_array(part)
        table = None if isinstance(array, str) else measure(label, array)
        if isinstance(array, str):
            reasons.append(f"{label} {array}")
        elif table is None:
            reasons.append(f"{label} holds no numbers (shape {array.shape}, {array.dtype})")
            texts += [name] if array.dtype.kind in "USO" and array.size else []
        tables.append(table)
    return Read(tuple(tables), tuple(reasons), frozenset(texts))


def _is_list_of_arrays(given: Sequence[Any], count: int) -> bool:
    return (
        len(given) == count and (count > 1 or np.ndim(given[0]) > 0) and hasattr(given[0], "shape")
    )


def _as_array(part: Any) -> np.ndarray | str:
    """Gives an array, or why there is none."""
    if part is None:
        return "is not given"
    if isinstance(part, Iterator) or callable(part):
        return f"is a {type(part).__name__}, which is read once: give arrays to have it looked at"
    if hasattr(part, "toarray"):
        if np.prod(part.shape) > _DENSE_VALUES:
            return "is a sparse matrix too large to be made dense"
        return np.asarray(part.toarray())
    try:
        array = _converted(part)
    except (TypeError, ValueError, RuntimeError):
        return f"is a {type(part).__name__} that is no array, such as ragged rows"
    if array.ndim == 0:
        return f"is a {type(part).__name__}, which is no array: give arrays to have it looked at"
    if array.dtype == object:
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError):
            text = array.size > 0 and isinstance(array.flat[0], str)
            return array if text else "holds objects that are no numbers, such as ragged rows"
    return array


def _converted(part: Any) -> np.ndarray:
    if hasattr(part, "to_numpy"):
        return np.asarray(part.to_numpy())
    if keras.ops.is_tensor(part):
        return np.asarray(keras.ops.convert_to_numpy(part))
    return np.asarray(part)
