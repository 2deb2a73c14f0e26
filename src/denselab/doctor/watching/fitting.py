"""Learns one small batch by heart, on copies of the weights, with an Adam of its own."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from denselab.doctor.watching.gradients import compiled, value_and_gradients
from denselab.doctor.watching.inspection import Values
from denselab.doctor.watching.runner import Rows, Runner

__all__ = ["Fitted", "fitted"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
_RATES = (1e-3, 1e-2)
_LOOKED = 50
_DECAYS = (0.9, 0.999)


@dataclass(frozen=True)
class Fitted:
    """What came of learning a batch by heart.

    Attributes:
        rows: Rows of the batch.
        start: Loss before.
        loss: The lowest loss seen.
        accuracy: The highest share of rows that were right, None where it is judged by the loss.
        steps: Steps taken.
    """

    rows: int
    start: float
    loss: float
    accuracy: float | None
    steps: int

    @property
    def done(self) -> bool:
        """Whether all rows are right, or the loss is below a hundredth of the first one."""
        if self.accuracy is not None:
            return self.accuracy == 1.0
        return self.loss < 0.01 * self.start


def fitted(runner: Runner, values: Values, batch: Rows, *, kind: str, steps: int) -> Fitted:
    """Fits a batch by Adam at two rates, and stops as soon as it is fitted.

    Args:
        runner: The network.
        values: Where to start from; not changed.
        batch: The rows.
        kind: How it is judged: "largest", "side", "logit" or "loss".
        steps: Steps at most, at each rate.

    Returns:
        The best of both rates.
    """
    results = []
    for rate in _RATES:
        results.append(_at_rate(runner, values, batch, (kind, steps, rate)))
        if results[-1].done:
            break
    marks = [result.accuracy for result in results if result.accuracy is not None]
    return Fitted(
        rows=batch.count,
        start=results[0].start,
        loss=min(result.loss for result in results),
        accuracy=max(marks, default=None),
        steps=sum(result.steps for result in results),
    )


def _at_rate(runner: Runner, values: Values, batch: Rows, plan: tuple[str, int, float]) -> Fitted:
    kind, steps, rate = plan
    first, second = _DECAYS

    def advance(trained: Any, means: Any, squares: Any, number: Any) -> Any:
        def objective(leaves: list[Any]) -> tuple[Any, Any]:
            outputs, _ = runner.outputs((leaves, values[1]), batch.x, training=True)
            return runner.loss_of(outputs, batch.y), outputs

        loss, outputs, slopes = value_and_gradients(objective, trained)
        means = [first * m + (1 - first) * s for m, s in zip(means, slopes, strict=True)]
        squares = [
            second * v + (1 - second) * ops.square(s) for v, s in zip(squares, slopes, strict=True)
        ]
        size = rate * ops.sqrt(1 - second**number) / (1 - first**number)
        trained = [
            w - size * m / (ops.sqrt(v) + 1e-7)
            for w, m, v in zip(trained, means, squares, strict=True)
        ]
        return trained, means, squares, loss, outputs

    program = compiled(advance)
    trained = list(values[0])
    means = squares = [ops.zeros_like(value) for value in trained]
    losses: list[float] = []
    best: float | None = None
    for number in range(1, steps + 1):
        moment = ops.convert_to_tensor(np.float32(number))
        trained, means, squares, loss, outputs = program(trained, means, squares, moment)
        if number == 1 or number % _LOOKED == 0 or number == steps:
            losses.append(float(np.asarray(ops.convert_to_numpy(loss))))
            mark = _share_right(outputs, batch.y, kind)
            best = mark if best is None or (mark is not None and mark > best) else best
            state = Fitted(batch.count, losses[0], np.nanmin(losses), best, number)
            if (number > 1 and state.done) or not np.isfinite(losses[-1]):
                return state
    return Fitted(batch.count, losses[0], float(np.nanmin(losses)), best, steps)


def _share_right(outputs: Any, y: list[Any], kind: str) -> float | None:
    if kind == "loss":
        return None
    given = np.asarray(ops.convert_to_numpy(outputs))
    wanted = np.asarray(ops.convert_to_numpy(y[0]))
    if kind == "largest":
        classes = wanted.argmax(axis=-1) if wanted.shape[-1] > 1 else wanted[..., 0]
        return float((given.argmax(axis=-1) == classes).mean())
    return float(((given > (0.0 if kind == "logit" else 0.5)) == (wanted > 0.5)).mean())
