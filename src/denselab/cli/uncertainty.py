"""`denselab uncertainty`: how far the probabilities of a study can be trusted, and what helps."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.errors import UsageError

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.study import Study
    from denselab.study.trust import MethodScores, Metric, RecipeTrust
    from denselab.study.uncertainty import Settings

__all__ = ["UncertaintyOptions", "app", "uncertainty"]

app = command_app()

_HEADER = ("recipe", "prediction", "passes", "accuracy, %", "log loss", "ECE, %", "AURC, %")


@dataclass(frozen=True)
class UncertaintyOptions:
    """What is measured, and where pictures go."""

    recipes: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Recipes of the study; by default all it trained."),
    ] = None
    draws: Annotated[int, typer.Option(help="Draws of MC dropout in the table.")] = 100
    curve: Annotated[
        bool,
        typer.Option("--curve/--no-curve", help="Measure quality at 1 to 1,000 draws as well."),
    ] = True
    coverage: Annotated[float, typer.Option(help="Share of the truth that sets must hold.")] = 0.9
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for pictures; by default `uncertainty` in the study."),
    ] = None
    as_json: JsonOption = False


@app.command()
@grouped
def uncertainty(
    study: Annotated[Path, typer.Argument(help="A folder that denselab compare made.")],
    *,
    asked: UncertaintyOptions,
    where: DataOptions,
) -> None:
    """Compare one pass, temperature, draws and ensemble on a study.

    Temperatures and conformal sets are fitted on the study's calibration slice, and everything is
    measured on its test rows. Nothing is trained.
    """
    from denselab.cli.trust_pictures import draw_trust
    from denselab.study import read_study
    from denselab.study.uncertainty import Settings, measure_uncertainty

    found = read_study(study)
    dataset = _data(found, where)
    settings = Settings(_at_least_one(asked.draws), asked.curve, _share(asked.coverage), asked.seed)
    names = [] if asked.recipes is None else [name.strip() for name in asked.recipes.split(",")]
    trusts = measure_uncertainty(
        found, dataset, recipes=names, settings=settings, progress=lambda t: typer.echo(t, err=True)
    )
    _record(found, trusts, settings)
    pictures = draw_trust(found, dataset, trusts, settings, asked.out or study / "uncertainty")
    if asked.as_json:
        recipes = [trust.to_json() for trust in trusts]
        typer.echo(
            json.dumps({**_about(found, settings), "recipes": recipes, "pictures": pictures})
        )
        return
    _show(trusts, settings)
    for picture in pictures:
        typer.echo(f"picture: {picture}")


def _data(study: "Study", where: DataOptions) -> "Dataset":
    """Loads the data of a study and sets the same rows apart that it set apart."""
    from denselab.cli.selection import selected_data

    facts = study.manifest.dataset
    kept, rows = int(facts.get("calibration_rows", 0)), int(facts["rows"])
    return selected_data(str(facts["name"]), where, calibration=kept / (kept + rows))


def _at_least_one(draws: int) -> int:
    if draws < 1:
        raise UsageError(f"--draws {draws}: give at least 1, such as 100")
    return draws


def _share(coverage: float) -> float:
    if not 0 < coverage < 1:
        raise UsageError(f"--coverage {coverage:g}: give a share between 0 and 1, such as 0.9")
    return coverage


def _about(study: "Study", settings: "Settings") -> dict[str, object]:
    return {
        "study": str(study.folder),
        "dataset": dict(study.manifest.dataset),
        "draws": settings.draws,
        "coverage": settings.coverage,
    }


def _record(study: "Study", trusts: "tuple[RecipeTrust, ...]", settings: "Settings") -> None:
    """Puts what was measured on record, for the report."""
    from denselab.study import open_study

    with open_study(study.folder, study.manifest) as store:
        before = store.study.documents.get("uncertainty", {}).get("recipes", [])
        names = {trust.recipe for trust in trusts}
        recipes = [one for one in before if one["recipe"] not in names]
        recipes += [trust.to_json() for trust in trusts]
        document = {"draws": settings.draws, "coverage": settings.coverage, "recipes": recipes}
        store.put_document("uncertainty", document)


def _show(trusts: "tuple[RecipeTrust, ...]", settings: "Settings") -> None:
    from denselab.cli.table import print_table, print_text

    rows = [_row(trust, method) for trust in trusts for method in trust.methods]
    print_table(_HEADER, rows, right="  rrrrr")
    typer.echo()
    for line in _legend(trusts, settings):
        print_text(line)


def _row(trust: "RecipeTrust", method: "MethodScores") -> list[str]:
    from denselab.study.trust import LABELS

    return [
        trust.recipe if method is trust.methods[0] else "",
        LABELS[method.method],
        f"{method.passes:.1f}",
        _spread(method, "accuracy", 100, 2),
        _spread(method, "loss", 1, 4),
        _spread(method, "calibration_error", 100, 2),
        _spread(method, "aurc", 100, 2),
    ]


def _spread(method: "MethodScores", metric: "Metric", scale: float, digits: int) -> str:
    value, deviation = scale * method.value(metric), scale * method.deviation(metric)
    return f"{value:.{digits}f}" + ("" if math.isnan(deviation) else f" ± {deviation:.{digits}f}")


def _legend(trusts: "tuple[RecipeTrust, ...]", settings: "Settings") -> Iterator[str]:
    seeds = trusts[0].seeds
    yield (
        f"± is the standard deviation over n = {len(seeds)} seeds; of an ensemble, of which there is "
        "one, the jackknife's standard error."
    )
    yield (
        f"MC dropout: {settings.draws} draws. passes: multiply-adds of a prediction, one pass of one "
        "network being 1. ECE: expected calibration error, 15 bins. AURC: area under the "
        "risk-coverage curve; lower is better."
    )
    for trust in trusts:
        yield from _sentences(trust)


def _sentences(trust: "RecipeTrust") -> Iterator[str]:
    temperatures = trust.temperatures.get("temperature")
    if temperatures:
        mean = sum(temperatures) / len(temperatures)
        manner = "too sure" if mean > 1 else "not sure enough"
        yield f"{trust.recipe}: temperature {mean:.2f} on average; a network by itself is {manner}."
    if trust.curve is not None:
        enough, most = trust.curve.sufficient, trust.curve.draws[-1]
        yield (
            f"{trust.recipe}: {enough:,} draws are as good as {most:,}, the fewest of which that is "
            "sure (log loss within 0.005, ECE within 0.2 points)."
            if enough < most
            else f"{trust.recipe}: no fewer than {most:,} draws are sure to be as good (log loss "
            "within 0.005, ECE within 0.2 points); more seeds or test rows may tell."
        )
    if trust.conformal is not None:
        sets = trust.conformal
        coverage, size = sum(sets.coverage) / len(sets.coverage), sum(sets.size) / len(sets.size)
        resplit = sum(sets.resplit) / len(sets.resplit)
        yield (
            f"{trust.recipe}: conformal sets for {100 * sets.nominal:g} % hold the truth in "
            f"{100 * coverage:.2f} % of test rows with {size:.2f} classes on average; over "
            f"{len(sets.resplit)} new splits in {100 * resplit:.2f} % "
            f"({100 * min(sets.resplit):.2f} to {100 * max(sets.resplit):.2f})."
        )
    for note in trust.notes:
        yield f"{trust.recipe}: {note}."
