"""How long an answer takes: on one core, in turns, so that what disturbs the machine hits all alike."""

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

__all__ = ["Latency", "interleaved", "one_core"]

_BLOCK_SECONDS, _MOST_CALLS = 0.02, 20


@dataclass(frozen=True)
class Latency:
    """Seconds until a batch is answered.

    Attributes:
        batch: Rows in the batch.
        rounds: Seconds in each round, the least of a few calls.
    """

    batch: int
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median of the rounds, in seconds."""
        return statistics.median(self.rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Lower and upper quartile of the rounds, in seconds."""
        if len(self.rounds) == 1:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.rounds, n=4, method="inclusive")
        return low, high

    def beats(self, other: "Latency") -> bool:
        """Says whether this one was quicker in three of four rounds at least.

        Args:
            other: Measured in the same rounds.

        Returns:
            False where the two cannot be told apart, or the other was quicker.

        Example:
            >>> quick, slow = Latency(1, (1.0, 1.1, 1.0, 1.0)), Latency(1, (1.5, 1.6, 0.9, 1.4))
            >>> quick.beats(slow), slow.beats(quick)
            (True, False)
        """
        won = [mine < theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True)]
        return sum(won) >= 0.75 * len(won)


def interleaved(
    tasks: Mapping[str, Callable[[], object]], *, rounds: int
) -> dict[str, list[float]]:
    """Times tasks in turn, every second round the other way about.

    Args:
        tasks: Name -> what to do; each is done once before, untimed.
        rounds: How often each is timed. A time is the least of some calls, which other work on the
            machine disturbs least: as many as take 20 ms, from 1 to 20.

    Returns:
        Name -> seconds of one call, one value a round.

    Example:
        >>> sorted(interleaved({"a": list, "b": dict}, rounds=2))
        ['a', 'b']
    """
    calls = {}
    for name, task in tasks.items():
        task()
        calls[name] = int(max(1, min(_MOST_CALLS, _BLOCK_SECONDS / max(_timed(task), 1e-9))))
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name in list(tasks)[:: 1 if number % 2 == 0 else -1]:
            seconds[name].append(min(_timed(tasks[name]) for _ in range(calls[name])))
    return seconds


@contextmanager
def one_core() -> Iterator[bool]:
    """Keeps all threads of this process on one core.

    XLA splits a product over as many threads as it found cores when it started, whatever its options
    say later, so this is what gives it one core, as ONNX Runtime is given one thread.

    Yields:
        Whether that was possible; Linux can, others cannot.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    allowed = os.sched_getaffinity(0)
    _keep_on({min(allowed)})
    try:
        yield True
    finally:
        _keep_on(allowed)


def _keep_on(cores: set[int]) -> None:
    for thread in _threads():
        with suppress(OSError):  # It ended meanwhile.
            os.sched_setaffinity(thread, cores)


def _threads() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        return [0]


def _timed(task: Callable[[], object]) -> float:
    began = time.perf_counter()
    task()
    return time.perf_counter() - began
