"""Runs claims: trains their arms, measures what they need, decides them, and puts all on record."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

from denselab.data import Dataset
from denselab.study.claims.activations import activation_rows, keep_rows
from denselab.study.claims.claim import Claim, Judgement, claim_answer
from denselab.study.claims.evidence import Evidence
from denselab.study.claims.measure import Workplace, measure_needs
from denselab.study.claims.planning import ClaimsPlan, Group, Place
from denselab.study.claims.rules import decide_part
from denselab.study.compare import compare_recipes
from denselab.study.judgement import Asked
from denselab.study.manifest import manifest_for
from denselab.study.reading import Study, is_study, read_study
from denselab.study.statistics import look_level
from denselab.study.store import open_study
from denselab.study.verdict import study_rows

__all__ = ["CLAIMS", "ClaimsResult", "Watch", "run_claims"]

CLAIMS, _LOOKS = "claims", "claims_looks"

Watch: TypeAlias = Callable[[Group], AbstractContextManager[Callable[[Any], None]]]
"""Follows the training of a group: gives what is told how far an arm has come."""


@dataclass(frozen=True)
class ClaimsResult:
    """What came out of claims.

    Attributes:
        folder: The study folder.
        judgements: One a claim.
        plan: What was trained.
        seconds: Seconds that this run took.
        failed: Number of trials whose loss was not finite.
    """

    folder: Path
    judgements: tuple[Judgement, ...]
    plan: ClaimsPlan
    seconds: float
    failed: int

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values, ready for `json.dumps`."""
        return {
            "study": str(self.folder),
            "dataset": self.plan.groups[0].plan.dataset,
            "seeds": list(self.plan.groups[0].plan.seeds),
            "trainings": self.plan.trainings,
            "seconds": self.seconds,
            "failed": self.failed,
            "claims": [one.to_json() for one in self.judgements],
        }


