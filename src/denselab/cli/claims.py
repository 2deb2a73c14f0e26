"""`denselab claims`: statements about techniques, confirmed or refuted on the data at hand."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.recipes import Preset
    from denselab.study.claims import Claim, ClaimsPlan, ClaimsResult, Judgement

__all__ = ["ClaimsOptions", "app", "claims"]

app = command_app()

_TRIALS_FAILED = 3
_USUAL_SEEDS = 8


@dataclass(frozen=True)
class ClaimsOptions:
    """Which claims, over which seeds, and where they are kept."""

    context: typer.Context
    only: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,...", help="These claims; by default all.")
    ] = None
    own: Annotated[
        list[Path] | None,
        typer.Option("--claim", metavar="FILE", help="A claim of your own; may be repeated."),
    ] = None
    listed: Annotated[bool, typer.Option("--list", help="List the claims; train nothing.")] = False
    seeds: Annotated[
        int | None,
        typer.Option(help=f"How many times each arm is trained; by default {_USUAL_SEEDS}."),
    ] = None
    seed: Annotated[int, typer.Option(help="The first seed; the others follow it.")] = 0
    out: Annotated[
        Path | None,
        typer.Option(help="Study folder; by default studies/claims-DATA-HASH."),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show arms and trainings, and which are shared.")
    ] = False
    as_json: JsonOption = False


@app.command()
@grouped
def claims(
    data: Annotated[
        str, typer.Argument(help="A name of `denselab data list`, or an image folder.")
    ] = "digits",
    *,
    asked: ClaimsOptions,
    changes: RecipeOptions,
    where: DataOptions,
) -> None:
    """Decide claims about techniques by experiments on a data set.

    Each claim is a file that says what is trained and by which rule it is decided. Arms that several
    claims use are trained once, and the same command again trains nothing.
    """
    from denselab.cli.selection import (
        calibration_share,
        check_study_folder,
        selected_data,
        selected_seeds,
    )
    from denselab.study.claims import plan_claims

    preset: Preset = changes.preset or "tuned"
    chosen = _chosen(asked, changes, preset)
    if asked.listed:
        _list(chosen, as_json=asked.as_json)
        return
    seeds = selected_seeds(asked.seed, _USUAL_SEEDS if asked.seeds is None else asked.seeds)
    check_study_folder(asked.out)
    dataset = selected_data(data, where, calibration=calibration_share(preset, changes))
    planned = plan_claims(chosen, dataset, seeds=seeds, preset=preset, known=_known(asked.out))
    if asked.dry_run:
        _show_plan(planned, as_json=asked.as_json)
        return
    folder = asked.out or _folder(data, planned)
    result = _run(planned, dataset, folder, command=asked.context.obj)
    page = _report(folder)
    if asked.as_json:
        typer.echo(json.dumps({**result.to_json(), "report": str(page)}))
    else:
        _show(result)
        typer.echo(f"\nReport: {page}")
    if result.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _chosen(asked: ClaimsOptions, changes: RecipeOptions, preset: "Preset") -> "tuple[Claim, ...]":
    from denselab.study.claims import Values, load_claims

    short = {
        "network.depth": changes.depth,
        "network.width": changes.width,
        "training.epochs": changes.epochs,
    }
    given = [f"{field}={value}" for field, value in short.items() if value is not None]
    values = Values(preset, (*given, *(changes.settings or ())))
    names = [] if asked.only is None else [name.strip() for name in asked.only.split(",")]
    return load_claims(names, own=asked.own or (), values=values)


def _known(folder: Path | None) -> Any:
    """Lists the recipes of the study that is gone on with, so that arms keep their names."""
    from denselab.study import is_study, read_study

    if folder is None or not is_study(folder):
        return ()
    return read_study(folder).manifest.plan.recipes


def _folder(data: str, planned: "ClaimsPlan") -> Path:
    from denselab.study.hashing import hashed
    from denselab.study.plan import default_folder, plan_hash

    plans = [plan_hash(group.plan) for group in planned.groups]
    clean = default_folder(f"claims-{data}", planned.groups[0].plan).name.rpartition("-")[0]
    return Path("studies") / f"{clean}-{hashed(plans)[:10]}"


def _run(
    planned: "ClaimsPlan", dataset: "Dataset", folder: Path, *, command: str
) -> "ClaimsResult":
    from denselab.cli.progress import training_progress, work_for
    from denselab.study.claims import run_claims

    typer.echo(
        f"{dataset.name}: {len(planned.claims)} claims, {planned.trainings} trainings, in {folder}",
        err=True,
    )

    def watch(group: Any) -> AbstractContextManager[Any]:
        plan, rates = group.plan, 0 if group.plan.tuning is None else group.plan.tuning.rates
        return training_progress(work_for(plan.recipes, dataset, len(plan.seeds), rates=rates))

    return run_claims(
        planned,
        dataset,
        folder=folder,
        command=command,
        watch=watch,
        say=lambda text: typer.echo(text, err=True),
    )


def _report(folder: Path) -> Path:
    from denselab.report import write_report
    from denselab.study import judged, read_study

    study, page = read_study(folder), folder / "report.html"
    write_report(study, page, verdicts=judged(study))
    return page


def _list(chosen: "tuple[Claim, ...]", *, as_json: bool) -> None:
    from denselab.cli.table import print_table

    if as_json:
        shown = [
            {
                "name": one.name,
                "statement": one.statement,
                "source": one.source,
                "arms": list(one.arms),
                "parts": [part.model_dump() for part in one.parts],
            }
            for one in chosen
        ]
        typer.echo(json.dumps({"claims": shown}))
        return
    rows = [[one.name, str(len(one.arms)), one.statement] for one in chosen]
    print_table(["claim", "arms", "what it says"], rows, right=" r")


def _show_plan(planned: "ClaimsPlan", *, as_json: bool) -> None:
    from denselab.cli.table import print_table

    arms: dict[Any, list[str]] = {}
    for claim in planned.claims:
        for arm in claim.arms:
            place = planned.places[claim.name, arm]
            arms.setdefault(place, []).append(claim.name)
    if as_json:
        shown = [
            {"arm": place.recipe, "study": place.group, "claims": names}
            for place, names in arms.items()
        ]
        typer.echo(json.dumps({"trainings": planned.trainings, "arms": shown}))
        return
    rows = [[place.recipe, place.group, ", ".join(names)] for place, names in arms.items()]
    print_table(["arm", "study", "claims"], rows)
    used, shared = sum(map(len, arms.values())), sum(len(names) > 1 for names in arms.values())
    typer.echo(
        f"\n{len(planned.claims)} claims name {used} arms; {len(arms)} are trained, {shared} of them for "
        f"several claims. {planned.trainings} trainings in all, pilot seeds and tuning included."
    )


def _show(result: "ClaimsResult") -> None:
    from denselab.cli.progress import duration
    from denselab.cli.table import print_table, print_text

    rows = [_row(one) for one in result.judgements]
    print_table(["claim", "verdict", "parts", "n", "more seeds"], rows, right="   rr")
    for one in result.judgements:
        typer.echo()
        print_text(f"{one.claim.statement}: {one.answer}.")
        for sentence in one.sentences:
            print_text(f"  {sentence}")
        print_text(f"  {_cost(one)}")
    typer.echo()
    seeds = result.plan.groups[0].plan.seeds
    for line in (
        "Parts: + confirmed, - refuted, ? undecided. more seeds: how many an undecided claim would take, were means "
        "and deviations to stay as they are.",
        "A claim follows from its parts: refuted if one is, confirmed if all are, unless its file says any. The "
        "intervals of one claim hold together; each claim is a question of its own.",
        f"{result.plan.trainings} trainings in all, seeds {seeds[0]} to {seeds[-1]}; this run took "
        f"{duration(result.seconds)}. Study: {result.folder}",
    ):
        print_text(line)


def _row(one: "Judgement") -> list[str]:
    signs = {"confirmed": "+", "refuted": "-", "undecided": "?"}
    open_parts = [part for part in one.outcomes if part.answer == "undecided"]
    needed = [part.seeds_to_decide for part in open_parts]
    more = "-"
    if one.answer == "undecided" and needed:
        more = "open" if None in needed else f"{max(filter(None, needed)):,}"
    parts = "".join(signs[part.answer] for part in one.outcomes)
    return [one.claim.name, one.answer, parts, str(one.seeds), more]


def _cost(one: "Judgement") -> str:
    from denselab.cli.progress import duration

    tuned = f", each at the best of {one.claim.tune} rates" if one.claim.tune else ""
    shared = f"; arms shared with other claims: {', '.join(one.shared)}" if one.shared else ""
    words = f"{one.trainings} trainings{tuned}, {duration(one.seconds)} of training{shared}."
    published = f" Published: {one.claim.published}" if one.claim.published else ""
    return f"Cost: {words}{published}"
