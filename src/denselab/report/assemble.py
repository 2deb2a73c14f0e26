"""From a study to the contents of its report."""

from denselab.report.alerts import alerts_of
from denselab.report.answer import answer_of
from denselab.report.contents import Contents
from denselab.report.evidence import gather
from denselab.report.sections import SECTIONS
from denselab.report.tables import clean
from denselab.study import Study
from denselab.study.statistics import Verdicts

__all__ = ["contents_of"]


def contents_of(study: Study, *, verdicts: Verdicts | None = None) -> Contents:
    """Works out what stands in the report of a study, from its records alone.

    Args:
        study: From `read_study`; finished or not.
        verdicts: The answer to its question, where it was worked out already.

    Returns:
        The contents.

    Raises:
        CorruptStudyError: If predictions that are on record are gone or not as they were written.
    """
    evidence = gather(study, verdicts=verdicts)
    made = (make(evidence) for make in SECTIONS)
    return Contents(
        title=clean(study.manifest.plan.dataset),
        about=_about(study),
        answer=answer_of(evidence),
        alerts=alerts_of(evidence),
        sections=tuple(section for section in made if section is not None),
    )


def _about(study: Study) -> tuple[str, ...]:
    plan, facts = study.manifest.plan, study.manifest.dataset
    arms, seeds = len(plan.names), len(plan.seeds)
    return (
        f"{arms} arm{'' if arms == 1 else 's'}",
        f"{seeds} seed{'' if seeds == 1 else 's'} each",
        f"{int(facts['rows']):,} training rows",
        f"{int(facts['test_rows']):,} test rows",
        f"{clean(plan.preset)} values",
        str(study.manifest.runs[-1].started)[:10],
    )
