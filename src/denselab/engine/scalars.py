"""Scalars that differ between members: learning rate, weight decay, any attribute of model, optimizer or schedule.

A scalar that Keras keeps in a variable becomes another initial value. A scalar that is a plain attribute is
set to a traced value while the program is traced, so that one compiled program serves all values.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from denselab.engine.member import ModelState, model_state
from denselab.errors import UsageError

__all__ = ["initial_state", "resolve", "set_scalars"]


@contextlib.contextmanager
def set_scalars(model: keras.Model, scalars: dict[str, Any]) -> Iterator[None]:
    """Gives a model's attributes traced values while a function of it is traced.

    Args:
        model: The template.
        scalars: Attribute path from the model -> value, such as `optimizer.weight_decay`; `optimizer.schedule` is
            the optimizer's learning-rate schedule.

    Yields:
        Nothing; the attributes have their own values again afterwards.
    """
    previous = []
    try:
        for path, value in scalars.items():
            owner, name = resolve(model, path)
            previous.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(previous):
            setattr(owner, name, value)


def resolve(model: keras.Model, path: str) -> tuple[Any, str]:
    """Finds the object and attribute that a scalar's path names.

    Args:
        model: The model.
        path: Attribute path, such as `optimizer.schedule.peak_rate`.

    Returns:
        The owner and the attribute's name.

    Raises:
        UsageError: If there is no such attribute.
    """
    owner: Any = model
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, "_learning_rate" if parent == "schedule" else parent, None)
    follows_schedule = isinstance(
        getattr(owner, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    )
    if not hasattr(owner, name) or (name == "learning_rate" and follows_schedule):
        raise UsageError(
            f"scalar {path!r} names nothing that can be set in this model; name an attribute such as "
            "'optimizer.learning_rate', 'optimizer.weight_decay' or 'optimizer.schedule.initial_learning_rate'"
        )
    return owner, name


def initial_state(model: keras.Model, scalars: dict[str, Any]) -> tuple[ModelState, dict[str, Any]]:
    """Splits a member's scalars into initial variables and attributes set while tracing.

    Args:
        model: The member's own built model.
        scalars: Attribute path -> value of this member.

    Returns:
        The model's state with variables such as the learning rate replaced, and the scalars that remain.
    """
    state = model_state(model)
    remaining: dict[str, Any] = {}
    for path, value in scalars.items():
        owner, name = resolve(model, path)
        variable = getattr(owner, name)
        for places, values in (
            (model.optimizer.variables, state.optimizer),
            (model.non_trainable_variables, state.non_trainable),
        ):
            place = next((i for i, candidate in enumerate(places) if candidate is variable), None)
            if place is not None:
                values[place] = np.asarray(value, values[place].dtype)
                break
        else:
            remaining[path] = np.float32(value)
    return state, remaining