def run_claims(
    plan: ClaimsPlan,
    dataset: Dataset,
    *,
    folder: Path,
    command: str,
    watch: Watch | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> ClaimsResult:
    """Trains and measures what claims need and the folder does not have yet, and decides them.

    Args:
        plan: From `plan_claims`.
        dataset: The data of the plan, with its test set.
        folder: The study folder.
        command: What the user typed.
        watch: Follows the training of a group: gives what is told how far an arm has come.
        say: Told what is being measured.

    Returns:
        What came out. It is on record in the study, too: documents "claims" and "activations".

    Raises:
        DenselabError: As `compare_recipes`.
        KeyboardInterrupt: After Ctrl-C while something is measured; all that was finished is kept.
    """
    began = perf_counter()
    studies: dict[str, Study] = {}
    for place, (name, group) in enumerate(plan.groups):
        where = folder if place == 0 else folder / name
        asked = None if is_study(where) or place else _asked(plan)
        with nullcontext() if watch is None else watch(Group(name, group)) as progress:
            compare_recipes(
                group, dataset, folder=where, command=command, asked=asked, progress=progress
            )
        studies[name] = read_study(where)
    manifest = manifest_for(plan.groups[0].plan, dataset, command=command)
    with open_study(folder, manifest) as store:
        judgements = _judged(Workplace(plan, studies, dataset, store, say))
    named = set(plan.places.values())
    failed = sum(
        trial.failed
        for group, study in studies.items()
        for trial in study.trials
        if Place(group, trial.recipe) in named
    )
    return ClaimsResult(folder, judgements, plan, perf_counter() - began, failed)


def _judged(work: Workplace) -> tuple[Judgement, ...]:
    """Measures and decides, and puts on record what came out."""
    measured, store = measure_needs(work), work.store
    looks = dict(store.study.documents.get(_LOOKS, {}))
    judgements = []
    for claim in work.plan.claims:
        seeds = len(work.studies[_group(work.plan, claim)].manifest.plan.seeds)
        sizes = looks.get(claim.name, [])
        looks[claim.name] = sizes if sizes and seeds <= sizes[-1] else [*sizes, seeds]
        judgements.append(_judge(claim, work, measured, looks[claim.name]))
    store.put_document(_LOOKS, looks)
    known = {one["name"]: one for one in store.study.documents.get(CLAIMS, [])}
    known |= {one.claim.name: one.to_json() for one in judgements}
    store.put_document(CLAIMS, list(known.values()))
    layers = {place.recipe: table for place, table in measured.get("layers", {}).items()}
    if layers:
        keep_rows(store, activation_rows(layers))
    return tuple(judgements)


def _asked(plan: ClaimsPlan) -> Asked | None:
    """Asks of the study itself what its claims contrast in accuracy, and nothing beside it."""
    first = plan.groups[0].name
    pairs: dict[frozenset[str], tuple[str, str]] = {}
    for claim in plan.claims:
        for part in claim.parts:
            named = part.arms()
            if part.kind != "difference" or getattr(part, "metric", "") != "accuracy":
                continue
            arm, against = (plan.places[claim.name, name] for name in named)
            if arm.group == against.group == first and arm != against:
                pairs.setdefault(
                    frozenset((arm.recipe, against.recipe)), (arm.recipe, against.recipe)
                )
    return Asked(contrasts=tuple(pairs.values())) if pairs else None


def _judge(
    claim: Claim, work: Workplace, measured: dict[str, dict[Place, Any]], sizes: Sequence[int]
) -> Judgement:
    level = look_level(sizes, planned=sizes[0])
    intervals = max(1, sum(part.intervals for part in claim.parts))
    evidence = replace(_evidence(claim, work, measured), level=level / intervals)
    outcomes = tuple(decide_part(part, evidence) for part in claim.parts)
    trials = [one for trials in evidence.trials.values() for one in trials.values()]
    return Judgement(
        claim=claim,
        answer=claim_answer([one.answer for one in outcomes], claim.follows),
        outcomes=outcomes,
        seeds=sizes[-1],
        level=level,
        seconds=sum(trial.seconds for trial in trials),
        trainings=sum(trial.epochs_run > 0 for trial in trials),
        shared=work.plan.shared(claim),
    )


def _evidence(claim: Claim, work: Workplace, measured: dict[str, dict[Place, Any]]) -> Evidence:
    places = {arm: work.plan.places[claim.name, arm] for arm in claim.arms}

    def known(what: str) -> dict[str, Any]:
        there = measured.get(what, {})
        return {arm: there[place] for arm, place in places.items() if place in there}

    draws = {
        f"{arm} {way}": seconds
        for arm, by_way in known("draws").items()
        for way, seconds in by_way.items()
    }
    return Evidence(
        trials={arm: work.trials(place) for arm, place in places.items()},
        recipes={arm: work.recipe(place) for arm, place in places.items()},
        rows=_rows(claim, work, places),
        targets=known("target"),
        layers=known("layers"),
        seconds={"epoch": known("epoch"), "predict": known("predict"), "draws": draws},
        trusts=known("trust"),
        programs=known("program"),
    )


def _rows(claim: Claim, work: Workplace, places: dict[str, Place]) -> dict[str, Any]:
    """Scores single test rows in the metrics that a claim asks for."""
    wanted = {need.arm for part in claim.parts for need in part.needs() if need.what == "rows"}
    labels = work.dataset.test_y
    if labels is None or not wanted:
        return {}
    found: dict[str, Any] = {}
    for metric in sorted(wanted):
        study = work.studies[_group(work.plan, claim)]
        names = {place.recipe for place in places.values()}
        trials = tuple(one for one in study.trials if one.recipe in names)
        rows = study_rows(
            replace(study, trials=trials), labels, metric="loss" if metric == "loss" else "accuracy"
        )
        found[metric] = {arm: rows[place.recipe] for arm, place in places.items()}
    return found


def _group(plan: ClaimsPlan, claim: Claim) -> str:
    return plan.places[claim.name, next(iter(claim.arms))].group
