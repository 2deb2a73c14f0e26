"""What a recipe asks of the engine: how long to train, when to stop, which weights to end with."""

from typing import Any

from denselab.engine import Averaging, Plateau
from denselab.recipes import Recipe

__all__ = ["rate_path", "run_options"]


def rate_path(recipe: Recipe) -> str:
    """Names the attribute that holds a recipe's learning rate, as the engine finds it."""
    schedule = recipe.schedule
    if schedule.kind == "one_cycle":
        return "optimizer.schedule.peak_rate"
    if schedule.kind == "cosine" and schedule.warmup_fraction:
        return "optimizer.schedule.warmup_target"
    if schedule.kind in ("exponential", "cosine"):
        return "optimizer.schedule.initial_learning_rate"
    return "optimizer.learning_rate"


def run_options(recipe: Recipe) -> dict[str, Any]:
    """Says how long a recipe trains, when it stops, and which weights it ends with."""
    training = recipe.training
    return {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "patience": training.patience if training.early_stopping else None,
        "restore_best": training.restore_best,
        "plateau": _plateau(recipe),
        "averaging": _averaging(recipe),
        "recalibrate": training.ema is not None,
    }


def _averaging(recipe: Recipe) -> Averaging | None:
    training = recipe.training
    if training.swa_start is None:
        return None
    return Averaging(int(training.swa_start * training.epochs))


def _plateau(recipe: Recipe) -> Plateau | None:
    schedule = recipe.schedule
    if schedule.kind != "reduce_on_plateau":
        return None
    return Plateau(
        factor=schedule.factor,
        patience=schedule.patience,
        minimum=schedule.minimum_factor * recipe.optimizer.learning_rate,
    )
