"""`--budget`: measures what a comparison costs on this machine, and plans one that fits the time."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import typer

from denselab.cli.planning import verdict_seeds
from denselab.cli.progress import duration
from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.recipes import Recipe, apply_settings, programs, steps
from denselab.study.budget import DOCUMENT, Cost, Size, fit, fit_document, least_seconds
from denselab.study.plan import Plan, default_folder

if TYPE_CHECKING:
    from denselab.study.judgement import Asked

__all__ = [
    "Job",
    "Measured",
    "budget_folder",
    "budget_seconds",
    "budget_words",
    "job_for",
    "measured_costs",
    "planned_within",
    "record_budget",
    "recorded_budget",
]

_UNITS = {"s": 1, "m": 60, "h": 3600}
_TEXT = re.compile(r"(?:\d+(?:\.\d+)?[smh])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_RESERVE, _REPORTING = 0.1, 5.0
"""What is kept back: a share, since times vary, and seconds to begin, summarize and report."""

_STEPS, _EPOCHS = 64, 3
_STORING = 0.05
"""Seconds to predict the rows of a member and to put it on the disk; nothing beside its training."""


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        costs: Name of each recipe that is trained -> its cost.
        lanes: Members that train at the same time, see `study_seconds`.
        seconds: What measuring took.
    """

    costs: dict[str, Cost]
    lanes: int
    seconds: float


class Job(NamedTuple):
    """What a command is to train, and where it is kept.

    Attributes:
        plan: What is trained.
        folder: The study folder.
        budget: How it was made to fit a time; None where no time was given.
    """

    plan: Plan
    folder: Path
    budget: dict[str, Any] | None


@dataclass(frozen=True)
class _Machine:
    """How members share a machine: `members` side by side, `lanes` of them in their own time."""

    members: int
    lanes: int


def job_for(
    wanted: Plan,
    dataset: Dataset,
    question: "Asked | None",
    *,
    folder: Path | None,
    seconds: float | None,
) -> Job:
    """Takes what is wanted as it is, or makes it fit a time.

    Args:
        wanted: What was asked for.
        dataset: The data.
        question: What is asked of the study.
        folder: The study folder; None for one that follows from the plan.
        seconds: The time, if there is a limit.

    Returns:
        What is to be trained. A study that was begun keeps the size it was planned with.

    Raises:
        DenselabError: See `planned_within` and `recorded_budget`.
    """
    if seconds is None:
        return Job(wanted, folder or default_folder(dataset.name, wanted), None)
    place = folder or budget_folder(dataset.name, wanted, seconds)
    found = recorded_budget(place, wanted, seconds)
    if found is None:
        measured = measured_costs(wanted.recipes, dataset, members=len(wanted.seeds))
        least = verdict_seeds(wanted.recipes, question)
        found = planned_within(seconds, wanted, measured, verdict_seeds=least)
    return Job(found[0], place, found[1])


def record_budget(job: Job, dataset: Dataset, *, command: str) -> None:
    """Says how a study was made to fit, on stderr and in its records.

    Args:
        job: What is to be trained; nothing is said where it need not fit.
        dataset: The data.
        command: What was typed.

    Raises:
        DenselabError: If the study cannot be written to.
    """
    from denselab.study import is_study, manifest_for, open_study

    if job.budget is None:
        return
    for line in budget_words(job.budget):
        typer.echo(line, err=True)
    if not is_study(job.folder):
        with open_study(job.folder, manifest_for(job.plan, dataset, command=command)) as store:
            store.put_document(DOCUMENT, job.budget)


def budget_seconds(text: str) -> float:
    """Reads a time.

    Args:
        text: Such as "90s", "10m" or "1h30m".

    Returns:
        Seconds, above 0.

    Raises:
        UsageError: If it is no time.

    Example:
        >>> budget_seconds("10m"), budget_seconds("1h30m")
        (600.0, 5400.0)
    """
    clean = text.strip().lower().replace(" ", "")
    parts = _PART.findall(clean) if _TEXT.fullmatch(clean) else []
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < total < 1e9:
        raise UsageError(f"--budget {text[:40]}: give a time such as 90s, 10m or 1h30m")
    return total


