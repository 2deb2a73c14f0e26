"""Dropout that stays on when a network predicts, for Monte Carlo dropout."""

from typing import Any

import keras

from denselab.errors import UsageError

__all__ = ["MCAlphaDropout", "MCDropout"]


@keras.saving.register_keras_serializable(package="denselab")
class MCDropout(keras.layers.Dropout):
    r"""Dropout that also drops in prediction, so that every `predict` is one random draw.

    With rate $p$ each input is kept with probability $1 - p$, in training and in prediction:

    $$y = \frac{m}{1 - p}\,x, \qquad m \sim \mathrm{Bernoulli}(1 - p), \qquad
    \mathbb{E}[y] = x, \qquad \mathrm{Var}[y] = \frac{p}{1 - p}\,x^2$$

    The mean over draws approximates the posterior mean, their spread the network's own uncertainty.
    Giving `training=True` to Keras' layer in a functional model is not enough: up to Keras 3.15.1
    `predict` overrides it on every backend. To load a model with this layer takes
    `import denselab.components` and no `custom_objects`.

    Args:
        rate: Probability that an input is dropped, from 0 (the layer does nothing) to below 1.
        noise_shape: Shape of the mask where it is not the input's; 1 shares the mask along an axis.
        seed: Seed of the layer's own stream. Two layers with the same seed draw the same masks.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Raises:
        UsageError: If the rate is outside its range.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((1000,)), MCDropout(0.5, seed=0)])
        >>> first, second = (model.predict(np.ones((1, 1000)), verbose=0) for _ in range(2))
        >>> sorted(set(first.flatten().tolist())), bool((first == second).all())
        ([0.0, 2.0], False)

    References:
        Gal and Ghahramani, Dropout as a Bayesian Approximation, 2016, equation 6.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(_checked(rate), noise_shape, seed, **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops inputs.

        Args:
            inputs: A tensor of any shape.
            training: Ignored; Keras passes it.

        Returns:
            A tensor of the same shape.
        """
        del training
        return super().call(inputs, training=True)


@keras.saving.register_keras_serializable(package="denselab")
class MCAlphaDropout(keras.layers.AlphaDropout):
    r"""Alpha dropout that also drops in prediction, so that every `predict` is one random draw.

    A dropped input is set to SELU's lower limit $\alpha' = -\lambda\alpha \approx -1.7581$, and an
    affine map puts mean and variance back. With rate $p$ and $m \sim \mathrm{Bernoulli}(1 - p)$:

    $$y = a\,(m\,x + (1 - m)\,\alpha') + b, \qquad a = \big((1 - p)(1 + p\,\alpha'^2)\big)^{-1/2},
    \qquad b = -a\,p\,\alpha'$$

    so inputs of mean 0 and variance 1, as SELU networks have them, keep both. On other inputs, such
    as those of ReLU, the variance rises.

    Args:
        rate: Probability that an input is dropped, from 0 (the layer does nothing) to below 1.
        noise_shape: Shape of the mask where it is not the input's; 1 shares the mask along an axis.
        seed: Seed of the layer's own stream. Two layers with the same seed draw the same masks.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Raises:
        UsageError: If the rate is outside its range.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((1000,)), MCAlphaDropout(0.1, seed=0)])
        >>> draw = model.predict(np.zeros((1, 1000)), verbose=0)
        >>> sorted({round(value, 4) for value in draw.flatten().tolist()})
        [-1.4577, 0.162]

    References:
        Klambauer et al., Self-Normalizing Neural Networks, 2017, section "New Dropout Technique";
        Gal and Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: tuple[int | None, ...] | None = None,
        *,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(_checked(rate), noise_shape, seed, **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drops inputs.

        Args:
            inputs: A tensor of any shape.
            training: Ignored; Keras passes it.

        Returns:
            A tensor of the same shape.
        """
        del training
        return super().call(inputs, training=True)


def _checked(rate: float) -> float:
    """Refuses 1 too, which Keras accepts and then divides by zero."""
    if not 0 <= rate < 1:
        raise UsageError(f"rate is {rate!r}; give a probability from 0 to below 1, such as 0.1")
    return rate
