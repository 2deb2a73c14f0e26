"""Prunes a trained classifier on rows of its data and tunes it from logits, whoever made it.

The rows that test and those of the calibration slice are never trained on. Validation rows, the same as in the
training where the model says which these were, only choose the epoch that is kept.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from denselab.data import Dataset, split
from denselab.errors import UsageError
from denselab.randomness import check_seed, generator
from denselab.sparsity import (
    prune,
    prune_and_tune,
    remove_units,
    sparsity_of,
    unit_share,
)
from denselab.sparsity.copying import seeded
from denselab.sparsity.masks import Scope, check_scope, check_sparsity, zero_count
from denselab.training.description import ModelDescription, PruningFacts, ValidationRows
from denselab.training.rewiring import Ending, closed, flattened, without_ending

__all__ = [
    "METHODS",
    "PrunedClassifier",
    "PruningMethod",
    "PruningPlan",
    "TuningEpoch",
    "TuningRows",
    "prune_classifier",
    "pruned_description",
    "tuning_rows",
]

PruningMethod = Literal["magnitude", "l1", "gradual", "structured"]
"""The three ways to zeros, and the removal of whole units."""

METHODS: tuple[PruningMethod, ...] = ("magnitude", "l1", "gradual", "structured")

_VALIDATION = ValidationRows(fraction=1 / 3, stratified=True)
"""How rows that validate are chosen for a model that does not say."""

_BATCH, _SALIENCY_ROWS = 32, 2048
_LAST_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class PruningPlan:
    """How a model is pruned.

    Attributes:
        sparsity: Share of the weights of Dense kernels that become zero, or go with their units.
        method: "magnitude", "l1", "gradual" or "structured".
        scope: Whether every layer gets the same share of zeros ("layer") or all are ranked together ("global").
        skip: Names of Dense layers that stay as they are.
        epochs: Passes over the training rows. With 0, "magnitude" and "structured" train nothing.
        learning_rate: First learning rate of Adam; it falls to a hundredth along a cosine, except for "l1".
        seed: Decides the order of rows and dropout.
    """

    sparsity: float
    method: PruningMethod = "magnitude"
    scope: Scope = "layer"
    skip: tuple[str, ...] = ()
    epochs: int = 10
    learning_rate: float = 3e-3
    seed: int = 0

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity)
        check_scope(self.scope)
        check_seed(self.seed)
        if self.method not in METHODS:
            raise UsageError(f"method is {self.method!r}; give {', '.join(map(repr, METHODS))}")
        least = 1 if self.method in ("l1", "gradual") else 0
        if self.epochs < least:
            raise UsageError(
                f"epochs is {self.epochs}; {self.method} trains, give {least} or more, such as 10; magnitude "
                "and structured can do without"
                if least
                else f"epochs is {self.epochs}; give 0 to train nothing, or more, such as 10"
            )
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise UsageError(
                f"learning_rate is {self.learning_rate}; give a number above 0, such as 3e-3"
            )
        if self.method == "structured" and self.scope == "global":
            raise UsageError("structured removes a share of every layer's units; leave scope out")

    @property
    def looks_at_rows(self) -> bool:
        """Whether training rows have a part in the result."""
        return self.epochs > 0 or self.method == "structured"


class TuningRows(NamedTuple):
    """Rows that train, and rows that watch, with labels from 0."""

    x: np.ndarray
    y: np.ndarray
    validation_x: np.ndarray
    validation_y: np.ndarray


class TuningEpoch(NamedTuple):
    """How far the tuning has come.

    Attributes:
        epoch: Epochs done, all parts of the method together.
        loss: Mean loss on the training rows.
        validation_loss: That on the rows that watch.
        zeros: Share of zeros in the kernels, from 0 to 1.
    """

    epoch: int
    loss: float
    validation_loss: float
    zeros: float


class PrunedClassifier(NamedTuple):
    """A pruned model, and what to measure it by.

    Attributes:
        model: The pruned model; draws in prediction if the given one does.
        resting: The same as one flat model, without draws.
        dense: The given model likewise.
    """

    model: keras.Model
    resting: keras.Model
    dense: keras.Model


def tuning_rows(dataset: Dataset, about: ModelDescription | None, *, seed: int = 0) -> TuningRows:
    """Chooses the rows that train and those that watch, as the training of the model did.

    Args:
        dataset: The data with its test rows and calibration slice set apart; neither is looked at.
        about: What the model says of its training.
        seed: Seed of the split where it says nothing.

    Returns:
        The rows.

    Raises:
        UsageError: If the data is a regression.
    """
    if dataset.classes is None:
        raise UsageError(
            f"{dataset.name} is a regression; classifiers are pruned, give data with classes"
        )
    rows = _VALIDATION if about is None or about.validation is None else about.validation
    training, validation = split(
        dataset.y,
        seed=seed if about is None else about.seed,
        fraction=rows.fraction,
        stratified=rows.stratified,
    )
    x, y = dataset.x, dataset.y
    return TuningRows(x[training], y[training], x[validation], y[validation])


def prune_classifier(
    model: keras.Model,
    rows: TuningRows,
    plan: PruningPlan,
    *,
    on_epoch: Callable[[TuningEpoch], None] = lambda epoch: None,
) -> PrunedClassifier:
    """Prunes a copy of a classifier and tunes it by `fit`, on any backend.

    The copy is trained from logits, whatever it ends with. Of the epochs in which all zeros are in place, the weights
    of the lowest validation loss are kept.

    Args:
        model: A Sequential or functional model that gives class probabilities, as `load_model` gives it.
        rows: The rows.
        plan: How.
        on_epoch: Told after every epoch.

    Returns:
        The pruned model. It may have layers without a weight: see `inspect_sparsity`.

    Raises:
        UsageError: If the plan does not fit the model, or the loss was no number any more.
        DataError: If the wiring of the model is not known.

    Example:
        >>> layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")]
        >>> model = keras.Sequential([keras.Input((4,)), *layers])
        >>> x, y = np.eye(4, dtype="float32"), np.array([0, 1, 0, 1])
        >>> found = prune_classifier(model, TuningRows(x, y, x, y), PruningPlan(0.75, epochs=1))
        >>> sparsity_of(found.model).total
        0.75
    """
    with seeded(plan.seed):
        dense = flattened(model)
        logits, ending = without_ending(dense)
        sparsity_of(logits)  # Which says if there is nothing to prune.
        _compile(logits, ending, plan, len(rows.x))
        watch = _Watch(_zeros_wanted(logits, plan), on_epoch)
        if plan.method == "structured":
            sparse = _without_units(logits, rows, plan, watch)
        else:
            sparse = _with_zeros(logits, rows, plan, watch)
        resting = closed(sparse, ending, dense)
        return PrunedClassifier(closed(sparse, ending, model), resting, dense)


def pruned_description(
    about: ModelDescription | None, dataset: Dataset, plan: PruningPlan
) -> ModelDescription | None:
    """Says what a pruned model is, for the file it is saved in.

    Args:
        about: What the given model says of itself.
        dataset: The data that it was pruned on.
        plan: How.

    Returns:
        The same with how it was pruned. Where it was tuned on other data than it was trained on, it is that data's
        model from now on, and promises nothing about a calibration slice. None where nothing is known of the model.
    """
    if about is None:
        return None
    facts = PruningFacts(
        method=plan.method,
        sparsity=plan.sparsity,
        scope=plan.scope,
        epochs=plan.epochs,
        seed=plan.seed,
    )
    changes: dict[str, Any] = {"pruning": facts}
    if plan.looks_at_rows and about.fingerprint != dataset.fingerprint:
        changes |= {
            "dataset": dataset.name,
            "fingerprint": dataset.fingerprint,
            "class_names": dataset.class_names or (),
            "feature_names": dataset.feature_names,
            "image_shape": dataset.image_shape,
            "calibration": None,
        }
    return about.model_copy(update=changes)


class _Watch(keras.callbacks.Callback):
    """Reports every epoch, and puts back the weights of the best one with all zeros in place."""

    def __init__(self, zeros: int, on_epoch: Callable[[TuningEpoch], None]) -> None:
        super().__init__()
        self._wanted, self._say = zeros, on_epoch
        self._done = 0
        self._best: tuple[float, list[np.ndarray]] | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        self._best = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._done += 1
        loss, watched = float(logs["loss"]), float(logs["val_loss"])
        if not math.isfinite(loss):
            raise UsageError(
                f"the loss was no number any more in epoch {self._done}; give a lower learning rate"
            )
        model: Any = self.model
        found = sparsity_of(model)
        there = sum(found.zeros.values()) >= self._wanted
        if there and math.isfinite(watched) and (self._best is None or watched < self._best[0]):
            self._best = watched, model.get_weights()
        self._say(TuningEpoch(self._done, loss, watched, found.total))

    def on_train_end(self, logs: Any = None) -> None:
        model: Any = self.model
        if self._best is not None:
            model.set_weights(self._best[1])


def _with_zeros(
    logits: keras.Model, rows: TuningRows, plan: PruningPlan, watch: _Watch
) -> keras.Model:
    if plan.epochs == 0:
        return prune(logits, plan.sparsity, scope=plan.scope, skip=plan.skip, allow_broken=True)
    assert plan.method != "structured"
    options = {
        **_fit_options(logits, rows, plan, watch),
        "scope": plan.scope,
        "skip": plan.skip,
        "seed": plan.seed,
        "allow_broken": True,
    }
    labels = _labels(logits, rows.y)
    return prune_and_tune(
        logits, rows.x, labels, sparsity=plan.sparsity, method=plan.method, **options
    )


def _without_units(
    logits: keras.Model, rows: TuningRows, plan: PruningPlan, watch: _Watch
) -> keras.Model:
    share = unit_share(logits, plan.sparsity, skip=plan.skip)
    stream = generator(plan.seed, "resampling")
    some = np.sort(stream.permutation(len(rows.x))[:_SALIENCY_ROWS])
    x, y = rows.x[some], _labels(logits, rows.y[some])
    smaller = remove_units(logits, x, y, share=share, saliency="taylor", skip=plan.skip)
    if plan.epochs:
        smaller.fit(rows.x, _labels(logits, rows.y), **_fit_options(logits, rows, plan, watch))
    return smaller


def _fit_options(
    logits: keras.Model, rows: TuningRows, plan: PruningPlan, watch: _Watch
) -> dict[str, Any]:
    return {
        "verbose": 0,
        "epochs": plan.epochs,
        "batch_size": _BATCH,
        "validation_data": (rows.validation_x, _labels(logits, rows.validation_y)),
        "callbacks": [watch],
    }


def _compile(logits: keras.Model, ending: Ending, plan: PruningPlan, rows: int) -> None:
    """Gives a model its loss and optimizer; what it already gives probabilities for keeps them."""
    from_logits = ending != "none"
    loss = (
        keras.losses.BinaryCrossentropy(from_logits=from_logits)
        if _is_binary(logits)
        else keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    )
    rate: Any = plan.learning_rate
    if plan.method != "l1":  # Its path gives every strength as many steps at the same rate.
        steps = max(plan.epochs * math.ceil(rows / _BATCH), 1)
        rate = keras.optimizers.schedules.CosineDecay(rate, steps, alpha=_LAST_RATE)
    logits.compile(optimizer=keras.optimizers.Adam(rate), loss=loss)


def _zeros_wanted(logits: keras.Model, plan: PruningPlan) -> int:
    if plan.method == "structured":
        return 0
    sizes = [size for name, size in sparsity_of(logits).sizes.items() if name not in plan.skip]
    if plan.scope == "global":
        return zero_count(plan.sparsity, sum(sizes))
    return sum(zero_count(plan.sparsity, size) for size in sizes)


def _labels(logits: keras.Model, y: np.ndarray) -> np.ndarray:
    return y[:, None].astype(np.float32) if _is_binary(logits) else y


def _is_binary(logits: keras.Model) -> bool:
    return logits.outputs[0].shape[-1] == 1
