"""Where the figures come from: command, data, versions, machine, dates."""

from denselab.report.contents import Section
from denselab.report.evidence import Evidence
from denselab.report.tables import Cell, Column, Table
from denselab.study import looks

__all__ = ["provenance"]


def provenance(evidence: Evidence) -> Section | None:
    """Says how to make the study again.

    Args:
        evidence: The study.

    Returns:
        The section.
    """
    manifest = evidence.study.manifest
    run = manifest.runs[-1]
    plan = manifest.plan
    rows: list[tuple[Cell, ...]] = [
        ("command", run.command),
        ("study folder", str(evidence.study.folder)),
        ("begun", manifest.created),
        ("last command", run.started),
        ("values", plan.preset),
        ("seeds", ", ".join(map(str, plan.seeds))),
        *(
            (f"data, {name.replace('_', ' ')}", str(value))
            for name, value in manifest.dataset.items()
        ),
        *((f"version of {name}", str(value)) for name, value in run.versions.items()),
        *(
            (f"machine, {name.replace('_', ' ')}", str(value))
            for name, value in run.hardware.items()
        ),
        *(
            (f"look at the test scores, {look.when}", f"{look.seeds} seeds, level {look.level:.4g}")
            for look in looks(evidence.study)
        ),
    ]
    columns = (Column("what"), Column("value"))
    tables = [Table("provenance", "Where these figures come from", columns, tuple(rows))]
    if len(manifest.runs) > 1:
        commands = tuple((one.started, one.command) for one in manifest.runs)
        titles = (Column("started"), Column("command"))
        tables.append(Table("commands", "All commands", titles, commands, folded=True))
    words = (
        "The same command in the same place gives the same figures; where it was stopped, it goes on.",
    )
    return Section("provenance", "Provenance", words, (), tuple(tables))
