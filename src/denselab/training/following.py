"""Whom training tells what while it works, and where its checkpoints come from and go to."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypedDict

import numpy as np

from denselab.engine import Checkpoint
from denselab.training.results import Progress, Trial

__all__ = ["Checkpoints", "Following", "Reporting", "checkpoint_options"]


class Checkpoints(Protocol):
    """Where checkpoints of members in training are kept, as named arrays and a header of plain values.

    Members are named by their place among the seeds, or rates, that are being trained.
    """

    @property
    def seconds(self) -> float:
        """How much of a member's training may be lost, in seconds."""
        ...

    def load(self) -> Mapping[int, tuple[Mapping[str, np.ndarray], Mapping[str, Any]]]:
        """Gives what there is: place of a member -> arrays and header."""
        ...

    def save(self, place: int, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
        """Keeps a member's checkpoint in place of the one before."""
        ...


class Following(TypedDict, total=False):
    """What a training can be followed by; every entry may be left out.

    Attributes:
        on_progress: Called every second or two while members train.
        checkpoints: Where members go on from, and where their checkpoints are kept. A member that goes on
            ends with the bytes it would have ended with anyhow.
    """

    on_progress: Callable[[Progress], None] | None
    checkpoints: Checkpoints | None


@dataclasses.dataclass(frozen=True)
class Reporting:
    """Whom training tells what while it works.

    Attributes:
        on_trial: Called with each trial as soon as it is done and scored.
        on_place: Called with each trial and its place among the members.
        on_progress: Called every second or two.
        checkpoints: Where checkpoints are.
    """

    on_trial: Callable[[Trial], None] | None = None
    on_place: Callable[[int, Trial], None] | None = None
    on_progress: Callable[[Progress], None] | None = None
    checkpoints: Checkpoints | None = None


class CheckpointOptions(TypedDict, total=False):
    """The options of `train_population` that have to do with checkpoints."""

    resume: Mapping[int, Checkpoint] | None
    on_checkpoint: Callable[[int, Checkpoint], None] | None
    checkpoint_seconds: float


def checkpoint_options(checkpoints: Checkpoints | None) -> CheckpointOptions:
    """Lists the options of `train_population` that keep checkpoints and go on from them.

    Args:
        checkpoints: Where they are; None for none.

    Returns:
        The options.
    """
    if checkpoints is None:
        return {}
    return {
        "resume": {place: Checkpoint(*parts) for place, parts in checkpoints.load().items()},
        "on_checkpoint": lambda place, one: checkpoints.save(place, one.arrays, one.header),
        "checkpoint_seconds": checkpoints.seconds,
    }
