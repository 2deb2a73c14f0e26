"""One seed makes every random stream; this is the only place where streams and keys are made.

A stream depends on the seed and on its purpose alone, never on a slot, a neighbour or the order of
calls. So a member trains to the same bytes alone, among others, and after an interruption.
"""

from typing import Literal, get_args

import numpy as np

from denselab.errors import UsageError

__all__ = ["Purpose", "check_seed", "generator", "integer_seed", "key_data"]

Purpose = Literal[
    "test_split",
    "calibration",
    "split",
    "weights",
    "order",
    "dropout",
    "draws",
    "resampling",
    "tuning",
]
"""What a stream is for. A new purpose goes to the end: its place in the list is part of the stream."""

_SEED_LIMIT = 2**32


def check_seed(seed: int) -> int:
    """Checks that a seed is a whole number from 0 to 2³² - 1, the range that Keras accepts.

    Args:
        seed: The seed.

    Returns:
        The same seed as a Python `int`.

    Raises:
        UsageError: If it is no whole number or out of range.

    Example:
        >>> check_seed(7)
        7
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise UsageError(
            f"seed must be a whole number, not {seed!r}; give one from 0 to {_SEED_LIMIT - 1}"
        )
    if not 0 <= seed < _SEED_LIMIT:
        raise UsageError(
            f"seed {seed} is out of range; give a whole number from 0 to {_SEED_LIMIT - 1}"
        )
    return int(seed)


def generator(seed: int, purpose: Purpose) -> np.random.Generator:
    """Makes the NumPy stream of a seed for one purpose.

    Args:
        seed: The seed, from 0 to 2³² - 1.
        purpose: What the stream is for.

    Returns:
        A Philox generator; streams of different purposes are independent.

    Raises:
        UsageError: If the seed is out of range.

    Example:
        >>> int(generator(0, "split").integers(100)) == int(generator(0, "split").integers(100))
        True
    """
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose)))


def key_data(seed: int, purpose: Purpose) -> np.ndarray:
    """Makes the raw threefry key of a seed for one purpose.

    Args:
        seed: The seed, from 0 to 2³² - 1.
        purpose: What the key is for.

    Returns:
        Two `uint32` words, shape (2,), for `jax.random.wrap_key_data`.

    Raises:
        UsageError: If the seed is out of range.

    Example:
        >>> key_data(0, "order").shape
        (2,)
    """
    return _sequence(seed, purpose).generate_state(2, np.uint32)


def integer_seed(seed: int, purpose: Purpose) -> int:
    """Makes a whole-number seed for libraries that take one, such as Keras and scikit-learn.

    Args:
        seed: The seed, from 0 to 2³² - 1.
        purpose: What it is for.

    Returns:
        A whole number from 0 to 2³¹ - 1.

    Raises:
        UsageError: If the seed is out of range.

    Example:
        >>> 0 <= integer_seed(3, "weights") < 2**31
        True
    """
    return int(_sequence(seed, purpose).generate_state(1, np.uint32)[0] >> 1)


def _sequence(seed: int, purpose: Purpose) -> np.random.SeedSequence:
    return np.random.SeedSequence([check_seed(seed), get_args(Purpose).index(purpose)])
