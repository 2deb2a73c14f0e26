"""The peers: Keras `fit` and a torch loop, each alone or as one process a core."""

import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from engine.network import CLASSES, DEPTH, FEATURES, RATE, WIDTH, build_model, pixels
from engine.timing import Timing

__all__ = ["bind", "train_alone", "train_pool", "usable_cores"]

Epochs = tuple[list[tuple[float, float]], float]
"""Start and end of every epoch on the machine's clock, and the loss of the second."""

_BARRIER_SECONDS = 300
_pool: dict[str, Any] = {}


def usable_cores() -> list[int]:
    """Lists the cores this process may use.

    Returns:
        Their numbers.
    """
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def bind(core: int) -> None:
    """Binds this process to one core, where the system can; threads it has started already stay free.

    Args:
        core: Number of the core.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def train_alone(options: dict[str, Any]) -> list[Timing]:
    """Times one training at a time, for every batch size.

    Args:
        options: row, kind ("fit" or "torch"), rows, batches, epochs; steps_per_execution for "fit".

    Returns:
        One timing a batch size.
    """
    train = _KINDS[options["kind"]]
    return [
        _timing(options, batch, [train(options, batch, lambda: None)])
        for batch in options["batches"]
    ]


def train_pool(options: dict[str, Any]) -> list[Timing]:
    """Times one training a core side by side, each in a process bound to its core; epochs start together.

    Args:
        options: As for `train_alone`.

    Returns:
        One timing a batch size.
    """
    timings = []
    context = multiprocessing.get_context("spawn")
    cores = usable_cores()
    for batch in options["batches"]:
        start = (context.Barrier(len(cores)), context.SimpleQueue())
        for core in cores:
            start[1].put(core)
        with ProcessPoolExecutor(len(cores), context, _start_pooled, start) as pool:
            waiting = [pool.submit(_train_pooled, options, batch) for _ in cores]
            timings.append(_timing(options, batch, [one.result() for one in waiting]))
    return timings


def _start_pooled(barrier: Any, cores: Any) -> None:
    bind(cores.get())
    _pool["barrier"] = barrier


def _train_pooled(options: dict[str, Any], batch: int) -> Epochs:
    barrier = _pool["barrier"]
    try:
        return _KINDS[options["kind"]](options, batch, lambda: barrier.wait(_BARRIER_SECONDS))
    except BaseException:
        barrier.abort()  # the others would wait for this one
        raise


def _timing(options: dict[str, Any], batch: int, members: list[Epochs]) -> Timing:
    """Takes an epoch of several members from the first one's start to the last one's end."""
    steps = options["rows"] // batch * len(members)
    together = zip(*(spans for spans, _ in members), strict=True)
    first, *others = (
        max(end for _, end in spans) - min(start for start, _ in spans) for spans in together
    )
    losses = sorted(loss for _, loss in members)
    return Timing(
        row=options["row"],
        batch=batch,
        milliseconds=[1e3 * seconds / steps for seconds in others],
        steps=steps,
        before_seconds=first,
        loss=losses[len(losses) // 2],
    )


def _fit(options: dict[str, Any], batch: int, wait: Callable[[], Any]) -> Epochs:
    import keras

    x, y = pixels(options["rows"])
    keras.utils.set_random_seed(0)
    model: Any = build_model(steps_per_execution=options["steps_per_execution"])
    starts, ends = [], []

    def begin(epoch: int, logs: Any) -> None:
        wait()
        starts.append(time.perf_counter())

    def end(epoch: int, logs: Any) -> None:
        ends.append(time.perf_counter())

    clock = keras.callbacks.LambdaCallback(on_epoch_begin=begin, on_epoch_end=end)
    began = time.perf_counter()
    history = model.fit(
        x.astype("float32"),
        y,
        batch_size=batch,
        epochs=1 + options["epochs"],
        callbacks=[clock],
        verbose=0,
    )
    starts[0] = began
    return list(zip(starts, ends, strict=True)), float(history.history["loss"][1])


def _torch(options: dict[str, Any], batch: int, wait: Callable[[], Any]) -> Epochs:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    pixels_, classes = pixels(options["rows"])
    x, y = torch.from_numpy(pixels_).float(), torch.from_numpy(classes).long()
    model = _torch_network()
    # NAdam has no fused form; Adam does the same sweeps over the same arrays.
    optimizer = torch.optim.Adam(model.parameters(), RATE, fused=True)
    spans, losses = [], []
    steps = options["rows"] // batch
    for _ in range(1 + options["epochs"]):
        wait()
        start = time.perf_counter()
        order = torch.randperm(len(x))
        total, right = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for step in range(steps):
            rows = order[step * batch : (step + 1) * batch]
            targets = y[rows]
            logits = model(x[rows])
            loss = torch.nn.functional.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
            right += (logits.argmax(1) == targets).sum()
        losses.append(total.item() / steps)
        spans.append((start, time.perf_counter()))
    return spans, losses[1]


def _torch_network() -> Any:
    import torch

    layers: list[Any] = []
    for width in (FEATURES, *[WIDTH] * (DEPTH - 1)):
        layers += [torch.nn.Linear(width, WIDTH), torch.nn.ELU()]
    layers.append(torch.nn.Linear(WIDTH, CLASSES))
    for layer in layers[:-1:2]:
        torch.nn.init.kaiming_normal_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.xavier_uniform_(layers[-1].weight)
    torch.nn.init.zeros_(layers[-1].bias)
    return torch.nn.Sequential(*layers)


_KINDS: dict[str, Callable[[dict[str, Any], int, Callable[[], Any]], Epochs]] = {
    "fit": _fit,
    "torch": _torch,
}
