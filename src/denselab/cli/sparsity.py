"""`denselab sparsity`: accuracy against the share of zeros, for several ways to get there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.errors import UsageError

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.recipes import Preset, Recipe
    from denselab.study import Plan, Summary
    from denselab.study.sparse import Curve, Method

__all__ = ["SparsityOptions", "app", "show_curve", "sparsity"]

app = command_app()

_TRIALS_FAILED = 3


@dataclass(frozen=True)
class SparsityOptions:
    """Which ways, to how many zeros, over which seeds."""

    context: typer.Context
    recipe: Annotated[str, typer.Option(metavar="NAME", help="The recipe that is made sparse.")] = (
        "plain"
    )
    shares: Annotated[
        str, typer.Option(metavar="A,B,...", help="Shares of the weights that are zero.")
    ] = "0.5,0.8,0.9,0.95,0.98,0.99"
    methods: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="magnitude (the smallest become zero at once), gradual (in steps), l1 (a penalty), structured "
            "(whole units go).",
        ),
    ] = "magnitude,gradual,l1,structured"
    strengths: Annotated[
        str,
        typer.Option(
            metavar="A,B,...",
            help="What the l1 penalty takes off every weight in all; the best for each share is chosen on "
            "validation rows.",
        ),
    ] = "0.02,0.06,0.2,0.6"
    seeds: Annotated[int, typer.Option(help="How many times each arm is trained.")] = 5
    seed: Annotated[int, typer.Option(help="The first seed; the others follow it.")] = 0
    out: Annotated[
        Path | None,
        typer.Option(help="Study folder; by default studies/sparsity-DATA-HASH."),
    ] = None
    as_json: JsonOption = False


@app.command()
@grouped
def sparsity(
    data: Annotated[
        str, typer.Argument(help="A name of `denselab data list`, or an image folder.")
    ] = "digits",
    *,
    asked: SparsityOptions,
    changes: RecipeOptions,
    where: DataOptions,
) -> None:
    """Train sparse networks and show what accuracy they keep.

    All arms train as many epochs; those of one way are one population in one compiled program. Structured
    ones begin with the dense network's units. Stop at any time, run the same command again, and it goes on.
    """
    from denselab.cli.selection import (
        calibration_share,
        check_study_folder,
        selected_data,
        selected_recipe,
        selected_seeds,
    )

    preset = changes.preset or "tuned"
    base = selected_recipe(asked.recipe, preset, changes)
    ways, seeds = _ways(asked), selected_seeds(asked.seed, asked.seeds)
    check_study_folder(asked.out)
    dataset = selected_data(data, where, calibration=calibration_share(preset, changes))
    if dataset.classes is None:
        raise UsageError(
            f"{data} is a regression; recipes train classifiers, give data with classes"
        )
    plan, folder = _planned(base, ways, dataset, asked, (seeds, preset))
    summary = _train(plan, dataset, folder, asked.context.obj)
    _show(summary, folder, as_json=asked.as_json)
    if summary.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _planned(
    base: "Recipe",
    ways: "_Ways",
    dataset: "Dataset",
    asked: SparsityOptions,
    about: "tuple[tuple[int, ...], Preset]",
) -> "tuple[Plan, Path]":
    """Plans the arms of the curve, once the strengths of the penalty are chosen."""
    from denselab.study.plan import default_folder, plan_study
    from denselab.study.sparse import pilot_recipes, sparse_recipes

    seeds, preset = about
    shares, strengths = ways.shares, ways.strengths
    sizes = dataset.features, dataset.classes or 1
    known = {"methods": ways.methods, "shares": shares, "sizes": sizes}
    first = dict.fromkeys(shares, strengths[0])
    arms = sparse_recipes(base, strengths=first, **known)
    tried = pilot_recipes(base, shares=shares, strengths=strengths) if "l1" in ways.methods else ()
    whole = plan_study((*arms, *tried), dataset, seeds=seeds, preset=preset)
    folder = asked.out or default_folder(f"sparsity-{dataset.name}", whole)
    if tried and len(strengths) > 1:
        chosen = _strengths(base, dataset, ways, (folder, asked.context.obj))
        arms = sparse_recipes(base, strengths=chosen, **known)
    return plan_study(arms, dataset, seeds=seeds, preset=preset), folder


class _Ways(NamedTuple):
    methods: "list[Method]"
    shares: list[float]
    strengths: list[float]


def _ways(asked: SparsityOptions) -> _Ways:
    named: Any = [name.strip() for name in asked.methods.split(",") if name.strip()]
    shares, strengths = (
        _numbers("--shares", asked.shares),
        _numbers("--strengths", asked.strengths),
    )
    return _Ways(named, shares, strengths)


def _numbers(option: str, text: str) -> list[float]:
    try:
        found = [float(one) for one in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: give numbers with commas, such as 0.8,0.9") from None
    return found


def _strengths(
    base: "Recipe", dataset: "Dataset", ways: _Ways, place: tuple[Path, str]
) -> dict[float, float]:
    from denselab.cli.progress import training_progress, work_for
    from denselab.study.sparse import choose_strengths, pilot_recipes

    (folder, command), shares, strengths = place, ways.shares, ways.strengths
    recipes = pilot_recipes(base, shares=shares, strengths=strengths)
    typer.echo(
        f"{dataset.name}: l1 with {len(strengths)} strengths at {len(shares)} shares of zeros, one seed of its own, "
        "validation rows",
        err=True,
    )
    with training_progress(work_for(recipes, dataset, 1)) as progress:
        return choose_strengths(
            base,
            dataset,
            shares=shares,
            strengths=strengths,
            folder=folder,
            follow=(command, progress),
        )


def _train(plan: "Plan", dataset: "Dataset", folder: Path, command: str) -> "Summary":
    from denselab.cli.progress import training_progress, work_for
    from denselab.study import compare_recipes
    from denselab.study.sparse import curve_question

    seeds = plan.seeds
    typer.echo(
        f"{dataset.name}: {len(plan.recipes)} arms, seeds {seeds[0]} to {seeds[-1]}, in {folder}",
        err=True,
    )
    with training_progress(work_for(plan.recipes, dataset, len(seeds))) as progress:
        return compare_recipes(
            plan,
            dataset,
            folder=folder,
            command=command,
            asked=curve_question(plan.recipes),
            progress=progress,
        )


def _show(summary: "Summary", folder: Path, *, as_json: bool) -> None:
    from denselab.report import write_report
    from denselab.study import judged, read_study
    from denselab.study.sparse import sparsity_curve

    study, page = read_study(folder), folder / "report.html"
    curve = sparsity_curve(study)
    write_report(study, page, verdicts=judged(study))
    if as_json:
        shown = None if curve is None else curve.to_json()
        typer.echo(json.dumps({**summary.to_json(), "sparsity": shown, "report": str(page)}))
        return
    if curve is not None:
        show_curve(curve)
    typer.echo(f"\nReport: {page}")


def show_curve(curve: "Curve") -> None:
    """Prints a curve to stdout.

    Args:
        curve: Accuracy against sparsity.
    """
    from denselab.cli.table import print_table, print_text

    header = (
        "arm",
        "zeros, %",
        "n",
        "test\naccuracy, %",
        "minus dense,\npoints",
        "95 % interval",
        "log loss",
    )
    rows = [
        [
            one.arm,
            f"{100 * one.share:g}",
            str(len(one.accuracies)),
            f"{one.mean:.2f} ± {one.deviation:.2f}",
            "-" if one == curve.dense else f"{one.difference:+.2f}",
            "-" if one == curve.dense else f"{one.low:+.2f} to {one.high:+.2f}",
            f"{one.loss:.4f}",
        ]
        for one in (curve.dense, *curve.points)
    ]
    print_table(header, rows, right=" rrrrrr")
    typer.echo()
    units = any(point.method == "structured" for point in curve.points)
    print_text(
        "± is the standard deviation over n seeds. Intervals, each for itself, speak of new seeds and new test rows."
        + " structured: the share of parameters that is gone with whole units; it trained 0.3 times as long again."
        * units
    )
