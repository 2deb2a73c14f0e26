"""How long the run is: batches, updates, and schedules that should end with it."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]


_FEWEST = 30


def _batch_norms(setup: Setup) -> list[str]:
    return [layer.name for layer in setup.network.layers if layer.kind == "BatchNormalization"]


@Card(
    id="hardly-any-updates",
    title="A run of hardly any updates",
    group="length of the run",
    rows=(33,),
    severity="warning",
    threshold="at least 30 updates (own); a note below 200",
    source="TheDeepChecker; bounds own",
    labels=("HNE", "HBS"),
    why="A network moves a little with every update; after this few it is nearly where it started.",
    remedy="Train for more epochs, with smaller batches where the data are few.",
)
def hardly_any_updates(setup: Setup) -> Iterator[Found]:
    plan = setup.plan
    if plan is None or plan.updates is None:
        return
    if plan.updates < 200:
        yield Found(
            f"{plan.epochs} epochs of {plan.batches} batches are {plan.updates} updates",
            severity=None if plan.updates < _FEWEST else "note",
        )


@Card(
    id="weights-cannot-move-far",
    title="A run too short for its learning rate",
    group="length of the run",
    rows=(33, 49),
    severity="warning",
    threshold="updates times rate at least 0.02 for Adam and its kin, and 1 for SGD, over 1 - momentum (own)",
    source="own: one update moves a weight by the rate, with SGD times its gradient",
    labels=("HNE", "HLR"),
    why="Weights start at sizes of 0.1 and gradients at sizes of less: none of them gets anywhere.",
    remedy="Train longer, or raise the learning rate.",
)
def weights_cannot_move_far(setup: Setup) -> Iterator[Found]:
    plan, optimizer = setup.plan, setup.optimizer
    if plan is None or optimizer is None or plan.updates is None or optimizer.rate is None:
        return
    momentum = optimizer.momentum if optimizer.family == "sgd" and optimizer.momentum else 0.0
    least = {"adaptive": 0.02, "sgd": 1.0}.get(optimizer.family, 0.0)
    reach = plan.updates * optimizer.rate / max(1 - momentum, 1e-3)
    if plan.updates >= _FEWEST and reach < least:
        yield Found(f"{plan.updates} updates at rate {optimizer.rate:.3g} reach {reach:.2g}")


@Card(
    id="batch-larger-than-data",
    title="A batch larger than the data",
    group="length of the run",
    rows=(33,),
    severity="note",
    threshold="exact: at most the training rows",
    source="catalogue row 33",
    labels=("HBS",),
    why="Every epoch is a single update, by the same rows each time.",
    remedy="Use 32, or a tenth of the rows.",
    fix={"training.batch_size": 32},
)
def batch_larger_than_data(setup: Setup) -> Iterator[Found]:
    plan = setup.plan
    if plan is None or plan.rows is None or plan.batch_size is None:
        return
    if plan.batch_size > plan.rows and plan.batch_size != 32:
        yield Found(f"batches have {plan.batch_size} rows and the data {plan.rows}")


@Card(
    id="batch-of-one",
    title="Batches of one row",
    group="length of the run",
    rows=(33,),
    severity="note",
    threshold="2 rows",
    source="Masters and Luschi, 2018; own",
    labels=("HBS",),
    why="Every update follows a single row: noisy, and many times slower.",
    remedy="Use 32, and raise the learning rate with it.",
    fix={"training.batch_size": 32},
)
def batch_of_one(setup: Setup) -> Iterator[Found]:
    plan = setup.plan
    if plan is not None and plan.batch_size == 1 and plan.rows != 1 and not _batch_norms(setup):
        yield Found(f"batch_size is 1 for {plan.rows} rows")


@Card(
    id="batch-norm-on-few-rows",
    title="BatchNormalization on a batch of few rows",
    group="length of the run",
    rows=(41,),
    severity="error",
    threshold="exact for 1 row, whose output is a constant; a warning below 8 rows (own)",
    source="own: a last batch of 3 rows cost a 20-layer net 13 points (docs/log.md); silent in Keras 3",
    labels=("HBS",),
    why="Mean and variance of so few rows are noise, and one such step spoils the moving averages.",
    remedy="Choose another batch size or hold out other rows so that the last batch is larger, or use "
    "LayerNormalization.",
    fix={"network.normalization": "layer"},
)
def batch_norm_on_few_rows(setup: Setup) -> Iterator[Found]:
    plan, normalized = setup.plan, _batch_norms(setup)
    if plan is None or not normalized or plan.batch_size is None:
        return
    words = f"layer {normalized[0]!r} is BatchNormalization and"
    if plan.batch_size < 8:
        severity = None if plan.batch_size == 1 else "warning"
        yield Found(
            f"{words} batches have {plan.batch_size} rows", normalized[0], severity=severity
        )
    elif plan.last_batch is not None and plan.last_batch < 8:
        severity = None if plan.last_batch == 1 else "warning"
        yield Found(
            f"{words} the last batch has {plan.last_batch} of {plan.rows} rows",
            normalized[0],
            severity=severity,
        )


@Card(
    id="schedule-length",
    title="A schedule that does not end with the run",
    group="length of the run",
    rows=(53,),
    severity="warning",
    threshold="between 0.95 and 1.05 of the updates",
    source="catalogue row 53; silent in Keras 3",
    labels=("HNE", "HLR"),
    why="A short one trains on at its last, smallest rate; a long one never gets there.",
    remedy="Compute its length as ceil(rows / batch_size) * epochs.",
)
def schedule_length(setup: Setup) -> Iterator[Found]:
    plan, optimizer = setup.plan, setup.optimizer
    if plan is None or not plan.updates or optimizer is None or optimizer.schedule is None:
        return
    length = optimizer.schedule.length
    if length is not None and not 0.95 <= length / plan.updates <= 1.05:
        yield Found(
            f"{optimizer.schedule.kind} is {length} steps long and the run {plan.updates} updates"
        )


@Card(
    id="warmup-too-long",
    title="A warm-up that takes much of the run",
    group="length of the run",
    rows=(54,),
    severity="warning",
    threshold="at most half of the updates (own); a note above a tenth",
    source="google-research/tuning_playbook",
    labels=("HNE", "HLR"),
    why="The rate is below its best for most of the training.",
    remedy="Warm up for a tenth of the updates at most.",
)
def warmup_too_long(setup: Setup) -> Iterator[Found]:
    plan, optimizer = setup.plan, setup.optimizer
    if plan is None or not plan.updates or optimizer is None or optimizer.schedule is None:
        return
    share = optimizer.schedule.warmup / plan.updates
    if share > 0.1:
        yield Found(
            f"the warm-up takes {optimizer.schedule.warmup} of {plan.updates} updates",
            severity=None if share > 0.5 else "note",
        )


CHECKS = (
    hardly_any_updates,
    weights_cannot_move_far,
    batch_larger_than_data,
    batch_of_one,
    batch_norm_on_few_rows,
    schedule_length,
    warmup_too_long,
)
