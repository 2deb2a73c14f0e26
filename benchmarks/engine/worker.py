"""Work in processes of their own, so that no backend disturbs another, and collecting what they found."""

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.ours import train_depths, train_members, train_samples, train_stopping
from engine.peers import bind, train_alone, train_pool, usable_cores
from engine.plan import Job
from engine.roofline import Rate, measure_memory, measure_products
from engine.timing import Timing

__all__ = ["Found", "start", "work"]

_TIME_LIMIT = 1200


@dataclasses.dataclass(frozen=True)
class Found:
    """What one process or a whole run found.

    Attributes:
        timings: Training rows.
        rates: Rates of the machine.
        devices: Accelerators, by name.
        left_out: What lacks a package or a feature of the system, and which.
        failures: What broke, and how.
    """

    timings: list[Timing] = dataclasses.field(default_factory=list)
    rates: list[Rate] = dataclasses.field(default_factory=list)
    devices: list[str] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: "Found", number: int = 0) -> None:
        """Takes in what another process found.

        Args:
            other: Its findings.
            number: The round they belong to.
        """
        self.timings.extend(dataclasses.replace(timing, round=number) for timing in other.timings)
        self.rates.extend(other.rates)
        self.devices.extend(other.devices)
        self.left_out.extend(line for line in other.left_out if line not in self.left_out)
        self.failures.extend(line for line in other.failures if line not in self.failures)


def start(job: Job, script: Path) -> Found:
    """Runs a job in a process of its own.

    Args:
        job: The job.
        script: The script that calls `work` when it is given `--worker`.

    Returns:
        What it found; a line in `left_out` or `failures` if it could not be done.
    """
    if job.needs and importlib.util.find_spec(job.needs) is None:
        remedy = f"pip install 'denselab[{job.needs}]'"
        return Found(left_out=[f"{job.name}: {job.needs} is not installed ({remedy})"])
    if job.one_core and not hasattr(os, "sched_setaffinity"):
        return Found(left_out=[f"{job.name}: this system cannot bind a process to a core"])
    message = json.dumps({"task": job.task, "options": job.options})
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **job.environment}
    try:
        done = subprocess.run(
            [sys.executable, str(script), "--worker", message],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIME_LIMIT,
            check=True,
            # Before Python starts: NumPy sizes and starts its threads when it is imported.
            preexec_fn=(lambda: bind(usable_cores()[0])) if job.one_core else None,
        )
    except subprocess.TimeoutExpired:
        return Found(failures=[f"{job.name}: not done after {_TIME_LIMIT} s"])
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        return Found(failures=[f"{job.name}: failed with {last}"])
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    return Found(
        timings=[Timing(**timing) for timing in answer["timings"]],
        rates=[Rate(**rate) for rate in answer["rates"]],
        devices=answer["devices"],
    )


def work(message: str) -> str:
    """Does a job in this process.

    Args:
        message: From `start`.

    Returns:
        What was found, as one line of JSON.
    """
    job = json.loads(message)
    return json.dumps(dataclasses.asdict(_TASKS[job["task"]](job["options"])))


def _find_devices(options: dict[str, Any]) -> Found:
    import jax

    return Found(devices=[d.device_kind for d in jax.local_devices() if d.platform != "cpu"][:1])


def _timings(train: Callable[[dict[str, Any]], list[Timing]]) -> Callable[[dict[str, Any]], Found]:
    return lambda options: Found(timings=train(options))


def _rates(measure: Callable[[dict[str, Any]], list[Rate]]) -> Callable[[dict[str, Any]], Found]:
    return lambda options: Found(rates=measure(options))


_TASKS: dict[str, Callable[[dict[str, Any]], Found]] = {
    "alone": _timings(train_alone),
    "depths": _timings(train_depths),
    "devices": _find_devices,
    "members": _timings(train_members),
    "memory": _rates(measure_memory),
    "pool": _timings(train_pool),
    "products": _rates(measure_products),
    "samples": _timings(train_samples),
    "stopping": _timings(train_stopping),
}
