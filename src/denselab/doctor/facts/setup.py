"""The facts about a training that is about to begin; gathered once, then only read."""

from collections.abc import Iterator
from dataclasses import dataclass

from denselab.doctor.facts.entries import Entry
from denselab.doctor.facts.heads import Head
from denselab.doctor.facts.losses import Loss
from denselab.doctor.facts.network import Network
from denselab.doctor.facts.optimizer import Optimizer
from denselab.doctor.facts.plan import Plan
from denselab.doctor.facts.tables import Table

__all__ = ["Setup", "held"]


@dataclass(frozen=True)
class Setup:
    """All that checks may look at.

    Attributes:
        network: Layers and how they are connected.
        heads: One for each output of the model, with its loss, metrics and targets.
        entries: One for each input of the model, with its data.
        optimizer: The optimizer, or None without one.
        plan: What `fit` was asked to do, or None if it is not known.
        validation: Inputs and targets of the validation data, tables where they could be read.
        backend: Keras' backend.
    """

    network: Network
    heads: tuple[Head, ...]
    entries: tuple[Entry, ...]
    optimizer: Optimizer | None
    plan: Plan | None
    validation: tuple[tuple[Table, ...], tuple[Table, ...]] = ((), ())
    backend: str = "jax"

    @property
    def targets(self) -> tuple[Table, ...]:
        """The targets that could be read."""
        return tuple(head.target for head in self.heads if head.target is not None)


def held(setup: Setup) -> Iterator[tuple[Head, Loss, Table]]:
    """Gives the outputs that have a loss and finite targets.

    Args:
        setup: The facts.

    Yields:
        Output, loss and targets.
    """
    for head in setup.heads:
        if head.loss is not None and head.target is not None and head.target.finite:
            yield head, head.loss, head.target
