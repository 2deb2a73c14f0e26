"""What it takes to draw from a model; `compiled` and `loop` are the two ways."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float, Int

from denselab.uncertainty.outputs import OutputsChoice, Reading
from denselab.uncertainty.streams import ClassUpdates

__all__ = ["SLAB", "Masks", "Plan", "Request", "Rows", "Slab"]

SLAB = 64
"""Draws whose outputs are held at a time, a multiple of 4."""

Masks = Literal["per_row", "shared"]
"""Whether each row has masks of its own, or all rows of a draw have the same ones."""

Rows = Int[np.ndarray, " row"]
"""Positions of rows in the caller's data."""

Slab = Float[np.ndarray, "draw row output"]
"""Outputs of some draws of some rows."""


@dataclass(frozen=True)
class Request:
    """What draws are asked for, apart from model and data.

    Attributes:
        seed: The seed of the draws.
        masks: Whether each row has masks of its own.
        outputs: What the model's outputs are.
        chunk: Rows computed together; None chooses.
    """

    seed: int
    masks: Masks
    outputs: OutputsChoice
    chunk: int | None


class Plan(Protocol):
    """A model, data and a seed, ready to draw."""

    @property
    def reading(self) -> Reading:
        """How the model's outputs are read."""
        ...

    @property
    def scale(self) -> str:
        """What the drawn outputs are, for `streams.update`."""
        ...

    def statistics(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, ClassUpdates]]:
        """Draws for some rows and gives their class statistics, piece by piece."""
        ...

    def outputs(self, rows: Rows, first: int, count: int) -> Iterator[tuple[Rows, int, Slab]]:
        """Draws for some rows and gives the outputs, each piece with its first draw, in order."""
        ...
