"""A trained member as one `.keras` file that any Keras program can use, and back."""

import errno
import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from denselab.data import Dataset
from denselab.data import Preprocessing as TablePreprocessing
from denselab.errors import DataError, ExhaustedError, UsageError
from denselab.recipes import Recipe
from denselab.training.archive import DESCRIPTION, PREPROCESSING, most_bytes
from denselab.training.description import (
    LONGEST_NAME,
    CalibrationSlice,
    ModelDescription,
    ValidationRows,
)
from denselab.training.network import build_network

__all__ = [
    "INPUT_MEAN",
    "INPUT_SCALE",
    "TARGET_DEVIATION",
    "TARGET_MEAN",
    "Preprocessing",
    "build_predictor",
    "calibration_slice",
    "describe_model",
    "named_weights",
    "save_predictor",
    "set_named_weights",
    "write_model",
]

INPUT_MEAN, INPUT_SCALE = "input_mean", "input_scale"
TARGET_MEAN, TARGET_DEVIATION = "target_mean", "target_deviation"


class Preprocessing(NamedTuple):
    """Shape of raw inputs and number of classes of a data set, which is None for a regression."""

    input_shape: tuple[int, ...]
    classes: int | None

    @classmethod
    def of(cls, dataset: Dataset) -> "Preprocessing":
        """Takes the shapes of a data set."""
        return cls(tuple(dataset.x.shape[1:]), dataset.classes)


def calibration_slice(dataset: Dataset, *, held_out: bool = True) -> CalibrationSlice | None:
    """Describes the rows that a data set sets aside to calibrate on.

    Args:
        dataset: The data.
        held_out: Whether a model neither trained nor stopped on them.

    Returns:
        Their share and fingerprint; None where there are none.
    """
    x, y = dataset.calibration_x, dataset.calibration_y
    if x is None or y is None:
        return None
    digest = hashlib.sha256(repr((x.shape, x.dtype.str, y.dtype.str)).encode())
    for array in (x, y):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return CalibrationSlice(
        fraction=len(y) / (dataset.n + len(y)), fingerprint=digest.hexdigest(), held_out=held_out
    )


def describe_model(recipe: Recipe, dataset: Dataset, seed: int) -> ModelDescription:
    """Says what a trained model is, for the file it is saved in.

    Args:
        recipe: The recipe it was trained with.
        dataset: The data it was trained on.
        seed: Seed of the training.

    Returns:
        The description. The calibration slice of a data set is not among the rows that
        `train_recipe` trains and validates on, so it counts as held out.
    """
    features, classes = dataset.feature_names, dataset.class_names or ()
    training = recipe.training
    return ModelDescription(
        recipe=recipe.name[:LONGEST_NAME],
        seed=seed,
        dataset=dataset.name[:LONGEST_NAME],
        fingerprint=dataset.fingerprint,
        class_names=tuple(name[:LONGEST_NAME] for name in classes),
        feature_names=features and tuple(name[:LONGEST_NAME] for name in features),
        image_shape=dataset.image_shape,
        draws=recipe.prediction.draws,
        task=dataset.task,
        calibration=calibration_slice(dataset),
        validation=ValidationRows(
            fraction=training.validation_fraction, stratified=training.stratified
        ),
    )


