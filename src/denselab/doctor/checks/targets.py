"""The targets by themselves: their scale, their balance, whether rows contradict one another."""

from collections.abc import Iterator

import numpy as np

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.rows import row_hashes
from denselab.doctor.facts.setup import Setup, held
from denselab.doctor.facts.tables import Table

__all__ = ["CHECKS"]


@Card(
    id="rows-differ",
    title="Inputs and targets with different numbers of rows",
    group="data",
    rows=(15,),
    severity="error",
    threshold="exact: equal",
    source="keras raises in fit",
    labels=("TWS", "TCL"),
    why="Rows and labels do not belong together.",
    remedy="Take both from the same table, in the same order.",
)
def rows_differ(setup: Setup) -> Iterator[Found]:
    tables = [entry.table for entry in setup.entries if entry.table is not None]
    counts = {table.name: table.rows for table in (*tables, *setup.targets)}
    if len(set(counts.values())) > 1:
        yield Found(", ".join(f"{name} has {count} rows" for name, count in counts.items()))


@Card(
    id="targets-constant",
    title="Targets that are all the same",
    group="data",
    rows=(22, 30),
    severity="error",
    threshold="exact: two different values",
    source="own",
    labels=("TCL",),
    why="There is nothing to learn: the best answer does not depend on the inputs.",
    remedy="Look for the other classes: a sorted file cut off, a wrong column.",
)
def targets_constant(setup: Setup) -> Iterator[Found]:
    for target in setup.targets:
        same = bool((target.sample == target.sample[:1]).all()) and target.finite
        if target.rows > 1 and same and (target.width > 1 or target.minimum == target.maximum):
            yield Found(f"all {target.rows} rows of {target.name} are {target.sample[0].tolist()}")


@Card(
    id="targets-unscaled",
    title="Regression targets far from the scale that networks start for",
    group="data",
    rows=(24,),
    severity="warning",
    threshold="root mean square above 1000, or above 100 with SGD that clips nothing (own); up to that a "
    "note above 100",
    source="TheDeepChecker over_scaled_outputs",
    labels=("CPP(y)", "HLR"),
    why="Outputs start near 0: SGD's first step is as large as the targets and may diverge, Adam's is "
    "its rate whatever the distance.",
    remedy="Standardise the targets by the training rows, and undo it in prediction.",
)
def targets_unscaled(setup: Setup) -> Iterator[Found]:
    optimizer = setup.optimizer
    sgd = optimizer is not None and optimizer.family == "sgd" and not optimizer.clipped
    for head, loss, target in held(setup):
        if loss.family != "regression" or head.activation not in ("linear", "relu", "softplus"):
            continue
        if loss.name in ("mean_absolute_percentage_error", "mean_squared_logarithmic_error"):
            continue
        size = float(np.sqrt((target.clean**2).mean(axis=0)).max())
        if size > 100:
            bad = size > 1000 or (sgd and loss.name == "mean_squared_error")
            yield Found(
                f"{target.name} runs {target.span}, with a root mean square of {size:.4g}",
                head.layer,
                severity=None if bad else "note",
            )


@Card(
    id="classes-imbalanced",
    title="Classes of very different size",
    group="data",
    rows=(25,),
    severity="warning",
    threshold="a class with more than 95 % of the rows (own); a note where one class is 10 times another",
    source="SageMaker ClassImbalance, deepchecks",
    labels=("TRD",),
    why="Always naming the greatest class is nearly right, and the network may learn no more.",
    remedy="Give fit a class_weight, resample, or judge by balanced accuracy.",
)
def classes_imbalanced(setup: Setup) -> Iterator[Found]:
    if setup.plan is not None and setup.plan.weighted:
        return
    for _, loss, target in held(setup):
        kind = target_kind(target)
        if loss.family == "regression" or kind not in ("classes", "one-hot"):
            continue
        labels = target.clean[:, 0] if kind == "classes" else target.clean.argmax(axis=1)
        counts = np.unique(labels, return_counts=True)[1]
        share = counts.max() / counts.sum()
        if len(counts) > 1 and counts.max() > 10 * counts.min():
            yield Found(
                f"the classes of {target.name} have {counts.min()} to {counts.max()} rows; the "
                f"greatest has {share:.1%}",
                severity=None if share > 0.95 else "note",
            )


@Card(
    id="equal-rows-other-labels",
    title="Equal rows with different labels",
    group="data",
    rows=(29,),
    severity="note",
    threshold="no equal rows with different labels among the first 10,000",
    source="deepchecks ConflictingLabels",
    labels=("TCL",),
    why="No network can tell them apart, so accuracy has a ceiling below 100 %.",
    remedy="Look at the labels of those rows, or add a column that tells them apart.",
)
def equal_rows_other_labels(setup: Setup) -> Iterator[Found]:
    if len(setup.entries) != 1 or setup.entries[0].table is None:
        return
    table = setup.entries[0].table
    for target in setup.targets:
        if target.rows != table.rows or target_kind(target) not in ("classes", "one-hot"):
            continue
        conflicts = _conflicts(table, target)
        if conflicts:
            yield Found(f"{conflicts} rows of {table.name} equal one with another label")


def _conflicts(table: Table, target: Table) -> int:
    """Counts rows that equal an earlier one and have another label."""
    seen: dict[int, int] = {}
    found = 0
    for row, label in zip(row_hashes(table), row_hashes(target), strict=True):
        found += seen.setdefault(row, label) != label
    return found


CHECKS = (
    rows_differ,
    targets_constant,
    targets_unscaled,
    classes_imbalanced,
    equal_rows_other_labels,
)
