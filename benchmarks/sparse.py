"""What sparsity pays: a net of four layers of 2048, pruned and shrunk, on one core of this machine.

The bound comes first: a batch takes at least the bytes of the weights over the speed at which this core
reads as many bytes again and again, and the multiply-adds over the speed of its best matrix product; both
are measured here, in the same run. Then the peers in turn: Keras (compiled), ONNX Runtime, its int8,
scipy's CSR, and a dense model of fewer units whose parameters are as many as the pruned one keeps. Times
are medians of interleaved rounds by `denselab.sparsity.measure`. With `--sizes`, what a pruned layer takes on disk.

    python benchmarks/sparse.py --rounds 21
    python benchmarks/sparse.py --sizes
"""

import argparse
import functools
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import h5py
import keras
import numpy as np
from scipy.linalg.blas import sdot
from threadpoolctl import threadpool_limits

from denselab.sparsity import measure, save_packed
from denselab.sparsity.latency import one_core
from denselab.sparsity.measurement import Measurement, Way

WIDTH, DEPTH, CLASSES = 2048, 4, 10
SPARSITIES = (0.8, 0.9, 0.95, 0.99)
GOAL_SPARSITY, GOAL = 0.8, 3.0


def build(units: int) -> keras.Model:
    """Builds the net with so many units a hidden layer."""
    hidden = [keras.layers.Dense(units, activation="relu") for _ in range(DEPTH)]
    return keras.Sequential([keras.Input((WIDTH,)), *hidden, keras.layers.Dense(CLASSES)])


def prune(model: keras.Model, sparsity: float) -> None:
    """Zeroes the smallest weights of each kernel."""
    values = []
    for weight in model.get_weights():
        if weight.ndim == 2:
            weight = np.where(np.abs(weight) > np.quantile(np.abs(weight), sparsity), weight, 0)
        values.append(weight)
    model.set_weights(values)


def units_of(parameters: float) -> int:
    """Finds how many units a hidden layer may have for so many parameters."""
    square, line = DEPTH - 1, WIDTH + CLASSES + DEPTH
    return round((-line + (line**2 + 4 * square * (parameters - CLASSES)) ** 0.5) / (2 * square))


