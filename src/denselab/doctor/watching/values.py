"""The weights of a model as they are now, also in the midst of `fit`, and copies of them."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from denselab.doctor.watching.gradients import compiled
from denselab.doctor.watching.inspection import Values

__all__ = ["copied", "current", "optimizer_values"]


def current(model: Any) -> Values:
    """Gives the values of a model's variables.

    On JAX `fit` takes them out of the model and keeps them in `_jax_state` between two synchronisations.

    Args:
        model: A built model.

    Returns:
        Values of the trained and of the other variables; the next step may overwrite them.
    """
    state = _state(model)
    if state is not None:
        return list(state["trainable_variables"]), list(state["non_trainable_variables"])
    return (
        [_value(variable) for variable in model.trainable_variables],
        [_value(variable) for variable in model.non_trainable_variables],
    )


def optimizer_values(model: Any) -> list[Any]:
    """Gives the values of the optimizer's variables.

    Args:
        model: A model that is being trained.

    Returns:
        In the order of `model.optimizer.variables`; the next step may overwrite them.
    """
    state = _state(model)
    if state is not None:
        return list(state["optimizer_variables"])
    return [_value(variable) for variable in model.optimizer.variables]


def copied(values: list[Any]) -> list[Any]:
    """Copies tensors, so that the next step cannot overwrite them.

    Args:
        values: Tensors of the backend.

    Returns:
        The copies.
    """
    return _copies()(values)


@functools.cache
def _copies() -> Callable[[list[Any]], list[Any]]:
    """Copies all tensors by one call, where a program can be compiled; call by call is dear for many small ones."""
    return compiled(lambda values: [keras.ops.copy(value) for value in values])


def _state(model: Any) -> Any:
    state = getattr(model, "_jax_state", None)
    if not state:
        return None
    held = not getattr(model, "_jax_state_synced", True)
    return state if held and state.get("trainable_variables") is not None else None


def _value(variable: Any) -> Any:
    return keras.ops.convert_to_tensor(variable.value)
