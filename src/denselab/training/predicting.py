"""Class probabilities and their uncertainty from a saved model, and what a calibration slice adds."""

from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import keras
import numpy as np
from jaxtyping import Bool, Float

from denselab.components import MCAlphaDropout, MCDropout
from denselab.errors import DataError, UsageError
from denselab.uncertainty import (
    ClassificationDraws,
    StochasticModel,
    ensemble_prediction,
    fit_conformal_sets,
    fit_temperature,
    predict_draws,
    stochastic_layers,
    temperature_scaled,
)

__all__ = ["Calibrated", "DrawPlan", "calibrate", "draws_by_itself", "predict_rows"]

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
        probabilities: Probabilities at the fitted temperature, shape (row, class).
        temperature: Above 1 if the model was too sure.
        rows: Number of calibration rows.
    """

    sets: Bool[np.ndarray, "row class"]
    probabilities: Float[np.ndarray, "row class"]
    temperature: float
    rows: int


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
        return ensemble_prediction([_predicted_once(model, rows)])
    if not stochastic_layers(model):
        raise UsageError(
            "has no dropout or noise to draw from, so its draws would all be equal; predict it "
            "once, with --draws 1"
        )
    try:
        found = predict_draws(
            model, rows, draws=plan.draws, seed=plan.seed, masks=plan.masks, until=plan.until
        )
    except UsageError as error:
        if "outputs" in str(error):
            raise _no_probabilities() from error
        raise
    except ZeroDivisionError as error:  # Keras' AlphaDropout at a rate of 1.
        raise DataError("has a dropout rate of 1, which leaves nothing; use one below 1") from error
    if not isinstance(found, ClassificationDraws):
        raise _no_probabilities()
    return found


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


def _predicted_once(model: keras.Model, rows: np.ndarray) -> np.ndarray:
    inside: Any = _inside(model)
    for layer in stochastic_layers(inside):
        if isinstance(layer, MCDropout | MCAlphaDropout):
            layer.rate = 0.0
    given = inside.predict(rows, batch_size=_ROWS_AT_ONCE, verbose=0)
    if not isinstance(given, np.ndarray) or given.ndim != 2:
        raise _no_probabilities()
    if given.shape[1] == 1:
        given = np.concatenate([1 - given, given], axis=1)
    if not (given >= 0).all() or (abs(given.sum(axis=1) - 1) > 1e-3).any():
        raise _no_probabilities()
    return given


def _no_probabilities() -> DataError:
    return DataError("does not give probabilities; end it with a softmax layer")
