"""What the engine needs to know of the machine, and the little it may set before JAX starts."""

import functools
import os
from importlib.metadata import version
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from denselab.errors import DenselabError

__all__ = ["Device", "claim_cores", "compiler_options", "devices", "self_test"]

Device: TypeAlias = Any
"""A JAX device; `jax.Device` is no type to a type checker."""

_WITHOUT_YNNPACK = {"xla_cpu_experimental_ynn_fusion_type": ""}


def claim_cores() -> str | None:
    """Gives JAX one CPU device a core, so that members train side by side.

    JAX sizes its CPU thread pool by the number of devices, and the way a matrix product is split, so
    its last bits, by the size of that pool. Two devices at least, and one for every core of the machine
    whether or not this process may use it, keep the bytes of a result independent of how many cores are used.

    Returns:
        None if it was done, else one line that says what could not be set and why.
    """
    wanted = max(2, os.cpu_count() or 1)
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:
        have = jax.local_device_count("cpu")
        if have >= wanted:
            return None
        return (
            f"JAX had already started with {have} CPU device(s), so members share them; import denselab "
            "and train before the first JAX operation to use one core a member"
        )
    return None


def devices(cores: int | None = None) -> list[Device]:
    """Lists the devices that members are spread over.

    Args:
        cores: Use at most so many CPU devices; by default one for every core this process may use.

    Returns:
        CPU devices, one a core, or the one accelerator that members share.
    """
    local = jax.local_devices()
    if local[0].platform != "cpu":
        return local[:1]
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return local[: max(1, min(len(local), cores or usable or 1))]


@functools.cache
def compiler_options() -> dict[str, Any]:
    """Chooses XLA's options for a training program on this machine.

    On a CPU, YNNPACK fusions are off: they crash or give wrong results on some jaxlib versions
    (jax issues 39103, 39257, 40412) and are slower for dense nets. The option belongs to the program, so
    no flag of the process changes.

    Returns:
        Options for `jax.jit(..., compiler_options=...)`; empty where this jaxlib does not know them.
    """
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=_WITHOUT_YNNPACK).lower(1.0).compile()
    except Exception:  # jaxlib's own error class for an unknown option differs between versions
        return {}
    return dict(_WITHOUT_YNNPACK)


@functools.cache
def self_test() -> None:
    """Compares a compiled gradient with an op-by-op one, once in a process.

    Raises:
        DenselabError: If they differ, because then nothing trained here could be trusted.
    """
    weights = jnp.asarray(np.linspace(-1, 1, 48 * 16, dtype=np.float32).reshape(48, 16))
    x = jnp.asarray(np.linspace(-2, 2, 32 * 48, dtype=np.float32).reshape(32, 48))

    def loss(w: jax.Array) -> jax.Array:
        hidden = jax.nn.elu(x @ w)
        return jnp.mean(jax.nn.logsumexp(hidden @ w.T[:, :10], axis=-1) ** 2)

    compiled = jax.jit(jax.grad(loss), compiler_options=compiler_options())(weights)
    with jax.disable_jit():
        plain = jax.grad(loss)(weights)
    difference = float(jnp.max(jnp.abs(compiled - plain)) / jnp.max(jnp.abs(plain)))
    if not difference < 1e-4:
        raise DenselabError(
            f"a compiled gradient differs from the same one op by op by {difference:.1e} of its size; this "
            f"jaxlib ({version('jaxlib')}) cannot be trusted on this machine, install another version"
        )
