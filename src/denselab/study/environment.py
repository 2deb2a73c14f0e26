"""On what a study ran: versions and hardware, found without importing any of it."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["hardware", "versions"]

_PACKAGES = ("denselab", "keras", "jax", "jaxlib", "numpy")


def versions() -> dict[str, str]:
    """Lists the versions that decide about results.

    Returns:
        Name -> version, for Python, denselab, Keras, JAX and NumPy.

    Example:
        >>> sorted(versions())
        ['denselab', 'jax', 'jaxlib', 'keras', 'numpy', 'python']
    """
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def hardware() -> dict[str, str | int | float]:
    """Describes the machine.

    Returns:
        `cpu`, its model; `cores`, those this process may use; `memory_gib`; `system`; and `gpu`,
        the models of NVIDIA GPUs, where there are any.

    Example:
        >>> int(hardware()["cores"]) >= 1
        True
    """
    about: dict[str, str | int | float] = {
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_gib": round(_memory() / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    if gpus := _gpus():
        about["gpu"] = ", ".join(gpus)
    return about


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    return _field(Path("/proc/cpuinfo"), "model name") or platform.processor() or "unknown"


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpus() -> list[str]:
    """Asks the NVIDIA driver of Linux, which answers in files."""
    found = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    return [model for path in found if (model := _field(path, "Model"))]


def _field(path: Path, name: str) -> str:
    """Reads a line such as `model name : Xeon`; empty where there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")
