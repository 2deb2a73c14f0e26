"""Temperature scaling: one number that makes a network as sure as it is right."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import brentq
from scipy.special import softmax

from denselab.errors import DataError, UsageError
from denselab.uncertainty.checks import check_labels

__all__ = ["fit_temperature", "temperature_scaled"]

_LIMIT = 100.0
"""Temperatures are sought from 1/100 to 100; beyond, a softmax is one-hot or flat anyway."""


def fit_temperature(
    logits: Float[np.ndarray, "example class"], labels: Int[np.ndarray, " example"]
) -> float:
    r"""Finds the temperature $T$ that minimises the log loss of $\mathrm{softmax}(z / T)$.

    In $\beta = 1/T$ the loss is convex with slope
    $\frac1n \sum_i (\mathbb E_{p_i}[z_i] - z_{i, y_i})$, whose zero is found by bracketing.

    Args:
        logits: Logits, or logarithms of probabilities, of rows that the network neither trained
            nor stopped on.
        labels: True classes of these rows, from 0 to `class - 1`.

    Returns:
        A temperature from 0.01 to 100; above 1 if the network was too sure.

    Raises:
        DataError: If the shapes do not fit, a label is no class, or a logit is not finite.

    Example:
        >>> too_sure = np.array([[4.0, 0.0]] * 4)
        >>> round(fit_temperature(too_sure, np.array([0, 0, 0, 1])), 3)
        3.641

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    check_labels(logits.shape, labels)
    if not np.isfinite(logits).all():
        raise DataError("a logit is not finite; clip probabilities before taking logarithms")
    chosen = logits[np.arange(len(labels)), labels]

    def slope(log_temperature: float) -> float:
        weights = softmax(logits / math.exp(log_temperature), axis=1)
        return float(((weights * logits).sum(axis=1) - chosen).mean())

    coldest, hottest = -math.log(_LIMIT), math.log(_LIMIT)
    if slope(coldest) <= 0:
        return 1 / _LIMIT
    if slope(hottest) >= 0:
        return _LIMIT
    found: Any = brentq(slope, coldest, hottest, xtol=1e-10)
    return math.exp(found)


def temperature_scaled(
    logits: Float[Array, "example class"], temperature: float
) -> Float[Array, "example class"]:
    r"""Gives the probabilities $\mathrm{softmax}(z / T)$.

    Args:
        logits: Logits, or logarithms of probabilities.
        temperature: As `fit_temperature` found it, above 0.

    Returns:
        Class probabilities; the order of the classes is that of the logits.

    Raises:
        UsageError: If the temperature is not above 0.

    Example:
        >>> print(temperature_scaled(jnp.array([[4.0, 0.0]]), 3.641).round(2))
        [[0.75 0.25]]

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    """
    if not temperature > 0:
        raise UsageError(f"temperature is {temperature!r}; give one above 0, from fit_temperature")
    return jax.nn.softmax(jnp.asarray(logits) / temperature, axis=-1)
