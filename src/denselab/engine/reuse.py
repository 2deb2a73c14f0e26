"""Compiled programs that are kept, so that a later training of the same program and shapes need not compile."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import jax
import keras
import numpy as np

__all__ = ["is_kept", "kept", "shapes_of"]

_MOST = 64
_KEPT: OrderedDict[Hashable, Any] = OrderedDict()
_LOCK = threading.Lock()

Compiled = TypeVar("Compiled")


def shapes_of(tree: Any) -> Hashable:
    """Names the shapes that a program was compiled for.

    Args:
        tree: The program's arguments.

    Returns:
        Their structure, and shape and type of each array.

    Example:
        >>> shapes_of([np.zeros(3)]) == shapes_of([np.ones(3)]) != shapes_of([np.ones(4)])
        True
    """
    leaves, structure = jax.tree.flatten(tree)
    arrays = tuple((np.shape(leaf), np.result_type(leaf).name) for leaf in leaves)
    types = (keras.config.floatx(), keras.config.dtype_policy().name)
    return structure, arrays, types


def is_kept(key: Hashable | None) -> bool:
    """Says whether `kept` has something under a key.

    Args:
        key: The key; nothing is kept under None.

    Returns:
        Whether it has.
    """
    with _LOCK:
        return key is not None and key in _KEPT


def kept(key: Hashable | None, make: Callable[[], Compiled]) -> Compiled:
    """Gives what was made under a key before, or makes it.

    The 64 used last are kept.

    Args:
        key: All that what is made depends on; None keeps nothing.
        make: Makes it.

    Returns:
        What was made.

    Example:
        >>> one = kept("a key of this example", lambda: object())
        >>> kept("a key of this example", lambda: object()) is one
        True
    """
    if key is None:
        return make()
    with _LOCK:
        if key in _KEPT:
            _KEPT.move_to_end(key)
            return _KEPT[key]
    made = make()
    with _LOCK:
        _KEPT[key] = made
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    return made
