"""What is read of a network at one step, as plain frozen data."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

__all__ = ["LayerReading", "Snapshot", "rows_of"]


@dataclass(frozen=True)
class LayerReading:
    """One layer at one step, measured on the rows that are watched.

    Attributes:
        layer: Its name.
        kind: Its Keras class.
        activation: Activation of its output, None if it has none.
        weighty: Whether it has trained weights.
        feeds: Places of the layers read before it; -1 stands for the inputs.
        mean: Mean of its outputs over rows and units.
        deviation: Their standard deviation, likewise.
        spread: Greatest standard deviation of a unit over the rows.
        dead: Share of its units whose relu is 0 on every row.
        saturated: Share of its units whose derivative is nearly 0 on at least 95 % of the rows.
        signal: Norm of the loss's gradient by its outputs.
        weight: Norm of its kernel.
        weights: Number of weights in its kernel.
        gradient: Norm of the loss's gradient by its kernel.
        update: Norm of the last step's change of its kernel; NaN where no step was seen.
        still: Whether no weight of its kernel changed in that step.
        output_finite: Whether its outputs are finite.
        weight_finite: Whether its weights are.
        gradient_finite: Whether its gradients are.
    """

    layer: str
    kind: str
    activation: str | None
    weighty: bool
    feeds: tuple[int, ...]
    mean: float = math.nan
    deviation: float = math.nan
    spread: float = math.nan
    dead: float = 0.0
    saturated: float = 0.0
    signal: float = math.nan
    weight: float = math.nan
    weights: int = 0
    gradient: float = math.nan
    update: float = math.nan
    still: bool = False
    output_finite: bool = True
    weight_finite: bool = True
    gradient_finite: bool = True

    @property
    def finite(self) -> bool:
        """Whether outputs, weights and gradients are finite."""
        return self.output_finite and self.weight_finite and self.gradient_finite

    @property
    def ratio(self) -> float:
        """Size of the last update against the weights; NaN where it is not known."""
        return self.update / self.weight if self.weight > 0 else math.nan

    @property
    def size(self) -> float:
        """Root mean square of its kernel; NaN where it has none."""
        return self.weight / math.sqrt(self.weights) if self.weights else math.nan


@dataclass(frozen=True)
class Snapshot:
    """All layers at one step.

    Attributes:
        step: Steps taken before.
        epoch: Epoch, from 0.
        loss: Loss on the watched rows, without penalties; None where it is not measured.
        input_signal: Norm of the loss's gradient by the inputs; NaN where it is not measured.
        layers: The layers in the order of computation.
    """

    step: int
    epoch: int
    loss: float | None
    input_signal: float
    layers: tuple[LayerReading, ...]

    @property
    def finite(self) -> bool:
        """Whether everything is finite."""
        sound = self.loss is None or math.isfinite(self.loss)
        return sound and all(layer.finite for layer in self.layers)


_SHOWN = ("mean", "deviation", "dead", "saturated", "signal", "weight", "gradient", "update")


def rows_of(snapshots: Iterable[Snapshot]) -> list[dict[str, object]]:
    """Gives snapshots as plain rows, one a step and layer.

    Args:
        snapshots: Any number of them.

    Returns:
        Rows with step, epoch, loss, layer, depth (from 1) and what was measured; None where it was not.

    Example:
        >>> reading = LayerReading("dense", "Dense", "relu", True, (-1,), mean=0.5)
        >>> rows_of([Snapshot(10, 0, 2.3, 1.0, (reading,))])[0]["mean"]
        0.5
    """
    names = {field.name for field in fields(LayerReading)}
    assert names.issuperset(_SHOWN)
    return [
        {
            "step": snapshot.step,
            "epoch": snapshot.epoch,
            "loss": _shown(snapshot.loss),
            "layer": layer.layer,
            "depth": depth,
            "activation": layer.activation,
            **{name: _shown(getattr(layer, name)) for name in (*_SHOWN, "ratio")},
        }
        for snapshot in snapshots
        for depth, layer in enumerate(snapshot.layers, 1)
    ]


def _shown(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
