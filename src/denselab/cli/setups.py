"""From what was typed to what the doctor looks at: a model or the network of a recipe, with its data."""

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np

from denselab.cli.options import DataOptions
from denselab.cli.rows import is_file_name, read_arrays
from denselab.cli.selection import selected_data
from denselab.data import Dataset, standardization
from denselab.doctor import Request
from denselab.engine import claim_cores
from denselab.engine.member import own_randomness
from denselab.errors import DataError, UsageError
from denselab.recipes import Recipe
from denselab.study import Study
from denselab.training import build_network, compile_network, load_model
from denselab.training.compiled_with import compile_as_saved
from denselab.training.train import splits_for

__all__ = ["fit_arguments", "model_request", "recipe_request", "study_data"]


def recipe_request(recipe: Recipe, dataset: Dataset, *, seed: int) -> Request:
    """Sets up a recipe as its training does: the network of a seed on the rows of that seed's split.

    Args:
        recipe: The recipe; one that trains nothing is set up as if it trained.
        dataset: Classification data.
        seed: Decides split and first weights.

    Returns:
        The compiled network from flat features to logits, its training rows as the network sees them,
        and what `fit` would be asked to do.

    Raises:
        UsageError: If the data has no classes.

    Example:
        >>> from denselab.data import load
        >>> from denselab.recipes import load_recipe
        >>> request = recipe_request(load_recipe("tuned/plain"), load("wine"), seed=0)
        >>> request.x.shape, bool(abs(request.x.mean()) < 1e-6)
        ((119, 13), True)
    """
    if dataset.classes is None:
        raise UsageError(
            f"{dataset.name} has the task regression; recipes train classifiers, give data with classes"
        )
    claim_cores()  # before the first model is built, which starts JAX: remedies are trained after it
    ((train, held),) = splits_for(recipe, dataset, [seed])
    x = dataset.x.reshape(dataset.n, -1)
    given, kept = x[train].astype(np.float32), x[held].astype(np.float32)
    if recipe.preprocessing.scaling == "standard":
        mean, scale = standardization(x, train)
        given, kept = (given - mean) * scale, (kept - mean) * scale
    with own_randomness(seed):
        model = build_network(recipe, features=dataset.features, classes=dataset.classes)
        compile_network(model, recipe, train_rows=len(train))
    return Request(
        model,
        given,
        dataset.y[train],
        fit_arguments=fit_arguments(recipe),
        validation_data=(kept, dataset.y[held]),
    )


def fit_arguments(recipe: Recipe) -> dict[str, Any]:
    """Says what Keras' `fit` would have to be asked for to train as a recipe does.

    Args:
        recipe: The recipe.

    Returns:
        Batch size, epochs, and callbacks that stop, and that lower the rate on plateaus.
    """
    training, schedule = recipe.training, recipe.schedule
    callbacks: list[keras.callbacks.Callback] = []
    if training.early_stopping:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                patience=training.patience, restore_best_weights=training.restore_best
            )
        )
    if schedule.kind == "reduce_on_plateau":
        lowest = schedule.minimum_factor * recipe.optimizer.learning_rate
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=schedule.factor, patience=schedule.patience, min_lr=lowest
            )
        )
    return {
        "batch_size": training.batch_size,
        "epochs": training.epochs,
        "callbacks": callbacks,
    }


def model_request(path: Path, data: str, where: DataOptions) -> tuple[Request, tuple[str, ...]]:
    """Loads a saved model and the rows it is to be looked at with.

    Args:
        path: A `.keras` file that anybody may have made.
        data: Name of a data set, whose training rows are taken, or a `.npz` or `.npy` file.
        where: Where data sets come from.

    Returns:
        The model, compiled as it was saved where that is plain, with the rows; and one line for each
        part of its compiling that is left out.

    Raises:
        UnsafeFileError: If a file could run code or exhaust the machine.
        DataError: If a file is damaged, or the data cannot be had.
    """
    loaded = load_model(path)
    left_out = compile_as_saved(loaded.model, path)
    if is_file_name(data):
        found = read_arrays(Path(data))
        x = _fitting(found["x"], loaded.model)
        return Request(loaded.model, x, _numbers(found.get("y"))), left_out
    slice_ = None if loaded.description is None else loaded.description.calibration
    dataset = selected_data(data, where, calibration=slice_.fraction if slice_ else 0.0)
    return Request(loaded.model, _fitting(dataset.x, loaded.model), dataset.y), left_out


def study_data(study: Study, where: DataOptions) -> Dataset:
    """Loads the data of a study and sets the same rows apart that it set apart.

    Args:
        study: The study.
        where: Where data sets come from.

    Returns:
        The data.

    Raises:
        DataError: If it cannot be had, or is not what the study was trained on.
    """
    facts = study.manifest.dataset
    kept, rows = int(facts.get("calibration_rows", 0)), int(facts["rows"])
    dataset = selected_data(str(facts["name"]), where, calibration=kept / (kept + rows))
    if dataset.fingerprint != facts["fingerprint"]:
        raise DataError(
            f"{study.folder}: was trained on other {dataset.name} (fingerprint); give that data with "
            "--data-dir"
        )
    return dataset


def _fitting(x: np.ndarray, model: keras.Model) -> np.ndarray:
    """Gives rows the shape that a model takes, where they hold as many values."""
    if x.ndim < 2 or not len(x):
        raise DataError(f"x has shape {x.shape}; expected (rows, ...), at least one row")
    takes = getattr(model, "input_shape", None)
    if isinstance(takes, tuple) and None not in takes[1:]:
        shape = tuple(int(size) for size in takes[1:] if size is not None)
        if math.prod(shape) == math.prod(x.shape[1:]):
            return x.reshape(len(x), *shape)
    return x


def _numbers(y: np.ndarray | None) -> np.ndarray | None:
    """Numbers classes that are given by name; everything else is looked at as it came."""
    if y is None or y.dtype.kind != "U":
        return y
    return np.unique(y, return_inverse=True)[1].reshape(y.shape)