def budget_folder(data: str, wanted: Plan, seconds: float) -> Path:
    """Names the folder of a study that has to fit a time, before it is known how large it will be.

    Args:
        data: What to call the data.
        wanted: What was asked for.
        seconds: The time.

    Returns:
        A relative path, the same for the same command.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> plan = Plan((load_recipe("plain"),), "toy", "0" * 64, (0,), "published")
        >>> budget_folder("toy", plan, 600.0).as_posix()
        'studies/toy-5482187957-600s'
    """
    folder = default_folder(data, wanted)
    return folder.with_name(f"{folder.name}-{seconds:g}s")


def planned_within(
    seconds: float, wanted: Plan, measured: Measured, *, verdict_seeds: int
) -> tuple[Plan, dict[str, Any]]:
    """Plans a study that fits a time.

    Args:
        seconds: The time, measuring included.
        wanted: What was asked for.
        measured: What was measured.
        verdict_seeds: Seeds that verdicts need.

    Returns:
        The plan, and what is to be recorded about it.

    Raises:
        UsageError: If nothing that makes sense fits.
    """
    left = seconds * (1 - _RESERVE) - _REPORTING - measured.seconds
    size, costs, lanes = _size(wanted), measured.costs, measured.lanes
    found = fit(size, costs, lanes=lanes, seconds=left, verdict_seeds=verdict_seeds)
    if found is None:
        least = least_seconds(size, costs, lanes=lanes)
        whole = (least + _REPORTING + measured.seconds) / (1 - _RESERVE)
        raise UsageError(
            f"--budget: {duration(seconds)} are too short; 3 seeds of a fifth of the epochs take "
            f"about {duration(whole)} here. Give at least --budget {ceil(whole / 60)}m, fewer recipes, or a "
            "smaller network (--depth, --width)"
        )
    document = {
        "budget_seconds": seconds,
        "measuring_seconds": round(measured.seconds, 3),
        "lanes": lanes,
        **fit_document(found, size, costs),
    }
    return _resized(wanted, found.size), document


def recorded_budget(
    folder: Path, wanted: Plan, seconds: float
) -> tuple[Plan, dict[str, Any]] | None:
    """Takes the plan of a study that was begun, so that it goes on as it was planned then.

    Args:
        folder: The study folder.
        wanted: What is asked for now.
        seconds: The time.

    Returns:
        The plan of the study, and what is on record about it; None where there is no study yet.

    Raises:
        CorruptStudyError: If the study is damaged.
        UsageError: If the study there was planned for another time or none, or from another wish.
    """
    from denselab.study import is_study, read_study

    if not is_study(folder):
        return None
    study = read_study(folder)
    known = study.documents.get(DOCUMENT, {})
    if known.get("budget_seconds") != seconds:
        planned = f"for {duration(known['budget_seconds'])}" if known else "without a budget"
        raise UsageError(
            f"{folder}: holds a study that was planned {planned}; ask for the same, or choose another "
            "folder"
        )
    if known["wanted"] != asdict(_size(wanted)):
        raise UsageError(
            f"{folder}: holds a study that was planned from other recipes, seeds, rates or epochs; ask for "
            "the same, or choose another folder"
        )
    there = known["planned"]
    return _resized(wanted, Size(there["seeds"], there["rates"], there["epochs"])), known


def budget_words(document: Mapping[str, Any]) -> Iterator[str]:
    """Says how a study was made to fit.

    Args:
        document: From `planned_within` or the study.

    Yields:
        Lines for people.
    """
    planned, lanes = document["planned"], document["lanes"]
    beside = f"{lanes} members at a time" if lanes > 1 else "one member at a time"
    yield (
        f"budget {duration(document['budget_seconds'])}: takes at most about "
        f"{duration(document['estimated_seconds'])} ({planned['seeds']} seeds, {beside}; measured in "
        f"{duration(document['measuring_seconds'])})"
    )
    for line in document["gave_up"]:
        yield f"given up for the budget: {line}"


