"""Traces a Keras model on JAX with its noise as an input, and splits it there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import keras

from denselab.errors import DataError, UsageError
from denselab.uncertainty.checks import no_noise_message, output_columns, wrong_shape_message
from denselab.uncertainty.noise import (
    KnownLayer,
    Replacements,
    Site,
    call_with_noise,
    known_kinds,
    mixes_rows,
    noisy_calls,
)
from denselab.uncertainty.outputs import OutputsChoice, Reading, read_outputs
from denselab.uncertainty.split import Split, scaled_and_shifted, split_at_noise
from denselab.uncertainty.stochastic import call_by_itself, stochastic_layers

__all__ = ["TracedModel", "model_weights", "trace_model"]

Weights = tuple[list[Any], list[Any]]
"""Values of the trainable and of the other variables."""


@dataclass(frozen=True)
class TracedModel:
    """A model in two parts, ready to be put into a loop.

    Attributes:
        split: What is computed once, and what every draw computes.
        sites: Where noise enters, in order.
        reading: How the outputs are read.
        scale: What the traced outputs are, for `streams.update`.
    """

    split: Split
    sites: tuple[Site, ...]
    reading: Reading
    scale: str


def model_weights(model: keras.Model) -> Weights:
    """Gives the values of a model's variables as they are now.

    Args:
        model: A built model.

    Returns:
        Trainable and other values, in the order that `stateless_call` takes.
    """
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def trace_model(model: keras.Model, x: Any, *, shared: bool, choice: OutputsChoice) -> TracedModel:
    """Traces a model with its stochastic layers on and everything else in inference mode.

    Args:
        model: A built Keras model.
        x: Shapes and dtypes of one batch, `jax.ShapeDtypeStruct`, as the model takes its inputs.
        shared: Whether all rows get the same noise.
        choice: What the outputs are.

    Returns:
        The traced model.

    Raises:
        UsageError: If no stochastic layer reaches the output, or the output is not one table.
        DataError: If the model cannot take such data.
    """
    layers = known_kinds(stochastic_layers(model))
    found = _discover(model, x, layers, shared)
    mixing = [layer for layer, call, shapes in found.own if mixes_rows(layer, call, shapes)]
    if mixing:
        layers = [known for known in layers if known[0] not in mixing]
        found = _discover(model, x, layers, shared)
    reading = read_outputs(model, choice, output_columns(found.output, found.rows))
    fields = [
        jax.ShapeDtypeStruct(site.field_shape(found.rows), jnp.uint32) for site in found.sites
    ]
    recorded: list[bool] = []

    def forward(weights: Weights, data: Any, noise: list[Any]) -> Any:
        calls = noisy_calls(layers, _TracedDraw(found.rows, noise), rows=found.rows, shared=shared)
        outputs, from_logits = _call(model, (weights, data), calls, reading.last)
        recorded.append(from_logits)
        return outputs.reshape(found.rows, -1).astype(jnp.float32)

    program = jax.make_jaxpr(forward)(model_weights(model), x, fields)
    split = split_at_noise(program, len(fields))
    if not split.each:
        raise UsageError(no_noise_message(model))
    return TracedModel(split, tuple(found.sites), reading, reading.scale(recorded[-1]))


class _TracedDraw:
    """Hands out given fields, or zeros while it finds out where they are wanted."""

    def __init__(self, rows: int, fields: Sequence[Any] | None = None) -> None:
        self.rows = rows
        self.sites: list[Site] = []
        self.own: list[tuple[Any, Callable[..., Any], Any]] = []
        self.output: Any = None
        self._fields = fields

    def field(self, site: Site) -> Any:
        self.sites.append(site)
        if self._fields is None:
            return jnp.zeros(site.field_shape(self.rows), jnp.uint32)
        return self._fields[len(self.sites) - 1]

    def affine(self, inputs: Any, scale: Any, shift: Any) -> Any:
        return scaled_and_shifted(inputs, scale, shift)

    def own_call(self, layer: Any, call: Callable[..., Any], field: Any, arguments: Any) -> Any:
        """Calls the layer row by row, so that a row's noise does not depend on its neighbours."""
        self.own.append((layer, call, jax.tree.map(_shape, arguments)))
        leaves, structure = jax.tree.flatten(arguments)
        by_row = [getattr(leaf, "shape", ())[:1] == (self.rows,) for leaf in leaves]
        moving = [leaf for leaf, is_row in zip(leaves, by_row, strict=True) if is_row]

        def one_row(seeds: Any, *row: Any) -> Any:
            parts = iter(row)
            mixed = [
                next(parts)[None] if is_row else leaf
                for leaf, is_row in zip(leaves, by_row, strict=True)
            ]
            outputs = call_by_itself(layer, call, seeds, jax.tree.unflatten(structure, mixed))
            return jax.tree.map(lambda output: output[0], outputs)

        if field.shape[0] != self.rows:
            field = jnp.broadcast_to(field, (self.rows, *field.shape[1:]))
        return jax.vmap(one_row)(field, *moving)


def _discover(model: keras.Model, x: Any, layers: list[KnownLayer], shared: bool) -> _TracedDraw:
    draw = _TracedDraw(jax.tree.leaves(x)[0].shape[0])

    def forward(weights: Weights, data: Any) -> Any:
        calls = noisy_calls(layers, draw, rows=draw.rows, shared=shared)
        return _call(model, (weights, data), calls, None)[0]

    try:
        draw.output = jax.eval_shape(forward, model_weights(model), x)
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise DataError(wrong_shape_message(model, x, error)) from error
    if not draw.sites:
        raise UsageError(no_noise_message(model))
    return draw


def _call(
    model: Any, inputs: tuple[Weights, Any], calls: Replacements, last: Any
) -> tuple[Any, bool]:
    weights, data = inputs

    def run(**options: Any) -> Any:
        return model.stateless_call(*weights, data, **options)[0]

    return call_with_noise(model, run, calls, last)


def _shape(leaf: Any) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) if hasattr(leaf, "shape") else leaf
