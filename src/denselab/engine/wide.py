"""All members as one wide `vmap` on an accelerator, in widths padded to powers of two."""

import functools
import time
from collections.abc import Hashable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from denselab.engine.narrow import Segment, Watcher, Work
from denselab.engine.platform import Device, compiler_options
from denselab.engine.program import Program
from denselab.engine.reuse import kept, shapes_of
from denselab.engine.state import RUNNING, Constants, EpochData, MemberState, Shared, Weights

__all__ = ["train_wide"]


def train_wide(
    program: Program,
    work: Sequence[Work],
    shared: Shared,
    *,
    on: tuple[Device, Hashable | None],
    watcher: Watcher,
) -> float:
    """Trains members side by side in one program, dropping to a narrower one as they finish.

    Args:
        program: The program.
        work: The members, all at the start of the same epoch.
        shared: The data, on the host.
        on: The accelerator, and the name to keep the compiled programs under; None keeps nothing.
        watcher: Told of every member after every epoch, with an equal share of its seconds.

    Returns:
        Seconds spent on compiling.
    """
    device, key = on
    wide = _Wide(program, jax.device_put(shared, device), key)
    places = np.array([place for place, _, _ in work])
    states, constants = _stack([(state, constant) for _, state, constant in work], device)
    epoch, hooked = int(work[0][1].epoch), watcher.epoch_steps is not None
    while len(places):
        width = _bucket(len(places))
        rows = np.concatenate([np.arange(len(places)), np.zeros(width - len(places), int)])
        states, constants = jax.tree.map(lambda a, rows=rows: a[rows], (states, constants))
        running = np.ones(len(places), bool)
        while 2 * running.sum() > width or (width == 1 and running.any()):
            executable = wide.compiled(states, constants)
            began = time.perf_counter()
            states = executable(states, constants, wide.shared, np.int32(epoch))
            small = jax.tree.map(np.asarray, states._replace(model=None, best=None, average=None))
            seconds = time.perf_counter() - began
            share = seconds / running.sum()
            epoch += 1
            for i in map(int, np.flatnonzero(running)):
                done = bool(small.status[i] != RUNNING)
                keep = not done and watcher.due(int(places[i]), seconds)
                member = _member_state(states, small, i, whole=done or hooked or keep)
                finish = functools.partial(wide.finish, member, constants, i)
                segment = Segment(member, share, finish, keep)
                stopped, event = watcher.after(int(places[i]), segment)
                event()
                running[i] = not (done or stopped)
            states = states._replace(status=_marked(states.status, running))
        keep = np.flatnonzero(running)
        states, constants = jax.tree.map(lambda a, keep=keep: a[keep], (states, constants))
        places = places[running]
    return wide.compile_seconds


class _Wide:
    """The program under vmap, compiled once for each width."""

    def __init__(self, program: Program, shared: Shared, key: Hashable | None) -> None:
        self.shared = shared
        self._key = key and (key, program.run, program.train_size, program.validation_size)
        self.compile_seconds = 0.0
        self._compiled: dict[int, Any] = {}
        self._program = program
        compiled = jax.jit(program.finish, compiler_options=compiler_options())
        self._finish = compiled if program.finishes else program.finish

    def compiled(self, states: MemberState, constants: Constants) -> Any:
        """Gives the executable that trains all running members of this width for one epoch."""
        width = states.status.shape[0]
        if width not in self._compiled:
            began = time.perf_counter()
            key = self._key and ("wide", self._key, shapes_of((states, constants, self.shared)))
            self._compiled[width] = kept(key, lambda: self._lowered(states, constants).compile())
            self.compile_seconds += time.perf_counter() - began
        return self._compiled[width]

    def _lowered(self, states: MemberState, constants: Constants) -> Any:
        function = jax.jit(self._epoch, donate_argnums=0, compiler_options=compiler_options())
        return function.lower(states, constants, self.shared, np.int32(0))

    def finish(self, member: MemberState, constants: Constants, place: int) -> Weights:
        """Gives the final weights of the member at a place."""
        return self._finish(member, jax.tree.map(lambda a: a[place], constants), self.shared)

    def _epoch(
        self, states: MemberState, constants: Constants, shared: Shared, epoch: Any
    ) -> MemberState:
        def one(state: MemberState, member_constants: Constants) -> MemberState:
            order = self._program.order(member_constants, epoch)
            data = EpochData(member_constants, shared, order)
            new = self._program.span(state, data, np.int32(0), np.int32(self._program.full_steps))
            new = self._program.end_epoch(new, data)
            running = state.status == RUNNING
            return jax.tree.map(lambda after, before: jnp.where(running, after, before), new, state)

        return jax.vmap(one)(states, constants)


def _stack(members: Sequence[tuple[Any, Any]], device: Device) -> Any:
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *members), device)


def _member_state(
    states: MemberState, small: MemberState, place: int, *, whole: bool
) -> MemberState:
    """Takes one member out; its weights, which are slow to take out, only where they are asked for."""
    member = jax.tree.map(lambda a: a[place], small)
    if not whole:
        return member
    model, best, average = jax.tree.map(
        lambda a: a[place], (states.model, states.best, states.average)
    )
    return member._replace(model=model, best=best, average=average)


def _bucket(count: int) -> int:
    return 1 << (count - 1).bit_length()


def _marked(status: Any, running: np.ndarray) -> Any:
    keep = np.zeros(status.shape[0], bool)
    keep[: len(running)] = running
    return jnp.where(keep, status, jnp.where(status == RUNNING, -1, status))