def measured_costs(recipes: Sequence[Recipe], dataset: Dataset, *, members: int) -> Measured:
    """Trains each distinct program for a moment, and times it.

    No row of the test set is looked at. Few rows stand for all: an epoch costs what its steps cost.

    Args:
        recipes: The recipes.
        dataset: The data.
        members: Seeds that are wanted of each.

    Returns:
        The costs. Recipes that share a program have the same.
    """
    began = time.perf_counter()
    machine = _machine(members)
    costs: dict[str, Cost] = {}
    known: list[Recipe] = []
    for recipe in recipes:
        if recipe.weights_from is not None:
            continue
        twin = next((one for one in known if programs([one, recipe]) == 1), None)
        costs[recipe.name] = costs[twin.name] if twin else _measured(recipe, dataset, machine)
        known.append(recipe)
    return Measured(costs, machine.lanes, time.perf_counter() - began)


def _machine(members: int) -> _Machine:
    import jax

    from denselab.engine.platform import claim_cores, devices

    claim_cores()
    found = devices()
    jax.block_until_ready(jax.numpy.zeros(1))  # What the backend needs to start is spent once.
    if found[0].platform != "cpu":
        return _Machine(members, 1)
    return _Machine(len(found), len(found))


def _measured(recipe: Recipe, dataset: Dataset, machine: _Machine) -> Cost:
    from denselab.training import train_recipe

    typer.echo(f"{recipe.name}: measuring what it costs", err=True)
    part = _part(recipe, dataset)
    short = apply_settings(recipe, {"training.epochs": _EPOCHS, "starts_from": None})
    began = time.perf_counter()
    result = train_recipe(short, part, seeds=range(machine.members))
    whole = time.perf_counter() - began
    share = _step_count(recipe, dataset) / _step_count(recipe, part)
    return _cost([trial.trace["seconds"] for trial in result.trials], whole, machine, share=share)


def _cost(clocks: Sequence[np.ndarray], whole: float, machine: _Machine, *, share: float) -> Cost:
    """Takes a short training apart; its first epoch warms up and does not count."""
    # One that diverged at once has no second epoch, or none at all.
    epochs = [float(np.diff(c).mean() if len(c) > 1 else c[-1]) for c in clocks if len(c)]
    trained = sum(float(clock[-1]) for clock in clocks if len(clock)) / machine.lanes
    return Cost(
        start_seconds=max(0.0, whole - trained),
        epoch_seconds=share * float(np.mean(epochs)) if epochs else 0.0,
        member_seconds=_STORING,
    )


def _part(recipe: Recipe, dataset: Dataset) -> Dataset:
    """Takes some rows of every part of the data; the rows to predict are training rows, too."""
    training = recipe.training
    wanted = ceil(_STEPS * training.batch_size / (1 - training.validation_fraction))
    rows = _spread(dataset.n, min(dataset.n, wanted))
    tested = rows[_spread(len(rows), min(len(rows), len(_tested(dataset))))]
    return replace(
        dataset,
        x=dataset.x[rows],
        y=dataset.y[rows],
        test_x=dataset.x[tested],
        test_y=dataset.y[tested],
        calibration_x=None,
        calibration_y=None,
    )


def _tested(dataset: Dataset) -> np.ndarray:
    return dataset.x if dataset.test_x is None else dataset.test_x


def _spread(n: int, count: int) -> np.ndarray:
    return np.linspace(0, n - 1, count).astype(int)


def _step_count(recipe: Recipe, dataset: Dataset) -> float:
    """Counts the steps of an epoch, the last one by its share."""
    rows = dataset.n - round(dataset.n * recipe.training.validation_fraction)
    full, last, _ = steps(recipe, rows)
    return full + last / recipe.training.batch_size


def _size(plan: Plan) -> Size:
    epochs = {
        recipe.name: recipe.training.epochs
        for recipe in plan.recipes
        if recipe.weights_from is None
    }
    return Size(len(plan.seeds), 0 if plan.tuning is None else plan.tuning.rates, epochs)


def _resized(plan: Plan, size: Size) -> Plan:
    recipes = tuple(
        apply_settings(one, {"training.epochs": size.epochs[one.name]})
        if size.epochs.get(one.name, one.training.epochs) != one.training.epochs
        else one
        for one in plan.recipes
    )
    tuning = (
        None if plan.tuning is None or not size.rates else replace(plan.tuning, rates=size.rates)
    )
    return replace(plan, recipes=recipes, seeds=plan.seeds[: size.seeds], tuning=tuning)
