"""`denselab compare`: recipes over seeds, side by side; the main job."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.recipes import Preset, Recipe
    from denselab.study.plan import Plan
    from denselab.study.summary import Summary
    from denselab.study.tuning import Tuning

__all__ = ["CompareOptions", "app", "compare"]

app = command_app()

_TRIALS_FAILED = 3


@dataclass(frozen=True)
class CompareOptions:
    """What is compared, over which seeds, and where it is kept."""

    context: typer.Context
    recipes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Rungs of the ladder and .toml files, with commas; by default the whole ladder.",
        ),
    ] = None
    seeds: Annotated[int, typer.Option(help="How many times each recipe is trained.")] = 5
    seed: Annotated[int, typer.Option(help="The first seed; the others follow it.")] = 0
    tune: Annotated[
        int | None,
        typer.Option(
            metavar="RATES",
            help="Learning rates tried for each recipe first; by default 8 with tuned values, 0 "
            "(none) with published ones.",
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            help="Study folder; by default studies/DATA-HASH, the same for the same plan."
        ),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show networks, parameters and steps; train nothing.")
    ] = False
    as_json: JsonOption = False


@app.command()
@grouped
def compare(
    data: Annotated[str, typer.Argument(help="A name of `denselab data list`.")] = "digits",
    *,
    asked: CompareOptions,
    changes: RecipeOptions,
    where: DataOptions,
) -> None:
    """Train recipes over several seeds and show them side by side.

    Every trial is kept in the study folder as soon as it is done: stop at any time, run the same
    command again, and it goes on from there.
    """
    from denselab.cli.plan import data_shape, plan, plan_text
    from denselab.cli.results import show_results
    from denselab.cli.selection import (
        calibration_share,
        check_writable,
        selected_data,
        selected_seeds,
    )
    from denselab.study.plan import default_folder, plan_study

    preset, recipes = _recipes(data, asked, changes)
    seeds = selected_seeds(asked.seed, asked.seeds)
    kept, tuning = calibration_share(preset, changes), _tuning(preset, asked.tune)
    if asked.dry_run:
        rates = 0 if tuning is None else tuning.rates
        what = data, data_shape(data, where, calibration=kept), recipes, seeds, rates
        typer.echo(json.dumps(plan(*what)) if asked.as_json else plan_text(*what))
        return
    check_writable(asked.out or Path("studies"))
    dataset = selected_data(data, where, calibration=kept)
    planned = plan_study(recipes, dataset, seeds=seeds, preset=preset, tuning=tuning)
    folder = asked.out or default_folder(data, planned)
    summary = _train(planned, dataset, folder, command=asked.context.obj)
    if asked.as_json:
        typer.echo(json.dumps(summary.to_json()))
    else:
        show_results(summary)
    if summary.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _recipes(
    data: str, asked: CompareOptions, changes: RecipeOptions
) -> "tuple[Preset, tuple[Recipe, ...]]":
    from denselab.cli.selection import preset_for, selected_recipes
    from denselab.recipes import names

    preset = preset_for(data, changes)
    listed = names(preset) if asked.recipes is None else asked.recipes.split(",")
    return preset, selected_recipes([name.strip() for name in listed], preset, changes)


def _tuning(preset: "Preset", rates: int | None) -> "Tuning | None":
    from denselab.study.tuning import Tuning

    if rates == 0 or (rates is None and preset == "published"):
        return None
    return Tuning() if rates is None else Tuning(rates)


def _train(planned: "Plan", dataset: "Dataset", folder: Path, *, command: str) -> "Summary":
    from denselab.cli.progress import training_progress, work_for
    from denselab.study.compare import compare_recipes

    members, tuning = len(planned.seeds), planned.tuning
    tuned = "" if tuning is None else f", {tuning.rates} learning rates tried for each"
    typer.echo(
        f"{planned.dataset}: {', '.join(recipe.name for recipe in planned.recipes)} "
        f"({planned.preset} values{tuned}), seeds {planned.seeds[0]} to {planned.seeds[-1]}, "
        f"in {folder}",
        err=True,
    )
    work = work_for(planned.recipes, dataset, members, rates=0 if tuning is None else tuning.rates)
    with training_progress(work) as progress:
        return compare_recipes(planned, dataset, folder=folder, command=command, progress=progress)
