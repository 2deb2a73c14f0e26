"""The one table of checks: each stands here once; diagnosis, tests and documentation walk it."""

from denselab.doctor.check import Check
from denselab.doctor.checks import (
    architecture,
    callbacks,
    course,
    dropping,
    endings,
    flowing,
    inputs,
    labels,
    losses,
    moving,
    optimization,
    probes,
    run_length,
    self_normalization,
    splits,
    starts,
    targets,
    tried,
    units,
)

__all__ = ["CHECKS"]

CHECKS: tuple[Check, ...] = (
    *endings.CHECKS,
    *labels.CHECKS,
    *losses.CHECKS,
    *inputs.CHECKS,
    *targets.CHECKS,
    *splits.CHECKS,
    *architecture.CHECKS,
    *dropping.CHECKS,
    *starts.CHECKS,
    *self_normalization.CHECKS,
    *optimization.CHECKS,
    *run_length.CHECKS,
    *callbacks.CHECKS,
    *probes.CHECKS,
    *tried.CHECKS,
    *flowing.CHECKS,
    *units.CHECKS,
    *moving.CHECKS,
    *course.CHECKS,
)
"""In the order of the catalogue's groups; findings of one severity come in this order."""
