"""Finds what is pruned: the kernels of Dense layers, wherever they are in a model."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from denselab.errors import UsageError

__all__ = ["dense_layers", "kernel_of", "output_layers", "prunable_layers"]


def dense_layers(model: keras.Model) -> dict[str, keras.layers.Dense]:
    """Finds the Dense layers of a model, also those inside other layers and models.

    Args:
        model: Any built Keras model: Sequential, functional, subclassed or nested.

    Returns:
        Name -> layer, in the order of the model. Where two layers of nested models have one name, the names of the
        models around them come before it, as in `encoder/dense`.

    Raises:
        UsageError: If this is no built Keras model, it has no Dense layer, or a Dense layer is quantised or has LoRA.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="hidden")])
        >>> list(dense_layers(model))
        ['hidden']
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"model is {type(model).__name__}; give a keras.Model")
    found = _walk(model)
    if not found:
        raise UsageError(
            f"model {model.name!r} has no Dense layer, and only kernels of Dense layers are pruned; give one that has"
        )
    for _, layer in found:
        _check(layer)
    plain = [layer.name for _, layer in found]
    return {path if plain.count(layer.name) > 1 else layer.name: layer for path, layer in found}


def prunable_layers(model: keras.Model, skip: Sequence[str] = ()) -> dict[str, keras.layers.Dense]:
    """Finds the Dense layers of a model without those that stay dense.

    Args:
        model: Any built Keras model.
        skip: Names of Dense layers to leave out, such as `output_layers(model)`.

    Returns:
        Name -> layer, at least one.

    Raises:
        UsageError: If a name in `skip` is no Dense layer of the model, or nothing is left.
    """
    found = dense_layers(model)
    names = [skip] if isinstance(skip, str) else list(skip)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise UsageError(
            f"skip names {unknown[0]!r}, which is no Dense layer of this model; choose from {', '.join(found)}"
        )
    kept = {name: layer for name, layer in found.items() if name not in names}
    if not kept:
        raise UsageError("skip names every Dense layer of this model; leave one out of skip")
    return kept


def output_layers(model: keras.Model) -> tuple[str, ...]:
    """Names the Dense layers that make a model's outputs, to be left dense by `skip`.

    Args:
        model: Any built Keras model.

    Returns:
        The Dense layers with no other Dense layer between them and an output; of a model without a graph, a
        subclassed one, the last Dense layer.

    Example:
        >>> layers = [keras.layers.Dense(2, name="hidden"), keras.layers.Dense(1, name="answer")]
        >>> output_layers(keras.Sequential([keras.Input((4,)), *layers]))
        ('answer',)
    """
    found = dense_layers(model)
    graph = getattr(model, "_functional", None) or model
    last = {id(layer) for layer in _ending(graph)}
    names = tuple(name for name, layer in found.items() if id(layer) in last)
    return names or (list(found)[-1],)


def kernel_of(layer: keras.layers.Dense) -> np.ndarray:
    """Copies a Dense layer's kernel.

    Args:
        layer: A built layer.

    Returns:
        Its weights, shape (inputs, units).
    """
    kernel: Any = layer.kernel
    return np.array(ops.convert_to_numpy(kernel.value))


def _walk(model: Any) -> list[tuple[str, keras.layers.Dense]]:
    """Lists path and layer of every Dense layer, each once."""
    seen: dict[int, tuple[str, keras.layers.Dense]] = {}

    def visit(parent: Any, prefix: str) -> None:
        for child in parent._flatten_layers(include_self=False, recursive=False):
            path = f"{prefix}{child.name}"
            if isinstance(child, keras.layers.Dense):
                seen.setdefault(id(child), (path, child))
            else:
                visit(child, f"{path}/")

    visit(model, "")
    return list(seen.values())


def _check(layer: Any) -> None:
    if not layer.built:
        raise UsageError(
            f"layer {layer.name!r} has no weights yet; build the model first: model.build(input_shape) or one call"
        )
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None):
        raise UsageError(
            f"layer {layer.name!r} is quantised or has LoRA, so its kernel is no plain weight; prune before that"
        )


def _ending(graph: Any) -> Iterator[Any]:
    """Goes back from the outputs to the first Dense layer on every path."""
    pending = list(keras.tree.flatten(getattr(graph, "outputs", None) or []))
    seen: set[int] = set()
    while pending:
        tensor = pending.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        operation, place, _ = tensor._keras_history
        if isinstance(operation, keras.layers.Dense):
            yield operation
        elif isinstance(operation, keras.Model):
            yield from _ending(getattr(operation, "_functional", None) or operation)
        else:
            pending += operation._inbound_nodes[place].input_tensors
