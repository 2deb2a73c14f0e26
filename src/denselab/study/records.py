"""What a study remembers: one record a trial, one a recipe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, nan

from denselab.recipes import Recipe
from denselab.study.hashing import settings_hash

__all__ = [
    "TRACE_COLUMNS",
    "ArmRecord",
    "RecipeRecord",
    "ScoresRecord",
    "StoredFile",
    "TrialRecord",
    "best_trial",
    "epochs_to",
    "trials_of",
]

TRACE_COLUMNS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
"""What is recorded after each epoch; `seconds` counts from the start of the training."""


@dataclass(frozen=True)
class ArmRecord:
    """One thing that a study compares with others.

    Attributes:
        name: Its name, which no other arm has.
        title: What it is, in a line.
        settings: Hash of its hyper-parameters; trials of other settings under its name do not count.
        recipe: The recipe with its tuned settings; None for a model that the user built.
    """

    name: str
    title: str
    settings: str
    recipe: Recipe | None = None


@dataclass(frozen=True)
class StoredFile:
    """A file of a study.

    Attributes:
        name: Its path in the study folder, with `/`.
        size: Number of bytes.
        sha256: Their hash, 64 hexadecimal digits.
    """

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class ScoresRecord:
    """How good predictions are on some rows.

    Attributes:
        loss: Mean cross-entropy in nats; for regression the mean squared error.
        accuracy: Share of rows predicted right, from 0 to 1; NaN for regression.
    """

    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrialRecord:
    """One recipe trained under one seed.

    Attributes:
        recipe: Name of the recipe.
        settings: Hash of its hyper-parameters, see `settings_hash`.
        seed: The seed.
        status: "finished", "stopped" (early) or "diverged" (its loss was not finite).
        best_epoch: Epoch whose weights it ends with, from 0; -1 if there is none.
        parameters: Number of weights of the network.
        seconds: Training time without compiling, with other members side by side.
        validation: Scores on its own validation rows.
        test: Scores on the test rows.
        trace: One of `TRACE_COLUMNS` -> its value after each epoch; NaN where there is none.
        weights: Where its weights are; None until they are stored.
        predictions: Where its probabilities on test and calibration rows are; None where they were
            not kept.
    """

    recipe: str
    settings: str
    seed: int
    status: str
    best_epoch: int
    parameters: int
    seconds: float
    validation: ScoresRecord
    test: ScoresRecord
    trace: Mapping[str, tuple[float, ...]] = field(repr=False)
    weights: StoredFile | None = None
    predictions: StoredFile | None = None

    @property
    def failed(self) -> bool:
        """Whether its loss was not finite."""
        return self.status == "diverged"

    @property
    def epochs_run(self) -> int:
        """Number of epochs it trained; 0 where weights are shared."""
        return len(self.trace["loss"])


@dataclass(frozen=True)
class RecipeRecord:
    """What is known of a recipe once its trials are there.

    Attributes:
        recipe: Name of the recipe.
        settings: Hash of its hyper-parameters.
        compile_seconds: Time spent on compiling its program, when it was last compiled.
        notes: What the engine could not set, one line each.
        model_seed: Seed of the trial that the model is of; -1 while there is no model.
        model: The model file; None while there is none.
    """

    recipe: str
    settings: str
    compile_seconds: float = nan
    notes: tuple[str, ...] = ()
    model_seed: int = -1
    model: StoredFile | None = None


def trials_of(arm: ArmRecord | Recipe, trials: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    """Picks the trials of an arm.

    Args:
        arm: The arm, or a recipe with the settings it is trained with; trials with other
            hyper-parameters under its name do not count.
        trials: All trials of a study.

    Returns:
        Seed -> trial.
    """
    settings = settings_hash(arm) if isinstance(arm, Recipe) else arm.settings
    key = (arm.name, settings)
    return {trial.seed: trial for trial in trials if (trial.recipe, trial.settings) == key}


def best_trial(trials: Iterable[TrialRecord]) -> TrialRecord | None:
    """Picks the trial whose weights are worth keeping as a model, by validation rows alone.

    Args:
        trials: Trials of one recipe.

    Returns:
        The one of highest validation accuracy (for regression: lowest loss), of equals the one of
        lower loss, then of lower seed. Trials that failed do not count; None if all did.
    """

    def rank(trial: TrialRecord) -> tuple[float, float, int]:
        return -_or_zero(trial.validation.accuracy), trial.validation.loss, trial.seed

    usable = [t for t in trials if not t.failed and isfinite(t.validation.loss)]
    return min(usable, key=rank, default=None)


def epochs_to(trial: TrialRecord, target: float) -> float:
    """Counts the epochs after which the validation accuracy first is at a target; infinite if never."""
    if trial.failed:
        return inf
    reached = (n for n, value in enumerate(trial.trace["val_accuracy"], 1) if value >= target)
    return float(next(reached, inf))


def _or_zero(accuracy: float) -> float:
    return accuracy if isfinite(accuracy) else 0.0
