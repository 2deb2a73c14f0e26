"""Random words from counters: one word for each seed, site, draw, row and unit.

A word depends on what it is for and on nothing else: not on the rows computed beside it, not on the
number of draws, not on the backend. So chunks, batches and interruptions change no draw. The
arithmetic is plain operators on `uint32`, so NumPy and JAX arrays give the same bits.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["DRAWS_PER_BLOCK", "block_words", "draw_field", "threefry"]

DRAWS_PER_BLOCK = 4
"""Draws served by one call of the generator; its 64 bits hold four 16-bit fields."""

Words = tuple[Any, Any]
"""Two `uint32` arrays, NumPy's or JAX's, that broadcast against each other."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def threefry(key: Words, counter: Words) -> Words:
    """Encrypts a counter with Threefry-2x32 in 20 rounds.

    Args:
        key: Two `uint32` arrays.
        counter: Two `uint32` arrays that broadcast against the key.

    Returns:
        Two `uint32` arrays, uniform and independent over distinct counters.

    Example:
        >>> zeros = np.zeros(1, np.uint32)
        >>> [hex(int(word[0])) for word in threefry((zeros, zeros), (zeros, zeros))]
        ['0x6b200159', '0x99ba4efe']

    References:
        Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011, section 4.2.
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
    left, right = counter[0] + keys[0], counter[1] + keys[1]
    for stage in range(5):
        for rotation in _ROTATIONS[stage % 2]:
            left = left + right
            right = (right << np.uint32(rotation)) | (right >> np.uint32(32 - rotation))
            right = right ^ left
        left = left + keys[(stage + 1) % 3]
        right = right + keys[(stage + 2) % 3] + np.uint32(stage + 1)
    return left, right


def block_words(
    key: Words, address: Words, rows: Any, *, units: int, bits: int, xp: ModuleType
) -> tuple[Any, ...]:
    """Makes the words of four draws at one site.

    Args:
        key: The key of the seed, two `uint32` arrays of shape (1,).
        address: The site's number and the block's (draw // 4), `uint32` arrays of shape (1,).
        rows: Positions of the rows in the caller's data, `uint32`, shape (row,).
        units: Random values a row needs at this site in one draw.
        bits: Bits a value needs in one draw: 16, 32 or 64.
        xp: `numpy` or `jax.numpy`.

    Returns:
        `bits // 8` arrays of `uint32`, each of shape (row, unit).

    Example:
        >>> key = (np.zeros(1, np.uint32), np.ones(1, np.uint32))
        >>> words = block_words(key, key, np.arange(3, dtype=np.uint32), units=5, bits=16, xp=np)
        >>> len(words), words[0].shape
        (2, (3, 5))
    """
    site_key = threefry(key, address)
    words: tuple[Any, ...] = ()
    for pair in range(bits // 16):
        columns = xp.arange(units, dtype=xp.uint32) + np.uint32(pair * units)
        words += threefry(site_key, (rows[:, None], columns[None, :]))
    return words


def draw_field(
    words: tuple[Any, ...],
    draw: Any,
    bits: int,
    pick: Callable[[tuple[Any, ...], Any], Any],
    xp: ModuleType,
) -> Any:
    """Takes the bits of one draw out of its block's words.

    Args:
        words: What `block_words` made.
        draw: Place of the draw in its block, 0 to 3, as `uint32`.
        bits: Bits a value needs in one draw: 16, 32 or 64.
        pick: Chooses one array of a tuple by a place, which a compiled loop knows only at run time.
        xp: `numpy` or `jax.numpy`.

    Returns:
        `uint32` of shape (row, unit), below 65,536 for 16 bits; for 64 bits (row, unit, 2).

    Example:
        >>> words = (np.array([[0x00020001]], np.uint32), np.array([[0x00040003]], np.uint32))
        >>> draws = np.arange(4, dtype=np.uint32)
        >>> [int(draw_field(words, j, 16, lambda w, i: w[i], np)[0, 0]) for j in draws]
        [1, 2, 3, 4]
    """
    if bits == 16:
        half = np.uint32(16) * (draw % np.uint32(2))
        return (pick(words, draw // np.uint32(2)) >> half) & np.uint32(0xFFFF)
    if bits == 32:
        return pick(words, draw)
    first, second = pick(words[0::2], draw), pick(words[1::2], draw)
    parts = (first[..., None], second[..., None])
    return xp.concatenate(parts, axis=-1)
