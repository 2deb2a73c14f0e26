"""Makes a model sparse: at once, or while it trains on by `fit`."""

import difflib
import math
from collections.abc import Sequence
from typing import Any, Literal, TypedDict, Unpack, get_args

import keras

from denselab.errors import UsageError
from denselab.sparsity.copying import compile_like, copied, seeded
from denselab.sparsity.inspection import refuse_broken
from denselab.sparsity.kernels import prunable_layers
from denselab.sparsity.masks import (
    Scope,
    apply_masks,
    check_scope,
    check_sparsity,
    magnitude_masks,
)
from denselab.sparsity.optimizers import pruned_optimizer, stock_optimizer
from denselab.sparsity.schedules import GradualPruning, PruningRule, iterative_pruning

__all__ = [
    "Method",
    "TuningOptions",
    "check_options",
    "fit_arguments",
    "fit_pruned",
    "prune",
    "prune_and_tune",
    "steps_per_epoch",
]

Method = Literal["magnitude", "gradual", "l1"]
"""How weights are chosen: the smallest of a trained network, the smallest again and again, or by a penalty."""

_TUNED = 0.25  # Share of the updates that a gradual schedule leaves for training with all zeros in place.
_PRUNINGS = 50


class TuningOptions(TypedDict, total=False):
    """What `prune_and_tune` and `l1_path` take beside model and data; every entry may be left out.

    Attributes:
        scope: "layer" or "global"; "layer".
        skip: Names of Dense layers that stay dense, such as `output_layers(model)`; none.
        rounds: Of "magnitude": prunings, with training between them; 1.
        strengths: Of "l1": strengths of the penalty, rising; eight, by the weights and the learning rate.
        allow_broken: Whether a layer may end without weights, or an output without a path; False.
        seed: Decides the order of rows and dropout, as far as the backend is deterministic; 0.
        epochs: Passes over the rows; 10. For "l1" once along the path, shared out, and once more for the tuning.
        batch_size: Rows a step; 32.
        validation_data: As for `fit`.
        validation_split: As for `fit`.
        callbacks: As for `fit`. They see every call of it.
        verbose: As for `fit`; 0.
        shuffle: As for `fit`.
        sample_weight: As for `fit`.
        class_weight: As for `fit`.
        steps_per_epoch: As for `fit`; needed for data without a length.
    """

    scope: Scope
    skip: Sequence[str]
    rounds: int
    strengths: Sequence[float] | None
    allow_broken: bool
    seed: int
    epochs: int
    batch_size: int
    validation_data: Any
    validation_split: float
    callbacks: Sequence[keras.callbacks.Callback] | None
    verbose: Any
    shuffle: bool
    sample_weight: Any
    class_weight: dict[int, float] | None
    steps_per_epoch: int | None


_OWN = ("scope", "skip", "rounds", "strengths", "allow_broken", "seed")


def prune(
    model: keras.Model,
    sparsity: float,
    *,
    scope: Scope = "layer",
    skip: Sequence[str] = (),
    allow_broken: bool = False,
) -> keras.Model:
    """Zeroes the smallest weights of a copy of a model, in one shot, without training.

    Args:
        model: Any built Keras model with Dense layers; not changed.
        sparsity: Share of zeros in the kernels, from 0 to below 1; exact, see `magnitude_masks`.
        scope: "layer" or "global".
        skip: Names of Dense layers that stay dense, such as `output_layers(model)`.
        allow_broken: Whether a layer may end without weights, or an output without a path from any input.

    Returns:
        A model of the same class, compiled as the given one is, with a new stock optimizer. If it trains on, its zeros
        fill up again, unless it is compiled with `pruned_optimizer(..., KeepZeros(), ...)`.

    Raises:
        UsageError: If the sparsity is none, there is nothing to prune, or the result would be broken.

    Example:
        >>> from denselab.sparsity import sparsity_of
        >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10)])
        >>> sparsity_of(prune(model, 0.7)).total, sparsity_of(model).total
        (0.7, 0.0)
    """
    masks = magnitude_masks(model, sparsity, scope, skip=skip)
    sparse = copied(model)
    apply_masks(sparse, masks)
    refuse_broken(sparse, allow_broken=allow_broken)
    return sparse


