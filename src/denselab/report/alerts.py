"""What a reader must know before believing a figure."""

from collections.abc import Iterator

from denselab.report.contents import Alert
from denselab.report.evidence import Evidence
from denselab.report.tables import clean
from denselab.study import looks
from denselab.study.tuning import tuning_records

__all__ = ["alerts_of"]


def alerts_of(evidence: Evidence) -> tuple[Alert, ...]:
    """Lists what weakens the answer, then what explains it.

    Args:
        evidence: The study.

    Returns:
        Warnings, then notes.
    """
    warnings = (
        *_missing(evidence),
        *_failed(evidence),
        *_too_few(evidence),
        *_boundaries(evidence),
        *_looks(evidence),
    )
    return (
        *(Alert("warning", text) for text in warnings),
        *(Alert("note", text) for text in _notes(evidence)),
    )


def _missing(evidence: Evidence) -> Iterator[str]:
    if evidence.missing:
        plan = evidence.study.manifest.plan
        planned = len(plan.names) * len(plan.seeds)
        yield (
            f"Not finished: {planned - evidence.missing} of {planned} trials are done, so means of "
            "different arms may be of different seeds. Run the command below again; it goes on from here."
        )


def _failed(evidence: Evidence) -> Iterator[str]:
    for name, trials in evidence.trials.items():
        seeds = [str(trial.seed) for trial in trials if trial.failed]
        if seeds:
            yield (
                f"{clean(name)}: {len(seeds)} of {len(trials)} trials failed, their loss was not finite "
                f"(seed{'' if len(seeds) == 1 else 's'} {', '.join(seeds)}). They are in no mean; a lower "
                "learning rate may help."
            )


def _too_few(evidence: Evidence) -> Iterator[str]:
    verdicts = evidence.verdicts
    if verdicts is None:
        return
    seeds = len(evidence.study.manifest.plan.seeds)
    if seeds < verdicts.least_seeds:
        yield (
            f"Too few seeds for a verdict: {seeds} are planned, and this family of contrasts takes "
            f"{verdicts.least_seeds}. The same command with --seeds {verdicts.least_seeds} trains the rest."
        )
    elif not evidence.judged and not evidence.missing:
        yield (
            "No verdict is on record: this study was not judged when it was trained. Intervals are shown, "
            "without one."
        )
    for reason in dict.fromkeys(one.reason for one in verdicts.contrasts if evidence.judged):
        if reason and not reason.startswith("too few seeds"):
            arms = [one.arm for one in verdicts.contrasts if one.reason == reason]
            yield f"No verdict on {', '.join(map(clean, arms))}: {clean(reason)}."


def _boundaries(evidence: Evidence) -> Iterator[str]:
    records = tuning_records(evidence.study).values()
    for end in ("lowest", "highest"):
        there = [one for one in records if one.boundary == end and one.chosen is not None]
        if there:
            arms = ", ".join(f"{clean(one.recipe)} ({one.chosen:g})" for one in there)
            yield (
                f"The {end} learning rate that was tried did best for {arms}. A better one may lie beyond: "
                "try more rates, in another folder."
            )
    for one in records:
        if one.tried and all(rate.status == "diverged" for rate in one.tried):
            yield f"{clean(one.recipe)}: all learning rates that were tried diverged; its own was kept."


def _looks(evidence: Evidence) -> Iterator[str]:
    ledger = looks(evidence.study)
    if len(ledger) > 1:
        seeds = ", ".join(str(look.seeds) for look in ledger)
        yield (
            f"The test scores were looked at {len(ledger)} times, at {seeds} seeds; the last look may err in "
            f"{100 * ledger[-1].level:.2g} % of studies, so intervals are wider than at a first look."
        )


def _notes(evidence: Evidence) -> Iterator[str]:
    by_note: dict[str, list[str]] = {}
    for recipe in evidence.summary.recipes:
        for note in recipe.notes:
            by_note.setdefault(clean(note), []).append(clean(recipe.name))
    for note, names in by_note.items():
        every = len(names) == len(evidence.names)
        yield f"{'All arms' if every else ', '.join(names)}: {note}"
