"""What training leaves: trials with their scores, and the results of a recipe."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from denselab.data import Dataset
from denselab.recipes import Recipe, parameter_count
from denselab.training.saving import (
    Preprocessing,
    build_predictor,
    describe_model,
    save_predictor,
)

__all__ = ["Predictions", "Progress", "RecipeResult", "Scores", "Trial"]


class Progress(NamedTuple):
    """How far a recipe's training has come.

    Attributes:
        recipe: Name of the recipe.
        place: The member that has just trained a while.
        epoch: Epochs this member has finished.
        epochs: Epochs it may train at most.
        finished: Members that are done.
        members: All members of the recipe.
    """

    recipe: str
    place: int
    epoch: int
    epochs: int
    finished: int
    members: int


class Scores(NamedTuple):
    """How good predictions are on some rows.

    Attributes:
        loss: Mean cross-entropy, in nats; for a regression the mean squared error, in squared units of the target.
        accuracy: Share of rows whose most probable class is right, from 0 to 1; NaN for a regression.
    """

    loss: float
    accuracy: float


class Predictions(NamedTuple):
    """Probabilities or values that a trial ends with, on rows that are the same for all trials of a data set.

    Attributes:
        test: On the test rows, `float32`, shape (rows, classes), or (rows, 1) in the units of the target.
        calibration: On the calibration slice, likewise; no rows where the data has no slice.
    """

    test: np.ndarray
    calibration: np.ndarray


@dataclasses.dataclass(frozen=True)
class Trial:
    """One recipe trained under one seed.

    Attributes:
        recipe: Name of the recipe.
        seed: The seed.
        status: "finished", "stopped" or "diverged".
        trace: After each epoch: loss, accuracy, val_loss, val_accuracy, learning_rate, and seconds since the start;
            the losses of a regression are of the target brought to deviation 1, and it has no accuracy.
        best_epoch: Epoch whose weights it ends with, from 0; -1 if there is none.
        validation: Scores on its own validation rows.
        test: Scores on the test rows.
        weights: Name of a variable -> array; `input_mean` and `input_scale` where inputs are standardised,
            `target_mean` and `target_deviation` of a regression.
        seconds: Training time without compiling, in seconds, with members side by side.
        predictions: What it predicts for test and calibration rows; None where it was not kept.
    """

    recipe: str
    seed: int
    status: str
    trace: dict[str, np.ndarray]
    best_epoch: int
    validation: Scores
    test: Scores
    weights: dict[str, np.ndarray]
    seconds: float
    predictions: Predictions | None = None

    @property
    def failed(self) -> bool:
        """Whether its loss was not finite."""
        return self.status == "diverged"


@dataclasses.dataclass(frozen=True)
class RecipeResult:
    """One recipe trained under several seeds on one data set.

    Attributes:
        recipe: The recipe.
        dataset: The data, for its shape and names.
        trials: One trial a seed.
        compile_seconds: Time spent on compiling, in seconds.
        notes: What the engine could not set, one line each.
    """

    recipe: Recipe
    dataset: Dataset
    trials: tuple[Trial, ...]
    compile_seconds: float
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of weights of one network, trained or not."""
        classes = self.dataset.classes or 1
        return parameter_count(self.recipe, features=self.dataset.features, outputs=classes).total

    def model(self, place: int) -> keras.Model:
        """Builds one member's model, which takes raw inputs and gives probabilities or values.

        Args:
            place: Place of the trial.

        Returns:
            A compiled model with the trial's weights.
        """
        preprocessing = Preprocessing.of(self.dataset)
        return build_predictor(preprocessing, self.recipe, self.trials[place].weights)

    def save_model(self, place: int, path: Path) -> None:
        """Writes one member as a `.keras` file that takes raw inputs and gives probabilities or values.

        Args:
            place: Place of the trial.
            path: The file, ending in `.keras`; written whole or not at all.

        Raises:
            ExhaustedError: If the disk is full.
            UsageError: If the folder cannot be written to.
        """
        trial = self.trials[place]
        save_predictor(
            Preprocessing.of(self.dataset),
            self.recipe,
            trial.weights,
            path=path,
            description=describe_model(self.recipe, self.dataset, trial.seed),
        )
