"""`denselab study`: which studies there are, what came out of one, and its records as a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import JsonOption, command_app, show_help
from denselab.errors import DenselabError, UsageError

if TYPE_CHECKING:
    from denselab.study import Study

__all__ = ["app", "export", "list_studies", "show"]

app = command_app(help="List studies, show what came out of one, export it.")
app.callback(invoke_without_command=True)(show_help)

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY", help="A folder that denselab compare made.")
]


@app.command("list")
def list_studies(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where studies are; also a study itself.")
    ] = Path("studies"),
    as_json: JsonOption = False,
) -> None:
    """List the studies of a folder, the latest last.

    A study that cannot be read is listed with what is wrong with it, and the exit code is 4.
    """
    from denselab.study import is_study

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; name the one that studies are in")
    places = [folder] if is_study(folder) else [one for one in folder.iterdir() if is_study(one)]
    found = sorted((_listed(place) for place in places), key=lambda one: (one["date"], one["name"]))
    if as_json:
        typer.echo(json.dumps({"folder": str(folder), "studies": found}))
    elif found:
        _show_list(found)
    else:
        typer.echo(f"{folder} holds no study; denselab compare makes one")
    codes = [one["exit_code"] for one in found if one["error"]]
    if codes:
        raise typer.Exit(max(codes))


@app.command("show")
def show(study: StudyArgument, as_json: JsonOption = False) -> None:
    """Show what came out of a study, from its records alone.

    It is what `denselab compare` printed when it was done. Of a study that is not finished, it shows
    the trials that there are.
    """
    from denselab.cli.budget import budget_words
    from denselab.cli.results import show_study
    from denselab.study import judged, read_study, summarize
    from denselab.study.budget import DOCUMENT

    read = read_study(study)
    summary, verdicts = summarize(read), judged(read)
    if as_json:
        answer = None if verdicts is None else verdicts.to_json()
        known = {DOCUMENT: read.documents[DOCUMENT]} if DOCUMENT in read.documents else {}
        shown = {**summary.to_json(), "verdicts": answer, **_progress(read), **known}
        typer.echo(json.dumps(shown))
        return
    show_study(read, summary, verdicts)
    planned = budget_words(read.documents[DOCUMENT]) if DOCUMENT in read.documents else ()
    for line in (*planned, *_unfinished(read)):
        typer.echo(line, err=True)


@app.command("export")
def export(
    study: StudyArgument,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The table: a name that ends in .csv or .parquet."),
    ],
    epochs: Annotated[
        bool, typer.Option("--epochs", help="One line an epoch instead of one a trial.")
    ] = False,
    contrasts: Annotated[
        bool, typer.Option("--contrasts", help="One line a contrast, with its verdict, instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a study's trials, epochs or contrasts as CSV or Parquet.

    A file is written whole or not at all, and none is replaced. What is not known is empty; in CSV,
    names that a spreadsheet would take for formulas have an apostrophe before them.

    Trials: arm, seed, status, epochs, best_epoch, learning_rate, parameters, seconds, validation_loss,
    validation_accuracy, test_loss, test_accuracy, weights.

    --epochs: arm, seed, epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds.

    --contrasts: arm, against, metric, unit, region, level, verdict, reason, n, left_out, difference, low,
    high, standard_error, sd, correlation, p, p_holm, seeds_to_decide, wrong_winner.

    docs/reference/exports.md says what each column holds.
    """
    from denselab.cli import exports
    from denselab.study import read_study

    if epochs and contrasts:
        raise UsageError("--epochs and --contrasts: a file holds one table; give one of them")
    exports.check_export(out)
    read = read_study(study)
    if epochs:
        rows, columns = exports.epoch_rows(read), exports.EPOCHS
    elif contrasts:
        rows, columns = exports.contrast_rows(read), exports.CONTRASTS
    else:
        rows, columns = exports.trial_rows(read), exports.TRIALS
    exports.write_rows(rows, columns, out)
    if as_json:
        typer.echo(json.dumps({"file": str(out), "rows": len(rows), "columns": list(columns)}))
    else:
        typer.echo(f"{out}: {len(rows):,} rows, {len(columns)} columns")


def _listed(place: Path) -> dict[str, Any]:
    """Says what a study is, or what is wrong with it."""
    from denselab.study import read_study

    about: dict[str, Any] = {
        "name": place.name,
        "folder": str(place),
        "data": None,
        "arms": [],
        "date": "",
        "bytes": sum(map(_bytes, place.rglob("*"))),
        "error": None,
        "exit_code": 0,
    }
    try:
        study = read_study(place)
    except DenselabError as error:
        return {**about, **_counts(0, 0), "error": str(error), "exit_code": error.exit_code}
    return {
        **about,
        **_progress(study),
        "data": study.manifest.dataset["name"],
        "arms": list(study.manifest.plan.names),
        "date": study.manifest.runs[-1].started,
    }


def _bytes(path: Path) -> int:
    """Gives the size of a file; another process may have taken it away."""
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0


def _progress(study: "Study") -> dict[str, int]:
    """Counts what is done; a seed is done when every arm has a trial of it."""
    from denselab.study import missing_seeds

    seeds, missing = study.manifest.plan.seeds, missing_seeds(study).values()
    done = sum(not any(seed in left for left in missing) for seed in seeds)
    return _counts(done, len(seeds))


def _counts(done: int, planned: int) -> dict[str, int]:
    return {"seeds_done": done, "seeds_planned": planned}


def _unfinished(study: "Study") -> Iterator[str]:
    from denselab.study import missing_seeds

    missing = sum(map(len, missing_seeds(study).values()))
    if missing:
        planned = len(study.manifest.plan.names) * len(study.manifest.plan.seeds)
        yield (
            f"{planned - missing} of {planned} trials are done; go on with: "
            f"{study.manifest.runs[-1].command}"
        )


def _show_list(found: list[dict[str, Any]]) -> None:
    from denselab.cli.table import print_table

    rows = [
        [
            one["name"],
            one["data"] or "-",
            str(len(one["arms"]) or "-"),
            f"{one['seeds_done']}/{one['seeds_planned']}" if one["seeds_planned"] else "-",
            one["date"][:16].replace("T", " ") or "-",
            _size(one["bytes"]),
            _arms(one["arms"]),
        ]
        for one in found
    ]
    header = ("study", "data", "arms", "seeds", "latest run\n(UTC)", "size", "what is compared")
    print_table(header, rows, right="  rr r")
    for one in found:
        if one["error"]:
            typer.echo(f"denselab: {one['error']}", err=True)


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count = count // 1000
    return f"{count:,} GB"


def _arms(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown}, ..." if len(names) > 4 else shown
