"""What draws cost in theory: multiply-adds, relative to one pass."""

from dataclasses import dataclass
from typing import Any

import keras

from denselab.errors import UsageError
from denselab.uncertainty.checks import check_data, check_model
from denselab.uncertainty.compiled import CompiledPlan
from denselab.uncertainty.plans import Masks, Request
from denselab.uncertainty.split import multiplications

__all__ = ["DrawCost", "draw_cost"]


@dataclass(frozen=True)
class DrawCost:
    """Multiply-adds of matrix products and convolutions, for one row.

    Attributes:
        once: Those that all draws share.
        per_draw: Those of each draw.
    """

    once: float
    per_draw: float

    def ratio(self, draws: int) -> float:
        """Gives the cost of so many draws in passes of the whole model.

        Args:
            draws: Number of draws.

        Returns:
            1 if all is shared, `draws` if nothing is.
        """
        return (self.once + draws * self.per_draw) / (self.once + self.per_draw)


def draw_cost(model: keras.Model, x: Any, *, masks: Masks = "per_row") -> DrawCost:
    """Counts what draws of a model cost: how much comes before the first stochastic layer.

    Args:
        model: A built Keras model on the JAX backend.
        x: Rows as for `predict_draws`; only their shapes matter.
        masks: Masks for each row, or shared.

    Returns:
        The multiply-adds before and behind that layer.

    Raises:
        UsageError: If the model has nothing to draw, or the backend is not JAX.

    Example:
        >>> import numpy as np
        >>> layers = [keras.layers.Dense(20), keras.layers.Dropout(0.1), keras.layers.Dense(5)]
        >>> model = keras.Sequential([keras.Input((30,)), *layers])
        >>> cost = draw_cost(model, np.zeros((1, 30)))
        >>> cost.once, cost.per_draw, round(cost.ratio(100), 2)
        (600.0, 100.0, 15.14)
    """
    if keras.backend.backend() != "jax":
        raise UsageError(
            f"the backend is {keras.backend.backend()}, where every draw is a whole pass; set "
            "KERAS_BACKEND=jax to count what JAX saves"
        )
    check_model(model)
    data, _ = check_data(x)
    plan = CompiledPlan(model, data, Request(0, masks, "values", None))
    split = plan.traced.split
    noisy = multiplications(split.each)
    return DrawCost(multiplications(split.once) / plan.rows, noisy / plan.rows)
