"""The doctor at the bedside: a Keras callback that looks at a training while it runs."""

import math
import warnings
from collections.abc import Iterable
from typing import Any, Literal

import keras

from denselab.doctor.check import Check
from denselab.doctor.checks import course, flowing, moving, units
from denselab.doctor.diagnosis import Diagnosis, worst_first
from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.setup import Setup
from denselab.doctor.finding import Finding
from denselab.doctor.history import check_history
from denselab.doctor.watching.baseline import constant_loss, nonnegative
from denselab.doctor.watching.inspection import Inspector
from denselab.doctor.watching.readings import Snapshot, rows_of
from denselab.doctor.watching.rehearsal import Sound, first_not_finite
from denselab.doctor.watching.runner import rows_for, runner_for
from denselab.doctor.watching.values import copied, current, optimizer_values
from denselab.doctor.watching.watch import Watch
from denselab.errors import UsageError

__all__ = ["Doctor", "DoctorWarning"]

_ROWS = 256
_REHEARSED = 100
_UPDATES = 100
WATCHING: tuple[Check, ...] = (*flowing.CHECKS, *units.CHECKS, *moving.CHECKS)
_BY_EPOCH = {"loss-not-finite", "loss-explodes", "loss-negative"}


class DoctorWarning(UserWarning):
    """An error or a warning that the doctor found while a model trains."""


