"""The loss of the best constant prediction, for losses of Keras whose optimum is known."""

import numpy as np

from denselab.doctor.facts.heads import Head

__all__ = ["constant_loss", "nonnegative"]

_SIGNED = frozenset({"cosine_similarity", "poisson", "custom"})


def constant_loss(heads: tuple[Head, ...]) -> float | None:
    """Gives the loss that a network has which ignores its inputs as well as it can.

    Args:
        heads: The outputs with their losses and targets.

    Returns:
        Entropy of the targets for cross-entropies, their variance for squared errors, their mean distance from
        the median for absolute ones; None for several outputs and other losses.
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
    if name == "sparse_categorical_crossentropy" and rows.shape[1] == 1:
        _, counts = np.unique(rows, return_counts=True)
        return _entropy(counts / counts.sum())
    if name == "categorical_crossentropy":
        return _entropy(rows.mean(axis=0))
    if name == "binary_crossentropy" and rows.min() >= 0 and rows.max() <= 1:
        shares = rows.mean(axis=0)
        return float(np.mean([_entropy(np.array([share, 1 - share])) for share in shares]))
    return None


def nonnegative(heads: tuple[Head, ...]) -> bool:
    """Says whether all losses are of a kind that cannot be negative."""
    losses = [head.loss for head in heads if head.loss is not None]
    return bool(losses) and all(
        loss.family != "custom" and loss.name not in _SIGNED for loss in losses
    )


def _entropy(shares: np.ndarray) -> float:
    present = shares[shares > 0]
    return float(-(present * np.log(present)).sum())
