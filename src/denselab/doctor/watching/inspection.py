"""Reads all layers of a network at one step: one compiled forward and backward pass, then plain sums."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from denselab.doctor.watching.gradients import compiled, value_and_gradients
from denselab.doctor.watching.readings import LayerReading, Snapshot
from denselab.doctor.watching.runner import Rows, Runner, Tap

__all__ = ["Inspector", "Passed", "Values"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
Values = tuple[list[Any], list[Any]]
"""Values of the trained and of the other variables, in Keras' order."""

Passed = dict[str, Any]
"""What one pass gives: loss, model outputs, outputs of the taps, and gradients by all of these."""

_SLOPES: dict[str, tuple[float, Callable[[Any], Any]]] = {
    "tanh": (1.0, lambda a: 1 - a * a),
    "softsign": (1.0, lambda a: (1 - np.abs(a)) ** 2),
    "sigmoid": (0.25, lambda a: a * (1 - a)),
}
"""Largest derivative of an activation, and the derivative as a function of the output."""

_FLAT = 0.01
_LARGE = 1e15
_ROWS = 0.95


class Inspector:
    """Measures a network on fixed rows.

    Args:
        runner: The network.
        rows: The rows; without targets or loss there are no gradients, and without rows no outputs either.
    """

    def __init__(self, runner: Runner, rows: Rows | None) -> None:
        self.runner, self.rows = runner, rows
        self.differentiates = runner.loss is not None and rows is not None and bool(rows.y)
        self._program = compiled(self._pass)

    def look(
        self,
        values: Values,
        before: list[Any] | None = None,
        *,
        step: int = 0,
        epoch: int = 0,
        rows: Rows | None = None,
    ) -> Snapshot:
        """Measures all layers.

        Args:
            values: The weights.
            before: The trained weights one step before, None if they are not known.
            step: Steps taken.
            epoch: Epoch, from 0.
            rows: Other rows than those given first, of the same shapes.

        Returns:
            What was read.
        """
        read = self.run(values, rows)
        weights = [_array(value) for value in values[0]]
        earlier = None if before is None else [_array(value) for value in before]
        gradients = [_array(part) for part in read["gradients"]]
        signals = [_norm(part) for part in read["signals"]]
        layers = []
        for number, tap in enumerate(self.runner.taps):
            seen = read["seen"][number] if number < len(read["seen"]) else None
            layers.append(
                LayerReading(
                    layer=tap.layer.name,
                    kind=tap.layer.kind,
                    activation=tap.layer.activation,
                    weighty=tap.kernel is not None,
                    feeds=tap.feeds,
                    signal=signals[number],
                    **_of_output(tap, seen),
                    **_of_weights(tap, weights, gradients, earlier),
                )
            )
        loss = float(read["loss"]) if self.differentiates else None
        return Snapshot(step, epoch, loss, _total(read["inputs"]), tuple(layers))

    def run(self, values: Values, rows: Rows | None = None) -> Passed:
        """Runs the network forward and backward.

        Args:
            values: The weights.
            rows: Other rows than those given first, of the same shapes.

        Returns:
            `loss`, `outputs`, `seen`, `gradients`, `signals` and `inputs`, as arrays of the backend.
        """
        given = rows or self.rows
        if given is None:
            taps = len(self.runner.taps)
            return _passed(np.nan, [], [], [None] * len(values[0]), [None] * taps, [])
        return self._program(values[0], values[1], given.x, given.y)

    def _pass(self, trained: Any, others: Any, x: Any, y: Any) -> Passed:
        shapes = [self._offset(tap, x) for tap in self.runner.taps]
        offsets = [ops.zeros(shape, "float32") for shape in shapes if shape is not None]
        floats = [_is_float(part) and self.differentiates for part in x]
        first, last = len(trained), len(trained) + len(offsets)

        def objective(leaves: list[Any]) -> tuple[Any, Any]:
            filled, moved = iter(leaves[first:last]), iter(leaves[last:])
            placed = [None if shape is None else next(filled) for shape in shapes]
            inputs = [
                next(moved) if movable else part for part, movable in zip(x, floats, strict=True)
            ]
            weights = (leaves[:first], others)
            outputs, seen = self.runner.outputs(weights, inputs, training=True, offsets=placed)
            loss = ops.convert_to_tensor(np.float32(np.nan))
            if self.differentiates:
                loss = self.runner.loss_of(outputs, y)
            return loss, (keras.tree.flatten(outputs), seen)

        leaves = [*trained, *offsets, *(p for p, movable in zip(x, floats, strict=True) if movable)]
        if not self.differentiates:
            loss, (outputs, seen) = objective(leaves)
            signals: list[Any] = [None] * len(shapes)
            return _passed(loss, outputs, seen, [None] * len(trained), signals, [])
        loss, (outputs, seen), gradients = value_and_gradients(objective, leaves)
        filled = iter(gradients[first:last])
        signals = [None if shape is None else next(filled) for shape in shapes]
        return _passed(loss, outputs, seen, gradients[:first], signals, gradients[last:])

    def _offset(self, tap: Tap, x: Any) -> tuple[int, ...] | None:
        shape = tap.layer.shape
        if not (self.differentiates and self.runner.connected) or shape is None:
            return None
        sizes = [size for size in shape if size is not None]
        return (int(x[0].shape[0]), *sizes) if len(sizes) == len(shape) else None


