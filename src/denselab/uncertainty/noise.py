"""The places of a model where noise enters, and layers' calls that take theirs from outside."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.uncertainty.kinds import Kind, kind_of
from denselab.uncertainty.outputs import LogitRecorder
from denselab.uncertainty.stochastic import always_off, call_by_itself, generators, replaced

__all__ = [
    "Draw",
    "KnownLayer",
    "Replacements",
    "Site",
    "call_with_noise",
    "known_kinds",
    "mixes_rows",
    "noisy_calls",
]

KnownLayer = tuple[Any, Kind | None]
"""A stochastic layer and its kind."""

Replacements = list[tuple[keras.Layer, Callable[..., Any]]]
"""Layers with the calls to put in the place of theirs."""


@dataclass(frozen=True)
class Site:
    """One call of one stochastic layer in a forward pass.

    Attributes:
        bits: Random bits that a value needs in one draw.
        units: Random values that a row needs in one draw.
        by_row: Whether each row has its own values.
    """

    bits: int
    units: int
    by_row: bool

    def field_shape(self, rows: int) -> tuple[int, ...]:
        """Gives the shape of one draw's field for so many rows."""
        shape = (rows if self.by_row else 1, self.units)
        return (*shape, 2) if self.bits == 64 else shape


class Draw(Protocol):
    """What a forward pass asks for its noise."""

    def field(self, site: Site) -> Any:
        """Gives the next site's random bits, `uint32`."""
        ...

    def affine(self, inputs: Any, scale: Any, shift: Any) -> Any:
        """Computes `inputs * scale + shift`, either of which may be None."""
        ...

    def own_call(self, layer: Any, call: Callable[..., Any], field: Any, arguments: Any) -> Any:
        """Calls a layer that only itself knows, on seeds of shape (row, generator, 2)."""
        ...


def known_kinds(layers: Sequence[Any]) -> list[KnownLayer]:
    """Finds the kinds of layers, before any trace begins: it takes trying them out.

    Args:
        layers: The stochastic layers of a model.

    Returns:
        Each layer with its kind, or None if only the layer itself knows what it does.
    """
    return [(layer, kind_of(layer)) for layer in layers]


def noisy_calls(
    layers: Sequence[KnownLayer], draw: Draw, *, rows: int, shared: bool
) -> Replacements:
    """Makes calls that are switched on and take their noise from `draw`.

    Args:
        layers: The stochastic layers of a model with their kinds.
        draw: Where the noise comes from.
        rows: Rows in the batch.
        shared: Whether all rows get the same noise.

    Returns:
        The layers with their new calls.
    """
    calls: Replacements = []
    for layer, kind in layers:
        if kind is None:
            calls.append((layer, _by_itself(layer, draw, shared)))
        else:
            calls.append((layer, _by_kind(layer, kind, draw, (rows, shared))))
    return calls


def call_with_noise(
    model: Any, run: Callable[..., Any], calls: Replacements, last: Any
) -> tuple[Any, bool]:
    """Calls a model with the given calls, and with BatchNormalization in inference mode.

    Args:
        model: The model.
        run: Calls it on the data.
        calls: What `noisy_calls` made.
        last: The layer whose softmax or sigmoid makes the outputs, or None.

    Returns:
        The logits behind the outputs and True; or the outputs and False if there are none.
    """
    recorder = LogitRecorder(getattr(last, "activation", keras.activations.linear))
    options = {"training": False} if model._call_has_training_arg else {}
    with (
        replaced(calls + always_off(model)),
        replaced([] if last is None else [(last, recorder)], name="activation"),
    ):
        outputs = run(**options)
    logits = recorder.logits_of(outputs)
    return (outputs, False) if logits is None else (logits, True)


def mixes_rows(layer: Any, call: Callable[..., Any], shapes: Any) -> bool:
    """Tells whether a switched-on layer lets rows see each other, as MixUp does.

    Such a layer augments a batch in training and says nothing about a row's uncertainty. It is
    found by changing one row of random inputs and looking at the others.

    Args:
        layer: A stochastic layer of no known kind.
        call: Its own call.
        shapes: Positional and keyword arguments of a call, with arrays for tensors.

    Returns:
        True if the other rows change; False if they do not, or the layer cannot be tried.
    """
    random = np.random.default_rng(0)
    seeds = np.arange(1, 1 + 2 * len(generators(layer)), dtype=np.uint32).reshape(-1, 2)

    def probe(array: Any) -> Any:
        if not hasattr(array, "shape") or not array.shape:
            return array
        values = random.normal(size=(4, *array.shape[1:])).astype(np.float32)
        return keras.ops.cast(values, keras.backend.standardize_dtype(array.dtype))

    def rows_after_first(arguments: Any) -> list[np.ndarray]:
        outputs = keras.tree.flatten(call_by_itself(layer, call, seeds, arguments))
        return [np.asarray(keras.ops.convert_to_numpy(output))[1:] for output in outputs]

    def change_first(array: Any) -> Any:
        if not hasattr(array, "shape") or not array.shape:
            return array
        return keras.ops.concatenate([array[1:2], array[1:]], axis=0)

    try:
        arguments = keras.tree.map_structure(probe, shapes)
        before = rows_after_first(arguments)
        after = rows_after_first(keras.tree.map_structure(change_first, arguments))
    except (TypeError, ValueError):
        return False
    return not all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def _by_kind(layer: Any, kind: Kind, draw: Draw, batch: tuple[int, bool]) -> Callable[..., Any]:
    rows, shared = batch

    def call(inputs: Any, *_: Any, **__: Any) -> Any:
        if inputs.shape[0] != rows:
            raise UsageError(
                f"layer {layer.name!r} sees {inputs.shape[0]} rows of a batch of {rows}; draws "
                "need a model that keeps rows on the first axis: reshape behind the layer"
            )
        first, *units = kind.shape(layer, (2, *inputs.shape[1:]))
        site = Site(kind.bits, math.prod(units), by_row=first != 1 and not shared)
        noise = kind.affine(layer, draw.field(site))
        scale, shift = (None if part is None else part.reshape(-1, *units) for part in noise)
        return draw.affine(inputs, scale, shift)

    return call


def _by_itself(layer: Any, draw: Draw, shared: bool) -> Callable[..., Any]:
    own = layer.call

    def call(*positional: Any, **keyword: Any) -> Any:
        site = Site(bits=64, units=len(generators(layer)), by_row=not shared)
        return draw.own_call(layer, own, draw.field(site), (positional, keyword))

    return call
