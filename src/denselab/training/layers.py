"""What the hidden layers of a network are like: their activations, derivatives and units."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import keras
import numpy as np

from denselab.data import Dataset
from denselab.engine.member import own_randomness
from denselab.recipes import Recipe
from denselab.training.network import build_network
from denselab.training.saving import INPUT_MEAN, INPUT_SCALE, named_weights, set_named_weights

__all__ = ["LayerFacts", "distinct_units", "first_weights", "layer_facts"]

_ROWS = 1024
_SAME = 1e-5


class LayerFacts(NamedTuple):
    """One value a hidden layer, from the input to the output.

    Attributes:
        mean: Mean of what the next layer is given, over rows and units.
        variance: Its variance, likewise.
        zero: Share of the activation's derivatives that are exactly 0 in float32, from 0 to 1.
        spread: Greatest difference of a unit's weights from those of its layer's mean unit, relative to
            the greatest weight of the layer.
        distinct: Number of units that differ by more than 1e-5 of that.
    """

    mean: tuple[float, ...]
    variance: tuple[float, ...]
    zero: tuple[float, ...]
    spread: tuple[float, ...]
    distinct: tuple[int, ...]


def first_weights(recipe: Recipe, dataset: Dataset, seed: int) -> dict[str, np.ndarray]:
    """Gives the weights that `train_recipe` starts from under a seed.

    Args:
        recipe: The recipe.
        dataset: The data.
        seed: The seed.

    Returns:
        Path of a variable -> array.
    """
    with own_randomness(seed):
        network = _network(recipe, dataset)
    values = [*network.trainable_weights, *network.non_trainable_weights]
    return named_weights(network, [np.array(variable.value) for variable in values])


def layer_facts(
    recipe: Recipe, dataset: Dataset, tables: Sequence[dict[str, np.ndarray]], *, seed: int = 0
) -> tuple[LayerFacts, ...]:
    """Measures hidden layers as they are in training: dropout drops, and batches normalise by themselves.

    Args:
        recipe: The recipe of the network.
        dataset: The data, whose first 1,024 training rows are one batch.
        tables: Named weights of one network or several, with `input_mean` and `input_scale` where inputs
            are standardised.
        seed: Decides what dropout drops.

    Returns:
        The facts of each network.
    """
    with own_randomness(seed):
        network = _network(recipe, dataset)
    depth = recipe.network.depth
    names = {layer.name for layer in network.layers}
    layers = [network.get_layer(f"activation_{k}") for k in range(1, depth + 1)]
    ends = [
        next(name for part in ("skip", "dropout", "activation") if (name := f"{part}_{k}") in names)
        for k in range(1, depth + 1)
    ]
    taps = keras.Model(
        network.input,
        [[layer.input for layer in layers], [network.get_layer(name).output for name in ends]],
    )
    x = dataset.x[:_ROWS].reshape(min(dataset.n, _ROWS), -1).astype(np.float32)
    facts = []
    for weights in tables:
        set_named_weights(network, weights)
        given = (x - weights[INPUT_MEAN]) * weights[INPUT_SCALE] if INPUT_MEAN in weights else x
        before, after = taps(given.astype(np.float32), training=True)
        outputs = [np.asarray(one, np.float64) for one in after]
        kernels = [np.array(network.get_layer(f"hidden_{k}").kernel) for k in range(1, depth + 1)]
        facts.append(
            LayerFacts(
                tuple(float(one.mean()) for one in outputs),
                tuple(float(one.var()) for one in outputs),
                tuple(map(_zero_share, layers, before)),
                tuple(map(_spread, kernels)),
                tuple(map(distinct_units, kernels)),
            )
        )
    return tuple(facts)


def distinct_units(kernel: np.ndarray) -> int:
    """Counts the units of a layer that are not the same as another.

    Args:
        kernel: Weights, shape (input, unit).

    Returns:
        From 1 to the number of units; units that differ by at most 1e-5 of the greatest weight are one.

    Example:
        >>> distinct_units(np.array([[1.0, 1.0, 2.0], [3.0, 3.0, 3.0]]))
        2
    """
    tolerance = _SAME * float(np.abs(kernel).max())
    kept: list[np.ndarray] = []
    for unit in kernel.T:
        if not kept or np.abs(np.stack(kept) - unit).max(axis=1).min() > tolerance:
            kept.append(unit)
    return len(kept)


def _network(recipe: Recipe, dataset: Dataset) -> keras.Model:
    return build_network(recipe, features=dataset.features, classes=dataset.classes or 1)


def _zero_share(layer: Any, before: Any) -> float:
    _, derivative = jax.jvp(lambda z: layer(z), (before,), (jax.numpy.ones_like(before),))
    return float((np.asarray(derivative) == 0).mean())


def _spread(kernel: np.ndarray) -> float:
    scale = float(np.abs(kernel).max())
    middle = kernel.mean(axis=1, keepdims=True)
    return float(np.abs(kernel - middle).max()) / scale if scale else 0.0
