"""The target of a regression while it trains: brought to mean 0 and deviation 1, and back."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Num

from denselab.data import Dataset
from denselab.training.saving import TARGET_DEVIATION, TARGET_MEAN

__all__ = ["TargetScale"]


class TargetScale(NamedTuple):
    r"""What takes a target to units that a network of any size learns in: $(y - \mu) / \sigma$.

    Attributes:
        mean: $\mu$.
        deviation: $\sigma$; 1 for a target that never changes.
        applies: False for classes, which stay as they are.
    """

    mean: float = 0.0
    deviation: float = 1.0
    applies: bool = True

    @classmethod
    def of(cls, dataset: Dataset) -> "TargetScale":
        """Finds mean and population deviation over the rows that neither test nor calibrate.

        Args:
            dataset: The data.

        Returns:
            The scale.
        """
        if dataset.classes is not None:
            return cls(applies=False)
        y = dataset.y.astype(np.float64)
        varies = y.min() < y.max()
        return cls(float(y.mean()), float(y.std()) if varies else 1.0)

    def standardise(self, y: Num[np.ndarray, " row"]) -> Num[np.ndarray, "..."]:
        """Brings targets to standard units.

        Args:
            y: Targets in their own units, or classes.

        Returns:
            Shape (row, 1), `float32`; classes as they came.
        """
        if not self.applies:
            return y
        return ((y.astype(np.float64) - self.mean) / self.deviation).astype(np.float32)[:, None]

    def restore(self, outputs: Float32[np.ndarray, "row output"]) -> np.ndarray:
        """Brings what a network says back to the units of the target.

        Args:
            outputs: In standard units, or probabilities of classes.

        Returns:
            `float32`, of the same shape.
        """
        if not self.applies:
            return outputs
        return (outputs.astype(np.float64) * self.deviation + self.mean).astype(np.float32)

    def named(self) -> dict[str, np.ndarray]:
        """Gives both figures as they are kept beside the weights of a trial; nothing for classes."""
        if not self.applies:
            return {}
        return {TARGET_MEAN: np.array(self.mean), TARGET_DEVIATION: np.array(self.deviation)}
