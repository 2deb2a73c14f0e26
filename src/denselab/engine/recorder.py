"""What becomes of states as members train: traces, checkpoints, members."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from denselab.engine.checkpoint import Clock, Saver
from denselab.engine.member import is_seed
from denselab.engine.narrow import Segment
from denselab.engine.options import Options
from denselab.engine.program import Program
from denselab.engine.state import (
    DIVERGED,
    FINISHED,
    RUNNING,
    STOPPED,
    Member,
    MemberState,
    Weights,
)

__all__ = ["Recorder"]

_STATUS = {FINISHED: "finished", STOPPED: "stopped", DIVERGED: "diverged"}


class Recorder:
    """Turns states into traces, members and checkpoints as segments end; a `Watcher`.

    Attributes:
        options: The options of the training.
        members: Place -> member, of those that are done.
        epoch_steps: Steps of one epoch where a hook must see every epoch by itself, else None.
        segment_seconds: How long a segment may take.
    """

    def __init__(
        self,
        program: Program,
        seeds: Sequence[int],
        options: Options,
        *,
        saver: Saver,
        clocks: Mapping[int, Clock],
    ) -> None:
        self.options = options
        self.members: dict[int, Member] = {}
        self._seeds = seeds
        self._is_seed = [is_seed(variable) for variable in program.model.non_trainable_variables]
        self._steps = program.full_steps + 1
        self._clock = dict(clocks)
        self._saver = saver
        self.segment_seconds = saver.seconds
        steps = -(-program.train_size // program.run.batch_size)
        hooked = options.get("on_epoch") is not None
        self.epoch_steps = max(steps, program.full_steps + 1) if hooked else None

    def due(self, place: int, seconds: float) -> bool:
        """Says whether a checkpoint of a member is due."""
        return self._saver.due(place, seconds)

    def after(self, place: int, segment: Segment) -> tuple[bool, Callable[[], None]]:
        """Notes a segment; says whether a hook wants the member stopped, and what is left to tell."""
        clock, state = self._clock.setdefault(place, [(0.0, 0.0)]), segment.state
        epoch, status = int(state.epoch), int(state.status)
        seen = int(clock[-1][0])
        clock.append((epoch + int(state.step) / self._steps, clock[-1][1] + segment.seconds))
        stopped = self._hook(place, state, seen, epoch)
        done = status != RUNNING or stopped
        member = self._member(place, state, segment.finish()) if done else None
        save = self._saver.saving(place, state, clock) if segment.keep and not done else None
        return stopped, lambda: self._tell(place, epoch, member, save)

    def _tell(
        self, place: int, epoch: int, member: Member | None, save: Callable[[], None] | None
    ) -> None:
        if save is not None:
            save()
        if (progress := self.options.get("on_progress")) is not None:
            progress(place, epoch)
        if member is not None:
            self.members[place] = member
            if (done := self.options.get("on_member")) is not None:
                done(place, member)

    def _hook(self, place: int, state: MemberState, seen: int, epoch: int) -> bool:
        hook = self.options.get("on_epoch")
        if hook is None:
            return False
        trace = {name: np.asarray(values) for name, values in state.trace.items()}
        calls = [
            hook(place, e, {name: float(values[e]) for name, values in trace.items()})
            for e in range(seen, epoch)
        ]
        return any(calls)

    def _member(self, place: int, state: MemberState, weights: Weights) -> Member:
        epochs = int(state.epoch)
        trace = {name: np.asarray(values)[:epochs] for name, values in state.trace.items()}
        progress, seconds = np.array(self._clock[place]).T
        trace["seconds"] = np.interp(np.arange(1, epochs + 1), progress, seconds)
        others = [
            v for v, seed in zip(weights.non_trainable, self._is_seed, strict=True) if not seed
        ]
        standardizations = self.options.get("standardizations")
        return Member(
            seed=self._seeds[place],
            status=_STATUS.get(int(state.status), "stopped"),
            trace=trace,
            best_epoch=int(state.patience.best_epoch),
            trainable=[np.array(value) for value in weights.trainable],
            non_trainable=[np.array(value) for value in others],
            standardization=standardizations[place] if standardizations else None,
        )