def prune_and_tune(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sparsity: float,
    method: Method = "magnitude",
    **options: Unpack[TuningOptions],
) -> keras.Model:
    """Makes a sparse copy of a compiled model and trains it by `fit`, on any backend.

    - "magnitude" prunes a trained model after the first update, or in `rounds`, and trains on in between and after.
    - "gradual" prunes on Zhu and Gupta's cubic schedule over the first three quarters of the updates, then trains on
      with all zeros in place. The model may be untrained.
    - "l1" trains along a path of rising penalties (`l1_path`), takes the strongest whose zeros do not exceed the wanted
      share, zeroes the rest by magnitude, and trains on without penalty.

    Args:
        model: A compiled model; not changed. A new optimizer with the settings of its own trains the copy, from its
            first update: give a schedule of its learning rate that suits the tuning.
        x: Inputs, or data with a length, or with `steps_per_epoch`.
        y: Targets.
        sparsity: Share of zeros in the kernels, from 0 to below 1; exact, whatever callbacks restore.
        method: "magnitude", "gradual" or "l1".
        **options: See `TuningOptions`.

    Returns:
        A model of the same class, compiled as the given one is, with a new stock optimizer: nothing of denselab is
        needed to load it.

    Raises:
        UsageError: If an option makes no sense, the model is not compiled, or the result would be broken.

    Example:
        >>> import numpy as np
        >>> from denselab.sparsity import sparsity_of
        >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(10)])
        >>> model.compile("adam", "mse")
        >>> x = np.eye(10)
        >>> sparse = prune_and_tune(model, x, x, sparsity=0.4, method="gradual", epochs=8)
        >>> sparsity_of(sparse).total
        0.4

    References:
        Han et al., Learning both Weights and Connections for Efficient Neural Networks, 2015; Zhu and Gupta, To Prune,
        or Not to Prune, 2017.
    """
    check_options(options)
    check_sparsity(sparsity)
    prunable_layers(model, options.get("skip", ()))
    if method == "l1":
        from denselab.sparsity.l1 import prune_by_path

        return prune_by_path(model, (x, y), sparsity, options)
    if method not in get_args(Method):
        raise UsageError(f"method is {method!r}; give {', '.join(map(repr, get_args(Method)))}")
    steps = steps_per_epoch(x, options) * options.get("epochs", 10)
    rule = _rule(method, sparsity, steps, options)
    return fit_pruned(model, (x, y), rule, sparsity, options)


def fit_pruned(
    model: keras.Model,
    data: tuple[Any, Any],
    rule: PruningRule,
    sparsity: float,
    options: TuningOptions,
) -> keras.Model:
    """Trains a copy of a model under a rule, and strips the rule off again.

    Args:
        model: The compiled model; not changed.
        data: Inputs and targets.
        rule: The rule.
        sparsity: The share of zeros that the copy must end with.
        options: See `TuningOptions`.

    Returns:
        The copy with a stock optimizer.
    """
    skip, scope = options.get("skip", ()), options.get("scope", "layer")
    with seeded(options.get("seed", 0)):
        sparse = copied(model)
        compile_like(sparse, model)  # Which tells what is missing.
        inner = getattr(sparse.optimizer, "inner_optimizer", sparse.optimizer)
        optimizer = pruned_optimizer(stock_optimizer(inner), rule, sparse, skip=skip)
        compile_like(sparse, model, optimizer)
        sparse.fit(*data, **fit_arguments(options))
    # Exact already, unless a callback stopped the training early or put back weights from before the end.
    apply_masks(sparse, magnitude_masks(sparse, sparsity, scope, skip=skip))
    refuse_broken(sparse, allow_broken=options.get("allow_broken", False))
    compile_like(sparse, model)
    return sparse


def fit_arguments(options: TuningOptions) -> dict[str, Any]:
    """Picks what `fit` takes.

    Args:
        options: See `TuningOptions`.

    Returns:
        Keyword arguments of `fit`.
    """
    chosen = {name: value for name, value in options.items() if name not in _OWN}
    return {"epochs": 10, "verbose": 0, **chosen}


def steps_per_epoch(x: Any, options: TuningOptions) -> int:
    """Counts the updates of an epoch, which schedules must know.

    Args:
        x: Inputs as for `fit`.
        options: See `TuningOptions`.

    Returns:
        A whole number from 1.

    Raises:
        UsageError: If the data have no length.
    """
    given = options.get("steps_per_epoch")
    if given:
        return given
    first = keras.tree.flatten(x)[0]
    if not hasattr(first, "shape"):  # A data set that comes in batches.
        try:
            return max(len(x), 1)
        except TypeError as error:
            raise UsageError(
                f"x is {type(x).__name__}, which has no length; give steps_per_epoch"
            ) from error
    rows = math.floor(len(first) * (1 - options.get("validation_split", 0.0)))
    return max(math.ceil(rows / (options.get("batch_size") or 32)), 1)


def check_options(options: TuningOptions) -> None:
    """Refuses options that make no sense.

    Args:
        options: As they came.

    Raises:
        UsageError: If one is unknown or out of its range.
    """
    known = TuningOptions.__annotations__
    unknown = sorted(set(options) - set(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"options are {', '.join(known)}"
        raise UsageError(f"there is no option {unknown[0]!r}; {hint}")
    check_scope(options.get("scope", "layer"))
    for name in ("epochs", "batch_size", "rounds"):
        value = options.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UsageError(f"{name} is {value!r}; give a whole number from 1")


def _rule(method: Method, sparsity: float, steps: int, options: TuningOptions) -> GradualPruning:
    scope = options.get("scope", "layer")
    if method == "magnitude":
        rounds = options.get("rounds", 1)
        if rounds > steps:
            raise UsageError(
                f"rounds is {rounds}, but there are {steps} updates; give fewer rounds or more epochs"
            )
        return iterative_pruning(
            sparsity, first=1, every=steps // rounds, rounds=rounds, scope=scope
        )
    end = max(round(steps * (1 - _TUNED)), 1)
    return GradualPruning(
        sparsity, begin=0, end=end, frequency=max(end // _PRUNINGS, 1), scope=scope
    )
