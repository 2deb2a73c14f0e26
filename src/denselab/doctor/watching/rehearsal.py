"""Repeats the steps since the last sound weights on the given rows, to find where NaN begins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from denselab.doctor.facts.layers import PRODUCTS
from denselab.doctor.facts.setup import Setup
from denselab.doctor.watching.gradients import compiled
from denselab.doctor.watching.inspection import Inspector, Values
from denselab.doctor.watching.readings import Snapshot
from denselab.doctor.watching.runner import rows_for

__all__ = ["Sound", "first_not_finite"]


@dataclass(frozen=True)
class Sound:
    """All that a training needs to go on from its last finite step.

    Attributes:
        values: Copies of the trained and of the other variables.
        optimizer: Copies of the optimizer's variables.
        step: Steps taken.
    """

    values: Values
    optimizer: list[Any]
    step: int


def first_not_finite(
    inspector: Inspector, setup: Setup, sound: Sound, *, limit: int
) -> tuple[str, str, int] | None:
    """Finds the first layer with a value that is not finite.

    Steps are taken on rows as they come, not on the batches of the training, which are not known.

    Args:
        inspector: Reads the network.
        setup: The facts, with all rows.
        sound: Where to begin.
        limit: Steps at most.

    Returns:
        Layer, `output`, `weight` or `gradient`, and step; None if everything stays finite.
    """
    model = inspector.runner.model
    if not inspector.differentiates or inspector.rows is None:
        return None
    apply = _applying(model.optimizer)
    (trained, others), state = sound.values, sound.optimizer
    size = inspector.rows.count
    for number in range(limit + 1):
        rows = rows_for(setup, size, model=model, part=number)
        snapshot = inspector.look((trained, others), step=sound.step + number, rows=rows)
        if not snapshot.finite:
            return _named(snapshot)
        gradients = inspector.run((trained, others), rows)["gradients"]
        state, trained = apply(state, gradients, trained)
    return None


def _applying(optimizer: Any) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Gives one step of the optimizer as a function of arrays; of plain descent on TensorFlow, which has none."""
    if keras.backend.backend() != "tensorflow":
        return compiled(
            lambda state, gradients, trained: optimizer.stateless_apply(state, gradients, trained)[
                ::-1
            ]
        )
    rate: Any = keras.ops.convert_to_tensor(optimizer.learning_rate)

    def descend(state: Any, gradients: Any, trained: Any) -> tuple[Any, Any]:
        return state, [
            value - rate * slope for value, slope in zip(trained, gradients, strict=True)
        ]

    return descend


def _named(snapshot: Snapshot) -> tuple[str, str, int] | None:
    """Names what is not finite first: weights, then outputs forward, then gradients backward."""
    for part, layers in (
        ("weight", snapshot.layers),
        ("output", snapshot.layers),
        ("gradient", snapshot.layers[::-1]),
    ):
        for layer in layers:
            if not getattr(layer, f"{part}_finite"):
                return layer.layer, part, snapshot.step
    products = [layer.layer for layer in snapshot.layers if layer.kind in PRODUCTS]
    return (products[-1], "output", snapshot.step) if products else None
