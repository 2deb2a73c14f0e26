"""Checkpoints: a member in the middle of its training as named arrays, from which it goes on bit by bit.

`MemberState` is all that changes while a member trains, so its leaves and the seconds it has taken are all
that a checkpoint holds. The header says what it is a checkpoint of: with other data, rows, initial weights,
libraries or another kind of device the same arrays would lead elsewhere, so they are not used then.
"""

import dataclasses
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from denselab.engine.program import Program
from denselab.engine.state import Constants, MemberState, Shared

__all__ = [
    "Checkpoint",
    "Clock",
    "Header",
    "Saver",
    "data_digest",
    "header_of",
    "misfit",
    "restore",
    "take",
]

Header = dict[str, Any]
Clock = list[tuple[float, float]]
"""Epochs, with their fraction, and training seconds at the end of every segment."""

_FORMAT = 1
_CLOCK = "clock"
_LIBRARIES = ("denselab", "jax", "jaxlib", "keras", "numpy")


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """All that a member needs to go on from where it was, bit by bit.

    Attributes:
        arrays: Name -> array.
        header: What it is a checkpoint of, in plain values that JSON keeps.
    """

    arrays: Mapping[str, np.ndarray]
    header: Mapping[str, Any]


def data_digest(shared: Shared) -> str:
    """Hashes the data that all members read.

    Args:
        shared: The data, on the host.

    Returns:
        64 hexadecimal digits.
    """
    return _digest(shared)


def header_of(
    program: Program, member: tuple[MemberState, Constants], *, seed: int, data: str, device: str
) -> Header:
    """Says what a member's checkpoints are checkpoints of.

    Args:
        program: The program.
        member: The member before its first step, and its constants.
        seed: Its seed.
        data: From `data_digest`.
        device: Kind of device and layout, such as "cpu narrow".

    Returns:
        Plain values; equal ones mean the same training.
    """
    about = f"{program.run} {program.train_size} {program.validation_size} {data}"
    return {
        "format": _FORMAT,
        "seed": seed,
        "training": _digest((about, member)),
        "device": device,
        **{name: version(name) for name in _LIBRARIES},
    }


def misfit(checkpoint: Checkpoint, header: Header) -> str | None:
    """Says why a checkpoint cannot be gone on from.

    Args:
        checkpoint: The checkpoint.
        header: From `header_of`, of the member that is to go on.

    Returns:
        What is another there than here, or None if it fits.
    """
    there = checkpoint.header
    for name in ("format", *_LIBRARIES, "device", "seed"):
        if there.get(name) != header[name]:
            return f"{name} {there.get(name)} there and {header[name]} here"
    if there.get("training") != header["training"]:
        return "its data, rows, options or initial weights are others"
    return None


def take(state: MemberState, clock: Clock, header: Header) -> Checkpoint:
    """Copies a member's state to the host.

    Args:
        state: The state, whose buffers may be given away afterwards.
        clock: Its clock.
        header: From `header_of`.

    Returns:
        The checkpoint.
    """
    arrays = {name: np.array(leaf) for name, leaf in _named(state)}
    return Checkpoint({**arrays, _CLOCK: np.array(clock, np.float64)}, header)


def restore(checkpoint: Checkpoint, start: MemberState) -> tuple[MemberState, Clock] | None:
    """Makes a member's state of a checkpoint.

    Args:
        checkpoint: The checkpoint.
        start: The member before its first step, for names, shapes and types.

    Returns:
        State and clock, on the host; None if the arrays are not those of this member.
    """
    wanted = dict(_named(start))
    arrays = dict(checkpoint.arrays)
    clock = arrays.pop(_CLOCK, np.zeros(0))
    if arrays.keys() != wanted.keys() or clock.ndim != 2 or clock.shape[1:] != (2,):
        return None
    for name, leaf in wanted.items():
        if (arrays[name].shape, arrays[name].dtype) != (np.shape(leaf), leaf.dtype):
            return None
    leaves = [arrays[name] for name in wanted]
    state = jax.tree.unflatten(jax.tree.structure(start), leaves)
    return state, [(float(epochs), float(seconds)) for epochs, seconds in clock]


class Saver:
    """Says when a member's checkpoint is due, and hands it over.

    One checkpoint of a member waits at most: where they are due faster than they can be written, some are left out.

    Args:
        save: Takes place and checkpoint; None if nobody wants them.
        seconds: How much of a member's training may be lost.
        headers: One a member.
    """

    def __init__(
        self,
        save: Callable[[int, Checkpoint], None] | None,
        seconds: float,
        headers: Sequence[Header],
    ) -> None:
        self.seconds = float("inf") if save is None else seconds
        self._save = save
        self._headers = headers
        self._taken: dict[int, float] = {}
        self._waiting: set[int] = set()
        self._lock = threading.Lock()

    def due(self, place: int, seconds: float) -> bool:
        """Says whether to take a checkpoint now, because after another segment it would be too late.

        Args:
            place: The member's place.
            seconds: What its last segment took.

        Returns:
            Whether a checkpoint is due.
        """
        now = time.monotonic()
        with self._lock:
            since = now - self._taken.setdefault(place, now - seconds)
            return since + seconds >= self.seconds and place not in self._waiting

    def saving(self, place: int, state: MemberState, clock: Clock) -> Callable[[], None]:
        """Takes a checkpoint.

        Args:
            place: The member's place.
            state: Its state.
            clock: Its clock.

        Returns:
            What hands it over, to be called on the caller's thread.
        """
        if self._save is None:
            return lambda: None
        with self._lock:
            self._taken[place] = time.monotonic()
            self._waiting.add(place)
        checkpoint, save = take(state, clock, self._headers[place]), self._save

        def hand_over() -> None:
            try:
                save(place, checkpoint)
            finally:
                with self._lock:
                    self._waiting.discard(place)

        return hand_over


def _named(state: MemberState) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in leaves]


def _digest(tree: Any) -> str:
    """Hashes arrays and texts, with their names, types and shapes."""
    found = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        array = np.ascontiguousarray(leaf)
        found.update(f"{jax.tree_util.keystr(path)} {array.dtype} {np.shape(leaf)}\n".encode())
        found.update(array.view(np.uint8).data if array.size else b"")
    return found.hexdigest()
