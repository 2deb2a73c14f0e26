"""`denselab compare`: recipes over seeds, side by side; the main job."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.cli.tables import TableOptions
from denselab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from denselab.cli.budget import Job
    from denselab.cli.plan import Shape
    from denselab.data import Dataset
    from denselab.recipes import Preset, Recipe, Variation
    from denselab.study.judgement import Asked
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
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=A,B,...",
            help="Compare values of a field of one recipe (--recipes, by default plain) instead, such "
            "as activation=relu,elu,selu; given twice it makes a grid, and asks whether two changes "
            "add up.",
        ),
    ] = None
    seeds: Annotated[
        int | None,
        typer.Option(
            help="How many times each recipe is trained; by default 12, or as many as verdicts need.",
        ),
    ] = None
    seed: Annotated[int, typer.Option(help="The first seed; the others follow it.")] = 0
    tune: Annotated[
        int | None,
        typer.Option(
            metavar="RATES",
            help="Learning rates tried for each recipe first; by default 8 with tuned values, 0 "
            "(none) with published ones.",
        ),
    ] = None
    primary: Annotated[
        Literal["accuracy", "loss"] | None,
        typer.Option(
            help="What the verdicts are about; by default accuracy, of a quantity the loss, its squared error."
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RECIPE",
            help="Hold every recipe against this one; by default against the one before it, with "
            "--vary against the first.",
        ),
    ] = None
    contrasts: Annotated[
        str | None,
        typer.Option(metavar="A:B,C:D", help="Hold A against B and C against D instead."),
    ] = None
    region: Annotated[
        float | None,
        typer.Option(
            help="Differences up to this size do not matter; by default 0.5 points or 0.01 nats, of a quantity "
            "1 % of its variance."
        ),
    ] = None
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Make all of it fit a time on this machine, such as 90s, 10m or 1h30m: with fewer "
            "rates, epochs and seeds, in this order.",
        ),
    ] = None
    timing: Annotated[
        bool | None,
        typer.Option(
            "--timing/--no-timing",
            help="At the end, time an epoch and a prediction of each recipe alone on one core; by "
            "default yes, with --budget no.",
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
    data: Annotated[
        str,
        typer.Argument(
            help="A name of `denselab data list`, a CSV, Parquet, npz or npy file, or an image folder."
        ),
    ] = "digits",
    *,
    asked: CompareOptions,
    changes: RecipeOptions,
    where: DataOptions,
    how: TableOptions,
) -> None:
    """Train recipes over several seeds and show them side by side.

    Every trial is kept in the study folder as soon as it is done: stop at any time, run the same
    command again, and it goes on from there.
    """
    from denselab.cli.budget import budget_seconds, job_for
    from denselab.cli.planning import default_seeds
    from denselab.cli.selection import check_study_folder, selected_seeds
    from denselab.cli.training_data import compared_data
    from denselab.study.plan import plan_study

    preset, recipes, question = _recipes(data, asked, changes)
    count = default_seeds(recipes, question) if asked.seeds is None else asked.seeds
    seeds, tuning = selected_seeds(asked.seed, count), _tuning(preset, asked.tune)
    shape = _shape(data, where, how, changes) if asked.dry_run else None
    if shape is not None and asked.budget is None:
        _show_plan(data, shape, (recipes, seeds, tuning), as_json=asked.as_json)
        return
    seconds = None if asked.budget is None else budget_seconds(asked.budget)
    if shape is None:
        check_study_folder(asked.out)
    dataset = compared_data(data, where, how, changes=changes)
    question = _about(dataset, asked, question)
    wanted = plan_study(recipes, dataset, seeds=seeds, preset=preset, tuning=tuning)
    job = job_for(wanted, dataset, question, folder=asked.out, seconds=seconds)
    if shape is not None:
        made = job.plan
        what = made.recipes, made.seeds, made.tuning
        _show_plan(data, shape, what, as_json=asked.as_json, budget=job.budget)
        return
    summary = _train(job, dataset, question, command=asked.context.obj)
    if asked.timing or (asked.timing is None and asked.budget is None):
        _time(job, dataset, command=asked.context.obj)
    _show(summary, job, as_json=asked.as_json)
    if summary.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _shape(data: str, where: DataOptions, how: TableOptions, changes: RecipeOptions) -> "Shape":
    from denselab.cli.plan import data_shape, shape_of
    from denselab.cli.selection import calibration_share, preset_for
    from denselab.cli.training_data import check_no_table_options, compared_data, is_table

    if is_table(data):
        return shape_of(compared_data(data, where, how, changes=changes))
    check_no_table_options(data, how)
    return data_shape(
        data, where, calibration=calibration_share(preset_for(data, changes), changes)
    )


def _about(dataset: "Dataset", asked: CompareOptions, question: "Asked | None") -> "Asked | None":
    """Asks about the squared error of a quantity, where a hundredth of its variance does not matter."""
    from denselab.study.judgement import Asked

    if dataset.task == "classification" or asked.primary == "accuracy":
        return question
    region = float(f"{0.01 * float(dataset.y.var()):.3g}") if asked.region is None else asked.region
    return replace(question or Asked(), metric="loss", region=region)


def _time(job: "Job", dataset: "Dataset", *, command: str) -> None:
    from functools import partial

    from denselab.study.solo_times import measure_solo_times

    say = partial(typer.echo, err=True)
    measure_solo_times(job.folder, dataset, command=command, say=say)


def _show_plan(
    data: str,
    shape: "Shape",
    what: "tuple[Sequence[Recipe], Sequence[int], Tuning | None]",
    *,
    as_json: bool,
    budget: "Mapping[str, Any] | None" = None,
) -> None:
    from denselab.cli.budget import budget_words
    from denselab.cli.plan import plan, plan_text

    recipes, seeds, tuning = what
    planned = data, shape, recipes, seeds, 0 if tuning is None else tuning.rates
    if as_json:
        typer.echo(json.dumps({**plan(*planned), **({"budget": budget} if budget else {})}))
        return
    typer.echo(plan_text(*planned))
    if budget:
        typer.echo("\n" + "\n".join(budget_words(budget)))


def _show(summary: "Summary", job: "Job", *, as_json: bool) -> None:
    from denselab.cli.results import show_study
    from denselab.report import write_report
    from denselab.study import judged, read_study
    from denselab.study.secondary import judged_beside

    study, page = read_study(job.folder), job.folder / "report.html"
    verdicts = judged(study)
    write_report(study, page, verdicts=verdicts)
    if as_json:
        answer = None if verdicts is None else verdicts.to_json()
        shown = {**summary.to_json(), "verdicts": answer, "report": str(page)}
        shown["secondary"] = [one.to_json() for one in judged_beside(study, verdicts)]
        typer.echo(json.dumps({**shown, **({"budget": job.budget} if job.budget else {})}))
        return
    show_study(study, summary, verdicts)
    typer.echo(f"\nReport: {page}")


def _question(asked: CompareOptions, varied: "Variation | None") -> "Asked | None":
    """Takes the question as it was typed; None where nothing was, so that a study keeps its own."""
    from denselab.cli.verdict import contrast_pairs
    from denselab.study.judgement import Asked
    from denselab.study.statistics import Interaction

    if asked.baseline is not None and asked.contrasts is not None:
        raise UsageError("--baseline and --contrasts both say what is held against what; give one")
    pairs = contrast_pairs(asked.contrasts)
    question = Asked(
        asked.primary or "accuracy",
        asked.baseline,
        None if pairs is None else tuple(pairs),
        asked.region,
    )
    if varied is not None and pairs is None:
        crossed = tuple(Interaction(*one) for one in varied.crossings)
        baseline = asked.baseline or varied.recipes[0].name
        question = replace(question, baseline=baseline, interactions=crossed)
    return None if question == Asked() else question


def _recipes(
    data: str, asked: CompareOptions, changes: RecipeOptions
) -> "tuple[Preset, tuple[Recipe, ...], Asked | None]":
    """Reads what is compared, and what is asked of it."""
    from denselab.cli.selection import preset_for, selected_recipes, varied_recipes
    from denselab.recipes import names

    preset = preset_for(data, changes)
    listed = None if asked.recipes is None else [name.strip() for name in asked.recipes.split(",")]
    if not asked.vary:
        recipes = selected_recipes(listed or names(preset), preset, changes)
        return preset, recipes, _question(asked, None)
    if listed is not None and len(listed) > 1:
        raise UsageError(
            f"--vary: varies one recipe, --recipes names {len(listed)}; name the one to vary"
        )
    varied = varied_recipes(listed[0] if listed else "plain", asked.vary, preset, changes)
    return preset, varied.recipes, _question(asked, varied)


def _tuning(preset: "Preset", rates: int | None) -> "Tuning | None":
    from denselab.study.tuning import Tuning

    if rates == 0 or (rates is None and preset == "published"):
        return None
    return Tuning() if rates is None else Tuning(rates)


def _train(job: "Job", dataset: "Dataset", question: "Asked | None", *, command: str) -> "Summary":
    from denselab.cli.budget import record_budget
    from denselab.cli.planning import power_words
    from denselab.cli.progress import training_progress, work_for
    from denselab.study.compare import compare_recipes

    planned, folder = job.plan, job.folder
    members, tuning = len(planned.seeds), planned.tuning
    tuned = "" if tuning is None else f", {tuning.rates} learning rates tried for each"
    typer.echo(
        f"{planned.dataset}: {', '.join(recipe.name for recipe in planned.recipes)} "
        f"({planned.preset} values{tuned}), seeds {planned.seeds[0]} to {planned.seeds[-1]}, "
        f"in {folder}",
        err=True,
    )
    for line in power_words(planned, question):
        typer.echo(line, err=True)
    work = work_for(planned.recipes, dataset, members, rates=0 if tuning is None else tuning.rates)
    record_budget(job, dataset, command=command)
    with training_progress(work) as progress:
        return compare_recipes(
            planned, dataset, folder=folder, command=command, asked=question, progress=progress
        )
