"""Dropout that fades out towards the end of the training."""

import math
from typing import Any

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["FadingDropout"]


@keras.saving.register_keras_serializable(package="denselab")
class FadingDropout(keras.layers.Layer):
    r"""Dropout whose rate holds for half of the training and then falls to 0 along half a cosine wave.

    With $t$ the share of the steps that were taken,

    $$p(t) = p \cdot \begin{cases} 1 & t \le \tfrac12 \\ \tfrac12 (1 + \cos(\pi (2t - 1))) & t > \tfrac12 \end{cases}$$

    Steps are counted by the layer itself, one a training batch, so it acts alike under `fit`, under the
    engine and on every backend. In prediction it does nothing; the trained network knows no dropout any more,
    so it is no layer for MC dropout.

    Args:
        rate: Highest probability that an input is dropped, from 0 to below 1.
        steps: Steps of the whole training.
        seed: Seed of the layer's own stream.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Raises:
        UsageError: If rate or steps are out of range.

    Example:
        >>> import numpy as np
        >>> layer, x = FadingDropout(0.5, steps=2, seed=0), np.ones((1, 100))
        >>> draws = [ops.convert_to_numpy(layer(x, training=True)) for _ in range(3)]
        >>> [sorted(set(draw[0].tolist())) for draw in draws]
        [[0.0, 2.0], [0.0, 2.0], [1.0]]

    References:
        Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
        2024, section 3.2 (flat_cos schedule of dropout).
    """

    def __init__(self, rate: float, *, steps: int, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= rate < 1 or steps < 1:
            raise UsageError(
                f"rate is {rate!r}, steps is {steps!r}; give a rate from 0 to below 1, and steps from 1"
            )
        self.rate, self.steps, self.seed = rate, steps, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the counter of steps."""
        del input_shape
        self.taken: Any = self.add_weight(
            shape=(), initializer="zeros", dtype="float32", trainable=False, name="taken"
        )

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops inputs.

        Args:
            inputs: A tensor of any shape.
            training: Whether to drop, and count.

        Returns:
            A tensor of the same shape.
        """
        if not training:
            return inputs
        rate = ops.cast(self._rate_now(), self.compute_dtype)
        self.taken.assign(self.taken + 1)
        field = keras.random.uniform(
            ops.shape(inputs), dtype=self.compute_dtype, seed=self.seed_generator
        )
        kept = ops.cast(ops.greater_equal(field, rate), self.compute_dtype)
        return ops.divide(ops.multiply(inputs, kept), ops.subtract(1.0, rate))

    def _rate_now(self) -> Any:
        share: Any = ops.clip(2 * self.taken / self.steps - 1, 0, 1)
        cosine: Any = ops.cos(math.pi * share)
        return self.rate * 0.5 * (1 + cosine)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Gives the output's shape, which is the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal layer."""
        arguments = {"rate": self.rate, "steps": self.steps, "seed": self.seed}
        return {**super().get_config(), **arguments}
