"""Probes before training: a few cheap steps on copies of the weights show what no setup tells."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from denselab.doctor.check import Check
from denselab.doctor.checks import probes, tried
from denselab.doctor.diagnosis import Diagnosis, worst_first
from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.losses import per_output
from denselab.doctor.facts.network import hidden
from denselab.doctor.facts.setup import Setup
from denselab.doctor.facts.tables import Table, evenly_spaced
from denselab.doctor.finding import Finding
from denselab.doctor.watching.baseline import constant_losses
from denselab.doctor.watching.fitting import fitted
from denselab.doctor.watching.inspection import Inspector, Values
from denselab.doctor.watching.readings import rows_of
from denselab.doctor.watching.relation import Relation, relation
from denselab.doctor.watching.runner import Rows, Runner, rows_for, runner_for
from denselab.doctor.watching.slopes import Slope, slopes
from denselab.doctor.watching.values import current
from denselab.errors import UsageError

__all__ = ["observe", "probe", "probed"]

_ROWS = 256
_BATCH = 16
_RELATED, _ENOUGH = 800, 200
_SELDOM = 40
"""Rows of other classes than the most frequent one, without which a relation cannot be told from chance."""

_WIDEST = 100
_PROBES: tuple[Check, ...] = (*probes.CHECKS, *tried.CHECKS)


def probe(
    model: keras.Model, x: Any, y: Any, *, steps: int = 1000, silence: Iterable[str] = ()
) -> Diagnosis:
    """Tries a model on a few rows before it is trained.

    Losses at the start, one batch learned by heart with and without its inputs, the way of signals through
    depth, and gradients of losses and layers of one's own are measured on copies of the weights, with penalties
    and dropout left out. Whether the inputs tell anything of the targets is asked of the data alone. Weights,
    optimizer, compiled state and random states are not touched, and the same model gives the same findings.

    Args:
        model: A compiled and built Keras model.
        x: Inputs as for `fit`.
        y: Targets as for `fit`.
        steps: Steps of Adam that the batch gets at most, at each of two rates.
        silence: Ids of probes to leave out.

    Returns:
        The findings, and what could not be looked at.

    Raises:
        UsageError: If `model` is no Keras model, or a silenced id is no probe.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> empty = keras.layers.Dense(8, "relu", kernel_initializer="zeros", name="empty")
        >>> model = keras.Sequential([keras.Input((4,)), empty, keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> findings = probe(model, x, x.sum(axis=1), steps=50).errors
        >>> [finding.layer for finding in findings if finding.id == "outputs-ignore-inputs"]
        ['empty']
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"model is a {type(model).__name__}; give a keras.Model")
    silenced = tuple(sorted(set(silence)))
    known = {check.card.id for check in _PROBES}
    for name in silenced:
        if name not in known:
            raise UsageError(
                f"there is no probe {name!r} to silence; give one of {', '.join(sorted(known))}"
            )
    setup, reasons = gather(Request(model, x, y))
    reasons = tuple(reason for reason in reasons if not reason.startswith("batches, epochs"))
    findings, unseen = probed(model, setup, silence=silenced, steps=steps)
    return Diagnosis(worst_first(findings), tuple(dict.fromkeys([*reasons, *unseen])), silenced)


def probed(
    model: Any, setup: Setup, *, silence: Iterable[str] = (), steps: int = 1000
) -> tuple[list[Finding], list[str]]:
    """Tries a model whose facts are gathered.

    Args:
        model: A Keras model.
        setup: Its facts.
        silence: Ids of checks to leave out.
        steps: Steps of Adam that the batch gets at most, at each of two rates.

    Returns:
        The findings, and what could not be tried.
    """
    try:
        trial, why = _tried(model, setup, steps)
    except Exception as error:  # never let a strange model end a diagnosis
        trial, why = None, f"the probes: {type(error).__name__}: {str(error).strip()[:200]}"
    findings: list[Finding] = []
    for check in _PROBES:
        if trial is not None and check.card.id not in silence:
            findings += check.findings(trial)
    return findings, [why] if why else []


def observe(model: keras.Model, x: Any, y: Any = None) -> list[dict[str, object]]:
    """Looks at all layers of a model once, without training it.

    Args:
        model: A built Keras model.
        x: Inputs; up to 256 evenly spaced rows are used.
        y: Targets; without them, or without a loss, there are no gradients.

    Returns:
        One row a layer: mean and deviation of its outputs, shares of dead and saturated units, norms of
        weights and gradients, as in `Doctor.records`.

    Raises:
        UsageError: If the model is not built, or the inputs cannot be read.
    """
    setup, _ = gather(Request(model, x, y))
    rows = rows_for(setup, _ROWS, model=model) if model.built else None
    if rows is None:
        raise UsageError("there is nothing to observe; give a built model and arrays of inputs")
    return rows_of([Inspector(runner_for(model, setup), rows).look(current(model))])


def _tried(model: Any, setup: Setup, steps: int) -> tuple[probes.Trial | None, str]:
    rows = rows_for(setup, _ROWS, model=model) if model.built else None
    if rows is None:
        return None, "the probes: they need a built model and arrays of inputs"
    runner = runner_for(model, setup)
    if runner.loss is None or not rows.y:
        return None, "the probes: they need a loss of Keras and targets for every output"
    values = current(model)
    inspector = Inspector(runner, rows)
    snapshot = inspector.look(values)
    outputs, resting = _outcome(runner, values, rows, training=False)
    _, drilled = _outcome(runner, values, rows, training=True)
    batch = _batch(setup, model)
    wanted = _wanted(setup)
    real = null = None
    if batch is not None and setup.network.trainable:
        real = fitted(runner, values, batch, kind=wanted, steps=steps)
        blank = Rows([keras.ops.zeros_like(part) for part in batch.x], batch.y)
        null = fitted(runner, values, blank, kind=wanted, steps=min(steps, 200))
    trial = probes.Trial(
        setup=setup,
        snapshot=snapshot,
        resting=resting,
        training=drilled,
        constant=constant_losses(setup.heads, _loss_weights(model, setup)),
        alike=_alike(inspector, values),
        spread=_spread(outputs),
        real=real,
        null=null,
        relations=_relations(setup),
        slopes=_slopes(runner, values, setup, model),
    )
    return trial, ""


def _loss_weights(model: Any, setup: Setup) -> tuple[Any, ...]:
    given = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    return per_output(given, [head.name for head in setup.heads])


def _slopes(runner: Runner, values: Values, setup: Setup, model: Any) -> tuple[Slope, ...]:
    few = rows_for(setup, _BATCH, model=model)
    return () if few is None else slopes(runner, values, few, setup)


def _relations(setup: Setup) -> dict[str, Relation]:
    """Looks for a relation of inputs and targets, in either part of the data."""
    entries = [entry.table for entry in setup.entries if entry.table and not entry.encoded]
    if len(entries) != len(setup.entries):
        return {}
    parts = {"training": (tuple(entries), setup.targets), "validation": setup.validation}
    found = {name: _relation(inputs, targets) for name, (inputs, targets) in parts.items()}
    return {name: one for name, one in found.items() if one is not None}


def _relation(inputs: tuple[Table, ...], targets: tuple[Table, ...]) -> Relation | None:
    if not inputs or len(targets) != 1 or not all(one.finite for one in (*inputs, *targets)):
        return None
    count, kind = inputs[0].rows, target_kind(targets[0])
    chosen = evenly_spaced(count, _RELATED)
    if count < _ENOUGH or any(table.rows != count for table in (*inputs, *targets)):
        return None
    x, y = (
        np.concatenate([one.array[chosen].reshape(len(chosen), -1) for one in part], axis=1)
        for part in (inputs, targets)
    )
    y = y.argmax(axis=1)[:, None] if kind == "one-hot" else y
    classes = kind in ("classes", "one-hot")
    frequent = np.unique(y, return_counts=True)[1].max() if y.shape[1] == 1 else 0
    if y.shape[1] > _WIDEST or len(y) - frequent < _SELDOM:
        return None
    return relation(x.astype("float64"), y.astype("float64"), classes=classes)


def _outcome(runner: Runner, values: Values, rows: Rows, *, training: bool) -> tuple[Any, float]:
    outputs, _ = runner.outputs(values, rows.x, training=training, noise=training)
    loss = keras.ops.convert_to_numpy(runner.loss_of(outputs, rows.y))
    return outputs, float(np.asarray(loss))


def _batch(setup: Setup, model: Any) -> Rows | None:
    """Takes 16 different rows; a network without hidden layers can fit only as many as it has inputs."""
    table = setup.entries[0].table if setup.entries else None
    if table is None:
        return None
    count = _BATCH if hidden(setup.network) else min(_BATCH, table.width)
    return rows_for(setup, count, model=model) if _different(setup, count) else None


def _different(setup: Setup, count: int) -> bool:
    tables = [entry.table for entry in setup.entries if entry.table is not None]
    chosen = evenly_spaced(min(table.rows for table in tables), count)
    flat = [table.array[chosen].reshape(len(chosen), -1) for table in tables]
    return len(np.unique(np.concatenate(flat, axis=1), axis=0)) == len(chosen)


def _wanted(setup: Setup) -> str:
    """Says how a fit is judged: by the largest output, by the nearer side, or by the loss."""
    head = setup.heads[0]
    if len(setup.heads) != 1 or head.loss is None or head.target is None:
        return "loss"
    if head.loss.family in ("sparse", "categorical") and head.units != 1:
        return "largest" if target_kind(head.target) in ("classes", "one-hot") else "loss"
    if head.loss.family == "binary" and head.target.whole:
        return "logit" if head.loss.from_logits else "side"
    return "loss"


def _spread(outputs: Any) -> float:
    parts = [np.asarray(keras.ops.convert_to_numpy(part)) for part in keras.tree.flatten(outputs)]
    return max(float(np.ptp(part.reshape(len(part), -1), axis=0).max()) for part in parts)


def _alike(inspector: Inspector, values: Values) -> dict[str, float]:
    """Gives, for every layer, the share of units whose weights and gradients are those of another unit."""
    gradients = inspector.run(values)["gradients"]
    found: dict[str, float] = {}
    for tap in inspector.runner.taps:
        if tap.kernel is None or tap.layer.kernel is None:
            continue
        pair = [
            np.asarray(keras.ops.convert_to_numpy(one[tap.kernel]))
            for one in (values[0], gradients)
        ]
        kernel, slope = (array.reshape(-1, array.shape[-1]) for array in pair)
        moving = np.abs(slope).max(axis=0) > 0
        scale = np.abs(slope).max() or 1.0
        both = np.concatenate([kernel, np.round(slope / scale, 5)])[:, moving]
        distinct = len(np.unique(both, axis=1).T) if both.size else 0
        units = kernel.shape[1]
        found[tap.layer.name] = (
            (both.shape[1] - distinct) / units if units > 1 and both.size else 0.0
        )
    return found
