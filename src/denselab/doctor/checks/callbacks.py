"""The callbacks: what they wait for, what they watch, where they write."""

from collections import Counter
from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.plan import Callback
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]

_RATE_SETTERS = frozenset({"LearningRateScheduler", "ReduceLROnPlateau"})
_RISING = ("accuracy", "acc", "auc", "precision", "recall", "f1", "r2")


def _callbacks(setup: Setup, *kinds: str) -> list[Callback]:
    given = () if setup.plan is None else setup.plan.callbacks
    return [callback for callback in given if callback.kind in kinds]


@Card(
    id="patience-outlasts-run",
    title="Patience that outlasts the run",
    group="callbacks",
    rows=(55,),
    severity="warning",
    threshold="exact: fewer epochs of patience than of training",
    source="catalogue row 55; silent in Keras 3",
    labels=("RCP",),
    why="The callback never acts: training does not stop, and the best weights are not put back.",
    remedy="Train for more epochs, or lower the patience.",
)
def patience_outlasts_run(setup: Setup) -> Iterator[Found]:
    for callback in _callbacks(setup, "EarlyStopping", "ReduceLROnPlateau"):
        assert setup.plan is not None
        if callback.patience is not None and callback.patience >= setup.plan.epochs > 0:
            yield Found(f"{callback.kind} waits {callback.patience} epochs of {setup.plan.epochs}")


@Card(
    id="best-weights-not-restored",
    title="Early stopping that keeps the last weights",
    group="callbacks",
    rows=(55,),
    severity="note",
    threshold="exact: restore_best_weights=True",
    source="keras.callbacks.EarlyStopping",
    labels=("RCP",),
    why="It ends with the weights of `patience` epochs after the best.",
    remedy="Say restore_best_weights=True.",
    fix={"training.restore_best": True},
)
def best_weights_not_restored(setup: Setup) -> Iterator[Found]:
    for callback in _callbacks(setup, "EarlyStopping"):
        if not callback.restores:
            yield Found(f"EarlyStopping on {callback.monitor!r} does not restore the best weights")


@Card(
    id="monitor-missing",
    title="A callback that watches what is not there",
    group="callbacks",
    rows=(56,),
    severity="error",
    threshold="exact: a loss or metric of this model, val_ only with validation",
    source="catalogue row 56; Keras warns after the first epoch",
    labels=("RCP",),
    why="It cannot act: nothing stops, nothing is saved.",
    remedy="Give validation data, or watch what the logs have.",
)
def monitor_missing(setup: Setup) -> Iterator[Found]:
    for callback in _callbacks(setup, "EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"):
        assert setup.plan is not None
        if callback.monitor is None:
            continue
        if callback.monitor.startswith("val_") and not setup.plan.validated:
            yield Found(f"{callback.kind} watches {callback.monitor!r} and nothing validates")
        elif not _known(setup, callback.monitor.removeprefix("val_")):
            yield Found(f"{callback.kind} watches {callback.monitor!r}, which is no metric here")


def _known(setup: Setup, name: str) -> bool:
    """Says whether a metric has a name; with several outputs and unknown ones nothing is claimed."""
    if name == "loss" or len(setup.heads) != 1:
        return True
    metrics = {metric.name for metric in setup.heads[0].metrics}
    return name in metrics or name in {_SHORT.get(metric, metric) for metric in metrics}


_SHORT = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "acc": "acc",
}


@Card(
    id="monitor-direction",
    title="A callback that waits for the wrong direction",
    group="callbacks",
    rows=(56,),
    severity="error",
    threshold="exact: losses fall, accuracies rise",
    source="catalogue row 56",
    labels=("RCP",),
    why="It takes the worst epoch for the best.",
    remedy='Say mode="auto".',
)
def monitor_direction(setup: Setup) -> Iterator[Found]:
    for callback in _callbacks(setup, "EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"):
        name = (callback.monitor or "").removeprefix("val_")
        falls = name.endswith("loss") or "error" in name or name in ("mse", "mae", "mape")
        rises = any(word in name for word in _RISING) and not falls
        if (falls and callback.mode == "max") or (rises and callback.mode == "min"):
            yield Found(f"{callback.kind} takes the {callback.mode} of {callback.monitor!r}")


@Card(
    id="checkpoint-path-taken",
    title="A checkpoint path that is already in use",
    group="callbacks",
    rows=(57,),
    severity="warning",
    threshold="exact: a path of its own for every training",
    source="catalogue row 57; silent in Keras 3",
    labels=("RCP",),
    why="The weights of another training are written over, or taken for those of this one.",
    remedy="Give every training a path of its own.",
)
def checkpoint_path_taken(setup: Setup) -> Iterator[Found]:
    saving = _callbacks(setup, "ModelCheckpoint")
    for path, count in Counter(callback.path for callback in saving if callback.path).items():
        if count > 1:
            yield Found(f"{count} callbacks write {path!r}", severity="error")
    for callback in saving:
        if callback.used:
            yield Found(f"the callback that writes {callback.path!r} has served another model")
        elif callback.exists:
            yield Found(f"there is a file at {callback.path!r}")


@Card(
    id="two-rate-controllers",
    title="Two things that set the learning rate",
    group="callbacks",
    rows=(58,),
    severity="error",
    threshold="exact: one of them",
    source="catalogue row 58; Keras raises when the second acts",
    labels=("HLR",),
    why="The rate of a schedule cannot be set: the run ends with an error, or one undoes the other.",
    remedy="Keep the schedule or the callback.",
)
def two_rate_controllers(setup: Setup) -> Iterator[Found]:
    setters = [callback.kind for callback in _callbacks(setup, *_RATE_SETTERS)]
    scheduled = setup.optimizer.schedule if setup.optimizer is not None else None
    found = [*([scheduled.kind] if scheduled else []), *setters]
    if len(found) > 1:
        yield Found(
            f"the learning rate is set by {' and '.join(found)}",
            severity=None if scheduled else "warning",
        )


@Card(
    id="plateau-after-stopping",
    title="A plateau callback that waits longer than early stopping",
    group="callbacks",
    rows=(55, 58),
    severity="note",
    threshold="exact: less patience than early stopping",
    source="own",
    labels=("RCP",),
    why="Training stops before the rate is ever lowered.",
    remedy="Give ReduceLROnPlateau about half of the patience of EarlyStopping.",
)
def plateau_after_stopping(setup: Setup) -> Iterator[Found]:
    for stopping in _callbacks(setup, "EarlyStopping"):
        for plateau in _callbacks(setup, "ReduceLROnPlateau"):
            watched = plateau.monitor == stopping.monitor
            if watched and (plateau.patience or 0) >= (stopping.patience or 0):
                yield Found(
                    f"ReduceLROnPlateau waits {plateau.patience} epochs, EarlyStopping "
                    f"{stopping.patience}"
                )


CHECKS = (
    patience_outlasts_run,
    best_weights_not_restored,
    monitor_missing,
    monitor_direction,
    checkpoint_path_taken,
    two_rate_controllers,
    plateau_after_stopping,
)
