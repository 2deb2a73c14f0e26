"""The inputs of a model, and what its first product sees of them."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from jaxtyping import Float

from denselab.doctor.facts.layers import NORMALIZATIONS, PASSIVE, PRODUCTS, Layer
from denselab.doctor.facts.network import Network, followers, next_layers
from denselab.doctor.facts.tables import Table

__all__ = ["Entry", "read_entry"]

_ENCODERS = frozenset(
    {
        "CategoryEncoding",
        "Discretization",
        "Embedding",
        "HashedCrossing",
        "Hashing",
        "IntegerLookup",
        "StringLookup",
        "TextVectorization",
    }
)


@dataclass(frozen=True, eq=False)
class Entry:
    """One input of a model.

    Attributes:
        name: Name of the input.
        shape: The shape the model was built for, without the batch; None where it was not built.
        table: Its data, None if they could not be read.
        normalized: Whether the network normalizes it by what it sees, before its first product.
        renormalized: Whether a normalization follows the first product directly.
        text: Whether its data are text.
        encoded: Whether it is read as numbers of classes or as text, so that its scale means nothing.
        means: Mean of every column as the first product sees it.
        deviations: Standard deviation of every column, likewise.
        low: Smallest value, likewise.
        high: Largest value, likewise.
        fixed: Names of layers on the way that scale by numbers fixed beforehand.
    """

    name: str
    shape: tuple[int | None, ...] | None = None
    table: Table | None = None
    normalized: bool = False
    renormalized: bool = False
    text: bool = False
    encoded: bool = False
    means: Float[np.ndarray, " column"] | None = None
    deviations: Float[np.ndarray, " column"] | None = None
    low: float = 0.0
    high: float = 0.0
    fixed: tuple[str, ...] = ()


def read_entry(name: str, table: Table | None, network: Network, start: Layer | None) -> Entry:
    """Reads one input.

    Args:
        name: Its name.
        table: Its data.
        network: The network.
        start: The layer that stands for the input, or the first layer of a chain without one; None if
            the network is not connected.

    Returns:
        The facts.
    """
    path = _path(network, start)
    kinds = [layer.kind for layer in path]
    shape = start.shape if start is not None and start.kind == "InputLayer" else None
    product = next((layer for layer in path if layer.kind in PRODUCTS), None)
    after = next_layers(network, product) if product is not None and network.connected else ()
    entry = Entry(
        name=name,
        shape=shape,
        table=table,
        normalized=bool(NORMALIZATIONS & set(kinds)) or "UnitNormalization" in kinds,
        renormalized=any(layer.kind in NORMALIZATIONS for layer in after),
        encoded=bool(_ENCODERS & set(kinds)),
    )
    return entry if table is None else _scaled(entry, table, path)


def _path(network: Network, start: Layer | None) -> list[Layer]:
    """Lists the layers from an input to its first product, as long as there is one way."""
    path: list[Layer] = []
    layer = start
    while layer is not None:
        path.append(layer)
        after = followers(network, layer)
        layer = after[0] if layer.kind not in PRODUCTS and len(after) == 1 else None
    return path


def _scaled(entry: Entry, table: Table, path: list[Layer]) -> Entry:
    means, deviations = table.means, table.deviations
    low, high = np.float64(table.minimum), np.float64(table.maximum)
    fixed = []
    for layer in path:
        factors = _factors(layer, table)
        if factors is None:
            if layer.kind in PASSIVE or layer.kind == "InputLayer":
                continue
            break
        scale, shift = factors
        ends = np.array([low * scale + shift, high * scale + shift])
        low, high = ends.min(), ends.max()
        means, deviations = means * scale + shift, deviations * np.abs(scale)
        fixed.append(layer.name)
    return Entry(
        **{
            **vars(entry),
            "means": means,
            "deviations": deviations,
            "low": float(low),
            "high": float(high),
            "fixed": tuple(fixed),
        }
    )


def _factors(layer: Layer, table: Table) -> tuple[Any, Any] | None:
    """Gives scale and shift of a layer that scales by numbers fixed beforehand, column by column."""
    if layer.kind == "Rescaling":
        scale, shift = (np.asarray(value, np.float64) for value in _rescaling(layer.object))
    elif layer.kind == "Normalization" and getattr(layer.object, "mean", None) is not None:
        numbers = (
            np.asarray(keras.ops.convert_to_numpy(value), np.float64).ravel()
            for value in (layer.object.mean, layer.object.variance)
        )
        mean, variance = numbers
        scale = 1 / np.maximum(np.sqrt(variance), keras.config.epsilon())
        shift = -mean * scale
    else:
        return None
    if table.width % max(1, scale.size) or table.width % max(1, shift.size):
        return None
    return _spread(scale, table.width), _spread(shift, table.width)


def _spread(value: np.ndarray, width: int) -> np.ndarray:
    return value if value.size == 1 else np.tile(value.ravel(), width // value.size)


def _rescaling(layer: Any) -> tuple[Any, Any]:
    return layer.scale, layer.offset
