"""What is decided before a study trains: how many seeds, and what they can show."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import TYPE_CHECKING

from denselab.recipes import Recipe

if TYPE_CHECKING:
    from denselab.study.judgement import Asked
    from denselab.study.plan import Plan

__all__ = ["default_seeds", "power_words", "verdict_seeds"]

_USUAL_SEEDS = 12
_DEVIATION = 0.71
"""Deviation of paired differences in points: two arms of 0.5 each, as deep dense nets on CIFAR-10 have."""


def default_seeds(recipes: Sequence[Recipe], question: "Asked | None") -> int:
    """Chooses how many seeds a study has where nobody says: enough for verdicts.

    Args:
        recipes: What is compared.
        question: What is asked; None for each recipe against the one before it.

    Returns:
        12, or more where the family of contrasts needs more; 5 where there is nothing to contrast.

    Raises:
        UsageError: If the question names a recipe that is not there.

    Example:
        >>> from denselab.recipes import ladder
        >>> default_seeds(ladder("tuned"), None), default_seeds(ladder("tuned")[:1], None)
        (12, 5)
    """
    if len(recipes) < 2:
        return 5
    return max(_USUAL_SEEDS, verdict_seeds(recipes, question))


def verdict_seeds(recipes: Sequence[Recipe], question: "Asked | None") -> int:
    """Says how many seeds verdicts need.

    Args:
        recipes: What is compared.
        question: What is asked; None for each recipe against the one before it.

    Returns:
        The number; 1 where there is nothing to contrast.

    Raises:
        UsageError: If the question names a recipe that is not there.

    Example:
        >>> from denselab.recipes import ladder
        >>> verdict_seeds(ladder("tuned"), None)
        8
    """
    from denselab.study.statistics import FIRST_LOOK, seeds_for_a_verdict

    if len(recipes) < 2:
        return 1
    return seeds_for_a_verdict(_contrasts(recipes, question), level=FIRST_LOOK)


def power_words(plan: "Plan", question: "Asked | None") -> Iterator[str]:
    """Says before training what a study can show.

    Args:
        plan: The plan.
        question: What is asked.

    Yields:
        Lines for people; nothing where there is nothing to contrast.

    Raises:
        UsageError: If the question names a recipe that is not there.
    """
    from denselab.study.statistics import planned_power

    if len(plan.recipes) < 2:
        return
    contrasts, n = _contrasts(plan.recipes, question), len(plan.seeds)
    least = verdict_seeds(plan.recipes, question)
    if n < least:
        yield (
            f"no verdicts: {contrasts} contrasts need {least} seeds, this study has {n}; give "
            f"--seeds {least} for verdicts"
        )
        return
    if question is not None and question.metric != "accuracy":
        return
    region = 0.5 if question is None or question.region is None else question.region
    known = {"contrasts": contrasts, "deviation": _DEVIATION, "region": region}
    found = planned_power(n, difference=region + 0.5, **known)
    yield (
        f"{n} seeds, {contrasts} contrasts: a true difference of {region + 0.5:g} points will be found "
        f"in {100 * found.better:.0f} of 100 such studies, where differences between seeds deviate by "
        f"{_DEVIATION:g} points"
    )
    if question is not None and question.interactions:
        # A difference of two independent differences deviates by the square root of 2 as much.
        crossed = planned_power(
            n, difference=region + 0.5, **{**known, "deviation": sqrt(2) * _DEVIATION}
        )
        yield (
            f"whether two changes add up takes more: a true interaction of that size will be found in "
            f"{100 * crossed.better:.0f} of 100"
        )


def _contrasts(recipes: Sequence[Recipe], question: "Asked | None") -> int:
    from denselab.study.statistics import planned_contrasts

    names = [recipe.name for recipe in recipes]
    if question is None:
        return len(planned_contrasts(names))
    family = planned_contrasts(names, baseline=question.baseline, contrasts=question.contrasts)
    return len(family) + len(question.interactions)