def named_weights(model: keras.Model, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Names weights by the path of their variable.

    Args:
        model: A model of the program.
        values: Trainable, then other weights without seeds, as a member holds them.

    Returns:
        Path -> array.
    """
    variables = [*model.trainable_weights, *model.non_trainable_weights]
    return {variable.path: value for variable, value in zip(variables, values, strict=True)}


def set_named_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Puts named weights into a model.

    Args:
        model: A model of the same recipe.
        weights: Path -> array; entries the model does not have are left out.

    Raises:
        DataError: If one is missing or has another shape.
    """
    for variable in [*model.trainable_weights, *model.non_trainable_weights]:
        value = weights.get(variable.path)
        if value is None or tuple(value.shape) != tuple(variable.shape):
            came = "nothing" if value is None else f"shape {tuple(value.shape)}"
            raise DataError(
                f"weights for {variable.path} are {came}, but the recipe needs shape "
                f"{tuple(variable.shape)}; use the recipe they were trained with"
            )
        variable.assign(value)


def build_predictor(
    data: Preprocessing, recipe: Recipe, weights: dict[str, np.ndarray]
) -> keras.Model:
    """Builds preprocessing, network and what makes predictions of its outputs as one model.

    Args:
        data: Shapes of the raw inputs and classes.
        recipe: The recipe.
        weights: The member's named weights.

    Returns:
        A model that takes raw inputs and gives probabilities, or values in the units of the target.
    """
    features = int(np.prod(data.input_shape))
    network = build_network(recipe, features=features, classes=data.classes or 1)
    set_named_weights(network, weights)
    inputs = keras.Input(data.input_shape, name="inputs")
    x = keras.layers.Flatten(name="flatten")(inputs)
    if INPUT_MEAN in weights:
        x = _normalization(weights[INPUT_MEAN], weights[INPUT_SCALE])(x)
    # Compiled for `evaluate`. SGD keeps no variable a weight, so loading has none to miss.
    if data.classes is None:
        mean, deviation = (float(weights[name]) for name in (TARGET_MEAN, TARGET_DEVIATION))
        values = keras.layers.Rescaling(deviation, mean, name="values")(network(x))
        model = keras.Model(inputs, values, name=recipe.name)
        model.compile(optimizer="sgd", loss="mean_squared_error")
        return model
    probabilities = keras.layers.Softmax(name="probabilities")(network(x))
    model = keras.Model(inputs, probabilities, name=recipe.name)
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def save_predictor(
    data: Preprocessing,
    recipe: Recipe,
    weights: dict[str, np.ndarray],
    *,
    path: Path,
    description: ModelDescription | None = None,
) -> None:
    """Writes preprocessing, network and predictions as one model that says what it is.

    Args:
        data: Shapes of the raw inputs and classes.
        recipe: The recipe.
        weights: The member's named weights.
        path: File to write, ending in `.keras`; whole or not at all.
        description: What the file says of itself, in `denselab.json`, which Keras does not look at.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If the folder cannot be written to.
    """
    write_model(build_predictor(data, recipe, weights), path, description)


def _normalization(mean: np.ndarray, scale: np.ndarray) -> keras.layers.Normalization:
    """Writes (x - mean) * scale as the Keras layer, whose variance is 1 / scale²."""
    # A constant feature has scale 0; the largest variance float32 holds maps it to 0 within 1e-17.
    with np.errstate(divide="ignore"):
        variance = np.minimum(1 / np.square(scale.astype(np.float64)), np.finfo(np.float32).max)
    return keras.layers.Normalization(
        mean=mean.astype(np.float32), variance=variance.astype(np.float32), name="standardization"
    )


def write_model(
    model: keras.Model,
    path: Path,
    description: ModelDescription | None = None,
    preprocessing: TablePreprocessing | None = None,
) -> None:
    """Writes a model, and what it says of itself, as one `.keras` file.

    Args:
        model: Any Keras model.
        path: File to write, ending in `.keras`; whole or not at all.
        description: What the file says of itself.
        preprocessing: What makes its features of the columns of a table.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If the folder cannot be written to, or a table has so many levels that they fill no file.
    """
    beside = _beside(description, preprocessing)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".keras", prefix=".", dir=path.parent)
        os.close(handle)
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            for name, text in beside.items():
                archive.writestr(name, text)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExhaustedError(
                f"{path}: the disk is full; free some space and try again"
            ) from error
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def _beside(
    description: ModelDescription | None, preprocessing: TablePreprocessing | None
) -> dict[str, bytes]:
    """Gives the members that Keras does not look at, none larger than is read again."""
    members: dict[str, bytes] = {}
    if description is not None:
        members[DESCRIPTION] = description.model_dump_json(indent=1).encode()
    if preprocessing is not None:
        members[PREPROCESSING] = preprocessing.to_json().encode()
    for name, text in members.items():
        if len(text) > most_bytes(name):
            raise UsageError(
                f"{name} takes {len(text):,} bytes, and {most_bytes(name):,} are read again; drop columns "
                "of long texts"
            )
    return members
