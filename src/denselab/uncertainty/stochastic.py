"""Finds the stochastic layers of any Keras model, and switches them on without touching it."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

import keras

from denselab.uncertainty.torch_backend import global_seed

__all__ = ["always_off", "call_by_itself", "generators", "replaced", "stochastic_layers"]

_TRACING = RLock()
"""A model's layers are replaced for the moment of a trace; another thread waits for its turn."""

_REPLACED: set[tuple[int, str]] = set()
"""Layers (by id) and names that are replaced at this moment."""


def stochastic_layers(model: keras.Model) -> tuple[keras.Layer, ...]:
    """Lists the layers of a model that own a random stream and can differ between draws.

    Such are Dropout, AlphaDropout, GaussianDropout, GaussianNoise, SpatialDropout, their MC
    variants, attention and recurrent layers with a dropout rate, and user-written layers that hold
    a `keras.random.SeedGenerator`. Left out is what augments data (Keras' random image layers).

    Args:
        model: Any Keras model: Sequential, Functional, subclassed, nested or loaded from a file.

    Returns:
        The layers, each once; a recurrent layer stands for its cells.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.1, name="drop")])
        >>> [layer.name for layer in stochastic_layers(model)]
        ['drop']
    """
    every = model._flatten_layers(include_self=True)
    recurrent = [layer for layer in every if isinstance(layer, keras.layers.RNN)]
    inside = {id(part) for layer in recurrent for part in layer._flatten_layers(include_self=False)}
    return tuple(
        layer
        for layer in every
        if id(layer) not in inside
        and not _augments(layer)
        and any(_is_live(part) for part in (_parts(layer) if layer in recurrent else [layer]))
    )


def generators(layer: keras.Layer) -> list[keras.random.SeedGenerator]:
    """Lists the seed generators of a layer and of the layers inside it."""
    return [own for part in _parts(layer) for own in _own_generators(part)]


def always_off(model: keras.Model) -> list[tuple[keras.Layer, Callable[..., Any]]]:
    """Gives BatchNormalization calls that stay in inference mode whatever a layer around them says.

    Args:
        model: Any Keras model.

    Returns:
        Layers with the calls to replace theirs, for `replaced`.
    """
    return [
        (layer, _without_training(layer.call))
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]


@contextmanager
def replaced(
    replacements: Sequence[tuple[keras.Layer, Callable[..., Any]]], name: str = "call"
) -> Iterator[None]:
    """Puts functions in the place of layers' methods while a model is called or traced.

    A layer that is replaced already stays so: the outermost replacement holds, and of several for
    one layer the first.

    Args:
        replacements: Layers, each with the function to stand for its method.
        name: The method or attribute.

    Yields:
        Nothing; on leaving, the layers are as they were.
    """
    with _TRACING:
        fresh = {
            (id(layer), name): (layer, new)
            for layer, new in reversed(replacements)
            if (id(layer), name) not in _REPLACED
        }
        layers = [layer for layer, _ in fresh.values()]
        before = [(layer, layer.__dict__[name]) for layer in layers if name in layer.__dict__]
        try:
            _REPLACED.update(fresh)
            for layer, new in fresh.values():
                layer.__dict__[name] = new
            yield
        finally:
            for layer in layers:
                del layer.__dict__[name]
            for layer, old in before:
                layer.__dict__[name] = old
            _REPLACED.difference_update(fresh)


def call_by_itself(
    layer: keras.Layer, call: Callable[..., Any], seeds: Any, arguments: tuple[tuple, dict]
) -> Any:
    """Calls a stochastic layer switched on, on given seeds, and lets none of its state change.

    Args:
        layer: The layer.
        call: The layer's own `call`.
        seeds: Seed states of its generators, whole numbers, shape (generator, 2).
        arguments: Positional and keyword arguments of the call.

    Returns:
        What the layer returns.
    """
    positional, keyword = arguments
    if "training" in inspect.signature(call).parameters:
        keyword = {**keyword, "training": True}
    states = [generator.state for generator in generators(layer)]
    values = {id(variable): variable.value for variable in layer.variables}
    values |= {
        id(state): keras.ops.cast(seeds[place], state.dtype) for place, state in enumerate(states)
    }
    scope = [(variable, values[id(variable)]) for variable in (*layer.variables, *states)]
    with keras.StatelessScope(state_mapping=scope), global_seed(lambda: int(seeds[0, 0])):
        return call(*positional, **keyword)


def _without_training(call: Callable[..., Any]) -> Callable[..., Any]:
    def in_inference(*arguments: Any, **options: Any) -> Any:
        return call(*arguments, **{**options, "training": False})

    return in_inference


def _parts(layer: keras.Layer) -> list[keras.Layer]:
    return layer._flatten_layers(include_self=True)


def _own_generators(layer: keras.Layer) -> list[keras.random.SeedGenerator]:
    return list(layer._seed_generators)


def _is_live(layer: keras.Layer) -> bool:
    """Tells whether a layer's stream is used: a recurrent cell owns one even at rate 0."""
    if not _own_generators(layer):
        return False
    rates = [getattr(layer, name, None) for name in ("dropout", "recurrent_dropout")]
    known = [rate for rate in rates if isinstance(rate, int | float)]
    return not known or any(rate > 0 for rate in known)


def _augments(layer: keras.Layer) -> bool:
    return any(".layers.preprocessing." in base.__module__ for base in type(layer).__mro__)
