"""Predictions of many members of one program: compiled once for each device, a chunk of rows at a time."""

import dataclasses
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from denselab.engine.member import is_seed
from denselab.engine.platform import Device, compiler_options, devices
from denselab.engine.program import prepare
from denselab.engine.state import Member
from denselab.randomness import key_data

__all__ = ["Predictor"]

_CHUNK = 512


class _Weights(NamedTuple):
    trainable: list[Any]
    non_trainable: list[Any]
    standardization: tuple[Any, Any] | None
    key: Any


class Predictor:
    """Predicts class probabilities or values with members of one program, compiled once for each device.

    Args:
        model: A model of the members' program that ends in logits, shape (batch, classes), or in values. It may
            have other dropout layers than the one they trained with, as long as its weights have the same order.
        draws: Forward passes to average the predictions of; what is random in `model` at prediction is
            drawn anew in each, from the member's own seed.
        values: Whether the outputs are the predictions, as in a regression, and no logits.
        spread: Whether to give the deviation of the draws beside their mean.
    """

    def __init__(
        self, model: keras.Model, *, draws: int = 1, values: bool = False, spread: bool = False
    ) -> None:
        self._model = model
        function = _Chunk(model, draws, values)
        chunk = function.mean_and_deviation if spread else function.mean
        self._function = jax.jit(chunk, compiler_options=compiler_options())

    def __call__(
        self,
        members: Sequence[Member],
        x: np.ndarray,
        *,
        rows: Sequence[np.ndarray] | None = None,
        cores: int | None = None,
    ) -> list[np.ndarray]:
        """Predicts with every member, side by side.

        Args:
            members: The members.
            x: Features, shape (n, ...), as they came; standardised inside as each member's were.
            rows: Rows of `x` for each member; all rows by default.
            cores: CPU cores to use; all by default.

        Returns:
            One array of probabilities a member, shape (rows, classes), or of values, shape (rows, 1); float32. With
            `spread` the shape is (rows, outputs, 2), of mean and deviation.
        """
        work: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for place, member in enumerate(members):
            chosen = x if rows is None else x[rows[place]]
            work.put((place, _weights(self._model, member), chosen))
        results: dict[int, np.ndarray] = {}

        def serve(device: Device) -> None:
            while True:
                try:
                    place, weights, chosen = work.get_nowait()
                except queue.Empty:
                    return
                weights = jax.device_put(weights, device)
                parts = [
                    np.asarray(self._function(weights, padded, np.int32(start)))[:size]
                    for start, size, padded in _chunks(chosen)
                ]
                results[place] = np.concatenate(parts)

        chosen_devices = devices(cores)[: len(members)]
        with ThreadPoolExecutor(len(chosen_devices)) as pool:
            for future in [pool.submit(serve, device) for device in chosen_devices]:
                future.result()
        return [results[place] for place in range(len(members))]


@dataclasses.dataclass(frozen=True)
class _Chunk:
    model: keras.Model
    draws: int
    values: bool

    def mean(self, weights: _Weights, x: Any, start: Any) -> Any:
        """Averages the predictions of some rows over the draws."""
        draw = self._drawing(weights, x, start)
        return (
            jax.lax.fori_loop(0, self.draws, lambda i, total: total + draw(i), self._blank(x))
            / self.draws
        )

    def mean_and_deviation(self, weights: _Weights, x: Any, start: Any) -> Any:
        """Gives mean and deviation over the draws of some rows, by Welford's recurrence."""
        draw = self._drawing(weights, x, start)

        def include(i: Any, so_far: tuple[Any, Any]) -> tuple[Any, Any]:
            mean, squares = so_far
            found = draw(i)
            moved = mean + (found - mean) / (i + 1)
            return moved, squares + (found - mean) * (found - moved)

        blank = self._blank(x)
        mean, squares = jax.lax.fori_loop(0, self.draws, include, (blank, blank))
        return jnp.stack([mean, jnp.sqrt(squares / self.draws)], axis=-1)

    def _blank(self, x: Any) -> Any:
        return jnp.zeros((x.shape[0], self.model.output_shape[-1]), jnp.float32)

    def _drawing(self, weights: _Weights, x: Any, start: Any) -> Callable[[Any], Any]:
        """Makes the function of one draw by its number."""
        inputs = prepare(self.model, x, weights.standardization)
        key = jax.random.fold_in(jax.random.wrap_key_data(weights.key), start)

        def draw(i: Any) -> Any:
            state = self._reseeded(weights.non_trainable, jax.random.fold_in(key, i))
            outputs, _ = self.model.stateless_call(weights.trainable, state, inputs, training=False)
            return outputs if self.values else jax.nn.softmax(outputs)

        return draw

    def _reseeded(self, values: list[Any], key: Any) -> list[Any]:
        places = [i for i, v in enumerate(self.model.non_trainable_variables) if is_seed(v)]
        values = list(values)
        for place in places:
            values[place] = jax.random.key_data(jax.random.fold_in(key, place))
        return values


def _weights(model: keras.Model, member: Member) -> _Weights:
    """Fits a member's variables to the model, whose seed generators may be others."""
    kept = iter(member.non_trainable)
    non_trainable = [
        np.zeros(2, np.uint32) if is_seed(variable) else next(kept)
        for variable in model.non_trainable_variables
    ]
    return _Weights(
        member.trainable, non_trainable, member.standardization, key_data(member.seed, "draws")
    )


def _chunks(x: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Cuts rows into chunks of one size, so that one program serves all, the last filled up."""
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        missing = _CHUNK - len(part)
        yield start, len(part), np.concatenate([part, np.repeat(part[:1], missing, axis=0)])
