"""Remedies that are verified: a recipe and its mended twin over paired seeds, and whether it is better.

What is changed comes as a mapping of fields to values, from whoever found something wrong. A gain is one
only where the verdict of the study is `better`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.recipes import Recipe, apply_settings, differences
from denselab.study.compare import compare_recipes
from denselab.study.judgement import Asked, judged
from denselab.study.plan import Plan, plan_study
from denselab.study.reading import Study, read_study
from denselab.study.statistics import FIRST_LOOK, contrast_sentences, seeds_for_a_verdict

__all__ = ["Gain", "Mended", "gain", "mend", "remedy_plan", "remedy_seeds", "verify_remedy"]

_ENDING, _LONGEST_NAME = "_mended", 64


@dataclass(frozen=True)
class Mended:
    """A recipe with remedies in it.

    Attributes:
        before: The recipe as it was.
        recipe: The recipe with the remedies; the same where none is left.
        applied: Field -> value it was given.
        left_out: Field -> why it was not changed.
    """

    before: Recipe
    recipe: Recipe
    applied: Mapping[str, object]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Gain:
    """What remedies brought.

    Attributes:
        recipe: Name of the recipe as it was.
        mended: Name of the mended one.
        verdict: "better", "worse", "equivalent", "undecided", or "none" where there is no verdict.
        n: Pairs of seeds.
        difference: Mended minus original, in points of test accuracy.
        low: Lower end of the interval.
        high: Upper end of it.
        region: Differences up to this size do not matter.
        sentences: The same in words.
    """

    recipe: str
    mended: str
    verdict: str
    n: int
    difference: float
    low: float
    high: float
    region: float
    sentences: tuple[str, ...]

    @property
    def helps(self) -> bool:
        """Whether the remedies are shown to help."""
        return self.verdict == "better"

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values; None for what is not known."""
        known = {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in asdict(self).items()
        }
        return {**known, "sentences": list(self.sentences), "helps": self.helps}


def mend(recipe: Recipe, changes: Mapping[str, object]) -> Mended:
    """Applies remedies to a recipe, one after another; those that do not fit it are left out.

    Args:
        recipe: The recipe.
        changes: Field of a recipe -> value.

    Returns:
        The mended recipe, named after the other.

    Raises:
        UsageError: If the recipe takes its weights from another, whose training would have to be mended.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> found = mend(load_recipe("self_normalizing"), {"preprocessing.scaling": "standard"})
        >>> found.recipe.name, found.recipe.preprocessing.scaling
        ('self_normalizing_mended', 'standard')
    """
    if recipe.source is not None:
        raise UsageError(
            f"recipe {recipe.name} takes its weights from {recipe.source}; mend {recipe.source} instead"
        )
    made, applied, left_out = recipe, {}, {}
    for field, value in changes.items():
        try:
            changed = apply_settings(made, {field: value})
        except UsageError as error:
            left_out[field] = str(error)
            continue
        if differences(changed, made):
            made, applied[field] = changed, value
        else:
            left_out[field] = f"is {value} already"
    if applied:
        name = recipe.name[: _LONGEST_NAME - len(_ENDING)] + _ENDING
        words = ", ".join(f"{field} = {value}" for field, value in applied.items())
        title = f"{recipe.name} with {words}"[:200]
        made = apply_settings(made, {"name": name, "title": title})
    return Mended(recipe, made, applied, left_out)


def remedy_seeds() -> int:
    """Says how many seeds a verdict on one contrast takes.

    Returns:
        The number.

    Example:
        >>> remedy_seeds()
        6
    """
    return seeds_for_a_verdict(1, level=FIRST_LOOK)


def remedy_plan(mended: Mended, dataset: Dataset, *, seeds: Sequence[int], preset: str) -> Plan:
    """Plans the study of a recipe and its mended twin, both at their own learning rates.

    Args:
        mended: The two recipes.
        dataset: The data, with its test set.
        seeds: The pairs.
        preset: Whose values the recipes have.

    Returns:
        The plan.

    Raises:
        UsageError: If no remedy was applied.
    """
    if not mended.applied:
        raise UsageError(
            f"recipe {mended.before.name} has nothing to mend; give changes that fit it"
        )
    return plan_study((mended.before, mended.recipe), dataset, seeds=seeds, preset=preset)


def verify_remedy(
    plan: Plan,
    dataset: Dataset,
    *,
    folder: Path,
    command: str,
    progress: Callable[[Any], None] | None = None,
) -> Gain:
    """Trains both recipes of a plan over paired seeds, as any study, and says what the remedies brought.

    Args:
        plan: From `remedy_plan`.
        dataset: Its data.
        folder: The study folder; what is in it is not trained again.
        command: What the user typed, shown as the way to go on.
        progress: Told how far the training has come, as that of `compare_recipes`.

    Returns:
        The gain.

    Raises:
        DenselabError: See `compare_recipes`.
    """
    compare_recipes(
        plan,
        dataset,
        folder=folder,
        command=command,
        asked=Asked(baseline=plan.recipes[0].name),
        progress=progress,
    )
    return gain(read_study(folder))


def gain(study: Study) -> Gain:
    """Reads what remedies brought off a study of two arms.

    Args:
        study: The study, complete and judged.

    Returns:
        The gain.

    Raises:
        UsageError: If the study holds other than two arms, or nobody has judged it.
    """
    verdicts = judged(study)
    if verdicts is None or len(verdicts.contrasts) != 1:
        raise UsageError(
            f"{study.folder}: is no finished study of a recipe and its mended twin; give one that "
            "denselab diagnose --fix made"
        )
    (contrast,) = verdicts.contrasts
    return Gain(
        recipe=contrast.against,
        mended=contrast.arm,
        verdict=contrast.verdict,
        n=contrast.n,
        difference=contrast.difference,
        low=contrast.interval.low,
        high=contrast.interval.high,
        region=verdicts.question.region,
        sentences=contrast_sentences(verdicts, contrast),
    )
