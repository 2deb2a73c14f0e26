"""What a saved model says of rows, how sure it may be, and what a calibration slice adds."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import keras
import numpy as np
from jaxtyping import Bool, Float

from denselab.components import MCAlphaDropout, MCDropout
from denselab.errors import DataError, UsageError
from denselab.training.description import ConformalScores
from denselab.training.ensembles import each_member
from denselab.uncertainty import (
    ClassificationDraws,
    RegressionDraws,
    StochasticModel,
    ensemble_prediction,
    fit_conformal_intervals,
    fit_conformal_sets,
    fit_temperature,
    predict_draws,
    stochastic_layers,
    temperature_scaled,
)

__all__ = [
    "Calibrated",
    "DrawPlan",
    "Values",
    "calibrate",
    "calibrated_by",
    "draws_by_itself",
    "half_width",
    "predict_rows",
    "predict_values",
]

_ROWS_AT_ONCE = 512
_LEAST = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class DrawPlan:
    """How rows are predicted.

    Attributes:
        draws: Number of draws; 1 predicts once, with all dropout off. None leaves the number to
            `predict_draws`.
        masks: Masks for each row, or one a draw that all rows share.
        until: Standard error at which a row needs no more draws.
        seed: Seed of the draws.
    """

    draws: int | None = 100
    masks: Literal["per_row", "shared"] = "per_row"
    until: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Calibrated:
    """What rows that a model has never seen tell about its predictions.

    Attributes:
        sets: Whether a class is in a row's prediction set, shape (row, class).
        probabilities: Probabilities at the fitted temperature, shape (row, class); as they were without one.
        temperature: Above 1 if the model was too sure; None where too few rows could tell.
        rows: Number of calibration rows.
    """

    sets: Bool[np.ndarray, "row class"]
    probabilities: Float[np.ndarray, "row class"]
    temperature: float | None
    rows: int


class Values(NamedTuple):
    """What a model says of a quantity.

    Attributes:
        mean: Predicted values, shape (row,), in the units of the target.
        deviation: Standard deviation of what members or draws say; NaN where there was one.
        draws: Members or draws that the values are the mean of.
    """

    mean: Float[np.ndarray, " row"]
    deviation: Float[np.ndarray, " row"]
    draws: int


def draws_by_itself(model: keras.Model) -> bool:
    """Tells whether a plain `predict` of a model is random, as with denselab's MC layers.

    Args:
        model: Any Keras model.

    Returns:
        True if it has a layer that also drops in prediction.

    Example:
        >>> draws_by_itself(keras.Sequential([keras.Input((3,)), MCDropout(0.1)]))
        True
    """
    return isinstance(model, StochasticModel) or any(
        isinstance(layer, MCDropout | MCAlphaDropout) for layer in stochastic_layers(model)
    )


def predict_rows(model: keras.Model, x: np.ndarray, plan: DrawPlan) -> ClassificationDraws:
    """Predicts rows, by the mean of draws or once.

    Args:
        model: A classifier that ends in probabilities.
        x: The rows, shaped as the model takes them.
        plan: How.

    Returns:
        Probabilities and their uncertainty.

    Raises:
        UsageError: If draws are wanted of a model that has nothing to draw.
        DataError: If the rows do not fit the model, or it gives no probabilities.
    """
    _check_rows(model, x)
    rows = x.astype(np.float32)
    if plan.draws == 1:
        return ensemble_prediction(
            [_probabilities(table) for table in _predicted_once(model, rows)]
        )
    try:
        found = _drawn(model, rows, plan)
    except UsageError as error:
        if "outputs" in str(error):
            raise _no_probabilities() from error
        raise
    if not isinstance(found, ClassificationDraws):
        raise _no_probabilities()
    return found


def predict_values(model: keras.Model, x: np.ndarray, plan: DrawPlan) -> Values:
    """Predicts a quantity, by the mean of draws or once.

    Args:
        model: A model of one output.
        x: The rows, shaped as the model takes them.
        plan: How.

    Returns:
        Values, and how far members or draws are apart.

    Raises:
        UsageError: If draws are wanted of a model that has nothing to draw.
        DataError: If the rows do not fit the model, or it gives more than one number a row.
    """
    _check_rows(model, x)
    rows = x.astype(np.float32)
    if plan.draws != 1:
        found = _drawn(model, rows, plan)
        if not isinstance(found, RegressionDraws) or found.mean.shape[1] != 1:
            raise DataError("does not give one value a row; give a model of a quantity")
        deviation = np.sqrt(found.epistemic_variance[:, 0])
        return Values(found.mean[:, 0], deviation, int(found.draws_used.max()))
    tables = [np.asarray(table, np.float64) for table in _predicted_once(model, rows)]
    if any(table.shape != (len(rows), 1) for table in tables):
        raise DataError("does not give one value a row; give a model of a quantity")
    said = np.stack(tables)[:, :, 0]
    if not np.isfinite(said).all():
        raise DataError("gives values that are no numbers; train it again, at a lower rate")
    apart = said.std(axis=0, ddof=1) if len(said) > 1 else np.full(len(rows), np.nan)
    return Values(said.mean(axis=0), apart, len(said))


def _drawn(
    model: keras.Model, rows: np.ndarray, plan: DrawPlan
) -> ClassificationDraws | RegressionDraws:
    if not stochastic_layers(model):
        raise UsageError(
            "has no dropout or noise to draw from, so its draws would all be equal; predict it "
            "once, with --draws 1"
        )
    try:
        return predict_draws(
            model, rows, draws=plan.draws, seed=plan.seed, masks=plan.masks, until=plan.until
        )
    except ZeroDivisionError as error:  # Keras' AlphaDropout at a rate of 1.
        raise DataError("has a dropout rate of 1, which leaves nothing; use one below 1") from error


def calibrate(
    found: ClassificationDraws, held_out: ClassificationDraws, labels: np.ndarray, coverage: float
) -> Calibrated:
    """Fits prediction sets and a temperature on held-out rows, and applies them to others.

    Args:
        found: Predictions of the rows of interest.
        held_out: Predictions, made in the same way, of rows that the model neither trained nor
            stopped on.
        labels: Classes of these rows.
        coverage: Probability with which a set is to hold the true class, between 0 and 1.

    Returns:
        Sets and tempered probabilities of the rows of interest.

    Raises:
        UsageError: If `coverage` is out of range.
    """
    sets = fit_conformal_sets(held_out.probabilities, labels, coverage=coverage)
    temperature = fit_temperature(_logarithms(held_out), labels)
    tempered = np.asarray(temperature_scaled(jnp.asarray(_logarithms(found)), temperature))
    return Calibrated(sets.sets(found.probabilities), tempered, temperature, len(labels))


def calibrated_by(
    scores: ConformalScores, found: ClassificationDraws, coverage: float
) -> Calibrated:
    """Applies what a model file kept of its calibration slice.

    Args:
        scores: What it kept.
        found: Predictions of rows, made in the same way.
        coverage: Probability with which a set is to hold the true class, between 0 and 1.

    Returns:
        Sets and tempered probabilities of the rows.

    Raises:
        UsageError: If `coverage` is out of range.
    """
    off = np.array(scores.scores)
    # Their scores are those of a slice of two classes, the first of which is true.
    fitted = fit_conformal_sets(
        np.stack([1 - off, off], axis=1), np.zeros(len(off), int), coverage=coverage
    )
    tempered = found.probabilities
    if scores.temperature is not None:
        tempered = np.asarray(
            temperature_scaled(jnp.asarray(_logarithms(found)), scores.temperature)
        )
    return Calibrated(fitted.sets(found.probabilities), tempered, scores.temperature, len(off))


def half_width(scores: ConformalScores, coverage: float) -> float:
    """Gives half the width of intervals that hold the true value with some probability.

    Args:
        scores: What a model file kept of its calibration slice.
        coverage: The probability, between 0 and 1.

    Returns:
        Half the width in units of the target; infinite where the slice was too small.

    Raises:
        UsageError: If `coverage` is out of range.

    Example:
        >>> half_width(ConformalScores(scores=tuple(map(float, range(9))), draws=1), 0.5)
        4.0
    """
    off = np.array(scores.scores)
    return fit_conformal_intervals(np.zeros_like(off), off, coverage=coverage).threshold


def _logarithms(found: ClassificationDraws) -> np.ndarray:
    return np.log(np.maximum(found.probabilities, _LEAST))


def _check_rows(model: keras.Model, x: np.ndarray) -> None:
    takes = getattr(_inside(model), "input_shape", None)
    if not isinstance(takes, tuple) or tuple(takes[1:]) != x.shape[1:]:
        raise DataError(
            f"takes rows of shape {_row_shape(takes)}, and these have {x.shape[1:]}; give the data "
            "it was trained for"
        )


def _inside(model: keras.Model) -> keras.Model:
    return model.stochastic_model if isinstance(model, StochasticModel) else model


def _row_shape(takes: object) -> object:
    return takes[1:] if isinstance(takes, tuple) else takes


def _predicted_once(model: keras.Model, rows: np.ndarray) -> list[Any]:
    """Gives what a model says, or each of its members, dropout at rest."""
    inside: Any = _inside(model)
    for layer in stochastic_layers(inside):
        if isinstance(layer, MCDropout | MCAlphaDropout):
            layer.rate = 0.0
    asked: Any = each_member(inside) or inside
    given = asked.predict(rows, batch_size=_ROWS_AT_ONCE, verbose=0)
    return list(given) if isinstance(given, list | tuple) else [given]


def _probabilities(given: Any) -> np.ndarray:
    if not isinstance(given, np.ndarray) or given.ndim != 2:
        raise _no_probabilities()
    if given.shape[1] == 1:
        given = np.concatenate([1 - given, given], axis=1)
    if not (given >= 0).all() or (abs(given.sum(axis=1) - 1) > 1e-3).any():
        raise _no_probabilities()
    return given


def _no_probabilities() -> DataError:
    return DataError("does not give probabilities; end it with a softmax layer")
