"""What one run measures: its sizes, and a job for every process that measures something."""

import dataclasses
from typing import Any

from engine import rows

__all__ = ["QUICK", "WHOLE", "Job", "Plan", "accelerator_jobs", "machine_jobs", "training_jobs"]

STOPPING_EPOCHS = 4

_ON_CPU = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
_ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The sizes of a run.

    Attributes:
        rounds: How often every row is measured, in turn.
        samples: Training samples.
        epochs: Timed epochs, at least 2; peers, which compile in their first epoch, take one more before.
        sizes: Batch size -> sizes of populations. Goals and growth are measured at the first batch size.
        depths: Numbers of hidden layers.
        growing_samples: Numbers of training samples.
        on_accelerator: Sizes of populations on an accelerator.
        all_peers: Whether to measure more than Keras on JAX and one torch process.
    """

    rounds: int
    samples: int
    epochs: int
    sizes: dict[int, tuple[int, ...]]
    depths: tuple[int, ...]
    growing_samples: tuple[int, ...]
    on_accelerator: tuple[int, ...]
    all_peers: bool

    @property
    def batch(self) -> int:
        """The batch size of goals and growth."""
        return next(iter(self.sizes))

    @property
    def largest(self) -> int:
        """The largest population on the CPU."""
        return max(self.sizes[self.batch])


WHOLE = Plan(
    rounds=3,
    samples=9600,
    epochs=2,
    sizes={32: (1, 2, 4, 8, 16, 32), 128: (1, 2, 8, 32)},
    depths=(5, 10, 20, 40),
    growing_samples=(2400, 4800, 9600, 19200),
    on_accelerator=(1, 64, 512),
    all_peers=True,
)
"""What `make bench` runs."""

QUICK = Plan(
    rounds=1,
    samples=1280,
    epochs=2,
    sizes={32: (1, 2, 8)},
    depths=(5, 10),
    growing_samples=(640, 1280),
    on_accelerator=(1, 8),
    all_peers=False,
)
"""A smoke run: the same path, no figure worth keeping."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One process that measures something.

    Attributes:
        name: What it measures, for messages.
        task: Name of the worker's function.
        options: What that function takes.
        environment: Variables it is started with.
        one_core: Whether it is bound to one core.
        needs: A package it cannot do without; empty if denselab brings all.
    """

    name: str
    task: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    environment: dict[str, str] = dataclasses.field(default_factory=lambda: dict(_ON_CPU))
    one_core: bool = False
    needs: str = ""


def machine_jobs(memory_bytes: int) -> list[Job]:
    """Lists what measures the machine: matrix products and memory, on one core and on all.

    Args:
        memory_bytes: Memory of the machine; the largest arrays take a quarter.

    Returns:
        The jobs.
    """
    jobs = []
    for one_core in (True, False):
        where = "one core" if one_core else "all cores"
        for library, needs in (("numpy", ""), ("jax", ""), ("torch", "torch")):
            jobs.append(
                Job(
                    f"matrix products, {library}, {where}",
                    "products",
                    {"library": library},
                    one_core=one_core,
                    needs=needs,
                )
            )
        most = {"most_bytes": memory_bytes // 4}
        jobs.append(Job(f"memory, {where}", "memory", most, one_core=one_core))
    return jobs


def training_jobs(plan: Plan, cores: int) -> list[Job]:
    """Lists what trains on the CPU: peers, populations, growth and stopping.

    Args:
        plan: The sizes.
        cores: Cores this process may use.

    Returns:
        The jobs of one round.
    """
    return [*_peers(plan), *_populations(plan), *_growth(plan, cores), _stopping(plan, cores)]


def accelerator_jobs(plan: Plan, device: str) -> list[Job]:
    """Lists what trains on an accelerator.

    Args:
        plan: The sizes.
        device: The accelerator's name.

    Returns:
        The jobs of one round.
    """
    names = {str(count): rows.population(count, device) for count in plan.on_accelerator}
    sizes = {str(batch): plan.on_accelerator for batch in plan.sizes}
    # The first epoch is left out of the time there, so one more is taken.
    options = {"rows": plan.samples, "epochs": plan.epochs + 1, "sizes": sizes, "names": names}
    return [Job(f"populations on {device}", "members", options, {"KERAS_BACKEND": "jax"})]


def _peers(plan: Plan) -> list[Job]:
    shared = {"rows": plan.samples, "epochs": plan.epochs, "batches": list(plan.sizes)}

    def job(row: str, task: str, **changes: Any) -> Job:
        fit = changes.pop("fit", None)
        kind = {"kind": "fit", "steps_per_execution": fit} if fit else {"kind": "torch"}
        return Job(row, task, {**shared, "row": row, **kind}, **changes)

    peers = [
        job(rows.KERAS_JAX, "alone", fit=1),
        job(rows.KERAS_JAX_50, "alone", fit=50),
        job(
            rows.KERAS_TENSORFLOW,
            "alone",
            fit=1,
            needs="tensorflow",
            environment=dict(_ON_TENSORFLOW),
        ),
        job(rows.KERAS_POOL, "pool", fit=1),
        job(rows.TORCH, "alone", needs="torch"),
        job(rows.TORCH_POOL, "pool", needs="torch"),
    ]
    few = (rows.KERAS_JAX, rows.TORCH)
    return peers if plan.all_peers else [peer for peer in peers if peer.name in few]


def _populations(plan: Plan) -> list[Job]:
    counts = sorted({count for sizes in plan.sizes.values() for count in sizes})
    names = {str(count): rows.population(count) for count in counts}
    shared = {"rows": plan.samples, "epochs": plan.epochs}
    sizes = {str(batch): sizes for batch, sizes in plan.sizes.items()}
    alone = {"sizes": dict.fromkeys(sizes, (1,)), "names": {"1": rows.ONE_CORE}}
    return [
        Job("denselab, populations", "members", {**shared, "sizes": sizes, "names": names}),
        Job(rows.ONE_CORE, "members", {**shared, **alone}, one_core=True),
    ]


def _growth(plan: Plan, cores: int) -> list[Job]:
    shared = {"batch": plan.batch, "members": cores}
    depths = {str(depth): rows.layers(depth) for depth in plan.depths}
    counts = {str(count): rows.samples(count) for count in plan.growing_samples}
    steps = plan.samples // plan.batch * (plan.epochs + 1)
    return [
        Job(
            "denselab, growth with depth",
            "depths",
            {**shared, "rows": plan.samples, "epochs": plan.epochs, "names": depths},
        ),
        Job(
            "denselab, growth with samples",
            "samples",
            {**shared, "steps": steps, "names": counts},
        ),
    ]


def _stopping(plan: Plan, cores: int) -> Job:
    options = {
        "rows": plan.samples,
        "batch": plan.batch,
        "members": 4 * cores,
        "epochs": STOPPING_EPOCHS,
        "names": [rows.ALL_RUN, rows.HALF_STOP],
    }
    return Job("denselab, members that stop", "stopping", options)
