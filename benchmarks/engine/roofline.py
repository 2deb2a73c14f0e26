"""The bound: how fast this machine multiplies matrices and moves memory, and what a step needs at least."""

import dataclasses
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from engine.network import FEATURES, WIDTH, operations, weights
from engine.peers import usable_cores

__all__ = [
    "BEYOND",
    "MEMBER",
    "SHAPES",
    "SWEEPS",
    "Bound",
    "Rate",
    "bound",
    "measure_memory",
    "measure_products",
]

MEMBER, BEYOND = "arrays of a member's size, a set for every core", "arrays beyond the caches"

SWEEPS = 7
"""Passes over the weights in an Adam-type update: read weight, gradient and two moments, write all but the gradient."""

_BLOCKS, _BLOCK_SECONDS, _MOST_SECONDS, _CHAIN = 7, 0.05, 5, 20


@dataclasses.dataclass(frozen=True)
class Rate:
    """A measured peak, the best of several blocks.

    Attributes:
        what: The product's shape, or the size of the arrays.
        library: Who did it.
        cores: Cores it could use.
        value: GFLOP/s for products, GB/s for memory.
    """

    what: str
    library: str
    cores: int
    value: float


@dataclasses.dataclass(frozen=True)
class Bound:
    """The least time a training step of one member can take.

    Attributes:
        arithmetic: Milliseconds for its matrix products at the peak.
        memory: Milliseconds for the optimizer's sweeps at the bandwidth.
    """

    arithmetic: float
    memory: float

    @property
    def overlapped(self) -> float:
        """Milliseconds if one hides behind the other entirely; nothing can be faster."""
        return max(self.arithmetic, self.memory)

    @property
    def serial(self) -> float:
        """Milliseconds if the optimizer begins when the gradient is there."""
        return self.arithmetic + self.memory


def _shapes() -> dict[str, tuple[int, int, int, int]]:
    shapes = {"1024 x 1024 by 1024 x 1024": (1024, 1024, 1024, 1)}
    for batch in (32, 128):
        shapes[f"layer 1, {batch} x {FEATURES} by {FEATURES} x {WIDTH}"] = (
            batch,
            FEATURES,
            WIDTH,
            1,
        )
        shapes[f"its weight gradient, {FEATURES} x {batch} by {batch} x {WIDTH}"] = (
            FEATURES,
            batch,
            WIDTH,
            1,
        )
        shapes[f"{_CHAIN} in a row, {batch} x {WIDTH} by {WIDTH} x {WIDTH}"] = (
            batch,
            WIDTH,
            WIDTH,
            _CHAIN,
        )
    return shapes


SHAPES = _shapes()
"""Name -> rows, inner size, columns and number of products in a row."""


def bound(rates: Sequence[Rate], *, cores: int, batch: int) -> Bound | None:
    """Works out the bound of a step from the fastest rates of any library and shape.

    On all cores the peak is at least as many times the peak of one core, so that populations are held to it too.

    Args:
        rates: Measured on one core and on all.
        cores: Cores that a member or a population may use: one or all.
        batch: Samples a step.

    Returns:
        The bound; None if the rates were not measured.
    """

    def best(names: Collection[str], count: int) -> float:
        chosen = (r.value for r in rates if r.what in names and r.cores == count)
        return max(chosen, default=0.0)

    peak = max(best(SHAPES, cores), cores * best(SHAPES, 1))
    bandwidth = max(best((MEMBER, BEYOND), count) for count in (1, cores))
    if not peak or not bandwidth:
        return None
    return Bound(
        arithmetic=1e3 * operations(batch) / (peak * 1e9),
        memory=1e3 * SWEEPS * 4 * weights() / (bandwidth * 1e9),
    )


