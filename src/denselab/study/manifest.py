"""`study.toml`: what a study was asked to do, with what, and on which machine."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from denselab.data import Dataset
from denselab.errors import CorruptStudyError, UsageError
from denselab.recipes import Recipe, differences, to_toml
from denselab.study.environment import hardware, versions
from denselab.study.plan import BuiltModel, Plan
from denselab.study.toml import write_toml
from denselab.study.tuning import Tuning

__all__ = ["MANIFEST_NAME", "Manifest", "Run", "extended", "manifest_for", "parsed", "written"]

MANIFEST_NAME = "study.toml"
FORMAT = 1


@dataclass(frozen=True)
class Run:
    """One command that worked on a study.

    Attributes:
        started: Date and time in UTC, ISO 8601.
        command: The command line, which also resumes it.
        versions: See `environment.versions`.
        hardware: See `environment.hardware`.
    """

    started: str
    command: str
    versions: Mapping[str, str]
    hardware: Mapping[str, str | int | float]


@dataclass(frozen=True)
class Manifest:
    """What a study was asked to do.

    Attributes:
        created: Date and time in UTC, ISO 8601.
        plan: All recipes and seeds that were asked for so far.
        dataset: Facts of the data: name, fingerprint, task, rows, test_rows, calibration_rows, features, classes
            (0 for regression), source.
        runs: The commands, first to last; one that repeats another on the same machine with the
            same versions is left out.
    """

    created: str
    plan: Plan
    dataset: Mapping[str, str | int]
    runs: tuple[Run, ...]


def manifest_for(plan: Plan, dataset: Dataset, *, command: str) -> Manifest:
    """Describes a study that is to begin now, here.

    Args:
        plan: What it is to train.
        dataset: The data of the plan.
        command: The command line.

    Returns:
        The manifest of a new study.

    Raises:
        UsageError: If the data is not that of the plan.
    """
    if dataset.fingerprint != plan.fingerprint:
        raise UsageError(
            f"data {dataset.name} has fingerprint {dataset.fingerprint[:12]}, the plan was made "
            f"for {plan.fingerprint[:12]}; plan the study on this data"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    facts: dict[str, str | int] = {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "task": dataset.task,
        "rows": dataset.n,
        "test_rows": 0 if dataset.test_x is None else len(dataset.test_x),
        "calibration_rows": 0 if dataset.calibration_x is None else len(dataset.calibration_x),
        "features": dataset.features,
        "classes": dataset.classes or 0,
        "source": dataset.source,
    }
    # Bytes in an argument that are no text could not be written, nor recognised when read again.
    command = command.encode("utf-8", "replace").decode()
    return Manifest(now, plan, facts, (Run(now, command, versions(), hardware()),))


def extended(there: Manifest, wanted: Manifest, folder: Path) -> Manifest:
    """Adds to a study what another command wants of it.

    Recipes and seeds may be added to a study; its data and the recipes it has cannot change.

    Args:
        there: The study's manifest.
        wanted: The manifest of the command.
        folder: The study, for errors.

    Returns:
        `there` itself where it has all of it.

    Raises:
        UsageError: If the data is other data, or a recipe of the same name is another.
    """
    old, new = there.plan, wanted.plan
    if old.fingerprint != new.fingerprint:
        raise UsageError(
            f"{folder}: holds a study of {old.dataset} ({old.fingerprint[:12]}), not of "
            f"{new.dataset} ({new.fingerprint[:12]}); choose another folder"
        )
    if old.tuning != new.tuning:
        raise UsageError(
            f"{folder}: holds a study {_tuned(old)}, this one is to be {_tuned(new)}; tune the same "
            "way, or choose another folder"
        )
    known = {recipe.name: recipe for recipe in old.recipes}
    for recipe in new.recipes:
        _check_same(recipe, known.get(recipe.name, recipe), folder)
    added = tuple(recipe for recipe in new.recipes if recipe.name not in known)
    models = _extended_models(old, new, folder)
    seeds = tuple(dict.fromkeys((*old.seeds, *new.seeds)))
    runs = tuple(run for run in wanted.runs if not _repeats(run, there.runs))
    if not added and seeds == old.seeds and models == old.models and not runs:
        return there
    plan = replace(old, recipes=(*old.recipes, *added), seeds=seeds, models=models)
    return replace(there, plan=plan, runs=(*there.runs, *runs))


def written(manifest: Manifest) -> bytes:
    """Writes a manifest as a TOML document.

    Args:
        manifest: The manifest.

    Returns:
        UTF-8 text.
    """
    plan = manifest.plan
    document = {
        "format": FORMAT,
        "created": manifest.created,
        "preset": plan.preset,
        "seeds": list(plan.seeds),
        "dataset": dict(manifest.dataset),
        "runs": [
            {
                "started": run.started,
                "command": run.command,
                "versions": dict(run.versions),
                "hardware": dict(run.hardware),
            }
            for run in manifest.runs
        ],
        **({} if plan.tuning is None else {"tuning": vars(plan.tuning)}),
        "recipes": [tomllib.loads(to_toml(recipe)) for recipe in plan.recipes],
        **({"models": [vars(model) for model in plan.models]} if plan.models else {}),
    }
    return write_toml(document).encode()


def parsed(data: bytes, path: Path) -> Manifest:
    """Reads what `written` wrote.

    Args:
        data: The document.
        path: Its file, for errors.

    Returns:
        The manifest.

    Raises:
        CorruptStudyError: If this version cannot read it.
    """
    try:
        document = tomllib.loads(data.decode())
        if document["format"] != FORMAT:
            raise ValueError(f"format is {document['format']}, expected {FORMAT}")
        plan = Plan(
            recipes=tuple(Recipe.model_validate(table) for table in document["recipes"]),
            dataset=document["dataset"]["name"],
            fingerprint=document["dataset"]["fingerprint"],
            seeds=tuple(document["seeds"]),
            preset=document["preset"],
            tuning=Tuning(**document["tuning"]) if "tuning" in document else None,
            models=tuple(BuiltModel(**table) for table in document.get("models", ())),
        )
        runs = tuple(Run(**table) for table in document["runs"])
        return Manifest(document["created"], plan, document["dataset"], runs)
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValidationError) else repr(error)
        raise CorruptStudyError(
            f"{path}: cannot be understood ({reason}); use the version of denselab that wrote it"
        ) from error


def _extended_models(old: Plan, new: Plan, folder: Path) -> tuple[BuiltModel, ...]:
    known = {model.name: model for model in old.models}
    for model in new.models:
        if model.name in known and known[model.name].settings != model.settings:
            raise UsageError(
                f"{folder}: model {model.name} is built, compiled or trained otherwise than there; "
                "give it another name, or choose another folder"
            )
    return (*old.models, *(model for model in new.models if model.name not in known))


def _tuned(plan: Plan) -> str:
    return "without tuning" if plan.tuning is None else f"tuned over {plan.tuning.rates} rates"


def _check_same(recipe: Recipe, there: Recipe, folder: Path) -> None:
    changes = differences(recipe, there)
    if changes:
        field, before, after = changes[0]
        raise UsageError(
            f"{folder}: recipe {recipe.name} has {field} = {before} there and {after} here; give "
            "the recipe another name, or choose another folder"
        )


def _repeats(run: Run, others: tuple[Run, ...]) -> bool:
    return any(replace(run, started=other.started) == other for other in others)
