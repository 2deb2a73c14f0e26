"""`denselab train`: one recipe, one seed, one Keras model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.errors import UsageError

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.recipes import Recipe
    from denselab.training import RecipeResult

__all__ = ["TrainOptions", "app", "train"]

app = command_app()

_TRIALS_FAILED = 3


@dataclass(frozen=True)
class TrainOptions:
    """What to train, and where to leave it."""

    recipe: Annotated[str, typer.Option(help="A rung of the ladder, or a .toml file.")]
    out: Annotated[Path, typer.Option(help="Folder for model.keras; made if need be.")]
    seed: Annotated[int, typer.Option(help="Decides split, weights, order and dropout.")] = 0
    as_json: JsonOption = False


@app.command()
@grouped
def train(
    data: Annotated[str, typer.Argument(help="A name of `denselab data list`.")],
    *,
    asked: TrainOptions,
    changes: RecipeOptions,
    where: DataOptions,
) -> None:
    """Train one recipe and save it as a Keras model.

    The model stands in OUT/model.keras when the command is done. It takes inputs as they come, its
    preprocessing inside, and gives probabilities.
    """
    from denselab.cli.selection import (
        calibration_share,
        check_writable,
        preset_for,
        selected_data,
        selected_recipes,
        selected_seeds,
    )

    preset = preset_for(data, changes)
    recipes = selected_recipes([asked.recipe], preset, changes)
    kept = calibration_share(preset, changes)
    seeds = selected_seeds(asked.seed, 1)
    model = asked.out / "model.keras"
    if model.exists():
        raise UsageError(f"{model} is there already; name another folder with --out, or remove it")
    check_writable(asked.out)
    result = _train(recipes, selected_data(data, where, calibration=kept), seeds)
    trial = result.trials[0]
    if not trial.failed:
        result.save_model(0, model)
    summary = _summary(result, str(model))
    typer.echo(json.dumps(summary) if asked.as_json else "\n".join(_sentences(summary)))
    if trial.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _train(
    recipes: "tuple[Recipe, ...]", dataset: "Dataset", seeds: tuple[int, ...]
) -> "RecipeResult":
    """Trains the last recipe, and before it the one whose weights it takes, if there is one."""
    from denselab.cli.progress import training_progress, work_for
    from denselab.training import train_recipe

    source = None
    with training_progress(work_for(recipes, dataset, members=1)) as progress:
        for recipe in recipes[:-1]:
            source = train_recipe(recipe, dataset, seeds=seeds, on_progress=progress)
        return train_recipe(recipes[-1], dataset, seeds=seeds, source=source, on_progress=progress)


def _summary(result: "RecipeResult", model: str) -> dict[str, Any]:
    trial, dataset = result.trials[0], result.dataset
    return {
        "recipe": trial.recipe,
        "seed": trial.seed,
        "status": trial.status,
        "model": None if trial.failed else model,
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "test": None if trial.failed else trial.test._asdict(),
        "validation": None if trial.failed else trial.validation._asdict(),
        "epochs_run": len(trial.trace.get("loss", ())),
        "best_epoch": trial.best_epoch,
        "seconds": trial.seconds,
        "compile_seconds": result.compile_seconds,
        "parameters": result.parameters,
        "notes": list(result.notes),
    }


def _sentences(summary: dict[str, Any]) -> list[str]:
    what = f"{summary['recipe']} on {summary['dataset']['name']}, seed {summary['seed']}"
    epochs = f"{summary['epochs_run']} epochs in {summary['seconds']:.1f} s"
    if summary["model"] is None:
        return [
            f"{what}: the loss was no number any more after {epochs}; try a lower learning rate"
        ]
    trained = f"{epochs}, weights of epoch {summary['best_epoch'] + 1}"
    return [
        f"{what}: {trained if summary['epochs_run'] else 'nothing to train, weights shared'}",
        *(
            f"{rows} accuracy {100 * summary[rows]['accuracy']:.2f} %, loss {summary[rows]['loss']:.4f}"
            for rows in ("test", "validation")
        ),
        f"model: {summary['model']}",
    ]
