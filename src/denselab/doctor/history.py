"""Checks of a finished or running training from its epoch logs alone; no network is looked at."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from denselab.doctor.checks import course
from denselab.doctor.diagnosis import worst_first
from denselab.doctor.finding import Finding
from denselab.errors import UsageError

__all__ = ["check_history", "check_population"]

_ACCURACIES = (
    "accuracy",
    "acc",
    "sparse_categorical_accuracy",
    "categorical_accuracy",
    "binary_accuracy",
)


def check_history(
    history: Mapping[str, Sequence[float]],
    *,
    baseline: float | None = None,
    nonnegative: bool = True,
    ended: bool = True,
    planned: int | None = None,
    silence: Iterable[str] = (),
) -> tuple[Finding, ...]:
    """Looks at the course of a run.

    Args:
        history: Name -> one value an epoch, as `fit(...).history` or a member's trace: `loss`, `val_loss`,
            `accuracy`, `val_accuracy`; other names are passed over.
        baseline: Loss of the best constant prediction, such as ln C for C equally frequent classes.
        nonnegative: Whether the loss cannot be negative, as cross-entropies and errors cannot.
        ended: Whether the run is over; some checks wait for that.
        planned: Epochs that were asked for.
        silence: Ids of checks to leave out.

    Returns:
        The findings, errors first; their `step` is an epoch, from 1.

    Raises:
        UsageError: If there is no `loss`.

    Example:
        >>> [finding.id for finding in check_history({"loss": [2.3, 1.8, float("nan")]})]
        ['loss-not-finite']
    """
    if "loss" not in history:
        raise UsageError(
            f"the history has {', '.join(sorted(history)) or 'no names'}; give one with 'loss', as fit(...).history"
        )
    accuracy = next((a for a in _ACCURACIES if a in history or f"val_{a}" in history), None)
    facts = course.History(
        loss=_values(history, "loss"),
        val_loss=_values(history, "val_loss"),
        accuracy=_values(history, accuracy),
        val_accuracy=_values(history, accuracy and f"val_{accuracy}"),
        baseline=baseline,
        nonnegative=nonnegative,
        ended=ended,
        planned=planned,
    )
    silenced = set(silence)
    found = [
        finding
        for check in course.CHECKS
        if check.card.id not in silenced
        for finding in check.findings(facts)
    ]
    return worst_first(found)


def check_population(
    members: Iterable[Any], *, baseline: float | None = None, silence: Iterable[str] = ()
) -> dict[int, tuple[Finding, ...]]:
    """Looks at the members of a population.

    Args:
        members: Objects with `seed` and `trace`, as `train_population` returns them.
        baseline: Loss of the best constant prediction.
        silence: Ids of checks to leave out.

    Returns:
        Seed -> findings, for the members that have any.
    """
    silenced = tuple(silence)
    found = {
        member.seed: check_history(member.trace, baseline=baseline, silence=silenced)
        for member in members
    }
    return {seed: findings for seed, findings in found.items() if findings}


def _values(history: Mapping[str, Sequence[float]], name: str | None) -> tuple[float, ...]:
    return tuple(float(value) for value in history.get(name, ())) if name else ()
