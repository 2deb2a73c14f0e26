"""`denselab train`: one recipe on some data, as one Keras model."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.cli.tables import TableOptions

if TYPE_CHECKING:
    from denselab.cli.training_data import TrainingData
    from denselab.recipes import Recipe
    from denselab.training import RecipeResult

__all__ = ["TrainOptions", "app", "train"]

app = command_app()

_TRIALS_FAILED = 3


@dataclass(frozen=True)
class TrainOptions:
    """What to train, and where to leave it."""

    recipe: Annotated[
        str | None,
        typer.Option(help="A rung of the ladder, or a .toml file; by default `default`."),
    ] = None
    ensemble: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Train N seeds together and average them in one model; by default 5 for a table, else 1.",
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the model, made if need be; by default named after DATA."),
    ] = None
    seed: Annotated[
        int, typer.Option(help="The first seed: decides split, weights, order, dropout.")
    ] = 0
    as_json: JsonOption = False


@app.command()
@grouped
def train(
    data: Annotated[
        str,
        typer.Argument(
            help="A name of `denselab data list`, a CSV, Parquet, npz or npy file, or an image folder."
        ),
    ],
    *,
    asked: TrainOptions,
    changes: RecipeOptions,
    where: DataOptions,
    how: TableOptions,
) -> None:
    """Train one recipe and save it as a Keras model.

    The model stands in OUT/model.keras when the command is done. It takes inputs as they come, its
    preprocessing inside, and gives probabilities, or values of a quantity. Beside a table's model stands
    OUT/report.md: what was found in the table, and how good the model is.
    """
    from denselab.cli.model_folder import model_folder
    from denselab.cli.selection import preset_for, selected_recipes, selected_seeds
    from denselab.cli.training_data import training_data

    preset = preset_for(data, changes)
    recipes = selected_recipes([asked.recipe or "default"], preset, changes)
    given = training_data(data, where, how, changes)
    members = asked.ensemble if asked.ensemble is not None else 1 if given.prepared is None else 5
    seeds = selected_seeds(asked.seed, members, option="--ensemble")
    folder = model_folder(asked.out, given.dataset.name)
    result = _train(recipes, given, seeds)
    if given.prepared is None and len(seeds) == 1:
        _one_member(result, folder / "model.keras", as_json=asked.as_json)
    else:
        _ensemble(result, given, folder, as_json=asked.as_json)
    if any(trial.failed for trial in result.trials):
        raise typer.Exit(_TRIALS_FAILED)


def _train(
    recipes: "tuple[Recipe, ...]", given: "TrainingData", seeds: tuple[int, ...]
) -> "RecipeResult":
    """Trains the last recipe, and before it the one whose weights it takes, if there is one."""
    from denselab.cli.progress import training_progress, work_for
    from denselab.training import train_recipe

    source, dataset = None, given.dataset
    with training_progress(work_for(recipes, dataset, members=len(seeds))) as progress:
        for recipe in recipes[:-1]:
            source = train_recipe(recipe, dataset, seeds=seeds, on_progress=progress)
        return train_recipe(recipes[-1], dataset, seeds=seeds, source=source, on_progress=progress)


def _one_member(result: "RecipeResult", model: Path, *, as_json: bool) -> None:
    if not result.trials[0].failed:
        result.save_model(0, model)
    summary = _summary(result, str(model))
    typer.echo(json.dumps(summary) if as_json else "\n".join(_sentences(summary)))


def _ensemble(
    result: "RecipeResult", given: "TrainingData", folder: Path, *, as_json: bool
) -> None:
    """Writes model and report, and shows what came out."""
    from denselab.cli.model_report import markdown, show_findings
    from denselab.cli.train_findings import findings
    from denselab.study.files import write_whole, writing
    from denselab.training.ensembles import save_ensemble

    good = [place for place, trial in enumerate(result.trials) if not trial.failed]
    about = findings(result, given, good, folder)
    if good:
        preprocessing = None if given.prepared is None else given.prepared.preprocessing
        model, report = folder / "model.keras", folder / "report.md"
        save_ensemble(result, good, model, preprocessing=preprocessing, table=given.facts)
        with writing(report):
            write_whole(report, markdown(about).encode())
    if as_json:
        typer.echo(json.dumps(about))
    else:
        show_findings(about)


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
