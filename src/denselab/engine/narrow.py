"""Members one at a time on each CPU device, as many side by side as there are devices."""

import functools
import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, TypeAlias

import jax
import numpy as np

from denselab.engine.platform import Device, compiler_options
from denselab.engine.program import Program
from denselab.engine.reuse import is_kept, kept, shapes_of
from denselab.engine.state import RUNNING, Constants, MemberState, Shared, Weights

__all__ = ["Segment", "Watcher", "Work", "compile_segment", "train_members"]

_SEGMENT_SECONDS = 2.0
_FIRST_BUDGET = 64

Work: TypeAlias = tuple[int, MemberState, Constants]
"""A member's place in the population, its state and its constants."""


class Segment(NamedTuple):
    """What a member has just trained.

    Attributes:
        state: The member after it.
        seconds: What it took.
        finish: Gives the member's final weights if this was its last segment.
        keep: Whether to take a checkpoint if it was not.
    """

    state: MemberState
    seconds: float
    finish: Callable[[], Weights]
    keep: bool


class Watcher(Protocol):
    """Follows the training, called on a device's thread.

    Attributes:
        epoch_steps: Steps of one epoch if `after` must see every epoch by itself, else None.
        segment_seconds: How long a segment may take.
    """

    epoch_steps: int | None
    segment_seconds: float

    def due(self, place: int, seconds: float) -> bool:
        """Says whether a checkpoint of a member is due after a segment of so many seconds."""
        ...

    def after(self, place: int, segment: Segment) -> tuple[bool, Callable[[], None]]:
        """Says whether to stop the member, and what to do about the segment on the caller's thread."""
        ...


class Executable(NamedTuple):
    """The program compiled for one device: `Program.segment`, and `Program.finish`."""

    segment: Any
    finish: Any


def compile_segment(
    program: Program,
    example: tuple[MemberState, Constants],
    shared: Shared,
    devices: Sequence[Device],
    *,
    key: Hashable | None = None,
) -> list[Executable]:
    """Compiles the program once for every device, side by side.

    Args:
        program: The program.
        example: State and constants of any member, for their shapes.
        shared: The data, on the host.
        devices: The devices.
        key: Name of the program, to keep it under and to find it again; None compiles anew and keeps nothing.

    Returns:
        One executable a device.
    """
    segment = jax.jit(program.segment, donate_argnums=0, compiler_options=compiler_options())
    finish = jax.jit(program.finish, compiler_options=compiler_options())

    def lower(device: Device) -> Any:
        where = jax.sharding.SingleDeviceSharding(device)
        shapes = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype, sharding=where),
            (*example, shared, np.int32(1)),
        )
        lowered = finish.lower(*shapes[:3]) if program.finishes else None
        return segment.lower(*shapes), lowered

    about = (key, program.run, program.train_size, program.validation_size)
    names = [
        key and (about, shapes_of((example, shared)), device.platform, device.id)
        for device in devices
    ]
    lowered = [
        None if is_kept(name) else lower(device)
        for name, device in zip(names, devices, strict=True)
    ]  # tracing holds Python's lock, compiling does not

    def compiled(name: Hashable | None, pair: tuple[Any, Any] | None) -> Executable:
        def make() -> tuple[Any, Any]:
            whole, last = pair or lower(devices[names.index(name)])
            return whole.compile(), last.compile() if last else None

        made, finishing = kept(name, make)
        return Executable(made, finishing or program.finish)

    with ThreadPoolExecutor(len(devices)) as pool:
        return list(pool.map(compiled, names, lowered))


def train_members(
    executables: Sequence[Executable],
    shared: Shared,
    devices: Sequence[Device],
    *,
    work: queue.SimpleQueue[Work],
    watcher: Watcher,
) -> None:
    """Trains queued members to their end, one at a time on each device.

    A device takes the next member as soon as its last one is done, so a member that stops early costs nothing.

    Args:
        executables: From `compile_segment`, one a device.
        shared: The data, on the host.
        devices: The devices.
        work: Members that wait.
        watcher: Told of every segment. Where the training is broken off, members that have not come to their end
            are asked for a checkpoint.

    Raises:
        BaseException: The first error of any device, after all devices have finished their segment.
    """
    stop = threading.Event()
    events: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def serve(executable: Executable, device: Device) -> None:
        try:
            on_device = jax.device_put(shared, device)
            while not stop.is_set():
                try:
                    place, state, constants = work.get_nowait()
                except queue.Empty:
                    return
                member = (place, *jax.device_put((state, constants), device))
                _run(executable, member, on_device, control=(watcher, stop, events))
        except BaseException:
            stop.set()
            raise
        finally:
            events.put(None)

    with ThreadPoolExecutor(len(devices)) as pool:
        futures = [pool.submit(serve, *pair) for pair in zip(executables, devices, strict=True)]
        try:
            _handle(events, len(devices))
        except BaseException:
            stop.set()
            wait(futures)
            # Members that were done when the stop came, and checkpoints of the others. What goes wrong now goes
            # wrong for the reason that is being raised, or matters less; another Ctrl-C costs one of them.
            while not events.empty():
                if (event := events.get()) is not None:
                    with suppress(Exception, KeyboardInterrupt):
                        event()
            raise
    for future in futures:
        future.result()


def _handle(events: queue.SimpleQueue[Callable[[], None] | None], open_devices: int) -> None:
    """Does on this thread what devices report, until each has put the None that closes it."""
    while open_devices:
        event = events.get()
        if event is None:
            open_devices -= 1
        else:
            event()


def _run(
    executable: Executable, member: tuple[Any, ...], shared: Any, *, control: tuple[Any, ...]
) -> None:
    place, state, constants = member
    watcher, stop, events = control
    pace, leaving = _Pace(watcher), stop.is_set()
    while not leaving:
        began = time.perf_counter()
        state = executable.segment(state, constants, shared, pace.budget)
        running = int(state.status) == RUNNING
        seconds = time.perf_counter() - began
        finish = functools.partial(executable.finish, state, constants, shared)
        leaving = stop.is_set()
        keep = running and (leaving or watcher.due(place, seconds))
        stopped, event = watcher.after(place, Segment(state, seconds, finish, keep))
        events.put(event)
        if stopped or not running:
            return
        pace.adapt(seconds)


class _Pace:
    """Chooses segments of about two seconds, or as long as checkpoints may be apart."""

    def __init__(self, watcher: Watcher) -> None:
        self._epoch_steps = watcher.epoch_steps
        self._seconds = min(_SEGMENT_SECONDS, watcher.segment_seconds)
        self.budget = np.int32(self._epoch_steps or _FIRST_BUDGET)

    def adapt(self, seconds: float) -> None:
        """Sets the next budget from how long the last one took, growing at most eightfold."""
        if self._epoch_steps is None:
            factor = min(8.0, self._seconds / max(seconds, 1e-3))
            self.budget = np.int32(max(1, min(2**30, int(self.budget * factor))))
