"""What a run, a member and its weights are, as plain data that compiled functions take and give."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from denselab.engine.averaging import AverageState, Averaging, check_averaging
from denselab.engine.member import ModelState
from denselab.engine.stopping import Patience, Plateau, PlateauState
from denselab.errors import UsageError

__all__ = [
    "DIVERGED",
    "FINISHED",
    "RUNNING",
    "STOPPED",
    "Constants",
    "EpochData",
    "Member",
    "MemberState",
    "Run",
    "Shared",
    "Weights",
]

RUNNING, FINISHED, STOPPED, DIVERGED = range(4)


@dataclasses.dataclass(frozen=True)
class Run:
    """How long and in what portions a population trains; the same for all members of one program.

    Attributes:
        epochs: Passes over the training rows, at most.
        batch_size: Rows a step; the last batch of an epoch may be shorter.
        patience: Epochs without a better validation loss before a member stops; None never stops.
        restore_best: Whether a member ends with the weights of its best epoch instead of its last.
        plateau: A rule that reduces the learning rate, or None.
        averaging: From which epoch on weights are averaged, or None.
        recalibrate: Whether the statistics of BatchNormalization are collected anew under the final weights;
            done anyway where weights are averaged by `averaging`.
    """

    epochs: int = 50
    batch_size: int = 32
    patience: int | None = None
    restore_best: bool = False
    plateau: Plateau | None = None
    averaging: Averaging | None = None
    recalibrate: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int | np.integer) or value < 1):
                raise UsageError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.averaging is not None:
            check_averaging(self.averaging, epochs=self.epochs, restore_best=self.restore_best)


class Shared(NamedTuple):
    """Arrays that all members read: features and targets as they came, rows first."""

    x: Any
    y: Any


class Constants(NamedTuple):
    """What one member keeps for its whole training."""

    order_key: Any
    train_rows: Any
    validation_rows: Any | None
    standardization: tuple[Any, Any] | None
    scalars: dict[str, Any]


class EpochData(NamedTuple):
    """What one member trains on in one epoch: its constants, the data and its row numbers in order."""

    constants: Constants
    shared: Shared
    order: Any


class MemberState(NamedTuple):
    """All that changes while one member trains; saving it is enough to go on bit by bit."""

    model: ModelState
    best: tuple[list[Any], list[Any]] | None
    patience: Patience
    plateau: PlateauState
    epoch: Any
    step: Any
    status: Any
    trace: dict[str, Any]
    average: AverageState | None = None


class Weights(NamedTuple):
    """A member's weights, in Keras' order, seed generators among the second."""

    trainable: list[Any]
    non_trainable: list[Any]


@dataclasses.dataclass(frozen=True)
class Member:
    """One trained network.

    Attributes:
        seed: Its seed.
        status: "finished", "stopped" (by patience or hook) or "diverged" (its loss was not finite).
        trace: Name -> value after each epoch it ran: loss, metrics, their `val_` twins, learning_rate, and seconds,
            the training time from its start to the end of that epoch.
        best_epoch: Epoch with the lowest monitored loss, from 0; -1 if none was finite.
        trainable: Trained weights, in the order of `model.trainable_variables`.
        non_trainable: The other weights, such as moving averages, in the order of `model.non_trainable_variables`.
        standardization: Mean and scale its inputs were standardised by, or None.
    """

    seed: int
    status: str
    trace: dict[str, np.ndarray]
    best_epoch: int
    trainable: list[np.ndarray]
    non_trainable: list[np.ndarray]
    standardization: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs it ran."""
        return len(self.trace["loss"])