def least_seconds(task: Any, repeats: int = 15) -> float:
    """Times the quickest of some calls."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bytes_a_second(size: int) -> float:
    """Measures how fast one core reads so many bytes again and again."""
    values = np.ones(max(size // 4, 1024), np.float32)
    return values.nbytes / least_seconds(lambda: sdot(values, values))


def adds_a_second() -> float:
    """Measures the multiply-adds of the best product on one core, small enough to run undisturbed."""
    rates = []
    for size in (256, 512, 1024):
        one = np.ones((size, size), np.float32)
        rates.append(size**3 / least_seconds(functools.partial(np.matmul, one, one), repeats=100))
    return max(rates)


def bound(way: Way, batch: int, peak: float) -> float:
    """Gives the seconds that a way takes at least."""
    size = way.file_bytes or 4 * way.parameters
    # CSR multiplies what is left; for int8 no peak was measured, so its bound is that of its bytes.
    adds = {"csr": way.nonzero, "onnx_int8": 0}.get(way.name, way.parameters)
    return max(size / bytes_a_second(size), batch * adds / peak)


def lines_of(sparsity: float, found: Measurement, peak: float) -> list[dict[str, Any]]:
    """Puts times, bounds and ratios to dense ONNX Runtime into rows."""
    lines = []
    for way in found.ways:
        for batch in found.batch_sizes if way.latencies else ():
            latency, dense = way.latency(batch), found.way("onnx").latency(batch)
            ratios = [slow / own for slow, own in zip(dense.rounds, latency.rounds, strict=True)]
            lines.append(
                {
                    "sparsity": sparsity,
                    "way": way.title,
                    "parameters": way.parameters,
                    "batch": batch,
                    "milliseconds": 1e3 * latency.median,
                    "quartiles": [1e3 * end for end in latency.quartiles],
                    "bound": 1e3 * bound(way, batch, peak),
                    "times dense ONNX Runtime": statistics.median(ratios),
                    "ratio of the quickest": min(dense.rounds) / min(latency.rounds),
                }
            )
    return lines


def measure_all(rounds: int) -> list[dict[str, Any]]:
    """Measures every sparsity."""
    x = np.random.default_rng(0).normal(size=(64, WIDTH)).astype("float32")
    with one_core(), threadpool_limits(1):
        peak = adds_a_second()
    print(f"one core: {peak / 1e9:.1f} G multiply-adds a second in float32")
    lines = []
    for sparsity in SPARSITIES:
        keras.utils.set_random_seed(0)
        model = build(WIDTH)
        prune(model, sparsity)
        small = build(units_of((1 - sparsity) * model.count_params()))
        found = measure(model, x, shrunk=small, rounds=rounds)
        with one_core(), threadpool_limits(1):
            lines += lines_of(sparsity, found, peak)
    return lines


def print_times(lines: list[dict[str, Any]]) -> None:
    """Prints times as a Markdown table."""
    names = "bound / measured | dense ORT / it, median | quickest"
    print(f"| zeros | way | batch | ms (quartiles) | bound, ms | {names} |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for line in lines:
        low, high = line["quartiles"]
        cells = [
            f"{100 * line['sparsity']:.0f} %",
            f"{line['way']} ({line['parameters'] / 1e6:.2f} M)",
            str(line["batch"]),
            f"{line['milliseconds']:.3g} ({low:.3g}-{high:.3g})",
            f"{line['bound']:.3g}",
            f"{line['bound'] / line['milliseconds']:.0%}",
            f"{line['times dense ONNX Runtime']:.2f}",
            f"{line['ratio of the quickest']:.2f}",
        ]
        print(f"| {' | '.join(cells)} |")


def print_goal(lines: list[dict[str, Any]]) -> None:
    """Says whether the goal was met."""
    ratio, quickest = next(
        (line["times dense ONNX Runtime"], line["ratio of the quickest"])
        for line in lines
        if line["sparsity"] == GOAL_SPARSITY
        and line["batch"] == 1
        and line["way"] == "the shrunk model in ONNX Runtime"
    )
    verdict = "met" if min(ratio, quickest) >= GOAL else "missed"
    print(
        f"goal: shrunk at {GOAL_SPARSITY:.0%}, batch 1, at least {GOAL} times dense ONNX Runtime: "
        f"{ratio:.2f} (median of rounds), {quickest:.2f} (quickest rounds): {verdict}"
    )


def print_sizes(folder: Path) -> None:
    """Prints what a pruned layer of 2048 x 2048 takes on disk, as a Markdown table."""
    print("| zeros | `.keras`, MB | `save_packed`, MB | HDF5 with shuffle and gzip, MB |")
    print("| ---: | ---: | ---: | ---: |")
    for sparsity in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(WIDTH)])
        prune(model, sparsity)
        plain, filtered = folder / "plain.keras", folder / "filtered.h5"
        model.save(plain)
        with h5py.File(filtered, "w") as file:
            options: Any = {"compression": "gzip", "compression_opts": 6, "shuffle": True}
            file.create_dataset("kernel", data=model.get_weights()[0], **options)
        sizes = [plain.stat().st_size, save_packed(model, folder / "packed.keras")]
        sizes.append(filtered.stat().st_size)
        print(f"| {100 * sparsity:g} % | {' | '.join(f'{size / 1e6:.2f}' for size in sizes)} |")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds")
    parser.add_argument("--sizes", action="store_true", help="measure files instead of times")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    chosen = parser.parse_args()
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {load}")
    if chosen.sizes:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            print_sizes(Path(folder))
        return
    lines = measure_all(chosen.rounds)
    print_times(lines)
    print_goal(lines)
    if chosen.out:
        chosen.out.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
