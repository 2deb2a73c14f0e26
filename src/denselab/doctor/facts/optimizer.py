"""What is read of an optimizer: its rate, its momentum, whose weights it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from denselab.doctor.facts.layers import UNKNOWN, stock_kind

__all__ = ["Optimizer", "OptimizerFamily", "Schedule", "read_optimizer"]

OptimizerFamily = Literal["sgd", "adaptive", "accumulating", "other"]
"""SGD; steps of about the rate (Adam, RMSprop); steps that shrink by themselves; anything else."""

_FAMILIES: Mapping[str, OptimizerFamily] = {
    "SGD": "sgd",
    **dict.fromkeys(("Adam", "AdamW", "Nadam", "Adamax", "RMSprop", "Lion", "Lamb"), "adaptive"),
    **dict.fromkeys(("Adagrad", "Adadelta", "Ftrl"), "accumulating"),
}


@dataclass(frozen=True)
class Schedule:
    """A learning rate that changes with the steps.

    Attributes:
        kind: Its class.
        length: Steps until it is done, None where it has no end.
        warmup: Steps in which it rises, for schedules that have such a phase.
        highest: The highest rate, None if it is not known.
    """

    kind: str
    length: int | None
    warmup: int
    highest: float | None


@dataclass(frozen=True)
class Optimizer:
    """The optimizer of a compiled model.

    Attributes:
        kind: Keras' class of it.
        family: How long its steps are.
        rate: Learning rate, the highest where it is scheduled; None if it is not known.
        schedule: Its schedule, None for a constant rate.
        momentum: Momentum or beta_1, None without one or where it is scheduled.
        second: beta_2 or rho, None without one.
        epsilon: None without one.
        clipped: Whether gradients are clipped.
        averaging: Whether it averages the weights.
        steps: Steps already taken.
        foreign: Whether it holds the weights of another model.
        outdated: Whether the model's trained weights have changed since it was first used.
    """

    kind: str
    family: OptimizerFamily
    rate: float | None
    schedule: Schedule | None = None
    momentum: float | None = None
    second: float | None = None
    epsilon: float | None = None
    clipped: bool = False
    averaging: bool = False
    steps: int = 0
    foreign: bool = False
    outdated: bool = False


def read_optimizer(optimizer: Any, model: Any) -> Optimizer | None:
    """Reads an optimizer without touching it.

    Args:
        optimizer: A Keras optimizer.
        model: The model that was compiled with it.

    Returns:
        The facts, or None if it is no Keras optimizer.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        return None
    kind = stock_kind(optimizer)
    schedule = _schedule(getattr(optimizer, "_learning_rate", None))
    rate = schedule.highest if schedule else _number(getattr(optimizer, "_learning_rate", None))
    held = {id(variable) for variable in getattr(optimizer, "_trainable_variables", [])}
    all_weights = {id(variable) for variable in model.weights}
    trained = {id(variable) for variable in model.trainable_variables}
    clips = ("clipnorm", "clipvalue", "global_clipnorm")
    return Optimizer(
        kind=kind,
        family=_FAMILIES.get(kind, "other"),
        rate=rate,
        schedule=schedule,
        momentum=_first_number(optimizer, "momentum", "beta_1"),
        second=_first_number(optimizer, "beta_2", "rho"),
        epsilon=_first_number(optimizer, "epsilon"),
        clipped=any(getattr(optimizer, name, None) is not None for name in clips),
        averaging=bool(getattr(optimizer, "use_ema", False)),
        steps=int(_number(getattr(optimizer, "_iterations", None)) or 0),
        foreign=bool(held) and not held & all_weights,
        outdated=bool(held & all_weights) and held != trained,
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | np.number):
        return float(value)
    if isinstance(value, keras.Variable):
        return float(np.asarray(keras.ops.convert_to_numpy(value)))
    return None


def _first_number(owner: Any, *names: str) -> float | None:
    found = (_number(getattr(owner, name, None)) for name in names)
    return next((number for number in found if number is not None), None)


def _schedule(rate: Any) -> Schedule | None:
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return None
    kind = stock_kind(rate)
    kind = type(rate).__name__ if kind in ("LearningRateSchedule", UNKNOWN) else kind
    warmup = int(_first_number(rate, "warmup_steps") or 0)
    total = _first_number(rate, "total_steps")
    if kind in ("CosineDecay", "PolynomialDecay") and not getattr(rate, "cycle", False):
        decay = _first_number(rate, "decay_steps")
        total = None if decay is None else decay + warmup
    rates = [
        _first_number(rate, name)
        for name in ("initial_learning_rate", "warmup_target", "peak_rate", "max_rate")
    ]
    rates += [_number(value) for value in getattr(rate, "values", None) or ()]
    known = [value for value in rates if value is not None]
    return Schedule(kind, None if total is None else int(total), warmup, max(known, default=None))
