"""Averages of the weights, and BatchNormalization statistics that fit them, inside the compiled program."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
from keras.src.backend import StatelessScope

from denselab.errors import UsageError

__all__ = [
    "AverageState",
    "Averaging",
    "batch_normalizations",
    "check_averaging",
    "exponential_average",
    "include",
    "keeps_exponential_average",
    "recalibrated",
]


class Averaging(NamedTuple):
    """From which epoch on weights are averaged: `denselab.components.StochasticWeightAveraging` in the engine.

    Attributes:
        start_epoch: First epoch whose weights count, from 0.
    """

    start_epoch: int


class AverageState(NamedTuple):
    """The mean of the trainable weights so far, and of how many epochs it is."""

    count: Any
    means: list[Any]


Moments = list[tuple[Any, Any]]
"""Mean and variance of what passes through each layer."""


def check_averaging(averaging: Averaging, *, epochs: int, restore_best: bool) -> None:
    """Refuses an average that could not be taken.

    Args:
        averaging: The rule.
        epochs: Epochs of the training.
        restore_best: Whether a member ends with the weights of its best epoch.

    Raises:
        UsageError: If it begins after the end, or the weights of the best epoch would replace it.
    """
    start = averaging.start_epoch
    if isinstance(start, bool) or not isinstance(start, int) or not 0 <= start < epochs:
        raise UsageError(
            f"averaging starts at epoch {start!r}, but training has {epochs} epochs; "
            f"give start_epoch from 0 to below {epochs}"
        )
    if restore_best:
        raise UsageError(
            "averaging ends with the mean of the last epochs, restore_best with the weights of one; use one of them"
        )


def include(state: AverageState, weights: list[Any], *, due: Any) -> AverageState:
    r"""Adds the weights of an epoch to the average.

    $$\bar w_n = \bar w_{n-1} + \frac{w_n - \bar w_{n-1}}{n}$$

    Args:
        state: The average so far.
        weights: The weights after this epoch.
        due: Whether this epoch counts.

    Returns:
        The new average.

    Example:
        >>> state = AverageState(jnp.int32(1), [jnp.float32(2.0)])
        >>> print(include(state, [jnp.float32(4.0)], due=True).means[0])
        3.0
    """
    count = state.count + jnp.asarray(due, jnp.int32)
    means = [
        jnp.where(due, mean + (weight - mean) / jnp.maximum(count, 1).astype(mean.dtype), mean)
        for mean, weight in zip(state.means, weights, strict=True)
    ]
    return AverageState(count, means)


def keeps_exponential_average(model: keras.Model) -> bool:
    """Says whether a model's optimizer was made with `use_ema=True`.

    Args:
        model: A compiled model.

    Returns:
        True if `fit` would end with the exponential average of the weights.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return bool(getattr(optimizer, "use_ema", False))


def exponential_average(
    model: keras.Model, trainable: list[Any], optimizer: list[Any]
) -> list[Any]:
    """Does to the weights what `fit` does at its end: lets the optimizer finalize them.

    Args:
        model: The template.
        trainable: The member's trainable weights.
        optimizer: The member's optimizer variables.

    Returns:
        The final trainable weights; the average that the optimizer kept, if it kept one.
    """
    pairs = [
        *zip(model.trainable_variables, trainable, strict=True),
        *zip(model.optimizer.variables, optimizer, strict=True),
    ]
    with StatelessScope(pairs) as scope:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    final = [scope.get_current_value(variable) for variable in model.trainable_variables]
    return [jnp.asarray(value, old.dtype) for value, old in zip(final, trainable, strict=True)]


def batch_normalizations(model: Any) -> list[Any]:
    """Lists the layers whose statistics depend on the weights.

    Args:
        model: A built model.

    Returns:
        The trainable BatchNormalization layers, nested ones included.

    Raises:
        UsageError: If one of them uses `renorm`, which keeps other statistics.
    """
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    renormalized = [layer.name for layer in layers if layer.renorm]
    if renormalized:
        raise UsageError(
            f"layers {', '.join(renormalized)} use renorm, whose statistics cannot be collected again; "
            "make them with renorm=False"
        )
    return layers


def recalibrated(
    model: Any,
    trainable: list[Any],
    non_trainable: list[Any],
    *,
    rows: Any,
    batch_size: int,
    features: Callable[[Any], Any],
) -> list[Any]:
    r"""Collects the statistics of BatchNormalization anew, over rows that pass as in training.

    As `denselab.components.recalibrate_batch_normalization` does. Batches are joined by Chan's update, which single
    precision stands: with $n$ rows of mean $\mu$ and variance $v$ so far, and $m$ rows of $\mu'$ and $v'$ more,

    $$\mu \leftarrow \mu + \frac{m}{n + m} \delta, \qquad
    v \leftarrow v + \frac{m}{n + m} \Big(v' - v + \frac{n}{n + m} \delta^2\Big), \qquad \delta = \mu' - \mu$$

    Args:
        model: The template.
        trainable: The weights.
        non_trainable: The other variables; only the statistics will differ.
        rows: Row numbers, shape (n,).
        batch_size: Rows at once.
        features: Gives the inputs of some rows.

    Returns:
        The non-trainable variables with new statistics; seed generators stand where they stood.

    References:
        Chan, Golub and LeVeque, Updating Formulae and a Pairwise Algorithm for Computing Sample
        Variances, 1979, eq. 2.1.
    """
    layers = batch_normalizations(model)
    places = [
        tuple(_place(model.non_trainable_variables, statistic) for statistic in pair)
        for pair in ((layer.moving_mean, layer.moving_variance) for layer in layers)
    ]

    def pass_through(carry: tuple[Any, Moments, list[Any]], chosen: Any) -> Any:
        seen, moments, state = carry
        _, state = model.stateless_call(trainable, state, features(chosen), training=True)
        more = chosen.shape[0]
        share = more / (seen + more)
        joined = [
            _joined(old, (state[mean], state[variance]), share)
            for old, (mean, variance) in zip(moments, places, strict=True)
        ]
        return seen + more, joined, state

    blank = [tuple(jnp.zeros_like(non_trainable[place]) for place in pair) for pair in places]
    size = min(batch_size, rows.shape[0])
    whole = rows.shape[0] // size
    with _last_batch_counts(layers):
        carry = jax.lax.fori_loop(
            0,
            whole,
            lambda i, c: pass_through(c, jax.lax.dynamic_slice_in_dim(rows, i * size, size)),
            (jnp.float32(0), blank, list(non_trainable)),
        )
        if whole * size < rows.shape[0]:
            carry = pass_through(carry, rows[whole * size :])
    result = list(non_trainable)
    for pair, values in zip(places, carry[1], strict=True):
        for place, value in zip(pair, values, strict=True):
            result[place] = value
    return result


def _joined(old: tuple[Any, Any], new: tuple[Any, Any], share: Any) -> tuple[Any, Any]:
    """Joins two means and variances, the new one with this share of all rows."""
    delta = new[0] - old[0]
    spread = (1 - share) * delta**2
    return old[0] + share * delta, old[1] + share * (new[1] - old[1] + spread)


@contextlib.contextmanager
def _last_batch_counts(layers: Iterable[Any]) -> Iterator[None]:
    """With momentum 0 a layer's moving statistics are those of its last batch."""
    momenta = [(layer, layer.momentum) for layer in layers]
    try:
        for layer, _ in momenta:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in momenta:
            layer.momentum = momentum


def _place(variables: list[Any], wanted: Any) -> int:
    return next(place for place, variable in enumerate(variables) if variable is wanted)
