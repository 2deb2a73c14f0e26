"""Sparse by an L1 penalty: a path over its strength, and the point on it that has the wanted share of zeros."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Unpack

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.sparsity.copying import compile_like, copied, seeded
from denselab.sparsity.kernels import kernel_of, prunable_layers
from denselab.sparsity.magnitude import (
    TuningOptions,
    check_options,
    fit_arguments,
    fit_pruned,
    steps_per_epoch,
)
from denselab.sparsity.masks import apply_masks, magnitude_masks
from denselab.sparsity.optimizers import pruned_optimizer, stock_optimizer
from denselab.sparsity.schedules import KeepZeros, ProximalL1

__all__ = ["PathPoint", "choose_point", "l1_path", "prune_by_path"]

_POINTS = 8


@dataclasses.dataclass(frozen=True)
class PathPoint:
    """A model's weights under one strength of the penalty.

    Attributes:
        strength: The strength.
        sparsity: Share of exact zeros that the penalty made in the kernels, from 0 to 1.
        weights: The weights, in the order of `model.get_weights()`.
    """

    strength: float
    sparsity: float
    weights: Sequence[np.ndarray]


def l1_path(
    model: keras.Model, x: Any, y: Any = None, **options: Unpack[TuningOptions]
) -> tuple[PathPoint, ...]:
    """Trains a copy of a model under stronger and stronger L1 penalties, each from where the last one ended.

    Zeros are exact, see `ProximalL1`, which also says what the penalty means for optimizers such as Adam.

    Args:
        model: A compiled model, trained or not; not changed.
        x: Inputs, as for `fit`.
        y: Targets.
        **options: See `TuningOptions`; `epochs` are shared out among the strengths, at least one for each.

    Returns:
        One point a strength, weakest first. `choose_point` picks one for a wanted share.

    Raises:
        UsageError: If an option makes no sense or the model is not compiled.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> x = np.eye(4, dtype="float32")
        >>> points = l1_path(model, x, x, strengths=[0.0, 1e3], epochs=2)
        >>> [point.sparsity for point in points]
        [0.0, 1.0]

    References:
        Friedman, Hastie and Tibshirani, Regularization Paths for Generalized Linear Models, 2010, section 2.5.
    """
    check_options(options)
    skip = options.get("skip", ())
    prunable_layers(model, skip)
    with seeded(options.get("seed", 0)):
        copy = copied(model)
        compile_like(copy, model)
        inner = getattr(copy.optimizer, "inner_optimizer", copy.optimizer)
        optimizer: Any = pruned_optimizer(stock_optimizer(inner), ProximalL1(0.0), copy, skip=skip)
        compile_like(copy, model, optimizer)
        strengths = _strengths(copy, optimizer, x, options)
        arguments = fit_arguments(options)
        arguments["epochs"] = max(arguments["epochs"] // len(strengths), 1)
        points = []
        for strength in strengths:
            optimizer.strength = strength
            if isinstance(
                optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule
            ):
                optimizer._iterations.assign(0)  # Every point gets the whole schedule.
            copy.fit(x, y, **arguments)
            points.append(PathPoint(strength, _share(copy, skip), copy.get_weights()))
    return tuple(points)


def choose_point(points: Sequence[PathPoint], sparsity: float) -> PathPoint:
    """Picks the strongest penalty whose zeros do not exceed a wanted share.

    Args:
        points: The path.
        sparsity: The wanted share of zeros.

    Returns:
        The point; the weakest if all have more.

    Example:
        >>> points = [PathPoint(1e-4, 0.2, []), PathPoint(1e-3, 0.7, []), PathPoint(1e-2, 0.95, [])]
        >>> choose_point(points, 0.9).strength
        0.001
    """
    if not points:
        raise UsageError("the path has no points; give at least one strength")
    ordered = sorted(points, key=lambda point: point.strength)
    fitting = [point for point in ordered if point.sparsity <= sparsity]
    return fitting[-1] if fitting else ordered[0]


def prune_by_path(
    model: keras.Model, data: tuple[Any, Any], sparsity: float, options: TuningOptions
) -> keras.Model:
    """Prunes by an L1 path: the point for the share, the rest by magnitude, and training without penalty.

    Args:
        model: The compiled model; not changed.
        data: Inputs and targets.
        sparsity: Share of zeros.
        options: See `TuningOptions`.

    Returns:
        The sparse copy.
    """
    point = choose_point(l1_path(model, *data, **options), sparsity)
    scope, skip = options.get("scope", "layer"), options.get("skip", ())
    with seeded(options.get("seed", 0)):
        sparse = copied(model)
    sparse.set_weights(list(point.weights))
    apply_masks(sparse, magnitude_masks(sparse, sparsity, scope, skip=skip))
    return fit_pruned(sparse, data, KeepZeros(), sparsity, options)


def _share(model: keras.Model, skip: Sequence[str]) -> float:
    kernels = [kernel_of(layer) for layer in prunable_layers(model, skip).values()]
    return sum(int((k == 0).sum()) for k in kernels) / sum(k.size for k in kernels)


def _strengths(model: keras.Model, optimizer: Any, x: Any, options: TuningOptions) -> list[float]:
    given = options.get("strengths")
    if given is not None:
        strengths = [ProximalL1(float(strength)).strength for strength in given]
        if not strengths or strengths != sorted(set(strengths)):
            raise UsageError(f"strengths are {list(given)}; give at least one, each above the last")
        return strengths
    # The strength at which as many updates as a point gets take a middling weight to 0, if the loss does not object;
    # from a tenth of it to ten times as much.
    epochs = max(options.get("epochs", 10) // _POINTS, 1)
    sizes = [
        np.abs(kernel_of(layer)).ravel()
        for layer in prunable_layers(model, options.get("skip", ())).values()
    ]
    rate = float(np.asarray(keras.ops.convert_to_numpy(optimizer.learning_rate)).item())
    middling = float(np.median(np.concatenate(sizes))) or 1e-3
    middle = middling / (max(rate, 1e-12) * steps_per_epoch(x, options) * epochs)
    return [float(value) for value in np.geomspace(middle / 10, middle * 10, _POINTS)]
