"""The loss of the best constant prediction, for losses of Keras whose optimum is known."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from denselab.doctor.facts.heads import Head

__all__ = ["constant_loss", "constant_losses", "nonnegative"]

_DISTANCES: Mapping[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "huber": lambda y, c: np.where(abs(y - c) <= 1, (y - c) ** 2 / 2, abs(y - c) - 0.5),
    "log_cosh": lambda y, c: np.logaddexp(y - c, c - y) - np.log(2),
    "mean_squared_logarithmic_error": lambda y, c: (np.log1p(y) - np.log1p(max(c, 0.0))) ** 2,
}
"""Losses of values, by value and constant, whose best constant is looked for; Huber's with delta 1."""

_SIGNED = frozenset({"cosine_similarity", "poisson", "custom"})


def constant_loss(heads: tuple[Head, ...]) -> float | None:
    """Gives the loss that a network has which ignores its inputs as well as it can.

    Args:
        heads: The outputs with their losses and targets.

    Returns:
        Entropy of the targets for cross-entropies, their variance for squared errors, their mean distance from
        the median for absolute ones, the least there is for Huber, log cosh and squared logarithms; None for several
        outputs and other losses.
    """
    if len(heads) != 1 or heads[0].loss is None or heads[0].target is None:
        return None
    name, rows = heads[0].loss.name, heads[0].target.clean
    if not len(rows):
        return None
    if name == "mean_squared_error":
        return float(rows.var(axis=0).mean())
    if name == "mean_absolute_error":
        return float(np.abs(rows - np.median(rows, axis=0)).mean())
    if name in _DISTANCES and heads[0].loss.usual:
        return _least(rows, _DISTANCES[name])
    if name == "sparse_categorical_crossentropy" and rows.shape[1] == 1:
        _, counts = np.unique(rows, return_counts=True)
        return _entropy(counts / counts.sum())
    if name == "categorical_crossentropy":
        return _entropy(rows.mean(axis=0))
    if name == "binary_crossentropy" and rows.min() >= 0 and rows.max() <= 1:
        shares = rows.mean(axis=0)
        return float(np.mean([_entropy(np.array([share, 1 - share])) for share in shares]))
    return None


def constant_losses(heads: tuple[Head, ...], weights: tuple[object, ...]) -> float | None:
    """Gives the same for several outputs.

    Args:
        heads: The outputs with their losses and targets.
        weights: What each loss is multiplied by, None for 1.

    Returns:
        The sum, None where one of them is not known.
    """
    total = 0.0
    for head, weight in zip(heads, weights, strict=True):
        least, factor = constant_loss((head,)), 1.0 if weight is None else weight
        if least is None or not isinstance(factor, int | float):
            return None
        total += float(factor) * least
    return total


def _least(rows: np.ndarray, distance: Callable[[np.ndarray, float], np.ndarray]) -> float | None:
    """Looks for the best constant of every column; None where the loss is not defined for the targets."""
    found = []
    for column in rows.T:
        low, high = float(column.min()), float(column.max())
        with np.errstate(invalid="ignore", divide="ignore"):
            best: Any = minimize_scalar(
                lambda c, y=column: float(distance(y, c).mean()),
                bounds=(low, high),
                method="bounded",
            )
        found.append(float(best.fun))
    mean = float(np.mean(found))
    return mean if np.isfinite(mean) else None


def nonnegative(heads: tuple[Head, ...]) -> bool:
    """Says whether all losses are of a kind that cannot be negative."""
    losses = [head.loss for head in heads if head.loss is not None]
    return bool(losses) and all(
        loss.family != "custom" and loss.name not in _SIGNED for loss in losses
    )


def _entropy(shares: np.ndarray) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum())
