"""Measures the engine against its peers and against the machine's bound, in one run.

    python benchmarks/engine.py            the whole run, as `make bench` does it
    python benchmarks/engine.py --quick    a smoke run of a minute or two

Every peer works in a process of its own, in turn, so that no backend disturbs another; rounds are interleaved, so that
what the machine does meanwhile meets all alike. Figures are medians over rounds and repeats, with minimum and maximum.
"""

import argparse
import dataclasses
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine.growth import trace_growth
from engine.network import DEPTH, RATE, WIDTH, weights
from engine.peers import usable_cores
from engine.picture import draw
from engine.plan import (
    QUICK,
    WHOLE,
    Job,
    Plan,
    accelerator_jobs,
    machine_jobs,
    training_jobs,
)
from engine.report import write_bound, write_goals, write_growth, write_rows, write_stopping
from engine.section import replace_section
from engine.worker import Found, start, work

from denselab.study.environment import hardware, versions

SCRIPT = Path(__file__).resolve()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark, or one process of it.

    Args:
        arguments: Command line without the program's name.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round, few peers")
    parser.add_argument("--rounds", type=int, help="how often every row is measured")
    parser.add_argument(
        "--out",
        type=Path,
        help="Markdown file whose section is written, RESULTS.md by default; the picture goes beside it",
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker is not None:
        print(work(options.worker))
        return
    plan = QUICK if options.quick else WHOLE
    out = options.out or _default_out(options.quick)
    if not out.parent.is_dir():
        parser.error(f"--out must lie in a folder that is there; {out.parent} is not")
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error(f"--rounds must be at least 1, not {options.rounds}")
        plan = dataclasses.replace(plan, rounds=options.rounds)
    began = (time.monotonic(), _load())
    found = measure(plan)
    command = f"python benchmarks/{SCRIPT.name}" + (" --quick" if options.quick else "")
    if options.rounds is not None:
        command += f" --rounds {options.rounds}"
    write(found, plan, _describe(plan, found, command, began), out)
    if found.failures:
        sys.exit("not everything could be measured:\n" + "\n".join(found.failures))


def measure(plan: Plan) -> Found:
    """Measures the machine first, then every training row in turn, round after round.

    Args:
        plan: The sizes.

    Returns:
        All findings.
    """
    found = Found()
    cores = len(usable_cores())
    found.add(start(Job("accelerators", "devices", environment={"KERAS_BACKEND": "jax"}), SCRIPT))
    for job in machine_jobs(round(float(hardware()["memory_gib"]) * 2**30)):
        _say(job.name)
        found.add(start(job, SCRIPT))
    jobs = training_jobs(plan, cores)
    for device in found.devices:
        jobs += accelerator_jobs(plan, device)
    for number in range(plan.rounds):
        for job in jobs:
            _say(f"round {number + 1} of {plan.rounds}: {job.name}")
            found.add(start(job, SCRIPT), number)
    return found


def write(found: Found, plan: Plan, about: str, path: Path) -> None:
    """Writes the section and the picture.

    Args:
        found: All findings.
        plan: The sizes.
        about: Where and when they were found.
        path: The Markdown file.
    """
    cores = len(usable_cores())
    curves = trace_growth(plan, found.timings)
    picture: str | None = f"{SCRIPT.stem}.svg"
    try:
        draw(curves, path.with_name(f"{SCRIPT.stem}.svg"))
    except ImportError:
        picture = None
    parts = [
        "## The engine",
        about,
        write_bound(found, plan, cores),
        write_goals(found, plan, cores),
        write_rows(found, plan),
        write_growth(curves, picture),
        write_stopping(found, plan, cores),
    ]
    replace_section(path, SCRIPT.stem, "\n\n".join(parts))
    _say(f"written to {path}")


def _default_out(quick: bool) -> Path:
    """A smoke run must not overwrite real results."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-")) if quick else SCRIPT.parent
    return folder / "RESULTS.md"


def _describe(plan: Plan, found: Found, command: str, began: tuple[float, str]) -> str:
    clock, load = began
    machine = hardware()
    packages = {name: _version(name) for name in ("torch", "tensorflow-cpu")}
    known = {**versions(), **{name: text for name, text in packages.items() if text}}
    counts = ", ".join(map(str, plan.on_accelerator))
    none = f"none that JAX can use, so nothing was measured of {counts} members on one"
    minutes = (time.monotonic() - clock) / 60
    smoke = {} if plan.all_peers else {"Smoke run": "small sizes, no figure is worth keeping"}
    lines = smoke | {
        "Command": f"`{command}`, {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {minutes:.0f} min",
        "Machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}; "
        f"load before the run {load}",
        "Accelerator": found.devices[0] if found.devices else none,
        "Versions": ", ".join(f"{name} {text}" for name, text in known.items()),
        "Commit": _commit(),
        "Task": f"3072 -> {DEPTH} x {WIDTH} ELU, He normal -> 10 logits, {weights():,} weights; sparse "
        f"cross-entropy and accuracy; Nadam at {RATE:g} (torch has no fused NAdam: fused Adam); float32; "
        f"{plan.samples:,} samples of pixels made from a seed, uint8 for denselab, float32 of the same for the others",
        "Figures": f"medians; rounds: {plan.rounds}, every row in a process of its own and in turn, {plan.epochs} "
        "epochs a round after the first (denselab: with the first, compiling apart); spread is minimum to maximum; "
        "time of a population is its wall time over members and steps",
    }
    return "\n".join(f"- {name}: {text}" for name, text in lines.items())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    """Names the commit of the code that ran; says so if the sources have changed since."""

    def ask(*words: str) -> str:
        command = ["git", "-C", str(SCRIPT.parent.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = ask(
            "status", "--porcelain", "--", "src", "benchmarks/engine", "benchmarks/engine.py"
        )
        return ask("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown, not run from a git checkout"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _say(text: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S}", text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
