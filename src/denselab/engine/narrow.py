"""Members one at a time on each CPU device, as many side by side as there are devices."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from denselab.engine.platform import compiler_options
from denselab.engine.program import RUNNING, Constants, MemberState, Program, Shared

__all__ = ["compile_segment", "train_members"]

_SEGMENT_SECONDS = 2.0
_FIRST_BUDGET = 64

Work = tuple[int, MemberState, Constants]
"""A member's place in the population, its state and its constants."""

AfterSegment = Callable[[int, MemberState, float], bool | None]
"""Called on the host after every segment with place, state and seconds; True stops the member."""


def compile_segment(
    program: Program, example: tuple[MemberState, Constants], shared: Shared, devices: Sequence[jax.Device]
) -> list[Any]:
    """Compiles the program once for every device, side by side.

    Args:
        program: The program.
        example: State and constants of any member, for their shapes.
        shared: The data, on the host.
        devices: The devices.

    Returns:
        One executable a device.
    """
    segment = jax.jit(program.segment, donate_argnums=0, compiler_options=compiler_options())

    def lower(device: jax.Device) -> Any:
        where = jax.sharding.SingleDeviceSharding(device)
        shapes = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(np.shape(a), a.dtype, sharding=where), (*example, shared, np.int32(1))
        )
        return segment.lower(*shapes)

    lowered = [lower(device) for device in devices]  # tracing holds Python's lock, compiling does not
    with ThreadPoolExecutor(len(devices)) as pool:
        return list(pool.map(lambda one: one.compile(), lowered))


def train_members(
    executables: Sequence[Any],
    shared: Shared,
    devices: Sequence[jax.Device],
    *,
    work: "queue.SimpleQueue[Work]",
    after: AfterSegment,
    epoch_steps: int | None = None,
) -> None:
    """Trains queued members to their end, one at a time on each device.

    A device takes the next member as soon as its last one is done, so a member that stops early costs nothing.

    Args:
        executables: From `compile_segment`, one a device.
        shared: The data, on the host.
        devices: The devices.
        work: Members that wait.
        after: Called after every segment.
        epoch_steps: Steps of one epoch if `after` must see every epoch by itself, else None.

    Raises:
        BaseException: The first error of any device, after all devices have finished their segment.
    """
    stop = threading.Event()

    def serve(executable: Any, device: jax.Device) -> None:
        try:
            on_device = jax.device_put(shared, device)
            while not stop.is_set():
                try:
                    place, state, constants = work.get_nowait()
                except queue.Empty:
                    return
                pace = _Pace(epoch_steps)
                constants = jax.device_put(constants, device)
                _run(executable, jax.device_put(state, device), constants, on_device, (place, after, stop, pace))
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(len(devices)) as pool:
        futures = [pool.submit(serve, *pair) for pair in zip(executables, devices, strict=True)]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()
            raise


def _run(executable: Any, state: Any, constants: Any, shared: Any, control: tuple[Any, ...]) -> None:
    place, after, stop, pace = control
    while not stop.is_set():
        began = time.perf_counter()
        state = executable(state, constants, shared, pace.budget)
        running = int(state.status) == RUNNING
        seconds = time.perf_counter() - began
        if after(place, state, seconds) or not running:
            return
        pace.adapt(seconds)


class _Pace:
    """Chooses segments of about two seconds."""

    def __init__(self, epoch_steps: int | None) -> None:
        self._epoch_steps = epoch_steps
        self.budget = np.int32(epoch_steps or _FIRST_BUDGET)

    def adapt(self, seconds: float) -> None:
        """Sets the next budget from how long the last one took, growing at most eightfold."""
        if self._epoch_steps is None:
            factor = min(8.0, _SEGMENT_SECONDS / max(seconds, 1e-3))
            self.budget = np.int32(max(1, min(2**30, int(self.budget * factor))))