def _passed(loss: Any, *parts: Any) -> Passed:
    names = ("outputs", "seen", "gradients", "signals", "inputs")
    return {"loss": loss, **dict(zip(names, parts, strict=True))}


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _array(tensor: Any) -> np.ndarray | None:
    return None if tensor is None else np.asarray(ops.convert_to_numpy(tensor))


def _norm(tensor: Any) -> float:
    """Takes the norm of a scaled copy: squares of small gradients are 0 in float32, those of large ones infinite."""
    array = _array(tensor)
    if array is None or not array.size:
        return float("nan")
    flat = array.ravel()
    scale = max(float(flat.max()), -float(flat.min()))
    if scale == 0 or not np.isfinite(scale):
        return scale
    flat = flat / flat.dtype.type(scale)
    return scale * float(np.sqrt(flat @ flat))


def _total(parts: list[Any]) -> float:
    return float(np.linalg.norm([_norm(part) for part in parts])) if parts else float("nan")


def _of_output(tap: Tap, output: Any) -> dict[str, Any]:
    array = _array(output)
    if array is None or not array.size:
        return {}
    values = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array.reshape(-1, 1)
    if not np.isfinite(values).all():
        return {"output_finite": False}
    if np.abs(values).max() > _LARGE:  # squares overflow in float32
        values = values.astype("float64")
    means = values.mean(axis=0)
    centred = values - means
    deviations = np.sqrt(np.einsum("ij,ij->j", centred, centred) / len(values))
    highest = values.max(axis=0)
    deviations[highest == values.min(axis=0)] = 0.0  # else the mean's rounding shows
    activation = tap.layer.activation
    read: dict[str, Any] = {
        "mean": float(means.mean()),
        "deviation": float(np.sqrt((deviations**2).mean() + means.var())),
        "spread": float(deviations.max()),
    }
    if activation in ("relu", "relu6"):
        read["dead"] = float((highest <= 0).mean())
    if activation in _SLOPES:
        largest, slope = _SLOPES[activation]
        flat = (slope(values) < _FLAT * largest).mean(axis=0)
        read["saturated"] = float((flat >= _ROWS).mean())
    return read


def _of_weights(tap: Tap, weights: Any, gradients: Any, earlier: Any) -> dict[str, Any]:
    if tap.kernel is None:
        return {}
    now = weights[tap.kernel]
    slopes = [gradients[place] for place in tap.weights if gradients[place] is not None]
    read: dict[str, Any] = {
        "weight": _norm(now),
        "weights": int(now.size),
        "gradient": _norm(gradients[tap.kernel]),
        "weight_finite": all(np.isfinite(weights[place]).all() for place in tap.weights),
        "gradient_finite": all(np.isfinite(slope).all() for slope in slopes),
    }
    if earlier is not None:
        read["still"] = np.array_equal(now, earlier[tap.kernel])
        read["update"] = _norm(now - earlier[tap.kernel])
    return read
