"""The question of a study, the looks at its answer, and the verdicts that both allow.

The question is fixed before the first trial. Every look at the test scores of a complete study is on
record with the number of seeds there were, so that a study which is extended spends its error once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from denselab.errors import UsageError
from denselab.study.arms import missing_seeds
from denselab.study.reading import Study
from denselab.study.statistics import (
    FIRST_LOOK,
    Interaction,
    Interval,
    Question,
    Verdicts,
    answer,
    look_level,
)
from denselab.study.store import Store
from denselab.study.verdict import (
    QUESTION_DOCUMENT,
    study_arms,
    study_question,
    study_rows,
)

__all__ = ["DATA_DOCUMENT", "Asked", "fix_question", "judge", "judged", "labels_of", "looks"]

DATA_DOCUMENT = "data"
"""Name of the document that holds class names and the labels of test and calibration rows."""

_LOOKS = "looks"


@dataclass(frozen=True)
class Asked:
    """What is asked of a study.

    Attributes:
        metric: The primary metric: "accuracy" or "loss", of the test rows.
        baseline: Contrast every other arm with this one; None contrasts each with the one before it.
        contrasts: Pairs (arm, against), instead of both.
        region: Differences up to this size do not matter, in points or nats; None is the default.
        interactions: Asked besides, each a contrast of the family like the others.
    """

    metric: Literal["accuracy", "loss"] = "accuracy"
    baseline: str | None = None
    contrasts: tuple[tuple[str, str], ...] | None = None
    region: float | None = None
    interactions: tuple[Interaction, ...] = ()


@dataclass(frozen=True)
class Look:
    """One look at the test scores of a complete study.

    Attributes:
        when: Date and time in UTC, ISO 8601.
        seeds: Number of seeds each arm had.
        family: The contrasts.
        level: Family-wise error it may use; 0 where it may give no verdict.
        checks: Bootstrap interval of each contrast, which takes most of the time that an answer does; None
            where an older denselab did not keep them.
    """

    when: str
    seeds: int
    family: tuple[tuple[str, str], ...]
    level: float
    checks: tuple[Interval, ...] | None = None


def fix_question(store: Store, asked: Asked | None, *, seeds: int) -> None:
    """Puts the question of a study on record, once and before anything is looked at.

    Args:
        store: The study.
        asked: The question; None asks the one on record, or the default one.
        seeds: Number of seeds that are planned.

    Raises:
        UsageError: If another question is on record, or a name in it is not known.
    """
    known = store.study.documents.get(QUESTION_DOCUMENT)
    if asked is None and len(store.study.manifest.plan.names) < 2:
        return  # Nothing to hold against anything; the question is fixed when there is.
    if known is None:
        wanted = asked or Asked()
        _question(store.study, wanted)
        store.put_document(QUESTION_DOCUMENT, {**_plain(wanted), "planned_seeds": seeds})
    elif asked is not None and _plain(asked) != {k: known.get(k) for k in _plain(asked)}:
        raise UsageError(
            f"{store.study.folder}: asks about {_words(_asked(known))} since it was begun, not about "
            f"{_words(asked)}; ask the same, or choose another folder for another question"
        )


def judge(store: Store) -> Verdicts | None:
    """Answers the question of a study, and puts the look on record.

    Args:
        store: The study.

    Returns:
        The verdicts; None while trials are missing, or where there is nothing to contrast.
    """
    study = store.study
    if not _askable(study):
        return None
    now, before = len(study.manifest.plan.seeds), looks(study)
    family = _question(study, _asked_of(study)).contrasts
    if not before or (before[-1].seeds, before[-1].family) != (now, family):
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        look = Look(stamp, now, family, _level(study, now, family))
        checks = tuple(one.bootstrap for one in _answered(study, look).contrasts)
        after = (*before, replace(look, checks=checks))
        store.put_document(_LOOKS, [_look_json(one) for one in after])
    return judged(store.study)


def judged(study: Study) -> Verdicts | None:
    """Answers the question of a study as at its last look.

    Args:
        study: The study; nothing in it is changed.

    Returns:
        The verdicts; None where nobody has looked at the study as it stands.
    """
    before = looks(study)
    if not before or not _askable(study):
        return None
    look, question = before[-1], _question(study, _asked_of(study))
    if (look.seeds, look.family) != (len(study.manifest.plan.seeds), question.contrasts):
        return None
    return _answered(study, look)


def _answered(study: Study, look: Look) -> Verdicts:
    """Answers the question of a study at a look, with the checks of the look where they are kept."""
    question, labels = _question(study, _asked_of(study)), labels_of(study)
    metric = _asked_of(study).metric
    rows = None if labels is None else study_rows(study, labels, metric=metric)
    question = (
        replace(question, level=look.level) if look.level else replace(question, primary=False)
    )
    arms = study_arms(study, metric=metric, rows=rows)
    if look.checks is None:
        return answer(question, arms)
    found = answer(question, arms, resamples=0)
    checked = zip(found.contrasts, look.checks, strict=True)
    return replace(found, contrasts=tuple(replace(one, bootstrap=kept) for one, kept in checked))


def looks(study: Study) -> tuple[Look, ...]:
    """Lists the looks at a study, first to last."""
    return tuple(
        Look(
            one["when"],
            one["seeds"],
            _pairs(one["family"]),
            one["level"],
            _checks(one.get("checks")),
        )
        for one in study.documents.get(_LOOKS, [])
    )


def labels_of(study: Study) -> np.ndarray | None:
    """Reads the true classes of the test rows; None where an older denselab did not keep them."""
    data = study.documents.get(DATA_DOCUMENT)
    return None if data is None else np.array(data["test_labels"])


def _askable(study: Study) -> bool:
    complete = not any(missing_seeds(study).values())
    return complete and len(study.manifest.plan.names) > 1


def _level(study: Study, now: int, family: tuple[tuple[str, str], ...]) -> float:
    """Gives a look its share of the error; none where the question was changed and no seed added."""
    before = looks(study)
    if not before:
        planned = study.documents[QUESTION_DOCUMENT]["planned_seeds"]
        return look_level([now], planned=max(planned, now))
    if now <= before[-1].seeds:
        return 0.0
    sizes = sorted({look.seeds for look in before} | {now})
    return look_level(sizes, planned=study.documents[QUESTION_DOCUMENT]["planned_seeds"])


def _question(study: Study, asked: Asked) -> Question:
    question = study_question(
        study,
        metric=asked.metric,
        baseline=asked.baseline,
        contrasts=asked.contrasts,
        region=asked.region,
        level=FIRST_LOOK,
    )
    family = (*question.contrasts, *(one.contrast for one in asked.interactions))
    _check_interactions(asked.interactions, study.manifest.plan.names)
    return replace(question, contrasts=family)


def _check_interactions(interactions: Sequence[Interaction], names: Sequence[str]) -> None:
    for one in interactions:
        for name in one.arms:
            if name not in names:
                raise UsageError(
                    f"{one.name}: no arm is called {name}; there are {', '.join(names)}"
                )


def _asked_of(study: Study) -> Asked:
    known = study.documents.get(QUESTION_DOCUMENT)
    return Asked() if known is None else _asked(known)


def _asked(known: Mapping[str, Any]) -> Asked:
    contrasts = None if known["contrasts"] is None else _pairs(known["contrasts"])
    interactions = tuple(Interaction(*one) for one in known.get("interactions") or ())
    return Asked(known["metric"], known["baseline"], contrasts, known["region"], interactions)


def _plain(asked: Asked) -> dict[str, Any]:
    contrasts = None if asked.contrasts is None else [list(pair) for pair in asked.contrasts]
    # None where there are none, as in studies that were begun before there were interactions.
    interactions = [list(one) for one in asked.interactions] or None
    return {**vars(asked), "contrasts": contrasts, "interactions": interactions}


def _look_json(look: Look) -> dict[str, object]:
    known = {**vars(look), "family": [list(pair) for pair in look.family]}
    if look.checks is None:
        return known
    # As text: with few seeds they have no ends, or infinite ones, and a record holds no such numbers.
    return {**known, "checks": [[repr(float(end)) for end in one] for one in look.checks]}


def _checks(known: Sequence[Sequence[str]] | None) -> tuple[Interval, ...] | None:
    return None if known is None else tuple(Interval(float(a), float(b)) for a, b in known)


def _pairs(family: Sequence[Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((arm, against) for arm, against in family)


def _words(asked: Asked) -> str:
    if asked.contrasts is not None:
        family = ", ".join(f"{arm} against {against}" for arm, against in asked.contrasts)
    elif asked.baseline is not None:
        family = f"every arm against {asked.baseline}"
    else:
        family = "each arm against the one before"
    crossed = "".join(f", {one.name}" for one in asked.interactions)
    region = "" if asked.region is None else f", region {asked.region:g}"
    return f"{asked.metric}, {family}{crossed}{region}"