def measure_products(options: dict[str, Any]) -> list[Rate]:
    """Measures float32 matrix products of one library on the cores this process may use.

    Args:
        options: library ("numpy", "jax" or "torch").

    Returns:
        One rate a shape.
    """
    prepare = {"numpy": _numpy, "jax": _jax, "torch": _torch}[options["library"]]
    stream = np.random.default_rng(0)
    rates = []
    for what, (rows, inner, columns, chain) in SHAPES.items():
        transposed = rows == FEATURES
        left = stream.standard_normal((inner, rows) if transposed else (rows, inner), np.float32)
        right = stream.standard_normal((inner, columns), np.float32)
        if chain > 1:
            right = np.linalg.qr(right)[
                0
            ]  # a chain of orthogonal matrices neither grows nor vanishes
        run = prepare(left, right, transposed=transposed, chain=chain)
        seconds = _fastest(run)
        gflops = 2e-9 * rows * inner * columns * chain / seconds
        rates.append(Rate(what, options["library"], len(usable_cores()), gflops))
    return rates


def measure_memory(options: dict[str, Any]) -> list[Rate]:
    """Measures c = a + b, one thread a core, on arrays of a member's size and on arrays beyond every cache.

    Args:
        options: most_bytes, all arrays together.

    Returns:
        Two rates; three arrays' bytes count, the line that a write fetches first does not.
    """
    cores = len(usable_cores())
    member = 4 * 4 * weights()
    large = min(options["most_bytes"], 3 * max(2**26, 2 * _largest_cache()))
    rates = []
    for what, total in ((MEMBER, member * cores), (BEYOND, large)):
        size = total // (3 * 4 * cores)
        arrays = [tuple(np.ones(size, np.float32) for _ in range(3)) for _ in range(cores)]
        repeats = max(1, 2**26 // (12 * size))

        def sweep(part: tuple[np.ndarray, ...], repeats: int = repeats) -> None:
            for _ in range(repeats):
                np.add(part[0], part[1], out=part[2])

        with ThreadPoolExecutor(cores) as pool:
            seconds = _fastest(lambda arrays=arrays, sweep=sweep: list(pool.map(sweep, arrays)))
        rates.append(Rate(what, "numpy", cores, 12e-9 * size * cores * repeats / seconds))
    return rates


def _fastest(run: Callable[[], Any]) -> float:
    """Seconds of one call: the best mean of several blocks of calls."""
    run()
    began = start = time.perf_counter()
    run()
    calls = max(1, round(_BLOCK_SECONDS / (time.perf_counter() - start)))
    best = float("inf")
    for _ in range(_BLOCKS):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        best = min(best, (time.perf_counter() - start) / calls)
        if time.perf_counter() - began > _MOST_SECONDS:
            break
    return best


def _chained(left: Any, right: Any, chain: int) -> Any:
    for _ in range(chain):
        left = left @ right
    return left


def _numpy(left: Any, right: Any, *, transposed: bool, chain: int) -> Callable[[], Any]:
    left = left.T if transposed else left
    out = left @ right
    if chain == 1:
        return lambda: np.matmul(left, right, out=out)
    return lambda: _chained(left, right, chain)


def _torch(left: Any, right: Any, *, transposed: bool, chain: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(len(usable_cores()))
    left, right = torch.from_numpy(left), torch.from_numpy(right)
    left = left.T if transposed else left
    out = left @ right
    if chain == 1:
        return lambda: torch.matmul(left, right, out=out)
    return lambda: _chained(left, right, chain)


def _jax(left: Any, right: Any, *, transposed: bool, chain: int) -> Callable[[], Any]:
    import jax

    from denselab.engine.platform import compiler_options

    function = jax.jit(
        lambda a, b: _chained(a.T if transposed else a, b, chain),
        compiler_options=compiler_options(),
    )
    left, right = jax.device_put(left), jax.device_put(right)
    return lambda: function(left, right).block_until_ready()


def _largest_cache() -> int:
    """Bytes of the last cache, as Linux tells; 0 where it does not."""
    sizes = [0]
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K"):
            sizes.append(int(text[:-1]) * 2**10)
        elif text.endswith("M"):
            sizes.append(int(text[:-1]) * 2**20)
    return max(sizes)
