"""What draws cost: 3072 inputs, 20 hidden layers of 100, 10 classes, on this machine.

The bound is the arithmetic: multiply-adds before the first stochastic layer count once, those
behind it once a draw. Each line gives it beside the time measured, both in passes of the network
without noise (one compiled call, the faster of XLA's default options and ours). All ways start from
the same NumPy rows and end with the mean probabilities; `predict_draws` also keeps entropies,
standard errors and votes. Times are medians of interleaved repeats.

    python benchmarks/draws.py --repeats 7
    python benchmarks/draws.py --memory --out draws.json
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np

from denselab.uncertainty import draw_cost, predict_draws, to_mc
from denselab.uncertainty.plans import Masks
from denselab.uncertainty.program import compiler_options

PLACES = {"output": 1, "every layer": 5, "input": 10}
"""Where the dropout is, and by how much fewer draws than asked for are timed there."""

TILE = 5
"""Draws that the tiled peer computes at once; all of them would not fit into memory."""


def build(place: str) -> keras.Model:
    """Builds the network with AlphaDropout(0.1) at a place."""
    dropout, dense = keras.layers.AlphaDropout, keras.layers.Dense
    inputs = outputs = keras.Input((3072,))
    if place == "input":
        outputs = dropout(0.1)(outputs)
    for layer in range(20):
        weights: Any = keras.initializers.LecunNormal(seed=layer)
        outputs = dense(100, activation="selu", kernel_initializer=weights)(outputs)
        if place == "every layer":
            outputs = dropout(0.1)(outputs)
    if place == "output":
        outputs = dropout(0.1)(outputs)
    return keras.Model(inputs, dense(10, activation="softmax")(outputs))


def state(model: Any) -> tuple[list[Any], list[Any]]:
    """Gives the values of a model's variables as they are now; `predict` replaces them."""
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
    )


def one_pass(model: Any, x: np.ndarray, options: dict[str, Any]) -> Callable[[], Any]:
    """Makes the compiled pass without noise."""
    run = jax.jit(
        lambda weights, x: model.stateless_call(*weights, x, training=False)[0],
        compiler_options=options,
    )
    return lambda: jax.block_until_ready(run(state(model), x))


def predict_loop(model: Any, x: np.ndarray, draws: int) -> Callable[[], Any]:
    """Makes the peer that calls `predict` for each draw."""
    noisy: Any = to_mc(model)

    def run() -> Any:
        passes = (noisy.predict(x, batch_size=len(x), verbose=0) for _ in range(draws))
        return sum(passes) / draws

    return run


