"""Training and validation rows: apart from one another, and of one kind."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import chi2_contingency

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.rows import shared_rows
from denselab.doctor.facts.setup import Setup
from denselab.doctor.facts.tables import Table

__all__ = ["CHECKS"]

_SURE = 1e-6


def _pairs(setup: Setup) -> Iterator[tuple[Table, Table]]:
    """Pairs the inputs with those of the validation data."""
    tables = [entry.table for entry in setup.entries]
    if len(tables) == len(setup.validation[0]):
        for train, validation in zip(tables, setup.validation[0], strict=True):
            if train is not None and train.width == validation.width:
                yield train, validation


@Card(
    id="validation-rows-in-training",
    title="Validation rows that are also trained on",
    group="splits",
    rows=(26,),
    severity="error",
    threshold="at most 1 % of the rows, or three times what is repeated within the training rows, and "
    "fewer than 3 rows",
    source="deepchecks TrainTestSamplesMix; silent in Keras 3",
    labels=("IDS",),
    why="Validation then measures memory: overfitting stays hidden and early stopping never stops.",
    remedy="Drop repeated rows first, then split.",
)
def validation_rows_in_training(setup: Setup) -> Iterator[Found]:
    for train, validation in _pairs(setup):
        shared, asked, repeated = shared_rows(train, validation)
        if shared >= min(3, asked) and shared / asked > max(0.01, 3 * repeated):
            yield Found(f"{shared} of {asked} validation rows are among the training rows")


@Card(
    id="scaler-saw-validation",
    title="A scaler fitted on validation rows",
    group="splits",
    rows=(27,),
    severity="warning",
    threshold="exact: mean 0 and deviation 1 over the training rows alone, to 1e-4",
    source="leakage-analysis; own, from the statistics of both parts",
    labels=("IDS", "CPP"),
    why="The validation rows then say something about themselves in training, or are on another scale.",
    remedy="Fit the scaler on the training rows, and only transform the validation rows.",
)
def scaler_saw_validation(setup: Setup) -> Iterator[Found]:
    for train, validation in _pairs(setup):
        whole = all(_readable(table) for table in (train, validation))
        if not whole or np.array_equal(train.sample, validation.sample):
            continue
        alone = _standard(train.sample)
        if alone and _standard(validation.sample):
            yield Found("training and validation rows have mean 0 and deviation 1, each by itself")
        elif not alone and _standard(np.concatenate([train.sample, validation.sample])):
            yield Found("training and validation rows together have mean 0 and deviation 1")


def _readable(table: Table) -> bool:
    return table.finite and len(table.sample) == table.rows > 1


def _standard(rows: Float[np.ndarray, "row column"]) -> bool:
    means, deviations = rows.mean(axis=0), rows.std(axis=0)
    moving = deviations > 1e-4
    flat = bool((np.abs(means) < 1e-4).all())
    return flat and bool(moving.any()) and bool((np.abs(deviations[moving] - 1) < 1e-4).all())


@Card(
    id="scaler-saw-split",
    title="A scaler fitted before validation_split",
    group="splits",
    rows=(27,),
    severity="note",
    threshold="exact: the rows that validation_split leaves have mean 0 and deviation 1, to 1e-4",
    source="leakage-analysis",
    labels=("IDS",),
    why="The rows split off have shifted the scale a little; mostly harmless, never necessary.",
    remedy="Split first, fit the scaler on the training rows, give validation_data.",
)
def scaler_saw_split(setup: Setup) -> Iterator[Found]:
    if setup.plan is None or not setup.plan.split:
        return
    for entry in setup.entries:
        table = entry.table
        if table is not None and _readable(table) and _standard(table.sample):
            yield Found(f"all rows of {table.name} together have mean 0 and deviation 1")


@Card(
    id="split-of-ordered-rows",
    title="validation_split on rows that are in order",
    group="splits",
    rows=(31,),
    severity="warning",
    threshold="labels of both parts differ by at most 0.2 in total variation, or by chance (p > 1e-6)",
    source="own; silent in Keras 3",
    labels=("IDS", "TCL"),
    why="Keras splits off the last rows before it shuffles: classes may be missing from one part.",
    remedy="Shuffle x and y together before fit, or give stratified validation_data.",
)
def split_of_ordered_rows(setup: Setup) -> Iterator[Found]:
    if setup.plan is None or not setup.plan.split:
        return
    for target in setup.targets:
        kept = round(len(target.sample) * (1 - setup.plan.split))
        words = _drift(target, target.sample[:kept], target.sample[kept:])
        if words:
            yield Found(
                f"the last {setup.plan.split:.0%} of {target.name} differ from the rest: {words}"
            )


@Card(
    id="labels-drift",
    title="Validation labels of another kind than the training labels",
    group="splits",
    rows=(32,),
    severity="warning",
    threshold="labels of both parts differ by at most 0.2 in total variation, or by chance (p > 1e-6)",
    source="deepchecks LabelDrift; bound own",
    labels=("IDS",),
    why="What is best in validation is then not what is best on rows like those trained on.",
    remedy="Split at random, stratified by the labels.",
)
def labels_drift(setup: Setup) -> Iterator[Found]:
    targets = setup.targets
    if len(targets) != len(setup.validation[1]):
        return
    for target, validation in zip(targets, setup.validation[1], strict=True):
        if target.width != validation.width:
            continue
        words = _drift(target, target.clean, validation.clean)
        if words:
            yield Found(f"validation labels differ from training labels: {words}")


Rows = Float[np.ndarray, "row column"]


def _drift(target: Table, first: Rows, second: Rows) -> str:
    """Compares two parts of the targets; empty words where they are alike or chance may differ."""
    if min(len(first), len(second)) < 5 or not target.finite:
        return ""
    labels = _binned(target, np.concatenate([first, second]))
    most = int(labels.max()) + 1
    parts = labels[: len(first)], labels[len(first) :]
    counts = np.stack([np.bincount(part, minlength=most) for part in parts])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return ""
    shares = counts / counts.sum(axis=1, keepdims=True)
    distance = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    chance = float(np.asarray(chi2_contingency(counts)[1]))
    if distance <= 0.2 or chance > _SURE:
        return ""
    return f"total variation {distance:.2f}"


def _binned(target: Table, rows: Rows) -> Int[np.ndarray, " row"]:
    """Turns targets into numbers of classes, or values into numbers of fifths."""
    if target.width > 1 and target_kind(target) == "one-hot":
        return rows.argmax(axis=1)
    if target.width == 1 and target_kind(target) == "classes":
        return np.unique(rows[:, 0], return_inverse=True)[1]
    return np.searchsorted(np.quantile(rows[:, 0], (0.2, 0.4, 0.6, 0.8)), rows[:, 0])


@Card(
    id="no-validation",
    title="Nothing that validates",
    group="splits",
    rows=(59,),
    severity="note",
    threshold="exact: validation_data or validation_split",
    source="catalogue row 59",
    labels=("VRM",),
    why="Overfitting cannot be seen, and nothing tells when to stop.",
    remedy="Give fit validation_data, or validation_split with shuffled rows.",
)
def no_validation(setup: Setup) -> Iterator[Found]:
    if setup.plan is not None and not setup.plan.validated:
        yield Found("fit gets neither validation_data nor validation_split")


CHECKS = (
    validation_rows_in_training,
    scaler_saw_validation,
    scaler_saw_split,
    split_of_ordered_rows,
    labels_drift,
    no_validation,
)
