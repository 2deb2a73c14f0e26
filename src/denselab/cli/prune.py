"""`denselab prune`: a sparse, or smaller, version of a trained model, measured for what it pays."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.errors import DenselabError, InterruptedTrainingError, UsageError

if TYPE_CHECKING:
    from denselab.cli.models import ChosenModel
    from denselab.cli.pruning import ModelFacts, Outcome
    from denselab.data import Dataset
    from denselab.sparsity import Measurement
    from denselab.training import LoadedModel
    from denselab.training.pruning import (
        PrunedClassifier,
        PruningPlan,
        TuningEpoch,
        TuningRows,
    )

__all__ = ["PruneOptions", "app", "prune"]

app = command_app()

_MODEL, _ONNX, _MEASURED = "model.keras", "model.onnx", "measurements.json"
_SECONDS_BETWEEN_LINES = 5.0
_UPDATES, _LEAST_EPOCHS, _MOST_EPOCHS, _BATCH = 1500, 10, 60, 32


@dataclass(frozen=True)
class PruneOptions:
    """What is pruned, how far, and where it goes."""

    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A name of `denselab data list`; by default the data of the study.",
        ),
    ] = None
    sparsity: Annotated[float, typer.Option(help="Share of the weights to lose, such as 0.9.")] = (
        0.9
    )
    method: Annotated[
        Literal["magnitude", "l1", "gradual", "structured"],
        typer.Option(
            help="magnitude (the smallest become zero at once), l1 (a penalty makes zeros), gradual (in steps), "
            "structured (whole units go)."
        ),
    ] = "gradual"
    out: Annotated[Path, typer.Option(help="Folder for the pruned model; made if need be.")] = Path(
        "pruned"
    )
    scope: Annotated[
        Literal["layer", "global"],
        typer.Option(help="The same share of every layer, or of all layers together."),
    ] = "layer"
    skip: Annotated[
        str, typer.Option(metavar="A,B,...", help="Dense layers that stay as they are.")
    ] = ""
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the training rows; 0 trains nothing. By default 10, more where rows are few."
        ),
    ] = None
    learning_rate: Annotated[float, typer.Option(help="First learning rate, of Adam.")] = 3e-3
    recipe: Annotated[str | None, typer.Option(metavar="NAME", help="Which recipe of a study.")] = (
        None
    )
    seed: Annotated[int, typer.Option(help="Decides order and dropout.")] = 0
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time every way to answer with it.")
    ] = True
    allow_broken: Annotated[
        bool,
        typer.Option("--allow-broken", help="Write a model even if outputs are cut off."),
    ] = False
    as_json: JsonOption = False


@app.command()
@grouped
def prune(
    model: Annotated[Path, typer.Argument(help="A .keras file, or a study folder.")],
    *,
    asked: PruneOptions,
    where: DataOptions,
) -> None:
    """Make a trained model sparse or smaller, and measure it.

    Zeros are exact. Training rows tune it, validation rows choose the epoch, test rows only measure. OUT holds
    model.keras, packed, model.onnx and measurements.json when the command is done, or nothing.
    """
    from denselab.cli.models import chosen_model
    from denselab.cli.pruning import as_typed, check_free, show
    from denselab.training.pruning import tuning_rows

    try:
        check_free(asked.out)
        plan = _plan(asked)
        chosen = chosen_model(model, asked.recipe)
        dataset = _data(chosen, asked, where)
        rows = tuning_rows(dataset, chosen.loaded.description, seed=asked.seed)
        job = _Job(chosen, dataset, rows, _with_epochs(plan, asked, len(rows.x)))
        outcome = _pruned(job, asked)
    except KeyboardInterrupt:
        raise InterruptedTrainingError(f"interrupted; nothing is written to {asked.out}") from None
    except DenselabError as error:
        raise as_typed(error) from error
    show(outcome, as_json=asked.as_json)


class _Job(NamedTuple):
    chosen: "ChosenModel"
    dataset: "Dataset"
    rows: "TuningRows"
    plan: "PruningPlan"


def _plan(asked: PruneOptions) -> "PruningPlan":
    from denselab.training.pruning import PruningPlan

    return PruningPlan(
        sparsity=asked.sparsity,
        method=asked.method,
        scope=asked.scope,
        skip=tuple(name.strip() for name in asked.skip.split(",") if name.strip()),
        epochs=_LEAST_EPOCHS if asked.epochs is None else asked.epochs,
        learning_rate=asked.learning_rate,
        seed=asked.seed,
    )


def _with_epochs(plan: "PruningPlan", asked: PruneOptions, rows: int) -> "PruningPlan":
    """Lets few rows pass more often where nobody said how often: what heals a network is updates."""
    if asked.epochs is not None:
        return plan
    wanted = math.ceil(_UPDATES / math.ceil(rows / _BATCH))
    return replace(plan, epochs=min(max(wanted, _LEAST_EPOCHS), _MOST_EPOCHS))


def _data(chosen: "ChosenModel", asked: PruneOptions, where: DataOptions) -> "Dataset":
    """Loads the data, and sets the same rows apart that the training of the model set apart."""
    from denselab.cli.selection import selected_data

    name, about = asked.data or chosen.data, chosen.loaded.description
    if chosen.loaded.preprocessing is not None:
        raise UsageError(
            f"{chosen.path}: is a model of a table, and prune knows data sets; make a smaller one with "
            "denselab train --width or --set sparsity.l1=1e-5"
        )
    if name is None:
        raise UsageError("--data is missing; name the data that the model was trained on")
    slice_ = None if about is None else about.calibration
    return selected_data(name, where, calibration=slice_.fraction if slice_ else 0.0)


def _pruned(job: _Job, asked: PruneOptions) -> "Outcome":
    from denselab.cli.pruning import Outcome, check_shippable, whole_folder
    from denselab.training import load_model
    from denselab.training.pruning import prune_classifier

    before = _facts(job, job.chosen.path, job.chosen.loaded)
    found = prune_classifier(job.chosen.loaded.model, job.rows, job.plan, on_epoch=_lines(job.plan))
    findings = check_shippable(found.resting, allow_broken=asked.allow_broken)
    measured = _measured(found, job) if asked.measure else None
    with whole_folder(asked.out) as place:
        notes = _write(found, job, place)
        after = _facts(job, place / _MODEL, load_model(place / _MODEL))
        outcome = Outcome(
            _about(job, asked, place), before, after, findings, measured, tuple(notes)
        )
        text = json.dumps(outcome.to_json(), indent=1)
        (place / _MEASURED).write_text(text + "\n", encoding="utf-8")
    return outcome


def _facts(job: _Job, path: Path, loaded: "LoadedModel") -> "ModelFacts":
    from denselab.cli.pruning import facts_of

    dataset, rows = job.dataset, job.rows
    assert dataset.test_x is not None
    assert dataset.test_y is not None
    seen = ((dataset.test_x, dataset.test_y), (rows.validation_x, rows.validation_y))
    return facts_of(path, loaded, seen, classes=dataset.classes or 1)


def _measured(found: "PrunedClassifier", job: _Job) -> "Measurement":
    from denselab.sparsity import measure

    x, y = job.dataset.test_x, job.dataset.test_y
    if job.plan.method == "structured":
        return measure(found.dense, x, y, shrunk=found.resting)
    return measure(found.resting, x, y)


def _write(found: "PrunedClassifier", job: _Job, place: Path) -> list[str]:
    """Writes the models, and says what else is worth a line."""
    from denselab.onnx_export import write_onnx
    from denselab.sparsity import pack
    from denselab.training.pruning import pruned_description
    from denselab.training.saving import write_model

    about, dataset = job.chosen.loaded.description, job.dataset
    file = place / _MODEL
    # Compiled for `evaluate`, as the files of denselab are. SGD keeps no variable a weight.
    found.model.compile(
        optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    write_model(found.model, file, pruned_description(about, dataset, job.plan))
    pack(file, file)
    notes = []
    if about is None:
        notes.append(
            "The file does not say what the model was trained on: it may have seen these test rows."
        )
    elif about.fingerprint != dataset.fingerprint:
        notes.append(
            f"The model was trained on other data than this {dataset.name} (fingerprint): it may have seen these "
            "test rows, and its calibration slice counts no more."
        )
    try:
        write_onnx(found.resting, place / _ONNX)
    except UsageError as error:
        notes.append(f"No {_ONNX}: {error}.")
    return notes


def _about(job: _Job, asked: PruneOptions, place: Path) -> dict[str, Any]:
    from denselab.cli.pruning import draws_of

    plan, dataset = job.plan, job.dataset
    return {
        "model": str(job.chosen.path),
        "out": str(asked.out),
        "files": sorted([*(path.name for path in place.iterdir()), _MEASURED]),
        "method": plan.method,
        "sparsity": plan.sparsity,
        "scope": plan.scope,
        "skip": list(plan.skip),
        "epochs": plan.epochs,
        "learning_rate": plan.learning_rate,
        "seed": plan.seed,
        "draws": draws_of(job.chosen.loaded),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "training_rows": len(job.rows.y),
            "validation_rows": len(job.rows.validation_y),
            "test_rows": 0 if dataset.test_y is None else len(dataset.test_y),
        },
    }


def _lines(plan: "PruningPlan") -> "Callable[[TuningEpoch], None]":
    """Says on stderr now and then how far a long tuning has come."""
    last = time.monotonic()
    total = "" if plan.method == "l1" else f" of {plan.epochs}"  # Its path has epochs of its own.

    def say(done: "TuningEpoch") -> None:
        nonlocal last
        if time.monotonic() - last < _SECONDS_BETWEEN_LINES:
            return
        last = time.monotonic()
        typer.echo(
            f"{plan.method}: epoch {done.epoch}{total}, loss {done.loss:.4f}, validation loss "
            f"{done.validation_loss:.4f}, {100 * done.zeros:.1f} % zeros",
            err=True,
        )

    return say
