"""Everything a report draws on, read from a study's records once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from denselab.recipes import Recipe, weights_source
from denselab.study import Study, Summary, arms_of, judged, missing_seeds, recipes_of, summarize
from denselab.study.records import ArmRecord, TrialRecord, trials_of
from denselab.study.statistics import Verdicts, answer
from denselab.study.verdict import study_arms, study_question

__all__ = ["Evidence", "gather"]

_QUESTION = ("metric", "baseline", "contrasts", "region")


@dataclass(frozen=True)
class Evidence:
    """What is known of a study.

    Attributes:
        study: The study.
        summary: What came out of each arm.
        arms: What was compared, in the order of the plan.
        trials: Name of an arm -> its trials in the order of the seeds, failed ones too.
        verdicts: The answer to the study's question; None where there is nothing to contrast.
        judged: Whether the verdicts may be called that; otherwise they are intervals alone.
        missing: Number of trials that are still to be done.
    """

    study: Study
    summary: Summary
    arms: tuple[ArmRecord, ...]
    trials: Mapping[str, tuple[TrialRecord, ...]]
    verdicts: Verdicts | None
    judged: bool
    missing: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the arms."""
        return tuple(arm.name for arm in self.arms)

    @property
    def regression(self) -> bool:
        """Whether there is no accuracy."""
        return self.study.manifest.dataset.get("task") == "regression"

    @cached_property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipes among the arms, with the rates that tuning chose."""
        return recipes_of(self.study)

    def sound(self, name: str) -> list[TrialRecord]:
        """Lists the trials of an arm that did not fail."""
        return [trial for trial in self.trials[name] if not trial.failed]

    def trained(self, name: str) -> str:
        """Names the arm whose training an arm's weights come from; mostly itself."""
        recipe = next((one for one in self.recipes if one.name == name), None)
        return name if recipe is None else weights_source(recipe, self.recipes).name

    def training_seconds(self, name: str) -> dict[int, float]:
        """Lists what the training of an arm's weights took: seed -> seconds, beside other members."""
        trials = self.sound(self.trained(name))
        return {trial.seed: trial.seconds for trial in trials if trial.seconds > 0}


def gather(study: Study, *, verdicts: Verdicts | None = None) -> Evidence:
    """Reads what a report draws on.

    Args:
        study: The study.
        verdicts: The answer to its question, where it was worked out already.

    Returns:
        The evidence.
    """
    arms = arms_of(study)
    missing = sum(map(len, missing_seeds(study).values()))
    final = verdicts if verdicts is not None else judged(study)
    return Evidence(
        study=study,
        summary=summarize(study),
        arms=arms,
        trials={arm.name: _in_order(arm, study) for arm in arms},
        verdicts=_intervals(study, missing) if final is None else final,
        judged=final is not None,
        missing=missing,
    )


def _in_order(arm: ArmRecord, study: Study) -> tuple[TrialRecord, ...]:
    there = trials_of(arm, study.trials)
    return tuple(there[seed] for seed in study.manifest.plan.seeds if seed in there)


def _intervals(study: Study, missing: int) -> Verdicts | None:
    """Gives the intervals of a study that nobody has looked at when it was complete."""
    if len(study.manifest.plan.names) < 2:
        return None
    known = study.documents.get("question", {})
    asked = {name: known[name] for name in _QUESTION if known.get(name) is not None}
    if study.manifest.dataset.get("task") == "regression":
        asked = {"metric": "loss", "region": 0.0, **asked}
    question = replace(study_question(study, **asked), primary=False)
    found = answer(question, study_arms(study, metric=asked.get("metric", "accuracy")), resamples=0)
    if missing:
        reason = (
            "1 trial is still to be done"
            if missing == 1
            else f"{missing} trials are still to be done"
        )
    elif len(study.manifest.plan.seeds) < found.least_seeds:
        reason = f"too few seeds: there must be {found.least_seeds}"
    else:
        reason = "nobody fixed its question before it was trained"
    return replace(found, contrasts=tuple(replace(one, reason=reason) for one in found.contrasts))
