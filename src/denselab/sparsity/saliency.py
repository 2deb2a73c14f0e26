"""How much a unit matters: by its weights, its activation, or the loss's first-order change without it."""

from typing import Any

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.sparsity.copying import cloned
from denselab.sparsity.graph import RANDOM_LAYERS, Call
from denselab.sparsity.kernels import kernel_of
from denselab.sparsity.units import Space

__all__ = ["saliencies"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
_ROWS = 256


def saliencies(
    model: Any, spaces: list[Space], x: Any, y: Any, *, saliency: str
) -> list[np.ndarray]:
    """Measures every unit of some spaces.

    Args:
        model: A functional or Sequential model.
        spaces: The spaces.
        x: Inputs, or None.
        y: Targets, or None.
        saliency: "weight", "activation" or "taylor".

    Returns:
        For each space one value a unit, 0 or more.

    Raises:
        UsageError: If the measure is unknown, data are missing, or "taylor" gets a model that is not compiled.
    """
    if saliency not in ("weight", "activation", "taylor"):
        raise UsageError(f"saliency is {saliency!r}; give 'weight', 'activation' or 'taylor'")
    if saliency == "weight":
        return [_by_weight(space) for space in spaces]
    if x is None or (y is None and saliency == "taylor"):
        raise UsageError(
            f"saliency {saliency!r} is measured on data; give x" + " and y" * (saliency == "taylor")
        )
    if saliency == "taylor" and (not model.compiled or model.optimizer is None):
        raise UsageError(
            f"model {model.name!r} is not compiled, and 'taylor' needs its loss; call model.compile(optimizer, loss)"
        )
    calls = list({id(c): c for space in spaces for c in space.consumers}.values())
    if not calls:
        return []
    function = getattr(model, "_functional", None) or model
    outputs: Any = keras.Model(function.inputs, [call.inputs[0] for call in calls])
    activations = outputs.predict(x, batch_size=_ROWS, verbose=0)
    activations = activations if isinstance(activations, list) else [activations]
    if saliency == "activation":
        parts = [np.abs(a).reshape(-1, a.shape[-1]).mean(axis=0) for a in activations]
    else:
        parts = _by_taylor(model, calls, activations, x, y)
    found = {id(call): part for call, part in zip(calls, parts, strict=True)}
    return [sum((found[id(c)] for c in s.consumers), np.zeros(s.units)) for s in spaces]


def _by_weight(space: Space) -> np.ndarray:
    entering = sum((kernel_of(c.layer) ** 2).sum(axis=0) for c in space.producers)
    leaving = sum((kernel_of(c.layer) ** 2).sum(axis=1) for c in space.consumers)
    return np.sqrt(np.asarray(entering, "float64") * leaving)


class _Probe(keras.layers.Layer):
    """Adds a weight that is 0 to every entry of a batch; the loss's gradient by it is that by the entry."""

    offset: Any

    def build(self, input_shape: Any) -> None:
        shape = (_ROWS, *input_shape[1:])
        self.offset = self.add_weight(shape=shape, initializer="zeros", name="offset")

    def compute_output_spec(self, inputs: Any) -> Any:
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def call(self, inputs: Any) -> Any:
        return inputs + self.offset[: ops.shape(inputs)[0]]


def _by_taylor(
    model: Any, calls: list[Call], activations: list[np.ndarray], x: Any, y: Any
) -> list[np.ndarray]:
    """Takes the gradient from what one step of plain descent at rate 1 does to probes: no backend's own code."""
    probed: Any
    probed, probes = _with_probes(model, [call.layer.name for call in calls])
    loss = model._compile_config.config
    probed.compile(
        keras.optimizers.SGD(1.0), loss=loss["loss"], loss_weights=loss.get("loss_weights")
    )
    rows = len(keras.tree.flatten(x)[0])
    totals = [np.zeros(a.shape[-1]) for a in activations]
    for begin in range(0, rows, _ROWS):
        end = min(begin + _ROWS, rows)
        batch = [
            keras.tree.map_structure(lambda a, b=begin, e=end: a[b:e], data) for data in (x, y)
        ]
        for probe in probes:
            probe.offset.assign(ops.zeros_like(probe.offset.value))
        probed.train_on_batch(*batch)
        for total, probe, activation in zip(totals, probes, activations, strict=True):
            moved: Any = ops.convert_to_numpy(probe.offset.value)
            # The loss is the mean over the batch, so a row's own gradient is `end - begin` times as large.
            change = moved[: end - begin] * activation[begin:end] * (end - begin)
            inner = tuple(range(1, change.ndim - 1))
            total += np.abs(change.sum(axis=inner)).sum(axis=0) / rows
    return totals


def _with_probes(model: Any, names: list[str]) -> tuple[keras.Model, list[Any]]:
    """Copies a model without randomness, frozen, with a probe before every named layer."""
    probes = {name: _Probe(name=f"probe_{name}") for name in names}

    def frozen(layer: Any) -> Any:
        if isinstance(layer, RANDOM_LAYERS):
            return keras.layers.Identity(name=layer.name)
        return type(layer).from_config({**layer.get_config(), "trainable": False})

    def call(layer: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(layer, "name", None) in probes:
            first, *rest = arguments
            arguments = (probes[layer.name](first), *rest)
        return layer(*arguments, **options)

    probed = cloned(getattr(model, "_functional", None) or model, frozen, call)
    for layer in model.layers:
        if layer.weights and not isinstance(layer, RANDOM_LAYERS):
            probed.get_layer(layer.name).set_weights(layer.get_weights())
    return probed, list(probes.values())
