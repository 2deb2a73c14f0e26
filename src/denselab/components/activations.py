"""Activations that Keras lacks."""

from typing import Any

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["RReLU"]


@keras.saving.register_keras_serializable(package="denselab")
class RReLU(keras.layers.Layer):
    r"""Randomized leaky ReLU: random slopes in training, their mean in prediction.

    For each input of its own, with $l$ = `lower` and $u$ = `upper`:

    $$y = \begin{cases} x & x \ge 0 \\ a\,x & x < 0 \end{cases} \qquad
    a \sim \mathrm{U}(l, u) \text{ in training}, \quad a = \tfrac{l + u}{2} \text{ in prediction}$$

    The paper divides by a number drawn from U(3, 8). As in PyTorch and TensorFlow Addons, it is the
    factor that is drawn here, from U(1/8, 1/3).

    Args:
        lower: Least slope, at least 0.
        upper: Greatest slope, from `lower` to 1.
        seed: Seed of the layer's own stream. Two layers with the same seed draw the same slopes.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Raises:
        UsageError: If the slopes are out of range or out of order.

    Example:
        >>> import numpy as np
        >>> layer = RReLU(lower=0.1, upper=0.3)
        >>> print(np.round(layer(np.array([-10.0, 0.0, 10.0])), 6).tolist())
        [-2.0, 0.0, 10.0]
        >>> draws = np.asarray(layer(np.full(1000, -10.0), training=True))
        >>> bool(-3 <= draws.min() < draws.max() <= -1)
        True

    References:
        Xu et al., Empirical Evaluation of Rectified Activations in Convolutional Network, 2015,
        section 2.4.
    """

    def __init__(
        self,
        lower: float = 1 / 8,
        upper: float = 1 / 3,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not 0 <= lower <= upper <= 1:
            raise UsageError(
                f"lower is {lower!r}, upper is {upper!r}; give 0 <= lower <= upper <= 1, "
                "such as 0.125, 0.333"
            )
        self.lower = lower
        self.upper = upper
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Applies the activation.

        Args:
            inputs: A tensor of any shape.
            training: Whether to draw the slopes.

        Returns:
            A tensor of the same shape.
        """
        slope: Any = (self.lower + self.upper) / 2
        if training:
            slope = keras.random.uniform(
                ops.shape(inputs),
                self.lower,
                self.upper,
                dtype=self.compute_dtype,
                seed=self.seed_generator,
            )
        return ops.where(ops.greater_equal(inputs, 0), inputs, ops.multiply(inputs, slope))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Gives the output's shape, which is the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal layer."""
        arguments = {"lower": self.lower, "upper": self.upper, "seed": self.seed}
        return {**super().get_config(), **arguments}
