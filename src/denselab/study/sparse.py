"""Accuracy against sparsity: the arms of such a study, the strength of each penalty, and the curve it ends with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.randomness import integer_seed
from denselab.recipes import Recipe, apply_settings, parameter_count
from denselab.study.arms import recipes_of
from denselab.study.compare import compare_recipes
from denselab.study.judgement import Asked, labels_of
from denselab.study.plan import plan_study
from denselab.study.reading import Study, read_study
from denselab.study.records import trials_of
from denselab.study.statistics import Arm, pair_up, rows_estimate, seeds_estimate
from denselab.study.verdict import study_arms, study_rows

__all__ = [
    "DENSE",
    "DOCUMENT",
    "METHODS",
    "REGION",
    "Curve",
    "CurvePoint",
    "Method",
    "choose_strengths",
    "curve_question",
    "pilot_recipes",
    "sparse_recipes",
    "sparsity_curve",
]

Method = Literal["magnitude", "gradual", "l1", "structured"]

METHODS: tuple[Method, ...] = ("magnitude", "gradual", "l1", "structured")

DENSE = "dense"
"""Name of the arm without zeros, which all others are held against."""

DOCUMENT = "sparsity"
"""Name of the document that holds the curve of another study, to be shown beside this one."""

REGION = 1.0
"""Differences of accuracy up to so many points do not matter on such a curve."""

_STRENGTHS = "-strengths"
_TUNED_SHARE = 0.3
"""What a structured arm trains after its units are gone, as a share of the epochs of the dense one."""


def sparse_recipes(
    base: Recipe,
    *,
    methods: Sequence[Method],
    shares: Sequence[float],
    strengths: dict[float, float],
    sizes: tuple[int, int],
) -> tuple[Recipe, ...]:
    """Builds the arms of a curve: the dense one, and one for each method and share.

    All of them train as many epochs as the dense one and end with their last weights; structured ones begin
    with the dense one's and train 0.3 times as many epochs more.

    Args:
        base: What is made sparse.
        methods: Which ways.
        shares: Shares of zeros, from above 0 to below 1; structured: of parameters that are gone.
        strengths: Share -> strength of the l1 penalty; only needed for l1.
        sizes: Features of a row, and classes.

    Returns:
        The recipes.

    Raises:
        UsageError: If nothing is asked for, a share is out of its range, or stands there twice.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> arms = sparse_recipes(
        ...     load_recipe("plain"), methods=["gradual"], shares=[0.9], strengths={}, sizes=(64, 10)
        ... )
        >>> [arm.name for arm in arms]
        ['dense', 'gradual-90']
    """
    _check(methods, shares)
    dense = _arm(base, DENSE, "the dense network", {"method": "magnitude", "share": 0.0})
    arms = [dense]
    for method in methods:
        for share in shares:
            if method == "structured":
                arms.append(_structured(dense, share, sizes))
                continue
            wanted = {"method": method, "share": share}
            more = {"strength": strengths[share]} if method == "l1" else {}
            arms.append(
                _arm(
                    base, _name(method, share), f"{method}, {100 * share:g} % zeros", wanted | more
                )
            )
    return tuple(arms)


def pilot_recipes(
    base: Recipe, *, shares: Sequence[float], strengths: Sequence[float]
) -> tuple[Recipe, ...]:
    """Builds the path over the strength of the l1 penalty: one arm for each share and strength."""
    return tuple(
        _arm(
            base,
            f"{_name('l1', share)}-{strength:g}",
            f"l1, {100 * share:g} % zeros, strength {strength:g}",
            {"method": "l1", "share": share, "strength": strength},
        )
        for share in shares
        for strength in strengths
    )


def choose_strengths(
    base: Recipe,
    dataset: Dataset,
    *,
    shares: Sequence[float],
    strengths: Sequence[float],
    folder: Path,
    follow: tuple[str, Callable[[Any], None] | None],
) -> dict[float, float]:
    """Chooses the strength of the l1 penalty for every share, on validation rows of a seed of its own.

    Args:
        base: What is made sparse.
        dataset: The data; no test row is looked at.
        shares: Shares of zeros.
        strengths: What is tried for each of them, at full length, as one population.
        folder: The study of the curve; what was tried is kept beside it, in `FOLDER-strengths`.
        follow: The command to go on with, and who is told how far it has come.

    Returns:
        Share -> strength of the lowest validation loss.

    Raises:
        UsageError: If no strength ends with a finite loss.
        InterruptedTrainingError: After Ctrl-C; what was done is kept.
    """
    recipes = pilot_recipes(base, shares=shares, strengths=strengths)
    # Training rows stand in for the test rows, so that nobody can have chosen by those.
    unseen = replace(dataset, test_x=dataset.x[:8], test_y=dataset.y[:8])
    seeds = (integer_seed(0, "tuning"),)
    plan = plan_study(recipes, unseen, seeds=seeds, preset="tuned")
    command, progress = follow
    place = folder.with_name(f"{folder.name}{_STRENGTHS}")
    compare_recipes(plan, unseen, folder=place, command=command, progress=progress)
    trials = {trial.recipe: trial for trial in read_study(place).trials}
    chosen: dict[float, float] = {}
    for share in shares:
        losses = {
            one.sparsity.strength: trials[one.name].validation.loss
            for one in recipes
            if one.sparsity.share == share and isfinite(trials[one.name].validation.loss)
        }
        if not losses:
            raise UsageError(
                f"l1 at {100 * share:g} % zeros diverged with every strength; give smaller --strengths or a lower "
                "learning rate"
            )
        chosen[share] = min(losses, key=lambda strength: losses[strength])
    return chosen


def curve_question(recipes: Sequence[Recipe]) -> Asked:
    """Asks whether each arm is as good as the dense one, within a point of accuracy."""
    others = tuple((one.name, DENSE) for one in recipes if one.name != DENSE)
    return Asked(contrasts=others, region=REGION)


@dataclass(frozen=True)
class CurvePoint:
    """One arm of a curve.

    Attributes:
        arm: Its name.
        method: Which way it became sparse; "dense" for the one without zeros.
        share: Share of zeros; structured: of parameters that are gone.
        accuracies: Test accuracy of each seed that did not fail, from 0 to 1.
        loss: Mean log loss, in nats.
        difference: Accuracy minus that of the dense arm, in points.
        low: Lower end of its 95 % interval, which speaks of new seeds and new test rows.
        high: Upper end.
        strength: Of the l1 penalty; None with other methods.
        parameters: Weights of the network, zeros included.
    """

    arm: str
    method: str
    share: float
    accuracies: tuple[float, ...]
    loss: float
    difference: float
    low: float
    high: float
    strength: float | None
    parameters: int | None

    @property
    def mean(self) -> float:
        """Mean accuracy, in per cent."""
        return 100 * fmean(self.accuracies)

    @property
    def deviation(self) -> float:
        """Their standard deviation, in points; NaN below two seeds."""
        return 100 * stdev(self.accuracies) if len(self.accuracies) > 1 else nan

    def to_json(self) -> dict[str, object]:
        """Lists its attributes, mean and deviation; what is not finite is None."""
        shown = {**vars(self), "mean": self.mean, "deviation": self.deviation}
        return {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in shown.items()
        }


class Curve(NamedTuple):
    """Accuracy against sparsity.

    Attributes:
        dense: The arm without zeros.
        points: The others, by method and share.
    """

    dense: CurvePoint
    points: tuple[CurvePoint, ...]

    def to_json(self) -> list[dict[str, object]]:
        """Lists its points, the dense one first."""
        return [point.to_json() for point in (self.dense, *self.points)]


def sparsity_curve(study: Study) -> Curve | None:
    """Reads accuracy against sparsity off a study.

    Args:
        study: From `read_study`.

    Returns:
        The curve, from its trials, or the one that was kept with it; None where no recipe becomes
        sparse, or the dense arm has no sound trial.

    Raises:
        CorruptStudyError: If predictions are gone or not as they were written.
    """
    kept = study.documents.get(DOCUMENT)
    if kept is not None:
        return _from_json(kept)
    recipes = [one for one in recipes_of(study) if one.sparsity.method != "none"]
    dense = next((one for one in recipes if one.sparsity.share == 0.0), None)
    if dense is None or len(recipes) < 2:
        return None
    labels = labels_of(study)
    rows = None if labels is None else study_rows(study, labels)
    arms = study_arms(study, rows=rows)
    points = [_point(study, one, arms[one.name], arms[dense.name]) for one in recipes]
    known = {point.arm: point for point in points if point.accuracies}
    if dense.name not in known:
        return None
    others = [point for name, point in known.items() if name != dense.name]
    others.sort(key=lambda point: (METHODS.index(point.method), point.share))
    return Curve(replace(known[dense.name], method=DENSE), tuple(others))


def _from_json(points: Sequence[Mapping[str, Any]]) -> Curve:
    """Reads a curve that was kept as a document, as `Curve.to_json` wrote it."""
    dense, *others = map(_kept_point, points)
    return Curve(dense, tuple(others))


def _kept_point(kept: Mapping[str, Any]) -> CurvePoint:
    known: dict[str, Any] = {field.name: kept[field.name] for field in fields(CurvePoint)}
    for name in ("loss", "difference", "low", "high"):
        known[name] = nan if known[name] is None else known[name]
    return CurvePoint(**{**known, "accuracies": tuple(known["accuracies"])})


def _point(study: Study, recipe: Recipe, arm: Arm, dense: Arm) -> CurvePoint:
    trials = [one for one in trials_of(recipe, study.trials).values() if not one.failed]
    pairs, wanted = pair_up(arm, dense), recipe.sparsity
    low = high = difference = nan
    if len(pairs.differences):
        estimate = (
            seeds_estimate(pairs.differences) if pairs.rows is None else rows_estimate(pairs.rows)
        )
        difference, (low, high) = estimate.mean, estimate.interval(0.05)
    return CurvePoint(
        arm=recipe.name,
        method=wanted.method,
        share=wanted.share,
        accuracies=tuple(one.test.accuracy for one in trials),
        loss=fmean(one.test.loss for one in trials) if trials else nan,
        difference=100 * difference,
        low=100 * low,
        high=100 * high,
        strength=wanted.strength if wanted.method == "l1" else None,
        parameters=trials[0].parameters if trials else None,
    )


def _arm(base: Recipe, name: str, title: str, wanted: Mapping[str, object]) -> Recipe:
    late = {"training.early_stopping": False, "training.restore_best": False}
    changes = {f"sparsity.{field}": value for field, value in wanted.items()}
    return apply_settings(base, {**late, **changes, "name": name, "title": title})


def _structured(dense: Recipe, share: float, sizes: tuple[int, int]) -> Recipe:
    """Builds the network whose hidden layers have lost so many units that the share of parameters is gone."""
    width = _width(dense, share, sizes)
    epochs = max(1, round(_TUNED_SHARE * dense.training.epochs))
    changes = {
        "name": _name("structured", share),
        "title": f"units removed until {100 * share:g} % of the parameters are gone",
        "starts_from": dense.name,
        "network.width": width,
        "training.epochs": epochs,
        "sparsity.method": "structured",
        "sparsity.share": share,
    }
    return apply_settings(dense, changes)


def _width(dense: Recipe, share: float, sizes: tuple[int, int]) -> int:
    """Finds the width whose parameters come closest to the share that is left; at least one unit."""
    features, classes = sizes

    def count(width: int) -> int:
        narrow = apply_settings(dense, {"network.width": width})
        return parameter_count(narrow, features=features, outputs=classes).total

    left = (1 - share) * count(dense.network.width)
    return min(range(1, dense.network.width + 1), key=lambda width: abs(count(width) - left))


def _name(method: Method, share: float) -> str:
    return f"{method}-{100 * share:g}"


def _check(methods: Sequence[Method], shares: Sequence[float]) -> None:
    if not methods or not shares:
        raise UsageError("no method or no share of zeros; give at least one of each")
    for method in methods:
        if method not in METHODS:
            raise UsageError(f"method {method!r}; give one of {', '.join(METHODS)}")
    for share in shares:
        if not 0 < share < 1:
            hint = f"; did you mean {share / 100:g}?" if 1 < share < 100 else ""
            raise UsageError(
                f"a share of zeros of {share:g}; give shares above 0 and below 1{hint}"
            )
    for listed in (list(methods), list(shares)):
        if len(set(listed)) < len(listed):
            raise UsageError(
                f"{', '.join(map(str, listed))}: one stands there twice; give each once"
            )
