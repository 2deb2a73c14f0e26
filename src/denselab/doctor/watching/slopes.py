"""Compares gradients of losses and layers of one's own with differences of their values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from denselab.doctor.facts.layers import UNKNOWN
from denselab.doctor.facts.setup import Setup
from denselab.doctor.watching.gradients import value_and_gradients
from denselab.doctor.watching.inspection import Values
from denselab.doctor.watching.runner import Rows, Runner, Tap
from denselab.randomness import generator

__all__ = ["Slope", "slopes"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
_DIRECTIONS = 6
_STEPS = (1e-2, 5e-3)
_AGREE = 0.03
_NOISE = 2e-6
"""Rounding of float32 in a sum of some hundred values, as a share of it."""

Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Slope:
    """A gradient that is not that of the values.

    Attributes:
        layer: Name of the layer, None for the loss.
        measured: Slope by differences, along the direction where both are farthest apart.
        told: Slope by the gradient, along the same direction.
        flat: Whether the gradient is 0 at all points that were tried, though the values differ between them.
    """

    layer: str | None
    measured: float
    told: float
    flat: bool = False


def slopes(runner: Runner, values: Values, rows: Rows, setup: Setup) -> tuple[Slope, ...]:
    """Looks for wrong gradients where Keras did not write them.

    A gradient is called wrong where, along at least half of the directions in which it can be told in float32,
    it is more than 5 % off the differences; directions where differences over two lengths disagree are left out.

    Args:
        runner: The network.
        values: Its weights.
        rows: A few rows.
        setup: The facts.

    Returns:
        What is wrong: the loss, and each layer of a class that is not Keras' own.
    """
    outputs, seen = runner.outputs(values, rows.x, training=False)
    found: list[Slope | None] = []
    custom = any(head.loss is not None and head.loss.family == "custom" for head in setup.heads)
    if custom and runner.loss is not None and rows.y and hasattr(outputs, "shape"):
        bounded = setup.heads[0].activation in ("softmax", "sigmoid")
        found.append(
            _judged(lambda z: runner.loss_of(z, rows.y), outputs, layer=None, bounded=bounded)
        )
    for number, tap in enumerate(runner.taps):
        if runner.connected and tap.layer.kind in (UNKNOWN, "Lambda") and len(tap.feeds) == 1:
            function, start = _of_layer(runner, values, rows, (number, tap, seen))
            if function is not None and "float" in str(start.dtype):
                found.append(_judged(function, start, layer=tap.layer.name, bounded=False))
    return tuple(slope for slope in found if slope is not None)


def _of_layer(
    runner: Runner, values: Values, rows: Rows, place: tuple[int, Tap, list[Any]]
) -> tuple[Function | None, Any]:
    """Gives a layer's output, weighed at random and summed, as a function of what it takes."""
    number, tap, seen = place
    feed = tap.feeds[0]
    several = feed < 0 and len(rows.x) != 1
    if several or seen[number] is None or (feed >= 0 and seen[feed] is None):
        return None, None
    start = rows.x[0] if feed < 0 else seen[feed]
    weights = generator(0, "resampling").normal(size=tuple(seen[number].shape))
    weigh = ops.convert_to_tensor(weights.astype("float32"))

    def function(given: Any) -> Any:
        if feed < 0:
            _, found = runner.outputs(values, [given, *rows.x[1:]], training=False)
        else:
            offsets: list[Any] = [None] * len(runner.taps)
            offsets[feed] = given - start
            _, found = runner.outputs(values, rows.x, training=False, offsets=offsets)
        return ops.sum(ops.cast(found[number], "float32") * weigh)

    return function, start


def _judged(function: Function, start: Any, *, layer: str | None, bounded: bool) -> Slope | None:
    point = _array(start).astype("float32")
    if not np.isfinite(point).all():
        return None
    scale = point * (1 - point) if bounded else np.float32(max(float(point.std()), 1e-2))
    stream = generator(1, "resampling")
    gradient = _gradient(function, point)
    if not gradient.any():
        return _flat(function, point, scale * stream.normal(size=(3, *point.shape)), layer)
    pairs: list[tuple[float, float]] = []
    for direction in stream.normal(size=(_DIRECTIONS, *point.shape)):
        pair = _pair(function, point, (scale * direction).astype("float32"), gradient)
        pairs += [pair] if pair is not None else []
    wrong = [pair for pair in pairs if abs(pair[0] - pair[1]) > 0.05 * max(map(abs, pair))]
    if len(pairs) < 3 or 2 * len(wrong) < len(pairs):
        return None
    measured, told = max(wrong, key=lambda pair: abs(pair[0] - pair[1]))
    return Slope(layer, measured, told)


def _pair(
    function: Function, point: np.ndarray, direction: np.ndarray, gradient: np.ndarray
) -> tuple[float, float] | None:
    """Gives the slope by differences and by the gradient, or None where float32 cannot tell it."""
    told = float((gradient.astype("float64") * direction).sum())
    measured, size = [], 0.0
    for step in _STEPS:
        ahead, behind = (
            _value(function, point + step * direction),
            _value(function, point - step * direction),
        )
        measured.append((ahead - behind) / (2 * step))
        size = max(size, abs(ahead), abs(behind))
    noise = _NOISE * size / min(_STEPS)
    largest = max(abs(told), *map(abs, measured))
    clear = bool(np.isfinite([told, *measured]).all()) and largest > 50 * noise
    if not clear or abs(measured[0] - measured[1]) > _AGREE * max(map(abs, measured)):
        return None
    return measured[1], told


def _flat(
    function: Function, point: np.ndarray, moves: np.ndarray, layer: str | None
) -> Slope | None:
    """Says whether gradients are 0 at other points, too, though the values there differ."""
    points = [point + move.astype("float32") for move in moves]
    levels = [_value(function, one) for one in (point, *points)]
    if not np.isfinite(levels).all() or np.ptp(levels) <= 1e-3 * max(map(abs, levels)):
        return None
    if any(_gradient(function, one).any() for one in points):
        return None
    return Slope(layer, float(np.ptp(levels)), 0.0, flat=True)


def _value(function: Function, point: np.ndarray) -> float:
    return float(_array(function(ops.convert_to_tensor(point))))


def _gradient(function: Function, point: np.ndarray) -> np.ndarray:
    _, _, [gradient] = value_and_gradients(
        lambda leaves: (function(leaves[0]), 0), [ops.convert_to_tensor(point)]
    )
    return _array(gradient)


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))
