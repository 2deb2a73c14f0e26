"""The outputs of a model: what ends them, what is asked of them, what they are held against."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from denselab.doctor.facts.layers import PASSIVE, PRODUCTS, UNKNOWN, Layer
from denselab.doctor.facts.losses import Loss, Metric
from denselab.doctor.facts.network import Network, products
from denselab.doctor.facts.tables import Table

__all__ = ["Head", "TargetKind", "ending", "target_kind", "unconnected_ending"]

TargetKind = Literal["classes", "one-hot", "multi-hot", "shares", "values"]
"""Whole numbers, one a row; rows of one 1; rows of zeros and ones; rows that sum to 1; anything."""

_SHARES_SLACK = 1e-4
_MANY_CLASSES = 1000


@dataclass(frozen=True)
class Head:
    """One output of a model.

    Attributes:
        name: Name of the output.
        layer: Name of the layer that gives it.
        shape: Its shape without the batch, None if it is not known.
        activation: What was last applied to it; `?` if it is not known.
        loss: Its loss, None without one.
        metrics: Its metrics.
        target: Its targets, None if they could not be read.
    """

    name: str
    layer: str
    shape: tuple[int | None, ...] | None
    activation: str
    loss: Loss | None = None
    metrics: tuple[Metric, ...] = ()
    target: Table | None = None

    @property
    def units(self) -> int | None:
        """Size of its last axis, None if it is not known."""
        return self.shape[-1] if self.shape else None


def ending(network: Network, output: int) -> tuple[Layer, str, tuple[int | None, ...] | None]:
    """Finds what ends an output.

    Args:
        network: A connected network.
        output: Place of the layer that gives the output.

    Returns:
        The layer with the last product, the activation last applied (`?` if it is not known), and the
        shape of the output if it is known.
    """
    layer = network.layers[output]
    shape = layer.shape
    last = layer
    while _passes(last) and len(last.sources) == 1:
        last = network.layers[last.sources[0]]
    activation = last.activation
    if activation is None:
        activation = UNKNOWN
    product = last
    while product.kind not in PRODUCTS and len(product.sources) == 1:
        product = network.layers[product.sources[0]]
    if product.kind not in PRODUCTS:
        product = layer
    if shape is None and product.units is not None:
        shape = (product.units,)
    return product, activation, shape


def unconnected_ending(network: Network) -> tuple[Layer, str, tuple[int | None, ...] | None]:
    """Names the last product of a network whose graph is not known; its activation may be bent on."""
    found = products(network)
    layer = found[-1] if found else network.layers[-1]
    return layer, UNKNOWN, None


def target_kind(table: Table) -> TargetKind:
    """Says what targets are.

    Whole numbers in one column are classes if there are at most 1000 of them and not as many as a tenth
    of the rows, or if they are at most 20.

    Args:
        table: The targets.

    Returns:
        What they look like.
    """
    rows = table.clean
    if table.width == 1:
        return "classes" if table.whole and _few(table) else "values"
    if not len(rows) or table.minimum < 0:
        return "values"
    sums = rows.sum(axis=1)
    if table.whole and table.maximum <= 1:
        return "one-hot" if (sums == 1).all() else "multi-hot"
    if np.abs(sums - 1).max() <= _SHARES_SLACK:
        return "shares"
    return "values"


def _few(table: Table) -> bool:
    count = len(table.distinct)
    return count <= 20 or count <= min(_MANY_CLASSES, table.rows // 10)


def _passes(layer: Layer) -> bool:
    linear = layer.kind == "Activation" and layer.activation == "linear"
    return layer.kind in PASSIVE or linear