def tiled_jit(model: Any, x: np.ndarray, draws: int) -> Callable[[], Any]:
    """Makes the peer that repeats the rows, some draws at a time, in one compiled pass."""
    noisy: Any = to_mc(model)

    @jax.jit
    def several(weights: list[Any], others: list[Any], x: Any) -> tuple[Any, list[Any]]:
        tiled = jnp.tile(x, (TILE, 1))
        outputs, others = noisy.stateless_call(weights, others, tiled, training=False)
        return outputs.reshape(TILE, len(x), -1).sum(axis=0), others

    def run() -> Any:
        total, (weights, now) = 0.0, state(noisy)
        for _ in range(draws // TILE):
            part, now = several(weights, now, x)
            total = total + part
        return jax.block_until_ready(total / draws)

    return run


def one_jit_loop(model: Any, x: np.ndarray, draws: int) -> Callable[[], Any]:
    """Makes the peer that puts the whole noisy pass into one compiled loop."""
    noisy: Any = to_mc(model)

    @jax.jit
    def loop(weights: list[Any], others: list[Any], x: Any) -> Any:
        def draw(_: Any, carry: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
            total, now = carry
            outputs, now = noisy.stateless_call(weights, now, x, training=False)
            return total + outputs, now

        empty = jnp.zeros((len(x), 10))
        return jax.lax.fori_loop(0, draws, draw, (empty, others))[0] / draws

    return lambda: jax.block_until_ready(loop(*state(noisy), x))


def ours(model: keras.Model, x: np.ndarray, draws: int, masks: Masks) -> Callable[[], Any]:
    """Makes the call of `predict_draws`."""
    return lambda: predict_draws(model, x, draws=draws, masks=masks)


def interleaved(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Times all ways in turn, and gives the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(repeats):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure(place: str, rows: int, draws: int, repeats: int) -> list[dict[str, Any]]:
    """Times every way at one place of the dropout."""
    model = build(place)
    x = np.random.default_rng(0).normal(size=(rows, 3072)).astype("float32")
    passes = {"pass": {}, "pass, our options": compiler_options()}
    ways = {name: one_pass(model, x, options) for name, options in passes.items()}
    ways |= {
        "predict loop": predict_loop(model, x, draws),
        "tiled jit": tiled_jit(model, x, draws),
        "one-jit loop": one_jit_loop(model, x, draws),
        "predict_draws, a mask a row": ours(model, x, draws, "per_row"),
        "predict_draws, shared masks": ours(model, x, draws, "shared"),
    }
    seconds = interleaved(ways, repeats)
    unit = min(seconds[name] for name in passes)
    cost = draw_cost(model, x)
    return [
        {
            "dropout": place,
            "way": name,
            "draws": 0 if name in passes else draws,
            "milliseconds": 1e3 * time_taken,
            "passes": time_taken / unit,
            "passes in theory": cost.ratio(draws) if name.startswith("predict_draws") else None,
        }
        for name, time_taken in seconds.items()
    ]


def draws_at(place: str, draws: int) -> int:
    """Gives the draws to time at a place, a multiple of what the tiled peer takes at once."""
    return max(1, draws // PLACES[place] // TILE) * TILE


def peak_memory(draws: int, rows: int) -> float:
    """Measures the peak memory of a fresh process in MiB."""
    command = [sys.executable, __file__, "--peak", str(draws), "--rows", str(rows)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def report_peak(draws: int, rows: int) -> None:
    """Draws once and prints this process's peak memory in MiB."""
    x = np.random.default_rng(0).normal(size=(rows, 3072)).astype("float32")
    predict_draws(build("output"), x, draws=draws)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def print_times(lines: list[dict[str, Any]]) -> None:
    """Prints the table of times."""
    names = f"{'dropout':12} {'way':28} {'draws':>5} {'ms':>9}"
    print(names, f"{'passes':>8} {'theory':>7} {'a draw':>7}")
    for line in lines:
        theory, draws = line["passes in theory"], line["draws"]
        columns = [
            f"{line['dropout']:12} {line['way']:28} {draws or '':>5} {line['milliseconds']:9.2f}",
            f"{line['passes']:8.2f} {f'{theory:.2f}' if theory else '':>7}",
            f"{line['passes'] / draws:7.3f}" if draws else "",
        ]
        print(*columns)


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1000, help="rows of the batch")
    parser.add_argument("--draws", type=int, default=100, help="draws with dropout on the output")
    parser.add_argument("--dropout", nargs="+", choices=PLACES, default=list(PLACES))
    parser.add_argument("--repeats", type=int, default=5, help="interleaved repeats")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Runs the benchmark."""
    chosen = arguments()
    if chosen.peak:
        return report_peak(chosen.peak, chosen.rows)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}; jax {jax.__version__}, keras {keras.__version__}; {chosen.rows} rows")
    lines = [
        line
        for place in chosen.dropout
        for line in measure(place, chosen.rows, draws_at(place, chosen.draws), chosen.repeats)
    ]
    print_times(lines)
    memory = {}
    if chosen.memory:
        memory = {draws: peak_memory(draws, chosen.rows) for draws in (10, 100, 1000, 10_000)}
        print("\npeak memory in MiB:", {draws: round(peak) for draws, peak in memory.items()})
    if chosen.out:
        record = {"machine": machine, "jax": jax.__version__, "times": lines, "memory": memory}
        chosen.out.write_text(json.dumps(record, indent=2))
    return None


if __name__ == "__main__":
    main()
