"""Several trained members averaged in one Keras model, and what each of them says.

A deep ensemble is the mean of what its members predict (Lakshminarayanan et al., 2017): as a functional model it is
one file that any Keras program can use, and what goes into its last layer is what the members say one by one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from denselab.data import Preprocessing as TablePreprocessing
from denselab.training.description import ConformalScores, ModelDescription, TableFacts
from denselab.training.results import RecipeResult
from denselab.training.saving import Preprocessing, build_predictor, describe_model, write_model
from denselab.uncertainty import fit_temperature

__all__ = [
    "build_ensemble",
    "conformal_scores",
    "each_member",
    "mean_predictions",
    "save_ensemble",
]

_MEAN = "mean_of_members"
_MOST_SCORES = 100_000
_FEWEST_TO_TEMPER, _EXTREME = 50, 0.02
"""Fewer rows, or rows that are all right, would have any temperature."""

_LEAST = np.finfo(np.float32).tiny


def build_ensemble(result: RecipeResult, places: Sequence[int]) -> keras.Model:
    """Builds the mean of some members of a result as one model.

    Args:
        result: What was trained.
        places: Places of the trials, at least one.

    Returns:
        A compiled model that takes raw inputs and gives mean probabilities or mean values; of one member that
        member's own model.

    References:
        Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles, 2017.
    """
    if len(places) == 1:
        return result.model(places[0])
    shapes = Preprocessing.of(result.dataset)
    inputs = keras.Input(shapes.input_shape, name="inputs")
    said = []
    for place in places:
        trial = result.trials[place]
        named = result.recipe.model_copy(update={"name": f"member_{trial.seed}"})
        said.append(build_predictor(shapes, named, trial.weights)(inputs))
    model = keras.Model(inputs, keras.layers.Average(name=_MEAN)(said), name=result.recipe.name)
    if shapes.classes is None:
        model.compile(optimizer="sgd", loss="mean_squared_error")
    else:
        model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def each_member(model: keras.Model) -> keras.Model | None:
    """Gives a model with the same weights that says what every member says.

    Args:
        model: Any Keras model.

    Returns:
        A model of one output a member; None where the model is no ensemble.

    Example:
        >>> each_member(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])) is None
        True
    """
    layers: list[Any] = list(getattr(model, "layers", ()))
    if not layers or layers[-1].name != _MEAN or not isinstance(layers[-1], keras.layers.Average):
        return None
    return keras.Model(model.inputs, layers[-1].input)


def mean_predictions(result: RecipeResult, places: Sequence[int], rows: str) -> np.ndarray:
    """Averages what members predicted while they were scored.

    Args:
        result: What was trained; its trials hold predictions.
        places: Places of the trials.
        rows: "test" or "calibration".

    Returns:
        Shape (row, class), or (row, 1) of a regression.
    """
    tables = [getattr(result.trials[place].predictions, rows) for place in places]
    return np.mean(np.stack(tables).astype(np.float64), axis=0)


def conformal_scores(result: RecipeResult, places: Sequence[int]) -> ConformalScores | None:
    """Keeps how far the mean of some members is off on the calibration slice.

    Args:
        result: What was trained.
        places: Places of the trials.

    Returns:
        The scores; None where the data has no slice.
    """
    labels = result.dataset.calibration_y
    if labels is None:
        return None
    labels = labels[:_MOST_SCORES]
    said = mean_predictions(result, places, "calibration")[:_MOST_SCORES]
    draws = result.recipe.prediction.draws
    if result.dataset.classes is None:
        off = np.abs(said[:, 0] - labels)
        return ConformalScores(scores=tuple(np.sort(off).tolist()), draws=draws)
    off = np.clip(1 - said[np.arange(len(labels)), labels], 0, None)
    scores = tuple(np.sort(off).tolist())
    return ConformalScores(scores=scores, temperature=_temperature(said, labels), draws=draws)


def _temperature(said: np.ndarray, labels: np.ndarray) -> float | None:
    if len(labels) < _FEWEST_TO_TEMPER:
        return None
    found = float(fit_temperature(np.log(np.maximum(said, _LEAST)), labels))
    return found if _EXTREME < found < 1 / _EXTREME else None


def save_ensemble(
    result: RecipeResult,
    places: Sequence[int],
    path: Path,
    *,
    preprocessing: TablePreprocessing | None = None,
    table: TableFacts | None = None,
) -> ModelDescription:
    """Writes the mean of some members as one `.keras` file, with all that predictions of new rows need.

    Args:
        result: What was trained.
        places: Places of the trials.
        path: The file; written whole or not at all.
        preprocessing: What made the features, of a table.
        table: How the table was read.

    Returns:
        What the file says of itself.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If the folder cannot be written to.
    """
    about = describe_model(result.recipe, result.dataset, result.trials[places[0]].seed)
    about = about.model_copy(
        update={
            "members": len(places),
            "conformal": conformal_scores(result, places),
            "table": table,
        }
    )
    write_model(build_ensemble(result, places), path, about, preprocessing)
    return about
