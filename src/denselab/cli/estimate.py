"""How long a plan will take, worked out without training: arithmetic, memory traffic and compiling."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from denselab.recipes import Recipe, parameter_count, programs, steps

__all__ = ["TimeSpan", "time_span"]

_FLOPS = 80e9
_BYTES = 20e9
_LAYER_SECONDS = 4e-6
_COMPILE_SECONDS = 3.0
"""Of one core: multiply-adds in single precision, memory traffic, what a layer costs a step beside both, and
of one program. The engine's own epochs on a quiet two-core Xeon (AVX-512): for the ladder on CIFAR-10 and on
digits they took 0.9 to 1.7 times what these give, beside other programs up to three times."""

_QUIET, _BUSY = 0.8, 3.0

_ADAM_PASSES, _SGD_PASSES = 9, 5
"""How often a step goes over all weights: gradient, moments and weights, read and written."""


class TimeSpan(NamedTuple):
    """How long something takes.

    Attributes:
        low: Seconds where nothing else runs and processors are fast.
        high: Seconds on a slower or busier machine, if no training stops early.
    """

    low: float
    high: float


def time_span(
    recipes: Sequence[Recipe], *, rows: int, sizes: tuple[int, int], members: int, rates: int
) -> TimeSpan:
    """Estimates how long recipes train on all cores of this machine, at most.

    Args:
        recipes: What is trained.
        rows: Rows to train and validate on.
        sizes: Features of a row, and classes.
        members: Seeds of each recipe.
        rates: Learning rates tried for each first.

    Returns:
        The span; a graphics card is much faster.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> known = dict(rows=1000, sizes=(64, 10), members=2, rates=0)
        >>> low, high = time_span([load_recipe("plain")], **known)
        >>> low < high < 600
        True
    """
    trained = [recipe for recipe in recipes if recipe.weights_from is None]
    cores = os.cpu_count() or 1
    waves = -(-members // cores) + -(-rates // cores)
    seconds = sum(
        waves * recipe.training.epochs * _epoch(recipe, rows, sizes) for recipe in trained
    )
    compiling = _COMPILE_SECONDS * programs(trained) * (2 if rates else 1)
    return TimeSpan(_QUIET * (seconds + compiling), _BUSY * (seconds + compiling))


def _epoch(recipe: Recipe, rows: int, sizes: tuple[int, int]) -> float:
    """Estimates one epoch on one core: three passes over the training rows, one over the others."""
    features, classes = sizes
    weights = parameter_count(recipe, features=features, outputs=classes).total
    validating = round(rows * recipe.training.validation_fraction)
    full, last, _ = steps(recipe, rows - validating)
    each = full + (last > 0)
    passes = _SGD_PASSES if recipe.optimizer.name == "sgd" else _ADAM_PASSES
    arithmetic = 2 * weights * (3 * (rows - validating) + validating) / _FLOPS
    traffic = each * 4 * weights * passes / _BYTES
    normalized = 2 if recipe.network.normalization != "none" else 1
    return arithmetic + traffic + each * recipe.network.depth * normalized * _LAYER_SECONDS