class Doctor(keras.callbacks.Callback):
    """Looks at weights, outputs, gradients and updates of every layer while `fit` runs.

    Before the first step, after steps 1, 2, 4, 8, … and then after every `every`-th, it runs up to 256 rows
    forward and backward with dropout off, and holds every layer against the checks. The training itself is not
    changed: it goes on to the same bytes as without. `records` has what was seen, `diagnosis` what was found.

    Args:
        x: Inputs as for `fit`; without them only weights, updates and logs are looked at.
        y: Targets as for `fit`; without them there are no gradients.
        every: Steps between two checks, after the early ones. On JAX a check costs about four steps of 32
            rows, on torch and TensorFlow, where it runs operation by operation, about ten.
        on_fault: "warn" gives a `DoctorWarning`; "stop" also ends the training at the first error.
        silence: Ids of checks to leave out.

    Raises:
        UsageError: If `every` is below 1, `on_fault` is unknown, or a silenced id does not exist.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> doctor = Doctor(x, x.sum(axis=1))
        >>> _ = model.fit(x, x.sum(axis=1), epochs=2, verbose=0, callbacks=[doctor])
        >>> doctor.diagnosis.errors
        ()
        >>> [row["layer"] for row in doctor.records][:1] == [model.layers[0].name]
        True
    """

    def __init__(
        self,
        x: Any = None,
        y: Any = None,
        *,
        every: int = 500,
        on_fault: Literal["warn", "stop"] = "warn",
        silence: Iterable[str] = (),
    ) -> None:
        super().__init__()
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise UsageError(f"every is {every!r}; give a whole number of steps, at least 1")
        if on_fault not in ("warn", "stop"):
            raise UsageError(f"on_fault is {on_fault!r}; give 'warn' or 'stop'")
        self._silenced = tuple(sorted(set(silence)))
        known = {check.card.id for check in (*WATCHING, *course.CHECKS)}
        unknown = [name for name in self._silenced if name not in known]
        if unknown:
            raise UsageError(
                f"the doctor has no check {unknown[0]!r} while training; give one of {', '.join(sorted(known))}"
            )
        self._x, self._y, self._every, self._stops = x, y, every, on_fault == "stop"
        self._reset()

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What was seen, check by check."""
        return tuple(self._snapshots)

    @property
    def records(self) -> list[dict[str, object]]:
        """What was seen as plain rows, one a check and layer."""
        return rows_of(self._snapshots)

    @property
    def diagnosis(self) -> Diagnosis:
        """What was found so far, the worst first."""
        return Diagnosis(worst_first(self._findings), tuple(self._unseen), self._silenced)

    def _reset(self) -> None:
        self._snapshots: list[Snapshot] = []
        self._findings: list[Finding] = []
        self._unseen: list[str] = []
        self._history: dict[str, list[float]] = {}
        self._calls = self._epoch = 0
        self._before: list[Any] | None = None
        self._sound: Sound | None = None
        self._inspector: Inspector | None = None
        self._setup: Setup | None = None

    @property
    def _patient(self) -> Any:
        return self.model

    @property
    def _stride(self) -> int:
        return int(self._patient.steps_per_execution)

    def on_train_begin(self, logs: Any = None) -> None:
        """Prepares the look into the network."""
        self._reset()
        setup, reasons = gather(Request(self.model, self._x, self._y))
        self._setup = setup
        for what, given in (("x", self._x), ("y", self._y)):
            if given is None:
                self._unseen.append(
                    f"{'outputs and ' * (what == 'x')}gradients: no {what} was given"
                )
        self._unseen += [reason for reason in reasons if reason.startswith(("x", "y"))]
        try:
            runner = runner_for(self.model, setup)
            rows = rows_for(setup, _ROWS, model=self.model)
            self._inspector = Inspector(runner, rows)
            if not runner.connected:
                self._unseen.append("outputs of layers: the model has no graph (it is subclassed)")
            if self._y is not None and not self._inspector.differentiates:
                self._unseen.append(
                    "gradients: the model's loss or targets cannot be evaluated apart"
                )
        except Exception as error:  # a strange model must not end a training
            self._give_up(error)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Looks at the weights that the last step left behind."""
        calls, self._calls = self._calls, self._calls + 1
        if self._due(calls):
            self._check(calls)
        self._before = None
        if self._inspector is not None and self._due(calls + 1):
            self._before = copied(current(self.model)[0])

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the logs."""
        self._epoch = epoch + 1
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        if "loss" in self._history:
            broken = not math.isfinite(self._history["loss"][-1])
            if broken and not any(one.id == "values-not-finite" for one in self._findings):
                self._check(self._calls)
            self._look_back(ended=False)

    def on_train_end(self, logs: Any = None) -> None:
        """Looks for the last time."""
        seen = self._snapshots[-1].step if self._snapshots else -1
        if seen != self._calls * self._stride:
            self._check(self._calls)
        if "loss" in self._history:
            self._look_back(ended=True)
        self._before = self._sound = None

    def _due(self, calls: int) -> bool:
        early = calls & (calls - 1) == 0 and calls < self._every
        return early or calls % self._every == 0

    def _check(self, calls: int) -> None:
        inspector = self._inspector
        if inspector is None:
            return
        step = calls * self._stride
        try:
            values = current(self.model)
            snapshot = inspector.look(values, self._before, step=step, epoch=self._epoch)
            self._snapshots.append(snapshot)
            culprit = None
            if snapshot.finite:
                self._sound = Sound(
                    (copied(values[0]), copied(values[1])),
                    copied(optimizer_values(self.model)),
                    step,
                )
            else:
                culprit = self._rehearse(inspector, step)
            watch = Watch(
                tuple(self._snapshots),
                culprit,
                inspector.differentiates,
                inspector.runner.connected,
            )
            for check in WATCHING:
                if check.card.id not in self._silenced:
                    self._report(check.findings(watch))
        except Exception as error:  # a strange model must not end a training
            self._give_up(error)

    def _rehearse(self, inspector: Inspector, step: int) -> tuple[str, str, int] | None:
        """Finds the layer where NaN began, where it has spread to all weights; once in a training."""
        weights = [layer.weight_finite for layer in self._snapshots[-1].layers if layer.weighty]
        known = any(one.id == "values-not-finite" for one in self._findings)
        if (
            self._sound is None
            or self._setup is None
            or known
            or (any(weights) and not all(weights))
        ):
            return None
        limit = min(_REHEARSED, 2 * (step - self._sound.step) + 8)
        return first_not_finite(inspector, self._setup, self._sound, limit=limit)

    def _look_back(self, *, ended: bool) -> None:
        assert self._setup is not None
        baseline = constant_loss(self._setup.heads)
        losses = [one.loss for one in self._snapshots if one.loss is not None]
        # Logged losses hold penalties and class weights; the rows that are watched do not.
        short = self._calls < _UPDATES
        if short or baseline is None or not losses or min(losses) < 0.9 * baseline:
            baseline = None
        found = check_history(
            self._history,
            baseline=baseline,
            nonnegative=nonnegative(self._setup.heads),
            ended=ended,
            planned=self.params.get("epochs") if self.params else None,
            silence=self._silenced,
        )
        if any(one.id == "values-not-finite" for one in self._findings):
            found = tuple(one for one in found if one.id != "loss-not-finite")
        self._report(found)

    def _report(self, findings: Iterable[Finding]) -> None:
        said = {(one.id, one.severity) for one in self._findings}
        for finding in findings:
            if (finding.id, finding.severity) in said:
                continue
            self._findings.append(finding)
            if finding.severity != "note":
                warnings.warn(str(finding), DoctorWarning, stacklevel=2)
            if finding.severity == "error" and self._stops:
                self._patient.stop_training = True

    def _give_up(self, error: Exception) -> None:
        words = (str(error).strip().splitlines() or [""])[0][:200]
        self._unseen.append(f"the layers: {type(error).__name__}: {words}")
        self._inspector = None
