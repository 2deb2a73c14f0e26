"""Early stopping and learning-rate reduction as pure functions, so that they run inside the compiled program."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

__all__ = ["Patience", "Plateau", "PlateauState", "improve", "reduce_rate"]


class Patience(NamedTuple):
    """The best value so far and the number of epochs since."""

    best: Any
    best_epoch: Any
    wait: Any


class Plateau(NamedTuple):
    """When a learning rate is reduced: `keras.callbacks.ReduceLROnPlateau` without cooldown."""

    factor: float = 0.1
    patience: int = 5
    minimum: float = 0.0
    minimum_gain: float = 1e-4


class PlateauState(NamedTuple):
    """The best value the plateau rule has seen and the number of epochs since."""

    best: Any
    wait: Any


def improve(
    patience: Patience, value: Float[Array, ""], epoch: Int[Array, ""]
) -> tuple[Patience, Bool[Array, ""]]:
    """Updates the best value of a monitored loss, as `keras.callbacks.EarlyStopping` does.

    Args:
        patience: The state before this epoch.
        value: The monitored loss; lower is better, NaN is never better.
        epoch: Epoch number, from 0.

    Returns:
        The new state, and whether the value is a new best.

    Example:
        >>> state, better = improve(Patience(jnp.inf, -1, 0), 2.0, 0)
        >>> print(state.best, state.wait, better)
        2.0 0 True
    """
    better = value < patience.best
    return (
        Patience(
            best=jnp.where(better, value, patience.best),
            best_epoch=jnp.where(better, epoch, patience.best_epoch),
            wait=jnp.where(better, 0, patience.wait + 1),
        ),
        better,
    )


def reduce_rate(
    plateau: Plateau, state: PlateauState, *, value: Float[Array, ""], rate: Any
) -> tuple[PlateauState, Any]:
    """Multiplies the learning rate by a factor when the monitored loss has stopped falling.

    Args:
        plateau: The rule.
        state: Its state before this epoch.
        value: The monitored loss.
        rate: The learning rate in force.

    Returns:
        The new state and the learning rate of the next epoch.

    Example:
        >>> rule = Plateau(factor=0.5, patience=1)
        >>> _, rate = reduce_rate(rule, PlateauState(jnp.float32(1.0), 0), value=1.0, rate=0.1)
        >>> print(f"{rate:.2f}")
        0.05
    """
    better = value + plateau.minimum_gain < state.best
    wait = jnp.where(better, 0, state.wait + 1)
    due = wait >= plateau.patience
    lower = jnp.maximum(rate * plateau.factor, jnp.minimum(rate, plateau.minimum))
    new_state = PlateauState(jnp.where(better, value, state.best), jnp.where(due, 0, wait))
    return new_state, jnp.where(due, lower, rate)
