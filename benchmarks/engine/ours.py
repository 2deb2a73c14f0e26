"""Our engine: populations of several sizes, deeper nets, more samples, members that stop."""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

from engine.network import build_model, pixels
from engine.timing import Timing

__all__ = ["train_depths", "train_members", "train_samples", "train_stopping"]


@dataclasses.dataclass(frozen=True)
class _Task:
    rows: int
    members: int
    batch: int
    epochs: int
    build: Callable[[], Any] = build_model
    on_epoch: Callable[[int, int, dict[str, float]], bool] | None = None


def train_members(options: dict[str, Any]) -> list[Timing]:
    """Times populations of the published network.

    Args:
        options: rows, epochs, sizes (batch size -> numbers of members) and names (number of members -> row).

    Returns:
        One timing a batch size and number of members.
    """
    return [
        _train(
            options["names"][str(members)],
            _Task(options["rows"], members, int(batch), options["epochs"]),
        )
        for batch, sizes in options["sizes"].items()
        for members in sizes
    ]


def train_depths(options: dict[str, Any]) -> list[Timing]:
    """Times one member a core with more and more hidden layers.

    Args:
        options: rows, epochs, batch, members, names (depth -> row).

    Returns:
        One timing a depth.
    """
    return [
        _train(
            row,
            _Task(
                options["rows"],
                options["members"],
                options["batch"],
                options["epochs"],
                build=functools.partial(build_model, int(depth)),
            ),
        )
        for depth, row in options["names"].items()
    ]


def train_samples(options: dict[str, Any]) -> list[Timing]:
    """Times one member a core on more and more samples, over as many epochs as make the steps equal.

    Args:
        options: steps, batch, members, names (samples -> row).

    Returns:
        One timing a number of samples.
    """
    batch = options["batch"]
    return [
        _train(
            row,
            _Task(
                int(samples),
                options["members"],
                batch,
                epochs=max(1, options["steps"] * batch // int(samples)),
            ),
        )
        for samples, row in options["names"].items()
    ]


def train_stopping(options: dict[str, Any]) -> list[Timing]:
    """Times members with a hook that lets all run, then with one that stops the first half after an epoch.

    Args:
        options: rows, epochs, batch, members, names (the two rows).

    Returns:
        Two timings, per step that was really taken.
    """
    half = options["members"] // 2
    hooks = (lambda place, epoch, logs: False, lambda place, epoch, logs: place < half)
    return [
        _train(
            row,
            _Task(
                options["rows"],
                options["members"],
                options["batch"],
                options["epochs"],
                on_epoch=hook,
            ),
        )
        for row, hook in zip(options["names"], hooks, strict=True)
    ]


class _Clock:
    """Notes when members report."""

    def __init__(self) -> None:
        self.first_epoch: dict[int, float] = {}
        self.done: dict[int, float] = {}

    def note_epoch(self, place: int, epoch: int) -> None:
        """Called as epochs end."""
        if epoch:
            self.first_epoch.setdefault(place, time.perf_counter())

    def note_member(self, place: int, member: Any) -> None:
        """Called when a member is done."""
        self.done[place] = time.perf_counter()


def _train(row: str, task: _Task) -> Timing:
    from denselab.engine import train_population

    x, y = pixels(task.rows)
    clock = _Clock()
    population = train_population(
        task.build,
        x,
        y,
        seeds=range(task.members),
        epochs=task.epochs,
        batch_size=task.batch,
        on_epoch=task.on_epoch,
        on_progress=clock.note_epoch,
        on_member=clock.note_member,
    )
    seconds, epochs = _training_seconds([member.trace["seconds"] for member in population], clock)
    steps = epochs * -(-task.rows // task.batch)
    return Timing(
        row=row,
        batch=task.batch,
        milliseconds=[1e3 * seconds / steps],
        steps=steps,
        before_seconds=population.compile_seconds,
        loss=statistics.median(float(member.trace["loss"][:2][-1]) for member in population),
    )


def _training_seconds(traces: list[Any], clock: _Clock) -> tuple[float, int]:
    """Finds the wall time of the training part, without building and compiling, and the epochs it covers."""
    import jax

    end = max(clock.done.values())
    if jax.default_backend() == "cpu":
        # From the first member's first segment on; gaps between members and idle cores count.
        start = min(clock.done[place] - float(trace[-1]) for place, trace in enumerate(traces))
        return end - start, sum(map(len, traces))
    # One wide program trains all; it is compiled in its first epoch, so the others are taken.
    return end - max(clock.first_epoch.values()), sum(len(trace) - 1 for trace in traces)
