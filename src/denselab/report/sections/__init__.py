"""The sections of a report, one file each: a function from evidence to a section, or to none."""

from collections.abc import Callable
from typing import TypeAlias

from denselab.report.contents import Section
from denselab.report.evidence import Evidence
from denselab.report.sections.activations import activations
from denselab.report.sections.claims import claims
from denselab.report.sections.classes import classes
from denselab.report.sections.contrasts import contrasts
from denselab.report.sections.cost import cost
from denselab.report.sections.curves import curves
from denselab.report.sections.findings import findings
from denselab.report.sections.provenance import provenance
from denselab.report.sections.recipes import recipes
from denselab.report.sections.secondary import secondary
from denselab.report.sections.seeds import seeds
from denselab.report.sections.sparsity import sparsity
from denselab.report.sections.tuning import tuning
from denselab.report.sections.uncertainty import uncertainty

__all__ = ["SECTIONS"]

SectionMaker: TypeAlias = Callable[[Evidence], Section | None]

SECTIONS: tuple[SectionMaker, ...] = (
    contrasts,
    secondary,
    seeds,
    curves,
    cost,
    tuning,
    claims,
    sparsity,
    activations,
    findings,
    classes,
    uncertainty,
    recipes,
    provenance,
)
"""In the order in which they stand."""
