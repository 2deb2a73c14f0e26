"""`denselab diagnose --fix`: applies the remedies of findings to a recipe and verifies them by training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from denselab.cli.cards import counted, remedy_words
from denselab.cli.progress import training_progress, work_for
from denselab.cli.selection import check_writable, selected_seeds
from denselab.cli.table import print_text
from denselab.data import Dataset
from denselab.doctor import Diagnosis
from denselab.recipes import Preset, Recipe
from denselab.report import write_report
from denselab.study import default_folder, judged, open_study, read_study
from denselab.study.plan import Plan
from denselab.study.remedies import (
    Gain,
    mend,
    remedy_plan,
    remedy_seeds,
    verify_remedy,
)

__all__ = ["Treatment", "keep_findings", "pairs", "remedies", "show_treatment", "treat"]


@dataclass(frozen=True)
class Treatment:
    """What is to be mended, and how the remedies are verified.

    Attributes:
        recipe: The recipe.
        preset: Whose values it has.
        found: What is wrong with it.
        seeds: The pairs.
        out: Study folder; None for one that follows from the plan.
        command: What was typed.
    """

    recipe: Recipe
    preset: Preset
    found: Diagnosis
    seeds: tuple[int, ...]
    out: Path | None
    command: str


def treat(
    treatment: Treatment, dataset: Dataset, look: Callable[[Recipe], Diagnosis]
) -> dict[str, Any]:
    """Mends a recipe, trains it and its twin over paired seeds, and says whether it is better.

    Args:
        treatment: What is to be mended.
        dataset: The data.
        look: Diagnoses a recipe.

    Returns:
        What was applied, what was not and why, what is left to find, and the gain, in plain values.

    Raises:
        DenselabError: If it cannot be trained.
    """
    mended = mend(treatment.recipe, remedies(treatment.found))
    told: dict[str, Any] = {
        "recipe": treatment.recipe.name,
        "applied": dict(mended.applied),
        "left_out": dict(mended.left_out),
        "gain": None,
    }
    if not mended.applied:
        return told
    after = look(mended.recipe)
    told["left"] = counted(after.findings)
    plan = remedy_plan(mended, dataset, seeds=treatment.seeds, preset=treatment.preset)
    folder = treatment.out or default_folder(f"remedy-{dataset.name}", plan)
    check_writable(folder)
    gain = _trained(plan, dataset, folder, treatment.command)
    keep_findings(folder, {gain.recipe: treatment.found, gain.mended: after})
    study, page = read_study(folder), folder / "report.html"
    write_report(study, page, verdicts=judged(study))
    return {**told, "gain": gain.to_json(), "folder": str(folder), "report": str(page)}


def pairs(count: int | None, *, first: int) -> tuple[int, ...]:
    """Lists the seeds of both recipes.

    Args:
        count: How many; None for as many as a verdict takes.
        first: The first of them.

    Returns:
        Consecutive seeds.

    Raises:
        UsageError: If there are none, too many, or some are out of range.

    Example:
        >>> pairs(None, first=3)
        (3, 4, 5, 6, 7, 8)
    """
    return selected_seeds(first, remedy_seeds() if count is None else count)


def remedies(found: Diagnosis) -> dict[str, object]:
    """Gathers the changes of a recipe that mend errors and warnings; of two for one field, the worse's.

    Args:
        found: What is wrong.

    Returns:
        Field -> value.
    """
    changes: dict[str, object] = {}
    for finding in (*found.errors, *found.warnings):
        for field, value in (finding.fix or {}).items():
            changes.setdefault(field, value)
    return changes


def keep_findings(folder: Path, found: dict[str, Diagnosis]) -> None:
    """Puts findings on record in a study, in place of earlier ones, for its report.

    Args:
        folder: The study.
        found: Name of an arm -> what was found.
    """
    rows = [
        {"arm": name, **finding.to_json()}
        for name, diagnosis in found.items()
        for finding in diagnosis.findings
    ]
    with open_study(folder, read_study(folder).manifest) as store:
        store.put_document("findings", rows)


def show_treatment(told: dict[str, Any]) -> None:
    """Prints what remedies were applied and whether they are shown to help.

    Args:
        told: From `treat`.
    """
    typer.echo()
    for field, why in told["left_out"].items():
        print_text(f"not applied: {field}: {why}")
    if not told["applied"]:
        print_text(
            "nothing to apply: no error or warning has a remedy that is a change of this recipe"
        )
        return
    print_text(f"applied: {remedy_words(told['applied'])}; found after that: {told['left']}")
    gain = told["gain"]
    if gain["helps"]:
        print_text(f"The remedies help: {gain['mended']} is better.")
    else:
        print_text(f"The remedies are not shown to help: verdict {gain['verdict']}.")
    print_text(" ".join(gain["sentences"]))
    typer.echo(f"\nReport: {told['report']}")


def _trained(plan: Plan, dataset: Dataset, folder: Path, command: str) -> Gain:
    before, after = plan.recipes
    typer.echo(
        f"{dataset.name}: {before.name} against {after.name}, seeds {plan.seeds[0]} to "
        f"{plan.seeds[-1]}, in {folder}",
        err=True,
    )
    with training_progress(work_for(plan.recipes, dataset, len(plan.seeds))) as progress:
        return verify_remedy(plan, dataset, folder=folder, command=command, progress=progress)
