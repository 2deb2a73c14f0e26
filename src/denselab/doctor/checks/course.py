"""The course of a run, from what is logged at the end of epochs."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from denselab.doctor.check import Card, Found

__all__ = ["CHECKS", "History"]


@dataclass(frozen=True)
class History:
    """What was logged after every epoch, or at certain steps.

    Attributes:
        loss: Training loss.
        val_loss: Validation loss, empty without.
        accuracy: Training accuracy, empty without.
        val_accuracy: Validation accuracy, empty without.
        baseline: Loss of the best constant prediction, None if it is not known.
        nonnegative: Whether the loss cannot be negative.
        ended: Whether the run is over.
        restores: Whether the weights of the best epoch are put back.
        planned: Epochs that were asked for, None if it is not known.
    """

    loss: tuple[float, ...]
    val_loss: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    val_accuracy: tuple[float, ...] = ()
    baseline: float | None = None
    nonnegative: bool = True
    ended: bool = True
    restores: bool = False
    planned: int | None = None

    @property
    def finite(self) -> tuple[float, ...]:
        """Training losses before the first that is not finite."""
        bad = next((i for i, value in enumerate(self.loss) if not math.isfinite(value)), None)
        return self.loss[:bad]


@Card(
    id="loss-not-finite",
    title="A loss that is NaN or infinite",
    group="course of the run",
    rows=(65,),
    severity="error",
    threshold="exact: finite",
    source="AUTOTRAINER, DeepDiagnosis, TheDeepChecker, SageMaker Debugger",
    labels=("HLR", "CPP"),
    why="From this epoch on no step is worth anything: NaN spreads to every weight.",
    remedy="Divide the learning rate by 10, clip gradients (global_clipnorm=1.0), and look for NaN in the data.",
    kind="dynamic",
)
def loss_not_finite(history: History) -> Iterator[Found]:
    sound = len(history.finite)
    if sound < len(history.loss):
        yield Found(f"the loss of epoch {sound + 1} is {history.loss[sound]}", step=sound + 1)


@Card(
    id="loss-explodes",
    title="A loss that explodes",
    group="course of the run",
    rows=(66,),
    severity="error",
    threshold="3 times the first loss and 10 times the best one (own); AUTOTRAINER: 1000; TheDeepChecker: "
    "twice the best of 5 epochs",
    source="AUTOTRAINER, TheDeepChecker; bounds own",
    labels=("HLR", "CPP(y)"),
    why="Steps overshoot by more than they gain.",
    remedy="Divide the learning rate by 10, clip gradients, scale the targets.",
    kind="dynamic",
)
def loss_explodes(history: History) -> Iterator[Found]:
    losses = history.finite
    for epoch, value in enumerate(losses[1:], 2):
        if losses[0] > 0 and value > max(3 * losses[0], 10 * min(losses[: epoch - 1])):
            yield Found(
                f"the loss of epoch {epoch} is {value:.4g}, after {losses[0]:.4g} in epoch 1 and "
                f"{min(losses[: epoch - 1]):.4g} at best",
                step=epoch,
                value=value,
            )
            return


@Card(
    id="loss-negative",
    title="A negative loss",
    group="course of the run",
    rows=(67,),
    severity="error",
    threshold="exact: at least 0 for cross-entropies and errors",
    source="AUTOTRAINER",
    labels=("LCH", "CPP(y)"),
    why="The targets are none that the loss was made for; it has no least value, and runs away.",
    remedy="Give binary cross-entropy targets from 0 to 1, or use mean squared error.",
    kind="dynamic",
)
def loss_negative(history: History) -> Iterator[Found]:
    losses = history.finite
    epoch = next((e for e, value in enumerate(losses, 1) if value < -1e-6), None)
    if history.nonnegative and epoch is not None:
        value = losses[epoch - 1]
        yield Found(f"the loss of epoch {epoch} is {value:.4g}", step=epoch, value=value)


@Card(
    id="loss-oscillates",
    title="A loss that swings up and down",
    group="course of the run",
    rows=(72,),
    severity="warning",
    threshold="at least 3 separate rises of the training loss, each by 10 % of it and 20 % of the first loss, "
    "that undo half of what was gained (own)",
    source="AUTOTRAINER, TheDeepChecker; bounds own, since theirs fire on noise",
    labels=("OCH", "HLR", "HBS"),
    why="Steps are too long, or old gradients push on after the valley is passed.",
    remedy="Use momentum 0.9 and a third of the learning rate, or larger batches.",
    fix={"optimizer.momentum": 0.9},
    kind="dynamic",
)
def loss_oscillates(history: History) -> Iterator[Found]:
    losses = np.array(history.finite)
    if len(losses) < 7:
        return
    changes = np.diff(losses)
    rises = changes > np.maximum(0.1 * losses[:-1], 0.2 * losses[0])
    separate = int((rises & ~np.concatenate([[False], rises[:-1]])).sum())
    undone, gained = float(changes[rises].sum()), float(losses[0] - losses.min())
    if separate >= 3 and undone >= 0.5 * gained:
        yield Found(
            f"the training loss rose {separate} times, by {undone:.4g} in all; it gained {gained:.4g}",
            step=len(losses),
            value=float(separate),
        )


@Card(
    id="slow-progress",
    title="Slow progress",
    group="course of the run",
    rows=(73,),
    severity="note",
    threshold="less than 5 % of the first loss after 30 % of the run and 3 epochs",
    source="AUTOTRAINER, TheDeepChecker",
    labels=("HLR", "HNE", "OCH"),
    why="At this pace the run ends before anything is learned.",
    remedy="Raise the learning rate (denselab find-lr), or use Adam.",
    kind="dynamic",
)
def slow_progress(history: History) -> Iterator[Found]:
    losses = history.finite
    due = max(3, math.ceil(0.3 * (history.planned or len(losses))))
    if len(losses) > due and losses[0] > 0:
        gain = 1 - min(losses[: due + 1]) / losses[0]
        if gain < 0.05:
            yield Found(
                f"the loss fell by {gain:.1%} in {due} epochs, from {losses[0]:.4g}",
                step=due + 1,
                value=gain,
            )


@Card(
    id="no-better-than-baseline",
    title="No better than a constant prediction",
    group="course of the run",
    rows=(83,),
    severity="warning",
    threshold="98 % of the loss of the best constant after 3 epochs; a note at 90 %",
    source="deepchecks simple_model_comparison; bounds own",
    labels=("TCL", "HLR", "ACH", "LCH"),
    why="The network uses the inputs for nothing: it has learned how frequent the targets are.",
    remedy="Run denselab.doctor.probe: it tells whether one batch can be learned, and whether the inputs matter.",
    kind="dynamic",
)
def no_better_than_baseline(history: History) -> Iterator[Found]:
    losses, baseline = history.finite, history.baseline
    if not history.ended or baseline is None or baseline <= 0 or len(losses) < 3:
        return
    share = min(losses) / baseline
    if share > 0.9:
        yield Found(
            f"the best training loss is {min(losses):.4g}, a constant prediction has {baseline:.4g}",
            severity=None if share > 0.98 else "note",
            step=len(losses),
            value=share,
        )


@Card(
    id="overfitting",
    title="Overfitting",
    group="course of the run",
    rows=(79,),
    severity="warning",
    threshold="at the end: for 5 epochs validation loss twice its best and accuracy 0.05 below its best, training loss "
    "below half of it (own); a note at an accuracy gap of 0.1",
    source="AUTOTRAINER, SageMaker Debugger; bounds own",
    labels=("RAW", "HNE"),
    why="The network learns the training rows by heart; on new rows it gets worse, and too sure of itself.",
    remedy="Stop early and restore the best weights, regularize, or get more data.",
    fix={"training.patience": 10},
    kind="dynamic",
)
def overfitting(history: History) -> Iterator[Found]:
    losses, held = history.finite, np.array(history.val_loss)
    count = min(len(losses), len(held))
    if history.ended and count >= 7 and np.isfinite(held).all():
        best = float(held.min())
        risen = held[count - 5 : count]
        if (
            (risen > 2 * best).all()
            and _less_often_right(history)
            and losses[count - 1] < 0.5 * risen[-1]
            and not history.restores
        ):
            epoch = int(held.argmin()) + 1
            yield Found(
                f"the validation loss was {best:.4g} in epoch {epoch} and is {risen[-1]:.4g}, the training "
                f"loss {losses[count - 1]:.4g}",
                step=count,
                value=float(risen[-1] / best),
            )
            return
    if history.accuracy and history.val_accuracy:
        gap = history.accuracy[-1] - history.val_accuracy[-1]
        if gap >= 0.1:
            yield Found(
                f"accuracy is {history.accuracy[-1]:.3f} on training and {history.val_accuracy[-1]:.3f} on "
                "validation rows",
                severity="note",
                step=len(history.accuracy),
                value=gap,
            )


def _less_often_right(history: History) -> bool:
    """Says whether validation accuracy fell, too: a surer network has a higher loss and may be no worse."""
    marks = history.val_accuracy
    return not marks or max(marks[-5:]) < max(marks) - 0.05


@Card(
    id="overtrained",
    title="Epochs after the best one",
    group="course of the run",
    rows=(80,),
    severity="note",
    threshold="no better validation loss for 10 epochs",
    source="SageMaker Debugger",
    labels=("HNE",),
    why="They cost time and make the result no better.",
    remedy="Use EarlyStopping(patience=10, restore_best_weights=True).",
    kind="dynamic",
)
def overtrained(history: History) -> Iterator[Found]:
    held = np.array(history.val_loss)
    if len(held) and np.isfinite(held).all() and not history.restores:
        epoch = int(held.argmin()) + 1
        if len(held) - epoch >= 10:
            yield Found(f"the best of {len(held)} epochs was epoch {epoch}", step=epoch)


@Card(
    id="validation-suspiciously-good",
    title="A validation that is suspiciously good",
    group="course of the run",
    rows=(81,),
    severity="note",
    threshold="accuracy above 0.95 within 3 epochs, or 0.05 above that in training",
    source="UMLAUT",
    labels=("IDS",),
    why="Validation rows may be among the training rows; dropout and running means are harmless reasons.",
    remedy="Look for rows that are in both parts (denselab.diagnose with validation_data).",
    kind="dynamic",
)
def validation_suspiciously_good(history: History) -> Iterator[Found]:
    held = history.val_accuracy
    early = max(held[:3], default=0.0)
    gap = held[-1] - history.accuracy[-1] if held and history.accuracy else 0.0
    if early > 0.95 or gap > 0.05:
        words = (
            f"reaches {early:.3f} within 3 epochs"
            if early > 0.95
            else f"is {gap:.3f} above training"
        )
        yield Found(f"validation accuracy {words}", step=len(held), value=max(early, gap))


@Card(
    id="loss-and-metric-disagree",
    title="A loss and an accuracy that do not move together",
    group="course of the run",
    rows=(82,),
    severity="note",
    threshold="correlation of training loss and accuracy above -0.5 over 10 epochs or more",
    source="TheDeepChecker Representativeness",
    labels=("PMC", "LCH"),
    why="What is minimized is not what is wanted.",
    remedy="Check that loss and metric suit the task, and each other.",
    kind="dynamic",
)
def loss_and_metric_disagree(history: History) -> Iterator[Found]:
    losses, marks = np.array(history.finite), np.array(history.accuracy)
    if len(losses) < 10 or len(losses) != len(marks) or np.ptp(marks) < 0.02 or not np.ptp(losses):
        return
    correlation = float(np.corrcoef(losses, marks)[0, 1])
    if correlation > -0.5:
        yield Found(
            f"loss and accuracy have correlation {correlation:.2f}",
            step=len(losses),
            value=correlation,
        )


@Card(
    id="ended-while-improving",
    title="A run that ended while it was still improving",
    group="course of the run",
    rows=(85,),
    severity="note",
    threshold="more than 1 % in the last 10 % of the epochs",
    source="own",
    labels=("HNE",),
    why="A longer run would be better; a comparison of such runs compares speeds.",
    remedy="Train for more epochs.",
    kind="dynamic",
)
def ended_while_improving(history: History) -> Iterator[Found]:
    watched = history.val_loss or history.finite
    if not history.ended or len(watched) < 10 or not np.isfinite(watched).all():
        return
    last = max(2, len(watched) // 10)
    earlier, late = float(min(watched[:-last])), float(min(watched[-last:]))
    if earlier > 0 and late < 0.99 * earlier:
        yield Found(
            f"the loss went from {earlier:.4g} to {late:.4g} in the last {last} of {len(watched)} epochs",
            step=len(watched),
            value=1 - late / earlier,
        )


CHECKS = (
    loss_not_finite,
    loss_explodes,
    loss_negative,
    loss_oscillates,
    slow_progress,
    no_better_than_baseline,
    overfitting,
    overtrained,
    validation_suspiciously_good,
    loss_and_metric_disagree,
    ended_while_improving,
)
