"""From what `fit` is given to blocks that train: rows set apart, preprocessing, splits, seeds."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight

from denselab.data import (
    Dataset,
    Preprocessing,
    PreprocessingOptions,
    Table,
    Task,
    hold_out_calibration,
    split,
)
from denselab.data.tables.targets import QuantityTarget
from denselab.errors import DataError, UsageError
from denselab.estimators.features import with_target
from denselab.estimators.parameters import recipe_of
from denselab.randomness import generator
from denselab.training.blocks import Block, BlockNetwork, grain

__all__ = ["Fold", "Prepared", "class_factors", "fold_of", "prepare"]

_FEWEST_ROWS = 100
"""Rows in all from which a calibration slice is set aside."""

_SEED_LIMIT = 2**31 - 1


class Prepared(NamedTuple):
    """Rows made ready for training.

    Attributes:
        preprocessing: Fitted on all rows but the calibration slice.
        x: Features of these rows.
        y: Their labels, or targets in standard units of shape (rows, 1).
        task: What is predicted.
        outputs: Number of classes; 1 for a quantity.
        calibration_x: Features of the slice; no rows where there is none.
        calibration_y: Labels, or targets in their own units.
    """

    preprocessing: Preprocessing
    x: np.ndarray
    y: np.ndarray
    task: Task
    outputs: int
    calibration_x: np.ndarray
    calibration_y: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """What one call of `fit` trains: a network, and a block of rows with one member a seed."""

    network: BlockNetwork
    block: Block


def prepare(
    table: Table,
    y: np.ndarray,
    parameters: Mapping[str, Any],
    *,
    fitted: Preprocessing | None = None,
) -> Prepared:
    """Sets the calibration slice apart, and makes features of all rows by figures of the others.

    The rows of the slice depend on the target alone, so they are the same for every random state.

    Args:
        table: The features.
        y: Class numbers from 0, or quantities.
        parameters: Of the estimator; `scaling` and `calibration_fraction` count.
        fitted: A preprocessing to use instead of fitting one, as a warm start does.

    Returns:
        The rows.

    Raises:
        UsageError: If a parameter makes no sense.
        DataError: If a column cannot be used.
    """
    classes = y.dtype.kind in "iu"
    table = with_target(table, y, classes=classes)
    kept, held_out = _slice(y, parameters["calibration_fraction"])
    if fitted is None:
        options = PreprocessingOptions(scaling=parameters["scaling"])
        fitted = Preprocessing.fit(table, kept, options=options)
    x = fitted.transform(table)
    target = fitted.target
    own = y[kept].astype(np.int32)
    if isinstance(target, QuantityTarget):
        own = target.standardise(y[kept])[:, None]
        outputs = 1
    else:
        outputs = len(target.levels)
    task: Task = "classification" if classes else "regression"
    return Prepared(fitted, x[kept], own, task, outputs, x[held_out], y[held_out])


def fold_of(
    prepared: Prepared,
    parameters: Mapping[str, Any],
    *,
    class_weight: Sequence[float] | None = None,
    start: Sequence[Any] | None = None,
) -> Fold:
    """Chooses seeds and splits.

    Args:
        prepared: The rows.
        parameters: Of the estimator.
        class_weight: One factor a class, or None.
        start: Members whose weights a warm start goes on from, or None.

    Returns:
        What to train.

    Raises:
        UsageError: If a parameter makes no sense.
    """
    recipe = recipe_of(parameters)
    seeds = _seeds(parameters["random_state"], parameters["n_ensemble"])
    fraction = recipe.training.validation_fraction
    labels = prepared.y.reshape(-1)
    block = Block(
        prepared.x,
        prepared.y,
        seeds=seeds,
        splits=[_split(labels, seed, fraction, prepared.task) for seed in seeds],
        class_weight=class_weight,
        initial_weights=None if start is None else _weights(start, len(seeds)),
    )
    network = BlockNetwork(recipe, prepared.x.shape[1], prepared.outputs, prepared.task)
    return Fold(network, block)


def class_factors(
    class_weight: Any, classes: np.ndarray, codes: np.ndarray
) -> tuple[float, ...] | None:
    """Reads `class_weight` as scikit-learn does.

    Args:
        class_weight: None, "balanced", or a mapping from class to factor.
        classes: The classes.
        codes: Their numbers, one a row.

    Returns:
        One factor a class, or None.

    Raises:
        UsageError: If it is something else, or a factor is negative.
    """
    if class_weight is None:
        return None
    if class_weight != "balanced" and not isinstance(class_weight, Mapping):
        raise UsageError(
            f"class_weight is {class_weight!r}; give None, 'balanced', or a dict from class to factor"
        )
    factors = compute_class_weight(class_weight, classes=classes, y=classes[codes])
    if not (np.isfinite(factors).all() and (factors >= 0).all() and factors.any()):
        raise UsageError(
            "class_weight holds factors that are no finite numbers of at least 0; mend them"
        )
    return tuple(float(factor) for factor in factors)


def _slice(y: np.ndarray, fraction: Any) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(fraction, int | float) or not 0 <= fraction < 1:
        raise UsageError(
            f"calibration_fraction is {fraction!r}; give a share from 0 (none) to below 1, such as 0.1"
        )
    rows = np.arange(len(y))
    if fraction == 0 or len(y) < _FEWEST_ROWS:
        return rows, rows[:0]
    classes = y.dtype.kind in "iu"
    numbered = Dataset(
        name="rows",
        x=rows[:, None],
        y=y.astype(np.int32 if classes else np.float32),
        task="classification" if classes else "regression",
        class_names=tuple(map(str, range(int(y.max()) + 1))) if classes else None,
    )
    parts = hold_out_calibration(numbered, fraction=float(fraction))
    assert parts.calibration_x is not None
    return parts.x[:, 0], parts.calibration_x[:, 0]


def _split(
    labels: np.ndarray, seed: int, fraction: float, task: Task
) -> tuple[np.ndarray, np.ndarray]:
    """Divides rows, classes in proportion; where there are too few for that, nothing validates.

    Less than one row in a hundred stays out, so that folds that differ by a row train in one compiled program.
    """
    rows = len(labels)
    used = rows - rows % grain(rows)
    held_out = round(used * fraction)
    try:
        wanted = (rows - used + held_out) / rows
        train, validation = split(labels, seed=seed, fraction=wanted, task=task)
    except DataError:
        return np.arange(rows, dtype=np.int32), np.zeros(0, np.int32)
    chosen = generator(seed, "split").permutation(len(validation))[: used - len(train)]
    return train, validation[np.sort(chosen)]


def _seeds(random_state: Any, count: Any) -> list[int]:
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise UsageError(f"n_ensemble is {count!r}; give a whole number of at least 1")
    return check_random_state(random_state).randint(_SEED_LIMIT, size=count).tolist()


def _weights(start: Sequence[Any], members: int) -> list[tuple[Any, Any]]:
    if len(start) != members:
        raise UsageError(
            f"warm_start goes on with {len(start)} networks and n_ensemble is {members}; set it to {len(start)}, or "
            "warm_start=False"
        )
    return [(member.trainable, member.non_trainable) for member in start]
