"""What the Doctor callback costs at its default frequency, beside the same `fit` without it.

The bound: a check runs 256 rows forward and backward, eight batches of 32, once in 500 steps, so 1.6 % if large batches
were no faster than small ones. Epochs with and without the callback take turns; the ratio is that of the medians. The
steps before the first full 500 (checks at 0, 1, 2, 4, … 128) and the compilation are timed apart.

    python benchmarks/doctor_overhead.py --rounds 7
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from denselab.doctor import Doctor

L = keras.layers
NETS = {
    "SELU 20 x 100 on 3072 columns, SGD": ("selu", 20, 100, 3072),
    "BatchNorm 20 x 100 on 3072 columns, SGD": ("batch_norm", 20, 100, 3072),
    "relu 3 x 64 on 64 columns, SGD": ("relu", 3, 64, 64),
}


def network(kind: str, depth: int, width: int, columns: int) -> Any:
    """Builds and compiles a net of the ladder's shape."""
    keras.utils.set_random_seed(0)
    layers: list[Any] = [keras.Input((columns,))]
    for _ in range(depth):
        if kind == "batch_norm":
            layers += [L.Dense(width, use_bias=False), L.BatchNormalization(), L.Activation("elu")]
        else:
            start = "lecun_normal" if kind == "selu" else "he_normal"
            layers.append(L.Dense(width, kind, kernel_initializer=start))
    model: Any = keras.Sequential([*layers, L.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss, metrics=["accuracy"])
    return model


class Clock(keras.callbacks.Callback):
    """Seconds of every epoch, and of what came before the first."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Starts."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops."""
        self.seconds.append(time.perf_counter() - self.began)


def seconds(model: Any, data: tuple[Any, Any], doctor: Doctor | None, epochs: int) -> list[float]:
    """Trains for some epochs of 500 steps."""
    clock = Clock()
    callbacks = [clock] if doctor is None else [clock, doctor]
    model.fit(*data, batch_size=32, epochs=epochs, verbose=0, callbacks=callbacks)
    return clock.seconds


def main() -> None:
    """Prints one row a net."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=500)
    options = parser.parse_args()
    print(
        "| net | seconds an epoch of 500 steps | with doctor | ratio | first epoch, compiling: without, with |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, shape in NETS.items():
        stream = np.random.default_rng(0)
        x = stream.normal(size=(32 * options.steps, shape[-1])).astype("float32")
        data = x, stream.integers(0, 10, len(x))
        plain, first, watched, begun = [], [], [], []
        for _ in range(options.rounds):
            alone = seconds(network(*shape), data, None, 4)
            beside = seconds(network(*shape), data, Doctor(*data), 4)
            first.append(alone[0])
            begun.append(beside[0])
            plain += alone[1:]
            watched += beside[1:]
        ratio = statistics.median(watched) / statistics.median(plain)
        print(
            f"| {name} | {statistics.median(plain):.3f} | {statistics.median(watched):.3f} | {ratio:.3f} | "
            f"{statistics.median(first):.2f}, {statistics.median(begun):.2f} |",
            flush=True,
        )
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Keras {keras.__version__} on {keras.backend.backend()}"
    )


if __name__ == "__main__":
    main()
