"""The layers of a model in the order of computation, and who takes whose output."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras

from denselab.doctor.facts.layers import (
    NORMALIZATIONS,
    PASSIVE,
    PRODUCTS,
    UNKNOWN,
    Layer,
    read_layer,
)

__all__ = [
    "Network",
    "activation_after",
    "followers",
    "hidden",
    "next_layers",
    "products",
    "read_network",
]


@dataclass(frozen=True)
class Network:
    """The layers of a model; models inside it are opened.

    Attributes:
        layers: In the order of computation.
        outputs: Places of the layers that give the model's outputs.
        connected: Whether it is known who takes whose output; not so in a subclassed model.
        parameters: Number of weights, 0 if it is not built.
        trainable: Number of trained variables, or None if the model is not built.
    """

    layers: tuple[Layer, ...]
    outputs: tuple[int, ...]
    connected: bool
    parameters: int = 0
    trainable: int | None = None


def read_network(model: Any) -> Network:
    """Reads the layers of a model without touching it.

    Args:
        model: A Keras model, built or not.

    Returns:
        The layers; not connected where the model has no graph.
    """
    layers: list[Layer] = []
    outputs = _open(model, (), layers)
    built = bool(getattr(model, "built", False)) and bool(model.weights)
    network = Network(
        layers=tuple(layers),
        outputs=outputs or (),
        connected=outputs is not None,
        parameters=int(model.count_params()) if built else 0,
        trainable=len(model.trainable_variables) if built else None,
    )
    if network.connected:
        return network
    leaves = [layer for layer in model._flatten_layers(include_self=False) if not _children(layer)]
    listed = [read_layer(layer, index=i, sources=()) for i, layer in enumerate(leaves)]
    return replace(network, layers=tuple(listed))


def followers(network: Network, layer: Layer) -> tuple[Layer, ...]:
    """Gives the layers that take a layer's output.

    Args:
        network: The network.
        layer: One of its layers.

    Returns:
        None of them where the network is not connected.
    """
    return tuple(other for other in network.layers if layer.index in other.sources)


def next_layers(
    network: Network, layer: Layer, *, passing: frozenset[str] = PASSIVE
) -> Iterator[Layer]:
    """Gives the next layers that do something.

    Args:
        network: The network.
        layer: One of its layers.
        passing: Kinds of layers that are passed over; linear activations are too.

    Yields:
        Layers, in the order of computation.
    """
    for follower in followers(network, layer):
        linear = follower.kind == "Activation" and follower.activation == "linear"
        if follower.kind in passing or linear:
            yield from next_layers(network, follower, passing=passing)
        else:
            yield follower


def activation_after(network: Network, layer: Layer) -> str:
    """Names what bends a layer's output before the next product.

    Args:
        network: The network.
        layer: A layer that multiplies by a kernel.

    Returns:
        Its own activation, or that of the layers after it, `linear` if there is none, `?` if it is
        not known.
    """
    if layer.activation not in (None, "linear"):
        return layer.activation
    if not network.connected:
        return UNKNOWN
    found = {
        UNKNOWN if follower.activation is None else follower.activation
        for follower in next_layers(network, layer, passing=PASSIVE | NORMALIZATIONS)
        if follower.kind not in PRODUCTS
    }
    if not found:
        return "linear"
    return found.pop() if len(found) == 1 else UNKNOWN


def products(network: Network) -> tuple[Layer, ...]:
    """Gives the layers that multiply by a kernel."""
    return tuple(layer for layer in network.layers if layer.kind in PRODUCTS)


def hidden(network: Network) -> tuple[Layer, ...]:
    """Gives the layers that multiply by a kernel and have another such layer behind them.

    Args:
        network: The network.

    Returns:
        Without a graph, all but the last.
    """
    found = products(network)
    if not network.connected:
        return found[:-1]
    behind: set[int] = set()
    for layer in reversed(network.layers):
        if layer.kind in PRODUCTS or layer.index in behind:
            behind.update(layer.sources)
    return tuple(layer for layer in found if layer.index in behind)


def _open(model: Any, given: tuple[int, ...], layers: list[Layer]) -> tuple[int, ...] | None:
    """Adds the layers of a model, fed from given places; its outputs' places, None without graph."""
    graph = getattr(model, "_functional", None) or model
    nodes = getattr(graph, "_nodes_by_depth", None)
    if nodes is not None:
        return _open_graph(graph, nodes, given, layers)
    if isinstance(model, keras.Sequential):
        return _open_chain(model, given, layers)
    return None


def _open_graph(
    graph: Any, nodes: Any, given: tuple[int, ...], layers: list[Layer]
) -> tuple[int, ...]:
    places: dict[int, int] = dict(zip(map(id, graph.inputs), given, strict=False))
    for depth in sorted(nodes, reverse=True):
        for node in nodes[depth]:
            if all(id(tensor) in places for tensor in node.outputs):
                continue
            sources = tuple(places[id(t)] for t in node.arguments.keras_tensors)
            inner = None
            if isinstance(node.operation, keras.Model):
                inner = _open(node.operation, sources, layers)
            if inner is None:
                layers.append(_read_node(node, len(layers), sources))
                inner = (len(layers) - 1,) * len(node.outputs)
            places.update(zip(map(id, node.outputs), inner, strict=False))
    return tuple(places[id(tensor)] for tensor in graph.outputs)


def _read_node(node: Any, index: int, sources: tuple[int, ...]) -> Layer:
    return read_layer(
        node.operation,
        index=index,
        sources=sources,
        shape=tuple(node.outputs[0].shape[1:]) if node.outputs else None,
        arguments=node.arguments.kwargs,
    )


def _open_chain(
    model: keras.Sequential, given: tuple[int, ...], layers: list[Layer]
) -> tuple[int, ...] | None:
    last = given
    for layer in model.layers:
        inner = _open(layer, last, layers) if isinstance(layer, keras.Model) else None
        if isinstance(layer, keras.Model) and inner is None:
            return None
        if inner is None:
            layers.append(read_layer(layer, index=len(layers), sources=last))
            inner = (len(layers) - 1,)
        last = inner
    return last


def _children(layer: Any) -> bool:
    return bool(getattr(layer, "_layers", None)) and not isinstance(layer, keras.layers.Wrapper)
