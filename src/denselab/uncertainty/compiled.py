"""Draws with one compiled program a chunk of rows, on JAX."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import jax
import keras
import numpy as np

from denselab.randomness import key_data
from denselab.uncertainty.outputs import Reading
from denselab.uncertainty.plans import SLAB, Request, Rows, Slab
from denselab.uncertainty.program import compile_outputs, compile_statistics
from denselab.uncertainty.stochastic import stochastic_layers
from denselab.uncertainty.streams import ClassUpdates
from denselab.uncertainty.tracing import TracedModel, model_weights, trace_model

__all__ = ["CompiledPlan"]

Piece = TypeVar("Piece")

_ROWS_ON_CPU, _ROWS_ON_GPU = 512, 8192

_WORD_BYTES = 2**26
"""Chunks are cut so that the random words of four draws fit into so many bytes."""


class CompiledPlan:
    """Draws with one compiled program a chunk shape, one chunk a core at a time.

    Args:
        model: A built Keras model on the JAX backend.
        x: The data, arrays whose first axis is the row.
        request: What is asked for.
    """

    def __init__(self, model: keras.Model, x: Any, request: Request) -> None:
        self._x = x
        self._key = key_data(request.seed, "draws")
        self._weights = jax.tree.leaves(model_weights(model))
        rows = len(jax.tree.leaves(x)[0])
        self._programs = _programs(model, x, request, request.chunk or _chunk_rows(rows))

    @property
    def traced(self) -> TracedModel:
        """The model in two parts."""
        return self._programs.traced

    @property
    def rows(self) -> int:
        """Rows of a chunk."""
        return self._programs.rows

    @property
    def reading(self) -> Reading:
        """How the model's outputs are read."""
        return self._programs.traced.reading

    @property
    def scale(self) -> str:
        """What the drawn outputs are."""
        return self._programs.traced.scale

    def statistics(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, ClassUpdates]]:
        """Draws for some rows and gives their class statistics, chunk by chunk."""
        run = self._programs.statistics

        def one(piece: Rows) -> tuple[Rows, ClassUpdates]:
            found = run(*self._arguments(piece), np.int32(first), np.int32(count))
            return piece, ClassUpdates(*map(np.asarray, found))

        return self._in_chunks(one, rows)

    def outputs(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, int, Slab]]:
        """Draws for some rows and gives the outputs, at most 64 draws of a chunk at a time."""
        run = self._programs.outputs
        for start in range(first, first + count, SLAB):
            some = min(SLAB, first + count - start)

            def one(piece: Rows, start: int = start, some: int = some) -> tuple[Rows, int, Slab]:
                found = run(*self._arguments(piece), np.int32(start), np.int32(some))
                return piece, start, np.asarray(found)[:some, : len(piece)]

            yield from self._in_chunks(one, rows)

    def _in_chunks(self, one: Callable[[Rows], Piece], rows: Rows) -> Iterator[Piece]:
        size = self._programs.rows
        pieces = [rows[start : start + size] for start in range(0, len(rows), size)]
        if len(pieces) == 1:
            return iter([one(pieces[0])])
        return _threads(os.getpid()).map(one, pieces)

    def _arguments(self, piece: Rows) -> tuple[list[Any], np.ndarray, np.ndarray]:
        padding = np.full(self._programs.rows - len(piece), piece[0])
        rows = np.concatenate([piece, padding])
        in_order = len(padding) == 0 and piece[-1] - piece[0] == len(piece) - 1
        chosen = slice(piece[0], piece[-1] + 1) if in_order else rows
        data = [_as_traced(array[chosen]) for array in jax.tree.leaves(self._x)]
        return [*self._weights, *data], rows.astype(np.uint32), self._key


@dataclass
class _Programs:
    """The programs of one model, chunk shape and way to draw, compiled when first used."""

    traced: TracedModel
    rows: int

    @cached_property
    def statistics(self) -> Callable[..., Any]:
        return compile_statistics(self.traced, self.rows)

    @cached_property
    def outputs(self) -> Callable[..., Any]:
        return compile_outputs(self.traced, self.rows)


_KNOWN: WeakKeyDictionary[keras.Model, dict[Any, _Programs]] = WeakKeyDictionary()
"""Programs by model, so that a second call compiles nothing; they go when the model goes."""


def _programs(model: keras.Model, x: Any, request: Request, rows: int) -> _Programs:
    shapes = [(leaf.shape[1:], str(leaf.dtype)) for leaf in jax.tree.leaves(x)]
    layers = [_settings(layer) for layer in stochastic_layers(model)]
    loss = repr(getattr(model, "loss", None))
    way = repr((rows, request.chunk, request.masks, request.outputs, shapes, layers, loss))
    known = _KNOWN.setdefault(model, {})
    if way not in known:
        known[way] = _prepare(model, x, request, rows)
    return known[way]


def _prepare(model: keras.Model, x: Any, request: Request, rows: int) -> _Programs:
    def batch(array: np.ndarray) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, *array.shape[1:]), _as_traced(array[:0]).dtype)

    shared = request.masks == "shared"
    traced = trace_model(model, jax.tree.map(batch, x), shared=shared, choice=request.outputs)
    a_row = sum(site.bits // 8 * 4 * site.units for site in traced.sites if site.by_row)
    if request.chunk is None and rows > 8 and a_row * rows > _WORD_BYTES:
        return _prepare(model, x, request, max(8, _below(_WORD_BYTES // a_row)))
    # The programs are kept as long as the model, so they must not keep a part of it alive.
    reading = replace(traced.reading, last=None)
    return _Programs(replace(traced, reading=reading), rows)


def _settings(layer: keras.Layer) -> tuple[Any, ...]:
    names = ("rate", "stddev", "noise_shape", "dropout", "recurrent_dropout")
    return (layer.name, *(getattr(layer, name, None) for name in names))


def _chunk_rows(rows: int) -> int:
    """Chooses a chunk: an equal share for each core, in few sizes, within the cache."""
    if jax.default_backend() != "cpu":
        return min(_ROWS_ON_GPU, 2 * _below(rows))
    share = -(-rows // _workers())
    few = -(-share // 64) * 64 if share > 64 else 2 * _below(share)
    return min(_ROWS_ON_CPU, max(8, few))


def _below(number: int) -> int:
    """Gives the greatest power of two not above a number."""
    return 1 << (max(1, number).bit_length() - 1)


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """Makes the threads of a process once: JAX takes milliseconds to warm to a new one."""
    return ThreadPoolExecutor(_workers(), thread_name_prefix=f"denselab-draws-{process}")


def _workers() -> int:
    if jax.default_backend() != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _as_traced(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, jax.dtypes.canonicalize_dtype(array.dtype))
