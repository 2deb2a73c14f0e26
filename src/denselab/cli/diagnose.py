"""`denselab diagnose`: what is wrong with a network and its data, and what to do about it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from denselab.data import Dataset
    from denselab.doctor import Diagnosis, Request
    from denselab.recipes import Preset, Recipe

__all__ = ["DiagnoseOptions", "MendOptions", "app", "diagnose"]

app = command_app()

_FINDINGS = 8

Diagnoses = dict[str, "Diagnosis"]
"""What is diagnosed -> what was found."""


@dataclass(frozen=True)
class DiagnoseOptions:
    """What is diagnosed, and what is left out."""

    context: typer.Context
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Diagnose the network of a rung or .toml file instead, before it is trained."
        ),
    ] = None
    dataset: Annotated[
        str | None,
        typer.Option("--data", help="The data of --recipe; by default digits."),
    ] = None
    silence: Annotated[
        str | None, typer.Option(metavar="ID,ID,...", help="Checks to leave out.")
    ] = None
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Also try a few steps on copies of the weights, less than a minute."
        ),
    ] = False
    list_checks: Annotated[
        bool, typer.Option("--list", help="List all checks; diagnose nothing.")
    ] = False
    seed: Annotated[
        int,
        typer.Option(help="Decides the split and first weights of --recipe; the first of --fix."),
    ] = 0
    as_json: JsonOption = False


@dataclass(frozen=True)
class MendOptions:
    """Whether remedies are applied and verified."""

    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Apply the remedies of errors and warnings to --recipe, train both over paired "
            "seeds, and say whether the mended one is better.",
        ),
    ] = False
    seeds: Annotated[
        int | None, typer.Option(help="Pairs of --fix; by default as many as a verdict takes.")
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(help="Study folder of --fix; by default studies/remedy-DATA-HASH."),
    ] = None


@app.command()
@grouped
def diagnose(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="A .keras file, or the folder of a study."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATA]",
            help="The data of MODEL: a name of `denselab data list`, or a .npz file with x and y.",
        ),
    ] = None,
    *,
    asked: DiagnoseOptions,
    mending: MendOptions,
    changes: RecipeOptions,
    where: DataOptions,
) -> None:
    """Find what is wrong with a network and its data, and a remedy.

    Nothing is trained, but with --fix. MODEL is looked at with its training rows, and with the loss and
    optimizer it was saved with; a recipe as its training sees it: split, standardised, compiled; a study by
    its recipes, and its findings are kept for the next report. The exit code is 8 where there are errors.
    """
    if asked.list_checks:
        _list(as_json=asked.as_json)
        return
    _check(model, data, asked, mending)
    told: dict[str, Any] = {}
    if asked.recipe is not None:
        found, told = _of_recipe(asked, mending, changes, where)
    elif data is None:
        assert model is not None
        found = _of_study(model, where, _manner(asked))
        _show(found, of_recipe=True, as_json=asked.as_json)
    else:
        assert model is not None
        found = _of_model(model, data, where, _manner(asked))
        _show(found, of_recipe=False, as_json=asked.as_json)
    if asked.as_json:
        listed = [{"name": name, **one.to_json()} for name, one in found.items()]
        typer.echo(json.dumps({"diagnoses": listed, "remedy": told or None}))
    if any(diagnosis.errors for diagnosis in found.values()):
        raise typer.Exit(_FINDINGS)


def _check(
    model: Path | None, data: str | None, asked: DiagnoseOptions, mending: MendOptions
) -> None:
    """Refuses what makes no sense together, before anything heavy is imported."""
    from denselab.study import is_study

    if asked.recipe is not None and model is not None:
        raise UsageError(
            f"{model} and --recipe {asked.recipe}: give one of them; the data of a recipe is --data"
        )
    if mending.fix and asked.recipe is None:
        raise UsageError("--fix: mends recipes; give --recipe NAME")
    if not mending.fix and (mending.seeds is not None or mending.out is not None):
        raise UsageError(
            "--seeds and --out belong to --fix, which trains; add it, or leave them out"
        )
    if asked.recipe is not None:
        return
    if asked.dataset is not None:
        raise UsageError(f"--data {asked.dataset}: belongs to --recipe; name data after MODEL")
    if model is None:
        raise UsageError("nothing to diagnose; give a .keras file and its data, or --recipe NAME")
    study = is_study(model)
    if study and data is not None:
        raise UsageError(f"{model} is a study, which knows its data; leave {data} out")
    if not study and data is None:
        raise UsageError(f"{model}: name its data, too: a data set, or a .npz file with x and y")


class _Manner(NamedTuple):
    """How everything is looked at."""

    silence: list[str]
    probe: bool


def _manner(asked: DiagnoseOptions) -> _Manner:
    named = (asked.silence or "").split(",")
    return _Manner([one.strip() for one in named if one.strip()], asked.probe)


def _looked_at(request: "Request", manner: _Manner, left_out: "Iterable[str]" = ()) -> "Diagnosis":
    from denselab.doctor import diagnose as look

    found = look(
        request.model,
        request.x,
        request.y,
        fit_arguments=request.fit_arguments,
        validation_data=request.validation_data,
        silence=manner.silence,
        probe=manner.probe,
    )
    return replace(found, not_looked_at=(*left_out, *found.not_looked_at))


def _of_model(path: Path, data: str, where: DataOptions, manner: _Manner) -> Diagnoses:
    from denselab.cli.setups import model_request

    request, left_out = model_request(path, data, where)
    return {f"{path} on {data}": _looked_at(request, manner, left_out)}


def _of_recipe(
    asked: DiagnoseOptions, mending: MendOptions, changes: RecipeOptions, where: DataOptions
) -> tuple[Diagnoses, dict[str, Any]]:
    from denselab.cli.setups import recipe_request

    recipe, preset, dataset = _selected(asked, changes, where)

    def look(one: "Recipe") -> "Diagnosis":
        request = recipe_request(one, dataset, seed=asked.seed)
        return _looked_at(request, _manner(asked))

    diagnosis = look(recipe)
    found = {f"{recipe.name} ({preset} values) on {dataset.name}": diagnosis}
    _show(found, of_recipe=True, as_json=asked.as_json)
    if not mending.fix:
        return found, {}
    from denselab.cli.mending import Treatment, pairs, show_treatment, treat

    seeds = pairs(mending.seeds, first=asked.seed)
    treatment = Treatment(recipe, preset, diagnosis, seeds, mending.out, asked.context.obj)
    told = treat(treatment, dataset, look)
    if not asked.as_json:
        show_treatment(told)
    return found, told


def _selected(
    asked: DiagnoseOptions, changes: RecipeOptions, where: DataOptions
) -> "tuple[Recipe, Preset, Dataset]":
    from denselab.cli.selection import (
        calibration_share,
        preset_for,
        selected_data,
        selected_recipe,
        selected_seeds,
    )

    name = asked.dataset or "digits"
    preset = preset_for(name, changes)
    recipe = selected_recipe(asked.recipe or "", preset, changes)
    selected_seeds(asked.seed, 1)
    dataset = selected_data(name, where, calibration=calibration_share(preset, changes))
    if recipe.weights_from is not None:
        typer.echo(
            f"denselab: {recipe.name} trains nothing, it takes the weights of {recipe.weights_from}; "
            "looked at as if it trained",
            err=True,
        )
    return recipe, preset, dataset


def _of_study(folder: Path, where: DataOptions, manner: _Manner) -> Diagnoses:
    from denselab.cli.mending import keep_findings
    from denselab.cli.setups import recipe_request, study_data
    from denselab.study import read_study, recipes_of

    study = read_study(folder)
    recipes = recipes_of(study)
    built = [model.name for model in study.manifest.plan.models]
    if built:
        typer.echo(
            f"denselab: {', '.join(built)}: built by code of yours, which a study does not hold; "
            "call denselab.diagnose on the models",
            err=True,
        )
    dataset, seed = study_data(study, where), study.manifest.plan.seeds[0]
    found = {
        recipe.name: _looked_at(recipe_request(recipe, dataset, seed=seed), manner)
        for recipe in recipes
    }
    keep_findings(folder, found)
    return found


def _show(found: Diagnoses, *, of_recipe: bool, as_json: bool) -> None:
    from denselab.cli.cards import counted, show_diagnosis

    for place, (name, diagnosis) in enumerate({} if as_json else found.items()):
        if place:
            typer.echo()
        show_diagnosis(diagnosis, name, of_recipe=of_recipe)
    if len(found) > 1 and not as_json:
        everything = [finding for one in found.values() for finding in one.findings]
        typer.echo(f"\n{len(found)} recipes: {counted(everything)}")


def _list(*, as_json: bool) -> None:
    from denselab.cli.cards import catalogue, show_checks

    if as_json:
        typer.echo(json.dumps({"checks": catalogue()}))
    else:
        show_checks()
