"""Where uncertainty comes from: what draws agree is open, and what they disagree about."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import entr
from jaxtyping import Array, Float

from denselab.errors import DataError
from denselab.uncertainty.results import ClassificationDraws, class_result
from denselab.uncertainty.streams import ClassTotals, empty_updates, update

__all__ = [
    "ensemble_prediction",
    "expected_entropy",
    "mutual_information",
    "predictive_entropy",
    "variation_ratio",
]


def predictive_entropy(draws: Float[Array, "draw example class"]) -> Float[Array, " example"]:
    r"""Measures total uncertainty: the entropy of the mean, $-\sum_c \bar p_c \log \bar p_c$.

    Args:
        draws: Class probabilities of every draw or member.

    Returns:
        Nats, from 0 to log(class).

    Example:
        >>> print(predictive_entropy(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]])).round(4))
        [0.6931]

    References:
        Gal, Uncertainty in Deep Learning, 2016, section 3.3.1.
    """
    mean = jnp.asarray(draws).mean(axis=0)
    return entr(mean).sum(axis=-1)


def expected_entropy(draws: Float[Array, "draw example class"]) -> Float[Array, " example"]:
    r"""Measures the aleatoric part: the mean entropy of a draw, $\frac1T \sum_t H(p_t)$.

    Args:
        draws: Class probabilities of every draw or member.

    Returns:
        Nats, from 0 to the predictive entropy.

    Example:
        >>> print(expected_entropy(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]])))
        [0.]

    References:
        Houlsby et al., Bayesian Active Learning for Classification and Preference Learning, 2011.
    """
    return entr(jnp.asarray(draws)).sum(axis=-1).mean(axis=0)


def mutual_information(draws: Float[Array, "draw example class"]) -> Float[Array, " example"]:
    r"""Measures the epistemic part: $H(\bar p) - \frac1T \sum_t H(p_t)$.

    Args:
        draws: Class probabilities of every draw or member.

    Returns:
        Nats, from 0 (all agree) to the predictive entropy.

    Example:
        >>> print(mutual_information(jnp.array([[[0.5, 0.5]], [[0.5, 0.5]]])))
        [0.]

    References:
        Houlsby et al., Bayesian Active Learning for Classification and Preference Learning, 2011,
        equation 2.
    """
    return jnp.maximum(predictive_entropy(draws) - expected_entropy(draws), 0)


def variation_ratio(draws: Float[Array, "draw example class"]) -> Float[Array, " example"]:
    """Measures dissent: the share of draws that do not vote for the class with the most votes.

    Args:
        draws: Class probabilities of every draw or member; a tie shares its vote.

    Returns:
        From 0 (unanimous) to 1 - 1/class.

    Example:
        >>> print(variation_ratio(jnp.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.3, 0.7]]])).round(4))
        [0.3333]

    References:
        Freeman, Elementary Applied Statistics, 1965; Gal, Uncertainty in Deep Learning, 2016,
        section 3.3.1.
    """
    draws = jnp.asarray(draws)
    first = draws == draws.max(axis=-1, keepdims=True)
    votes = (first / first.sum(axis=-1, keepdims=True)).mean(axis=0)
    return 1 - votes.max(axis=-1)


def ensemble_prediction(
    members: Sequence[Float[np.ndarray, "example class"]],
) -> ClassificationDraws:
    """Averages the members of a deep ensemble, each of which counts as one draw.

    Args:
        members: Class probabilities that each member predicts for the same examples.

    Returns:
        Mean probabilities and their uncertainty, as from `predict_draws`.

    Raises:
        DataError: If there are no members, or they differ in shape.

    Example:
        >>> found = ensemble_prediction([np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])])
        >>> found.probabilities.tolist(), found.draws_used.tolist()
        ([[0.75, 0.25]], [2])

    References:
        Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty
        Estimation using Deep Ensembles, 2017.
    """
    tables = [np.asarray(member, np.float64) for member in members]
    shapes = {table.shape for table in tables}
    if len(shapes) != 1 or any(len(shape) != 2 for shape in shapes):
        raise DataError(
            f"members have shapes {sorted(shapes)}; give at least one table (example, class), and "
            "all of one shape"
        )
    rows, classes = tables[0].shape
    draws, one_each = np.stack(tables), np.ones(len(tables))
    state = empty_updates(classes, rows, np)
    totals = ClassTotals(rows, classes)
    totals.add(np.arange(rows), update(state, draws, "probabilities", counted=one_each, xp=np))
    return class_result(totals, None)
