"""One compiled program that draws: the noise-free part once, then a loop that keeps statistics.

XLA's CPU compiler fuses cheap arithmetic into whatever reads it and so would make the same random
words many times over; it drops optimization barriers first. It never fuses across a loop, so words
are made in an outer loop and used in an inner one.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from denselab.uncertainty.counters import DRAWS_PER_BLOCK, block_words, draw_field
from denselab.uncertainty.noise import Site
from denselab.uncertainty.plans import SLAB
from denselab.uncertainty.streams import empty_updates, update
from denselab.uncertainty.tracing import TracedModel

__all__ = ["compile_outputs", "compile_statistics", "compiler_options"]

_BLOCKS_AT_ONCE = 8
"""Blocks of shared masks made together: they are small, so one call serves 32 draws."""

_WANTED_OPTIONS = {
    # YNNPACK's fusions gave wrong results and crashes (jax issues 39103, 39257, 40412), and a pass
    # of 20 x 100 units took 1.1 to 1.2 times as long with them.
    "xla_cpu_experimental_ynn_fusion_type": "",
    # Masks are integer arithmetic: 0.71 passes a draw with 256-bit vectors, 0.56 with 512 bits.
    # A processor without them is served as before.
    "xla_cpu_prefer_vector_width": 512,
}

Visit = Callable[[Any, Any, Any, Any], Any]
"""State, outputs (draw, row, output), places of the draws and whether they count, to state."""


def compile_statistics(traced: TracedModel, rows: int) -> Callable[..., Any]:
    """Makes the program that keeps class statistics of any number of draws.

    Args:
        traced: The model.
        rows: Rows of a batch.

    Returns:
        A compiled function of the model's weights and data (a flat list), the rows' positions
        (`uint32`), the key (two `uint32`), the first draw (a multiple of 4) and the number of
        draws, that gives `streams.ClassUpdates`.
    """

    def run(inputs: list[Any], positions: Any, key: Any, first: Any, count: Any) -> Any:
        def visit(state: Any, outputs: Any, _: Any, counted: Any) -> Any:
            return update(state, outputs, traced.scale, counted=counted, xp=jnp)

        empty = empty_updates(traced.reading.classes, rows, jnp)
        return _over_draws(traced, inputs, (positions, key, first, count), empty, visit)

    return jax.jit(run, compiler_options=compiler_options())


def compile_outputs(traced: TracedModel, rows: int) -> Callable[..., Any]:
    """Makes the program that returns the outputs of up to 64 draws.

    Args:
        traced: The model.
        rows: Rows of a batch.

    Returns:
        A compiled function of the same arguments as `compile_statistics` gives, to an array of
        shape (64, row, output), zero past the number of draws.
    """

    def run(inputs: list[Any], positions: Any, key: Any, first: Any, count: Any) -> Any:
        def visit(slab: Any, outputs: Any, places: Any, counted: Any) -> Any:
            return slab.at[jnp.where(counted > 0, places, SLAB)].set(outputs, mode="drop")

        empty = jnp.zeros((SLAB, rows, traced.reading.columns), jnp.float32)
        return _over_draws(traced, inputs, (positions, key, first, count), empty, visit)

    return jax.jit(run, compiler_options=compiler_options())


def _over_draws(
    traced: TracedModel, inputs: list[Any], noise: tuple[Any, ...], state: Any, visit: Visit
) -> Any:
    kept = traced.split.run_once(inputs)
    loop = _own_masks if any(site.by_row for site in traced.sites) else _shared_masks
    return loop(traced, kept, noise, state, visit)


def _own_masks(
    traced: TracedModel, kept: Any, noise: tuple[Any, ...], state: Any, visit: Visit
) -> Any:
    """Draws one at a time, the words of four in hand."""
    positions, key, first, count = noise
    one = jnp.ones(1, jnp.float32)

    def block(place: Any, state: Any) -> Any:
        words = _words(traced.sites, key, first // DRAWS_PER_BLOCK + place, positions)

        def draw(j: Any, state: Any) -> Any:
            fields = _fields(traced.sites, words, j.astype(jnp.uint32))
            outputs = traced.split.run_draw(kept, fields)
            return visit(state, outputs[None], (DRAWS_PER_BLOCK * place + j)[None], one)

        return lax.fori_loop(0, _left(count, DRAWS_PER_BLOCK, place), draw, state)

    return lax.fori_loop(0, _pieces(count, DRAWS_PER_BLOCK), block, state)


def _shared_masks(
    traced: TracedModel, kept: Any, noise: tuple[Any, ...], state: Any, visit: Visit
) -> Any:
    """Draws four at a time: their masks go into the weights, which makes one wider product."""
    positions, key, first, count = noise
    blocks = _pieces(count, DRAWS_PER_BLOCK)
    four = jnp.arange(DRAWS_PER_BLOCK, dtype=jnp.int32)

    def stretch(place: Any, state: Any) -> Any:
        start = first // DRAWS_PER_BLOCK + _BLOCKS_AT_ONCE * place
        numbers = start + jnp.arange(_BLOCKS_AT_ONCE, dtype=jnp.int32)
        words = jax.vmap(lambda block: _words(traced.sites, key, block, positions))(numbers)

        def block(i: Any, state: Any) -> Any:
            own = jax.tree.map(lambda array: array[i], words)
            fields = jax.vmap(lambda j: _fields(traced.sites, own, j))(four.astype(jnp.uint32))
            outputs = jax.vmap(lambda noise: traced.split.run_draw(kept, noise))(fields)
            places = DRAWS_PER_BLOCK * (_BLOCKS_AT_ONCE * place + i) + four
            return visit(state, outputs, places, (places < count).astype(jnp.float32))

        return lax.fori_loop(0, _left(blocks, _BLOCKS_AT_ONCE, place), block, state)

    return lax.fori_loop(0, _pieces(blocks, _BLOCKS_AT_ONCE), stretch, state)


def _words(sites: Sequence[Site], key: Any, block: Any, positions: Any) -> list[tuple[Any, ...]]:
    both = (key[:1], key[1:])
    number = block.astype(jnp.uint32).reshape(1)
    return [
        block_words(
            both,
            (np.array([place], np.uint32), number),
            positions if site.by_row else np.zeros(1, np.uint32),
            units=site.units,
            bits=site.bits,
            xp=jnp,
        )
        for place, site in enumerate(sites)
    ]


def _fields(sites: Sequence[Site], words: list[tuple[Any, ...]], draw: Any) -> list[Any]:
    return [
        draw_field(own, draw, site.bits, _pick, jnp) for site, own in zip(sites, words, strict=True)
    ]


def _pick(arrays: tuple[Any, ...], place: Any) -> Any:
    return lax.select_n(place.astype(jnp.int32), *arrays)


def _pieces(total: Any, size: int) -> Any:
    return (total + size - 1) // size


def _left(total: Any, size: int, place: Any) -> Any:
    return jnp.minimum(size, total - size * place)


@cache
def compiler_options() -> dict[str, Any]:
    """Gives the options that the programs are compiled with; no flag of the process is touched.

    Returns:
        Those of the wanted options that this version of XLA knows; none but on a CPU.
    """
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in _WANTED_OPTIONS.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
