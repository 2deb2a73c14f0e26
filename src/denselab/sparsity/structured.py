"""Removes whole units, so that what is left is a smaller dense network in plain Keras layers."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.sparsity.copying import compile_like
from denselab.sparsity.graph import Graph, graph_of
from denselab.sparsity.kernels import dense_layers, output_layers
from denselab.sparsity.masks import check_sparsity, zero_count
from denselab.sparsity.saliency import saliencies
from denselab.sparsity.units import Space, constants_of, dead_units, spaces_of, without_units

__all__ = ["Saliency", "remove_units", "shrink", "unit_share"]

Saliency = Literal["weight", "activation", "taylor"]
"""What says how much a unit matters."""


def shrink(model: keras.Model) -> keras.Model:
    """Removes the units that do nothing, so that the outputs stay equal.

    A unit goes if all weights that leave it are 0, or if all that enter it are, directly or because what is before it
    is constant: what it adds then goes into the next layer's bias. Of a layer of dead units alone, one is kept. Units
    that a skip connection adds up go or stay together. Units next to layers that mix them, such as LayerNormalization,
    stay.

    Args:
        model: A built Sequential or functional model; not changed.

    Returns:
        A model of the same kind in plain Keras layers, with equal predictions up to rounding, compiled as the given
        one is, with a new optimizer.

    Raises:
        UsageError: If the model is subclassed, so that its wiring is not known.

    Example:
        >>> layers = keras.layers
        >>> model = keras.Sequential([keras.Input((4,)), layers.Dense(3, "relu"), layers.Dense(1)])
        >>> kernel, bias = model.layers[0].get_weights()
        >>> model.layers[0].set_weights([kernel * [1, 0, 1], bias])
        >>> shrink(model).layers[0].units
        2
    """
    dense_layers(model)
    graph = graph_of(model)
    spaces = spaces_of(graph)
    smaller = without_units(model, graph, spaces, dead_units(spaces, constants_of(graph)))
    if model.compiled:
        compile_like(smaller, model)
    return smaller


def remove_units(
    model: keras.Model,
    x: Any = None,
    y: Any = None,
    *,
    share: float | Mapping[str, float],
    saliency: Saliency = "weight",
    skip: Sequence[str] = (),
) -> keras.Model:
    r"""Removes the least salient units of every hidden layer.

    The saliency of unit $u$ with output $a_u$, incoming weights $w_{\cdot u}$ and outgoing weights $v_{u \cdot}$ is

    - weight: $\lVert w_{\cdot u}\rVert_2 \, \lVert v_{u \cdot}\rVert_2$, which no rescaling between the two changes;
    - activation: the mean of $|a_u|$ over the rows of `x`;
    - taylor: the mean of $|a_u \, \partial L / \partial a_u|$ over the rows of `x` and `y`, with the model's compiled
      loss $L$: the change of the loss, to first order, if the unit were gone.

    Dead units go first, and with them alone the outputs stay equal, see `shrink`. Where a skip connection ties layers,
    their units go together, and their saliencies are summed. Fine-tune the result with `fit`.

    Args:
        model: A built Sequential or functional model; not changed.
        x: Inputs, for "activation" and "taylor".
        y: Targets, for "taylor".
        share: Share of the units to remove, from 0 to below 1, rounded; a mapping names Dense layers, others stay
            whole. At least one unit of a layer stays. `unit_share` finds the share for a wanted number of weights.
        saliency: "weight", "activation" or "taylor".
        skip: Names of Dense layers that keep all units. Output layers always do.

    Returns:
        A smaller model of the same kind in plain Keras layers, compiled as the given one is, with a new optimizer.

    Raises:
        UsageError: If the model is subclassed, or has its Dense layers inside another model; if units of a layer that
            is not skipped cannot be removed, with the layer that is in the way; if data are missing.

    Example:
        >>> layers = keras.layers
        >>> model = keras.Sequential([keras.Input((4,)), layers.Dense(8, "relu"), layers.Dense(1)])
        >>> remove_units(model, share=0.75).layers[0].units
        2

    References:
        Li et al., Pruning Filters for Efficient ConvNets, 2017, section 3.1; Molchanov et al., Pruning Convolutional
        Neural Networks for Resource Efficient Inference, 2017, eq. 7.
    """
    shares = _shares(model, share, skip)
    graph = graph_of(model)
    _check_flat(model, graph, shares)
    spaces = spaces_of(graph)
    removed = {}
    chosen = [(space, part) for space in spaces if (part := _share_of(space, shares))]
    values = saliencies(model, [space for space, _ in chosen], x, y, saliency=saliency)
    dead = dead_units(spaces, constants_of(graph))
    for (space, part), value in zip(chosen, values, strict=True):
        # Dead units before all others, whatever the measure says of them.
        order = np.lexsort((value, ~dead[id(space)]))
        gone = np.zeros(space.units, bool)
        gone[order[: min(zero_count(part, space.units), space.units - 1)]] = True
        removed[id(space)] = gone
    smaller = without_units(model, graph, spaces, removed)
    if model.compiled:
        compile_like(smaller, model)
    return smaller


def unit_share(model: keras.Model, sparsity: float, *, skip: Sequence[str] = ()) -> float:
    """Finds the share of units whose removal leaves as many weights as a sparsity does.

    Args:
        model: A built Sequential or functional model.
        sparsity: Share of the kernels' weights that are to go, from 0 to below 1.
        skip: Names of Dense layers that keep all units.

    Returns:
        The smallest share, to a thousandth, for `remove_units` that leaves at most 1 - `sparsity` of the weights of all
        Dense kernels.

    Raises:
        UsageError: If even one unit a layer is too many, or Dense layers are inside another model.

    Example:
        >>> layers = keras.layers
        >>> sizes = [layers.Dense(100), layers.Dense(100), layers.Dense(10)]
        >>> unit_share(keras.Sequential([keras.Input((10,)), *sizes]), 0.8)
        0.595
    """
    sparsity = check_sparsity(sparsity)
    names = _shares(model, 0.5, skip)
    graph = graph_of(model)
    _check_flat(model, graph, names)
    spaces = spaces_of(graph)
    of = {tensor: space for space in spaces for tensor in space.tensors}
    free = {id(space) for space in spaces if _share_of(space, names)}
    calls = {id(c.layer): c for c in graph.calls if isinstance(c.layer, keras.layers.Dense)}
    ends = [(of[id(c.inputs[0])], of[id(c.outputs[0])]) for c in calls.values()]

    def left(share: float) -> int:
        def width(space: Space) -> int:
            removed = zero_count(share, space.units) if id(space) in free else 0
            return space.units - min(removed, space.units - 1)

        return sum(width(before) * width(after) for before, after in ends)

    wanted = left(0.0) - zero_count(sparsity, left(0.0))
    for thousandths in range(1000):
        if left(thousandths / 1000) <= wanted:
            return thousandths / 1000
    raise UsageError(
        f"{left(0.999)} weights are left with one unit a layer, more than {wanted} for sparsity {sparsity:g}; "
        "ask for less"
    )


def _shares(
    model: keras.Model, share: float | Mapping[str, float], skip: Sequence[str]
) -> dict[str, float]:
    """Gives each hidden Dense layer its share, checked."""
    names = list(dense_layers(model))
    given = share if isinstance(share, Mapping) else dict.fromkeys(names, share)
    strange = [name for name in (*given, *skip) if name not in names]
    if strange:
        raise UsageError(
            f"there is no Dense layer {strange[0]!r} in this model; choose from {', '.join(names)}"
        )
    shares = {name: check_sparsity(value, "share") for name, value in given.items()}
    if isinstance(share, Mapping):
        ends = [name for name in output_layers(model) if shares.get(name)]
        if ends:
            raise UsageError(
                f"share names the output layer {ends[0]!r}, whose units are the answers; leave it out"
            )
    return {name: value for name, value in shares.items() if value and name not in skip}


def _check_flat(model: keras.Model, graph: Graph, shares: Mapping[str, float]) -> None:
    """Refuses Dense layers inside other models, whose units the graph does not show."""
    seen = {id(call.layer) for call in graph.calls}
    inside = [name for name, layer in dense_layers(model).items() if id(layer) not in seen]
    wanted = [name for name in inside if name in shares]
    if wanted:
        raise UsageError(
            f"Dense layer {wanted[0]!r} is inside another model or layer of {model.name!r}; give the model that holds "
            "it directly, as denselab.training.rewiring.flattened(model) does"
        )


def _share_of(space: Space, shares: Mapping[str, float]) -> float:
    """Gives the share of a space to remove; refuses where something is in the way."""
    asked = [shares.get(name, 0.0) for name in space.names]
    if not any(asked) or (space.end and not space.pinned):
        return 0.0
    if space.pinned and not (space.end and _only_itself(space)):
        raise UsageError(
            f"units of layer {space.names[0]!r} cannot be removed: {space.pinned}; give skip={space.names!r}"
        )
    if space.end:
        return 0.0
    if len(set(asked)) > 1:
        raise UsageError(
            f"layers {', '.join(space.names)} share their units through a skip connection; give all the same share"
        )
    return asked[0]


def _only_itself(space: Space) -> bool:
    """Says whether an output is pinned by nothing but its own activation, such as softmax."""
    return len(space.producers) == 1 and repr(space.names[0]) in space.pinned
