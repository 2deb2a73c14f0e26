"""What checks while training look at: the last snapshots, and who gives whom its signal."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from denselab.doctor.facts.layers import PRODUCTS
from denselab.doctor.watching.readings import LayerReading, Snapshot

__all__ = ["Watch", "hidden", "lasting", "owner", "steepest"]


@dataclass(frozen=True)
class Watch:
    """The snapshots of a training so far.

    Attributes:
        snapshots: In order, at least one.
        culprit: Layer, part and step at which a rehearsal found the first value that is not finite.
        differentiates: Whether gradients were measured.
        connected: Whether outputs of layers were measured.
    """

    snapshots: tuple[Snapshot, ...]
    culprit: tuple[str, str, int] | None = None
    differentiates: bool = True
    connected: bool = True

    @property
    def last(self) -> Snapshot:
        """The newest snapshot."""
        return self.snapshots[-1]


def lasting(watch: Watch, holds: Callable[[Snapshot], bool], checks: int = 2) -> bool:
    """Says whether something holds in the last snapshots.

    Args:
        watch: The snapshots.
        holds: What is asked of one.
        checks: How many there must be.

    Returns:
        False where there are fewer, or where one is not finite.
    """
    recent = watch.snapshots[-checks:]
    return len(recent) == checks and all(one.finite and holds(one) for one in recent)


def hidden(snapshot: Snapshot) -> list[int]:
    """Gives the places of the layers behind which there is another product, in order."""
    behind: set[int] = set()
    found: list[int] = []
    for place in range(len(snapshot.layers) - 1, -1, -1):
        layer = snapshot.layers[place]
        if place in behind:
            found.append(place)
        if place in behind or layer.kind in PRODUCTS:
            behind.update(layer.feeds)
    return found[::-1]


def owner(snapshot: Snapshot, place: int) -> str:
    """Names the layer whose weights decide about an output: itself, or the nearest product before it."""
    layer = snapshot.layers[place]
    while layer.kind not in PRODUCTS and len(layer.feeds) == 1 and layer.feeds[0] >= 0:
        layer = snapshot.layers[layer.feeds[0]]
    return layer.layer if layer.kind in PRODUCTS else snapshot.layers[place].layer


def steepest(
    snapshot: Snapshot, places: list[int], change: Callable[[LayerReading, LayerReading], float]
) -> tuple[int, float]:
    """Finds the layer across which a number changes most.

    Args:
        snapshot: The layers.
        places: Layers to look at.
        change: Logarithm of the change from the layer before (first) to the layer itself (second).

    Returns:
        Its place and the logarithm; -1 and 0 where there is none.
    """
    best = (-1, 0.0)
    for place in places:
        layer = snapshot.layers[place]
        for feed in (feed for feed in layer.feeds if feed >= 0):
            found = change(snapshot.layers[feed], layer)
            if math.isfinite(found) and found > best[1]:
                best = (place, found)
    return best
