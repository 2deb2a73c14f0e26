"""Draws by a plain loop of forward passes, with the same noise, on any Keras backend."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from denselab.errors import DataError, UsageError
from denselab.randomness import key_data
from denselab.uncertainty.checks import no_noise_message, output_columns, wrong_shape_message
from denselab.uncertainty.counters import DRAWS_PER_BLOCK, block_words, draw_field
from denselab.uncertainty.noise import (
    Replacements,
    Site,
    call_with_noise,
    known_kinds,
    mixes_rows,
    noisy_calls,
)
from denselab.uncertainty.outputs import read_outputs
from denselab.uncertainty.plans import SLAB, Request, Rows, Slab
from denselab.uncertainty.stochastic import call_by_itself, stochastic_layers
from denselab.uncertainty.streams import ClassUpdates, empty_updates, update
from denselab.uncertainty.torch_backend import no_gradients

__all__ = ["LoopPlan"]

_ROWS = 512


class LoopPlan:
    """Draws with one forward pass a batch and draw.

    Noise of the known kinds is the same as in the compiled program, bit for bit. A layer that only
    itself knows is called on a whole batch with one seed, so its draws depend on the batch size.

    Args:
        model: A built Keras model.
        x: The data, arrays whose first axis is the row.
        request: What is asked for.
    """

    def __init__(self, model: keras.Model, x: Any, request: Request) -> None:
        self._model, self._x = model, x
        self._shared = request.masks == "shared"
        self._rows = request.chunk or _ROWS
        self._key = key_data(request.seed, "draws")
        self._layers = known_kinds(stochastic_layers(model))
        self.reading: Any = None
        probe = self._probe()
        mixing = [layer for layer, call, shapes in probe.own if mixes_rows(layer, call, shapes)]
        if mixing:
            self._layers = [known for known in self._layers if known[0] not in mixing]
            probe = self._probe()
        if probe.sites == 0:
            raise UsageError(no_noise_message(model))
        columns = output_columns(probe.output, probe.rows)
        self.reading = read_outputs(model, request.outputs, columns)
        self.scale = self.reading.scale(self._probe().from_logits)

    def statistics(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, ClassUpdates]]:
        """Draws for some rows and gives their class statistics, batch by batch."""
        one = np.ones(1, np.float32)
        for piece in self._pieces(rows):
            state = empty_updates(self.reading.classes, len(piece), np)
            for outputs in self._draws(piece, first, count):
                with np.errstate(invalid="ignore"):  # what is not finite is refused by the caller
                    state = update(state, outputs[None], self.scale, counted=one, xp=np)
            yield piece, state

    def outputs(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, int, Slab]]:
        """Draws for some rows and gives the outputs, at most 64 draws of a batch at a time."""
        for piece in self._pieces(rows):
            for start in range(first, first + count, SLAB):
                some = min(SLAB, first + count - start)
                yield piece, start, np.stack(list(self._draws(piece, start, some)))

    def _pieces(self, rows: Rows) -> Iterator[Rows]:
        return (rows[start : start + self._rows] for start in range(0, len(rows), self._rows))

    def _draws(self, rows: Rows, first: int, count: int) -> Iterator[np.ndarray]:
        data = keras.tree.map_structure(lambda array: array[rows], self._x)
        draw = _LoopDraw(self._key, rows)
        calls = noisy_calls(self._layers, draw, rows=len(rows), shared=self._shared)
        for number in range(first, first + count):
            draw.start(number)
            table = keras.ops.convert_to_numpy(self._call(data, calls)[0])
            yield np.asarray(table, np.float32).reshape(len(rows), -1)

    def _call(self, data: Any, calls: Replacements) -> tuple[Any, bool]:
        def run(**options: Any) -> Any:
            return self._model(data, **options)

        last = self.reading.last if self.reading else None
        with no_gradients():
            return call_with_noise(self._model, run, calls, last)

    def _probe(self) -> "_LoopDraw":
        rows = np.arange(min(2, len(keras.tree.flatten(self._x)[0])))
        data = keras.tree.map_structure(lambda array: array[rows], self._x)
        draw = _LoopDraw(self._key, rows)
        calls = noisy_calls(self._layers, draw, rows=len(rows), shared=self._shared)
        try:
            draw.output, draw.from_logits = self._call(data, calls)
        except (TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, UsageError):
                raise
            raise DataError(wrong_shape_message(self._model, data, error)) from error
        return draw


class _LoopDraw:
    """Hands out the noise of one draw after another for a batch of rows."""

    def __init__(self, key: np.ndarray, rows: Rows) -> None:
        self.rows = len(rows)
        self.sites = 0
        self.own: list[tuple[Any, Callable[..., Any], Any]] = []
        self.output: Any = None
        self.from_logits = False
        self._key = (key[:1], key[1:])
        self._positions = rows.astype(np.uint32)
        self._number = 0
        self._words: dict[tuple[int, int], tuple[np.ndarray, ...]] = {}

    def start(self, number: int) -> None:
        """Goes to a draw."""
        if number // DRAWS_PER_BLOCK != self._number // DRAWS_PER_BLOCK:
            self._words.clear()
        self._number, self.sites = number, 0

    def field(self, site: Site) -> np.ndarray:
        """Gives the next site's random bits."""
        block = self._number // DRAWS_PER_BLOCK
        place = (block, self.sites)
        if place not in self._words:
            self._words[place] = block_words(
                self._key,
                (np.array([self.sites], np.uint32), np.array([block], np.uint32)),
                self._positions if site.by_row else np.zeros(1, np.uint32),
                units=site.units,
                bits=site.bits,
                xp=np,
            )
        self.sites += 1
        draw = np.uint32(self._number % DRAWS_PER_BLOCK)
        return draw_field(self._words[place], draw, site.bits, _pick, np)

    def affine(self, inputs: Any, scale: Any, shift: Any) -> Any:
        """Computes `inputs * scale + shift`."""
        if scale is not None:
            inputs = inputs * keras.ops.convert_to_tensor(scale, dtype=inputs.dtype)
        if shift is not None:
            inputs = inputs + keras.ops.convert_to_tensor(shift, dtype=inputs.dtype)
        return inputs

    def own_call(self, layer: Any, call: Callable[..., Any], field: Any, arguments: Any) -> Any:
        """Calls the layer on the whole batch with the first row's seeds."""
        self.own.append((layer, call, arguments))
        return call_by_itself(layer, call, field[0].astype(np.int64), arguments)


def _pick(words: tuple[np.ndarray, ...], place: Any) -> np.ndarray:
    return words[int(place)]
