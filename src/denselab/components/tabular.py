"""Layers that help dense networks on tables: a scale in front, periodic embeddings, learned activations."""

import math
from typing import Any

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["FrontScale", "ParametricActivation", "PeriodicEmbedding"]


@keras.saving.register_keras_serializable(package="denselab")
class FrontScale(keras.layers.Layer):
    r"""A learned factor for every input feature, which starts at 1.

    $$y_i = s_i\, x_i$$

    Put first, it lets the training turn features up and down that a network would otherwise have to
    tell apart by all weights of its first layer at once: a soft selection of features.

    Args:
        **options: What every Keras layer takes: `name`, `dtype`, …

    Example:
        >>> import numpy as np
        >>> layer, x = FrontScale(), np.array([[1.0, 2.0]])
        >>> ops.convert_to_numpy(layer(x)).tolist()
        [[1.0, 2.0]]
        >>> layer.set_weights([np.array([0.0, 3.0])])
        >>> ops.convert_to_numpy(layer(x)).tolist()
        [[0.0, 6.0]]

    References:
        Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
        2024, section 3.2 (scaling layer).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes one factor a feature."""
        self.scale: Any = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", name="scale"
        )

    def call(self, inputs: Any) -> Any:
        """Scales features.

        Args:
            inputs: Shape (batch, ..., features).

        Returns:
            A tensor of the same shape.
        """
        return ops.multiply(inputs, self.scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Gives the output's shape, which is the input's."""
        return input_shape


@keras.saving.register_keras_serializable(package="denselab")
class ParametricActivation(keras.layers.Layer):
    r"""An activation that every unit learns the strength of.

    $$y_i = x_i + a_i\,(f(x_i) - x_i)$$

    At $a_i = 1$, where it starts, it is $f$; at 0 the unit is linear.

    Args:
        activation: Name of $f$, such as "selu" or "mish", or a function of Keras.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Example:
        >>> import numpy as np
        >>> layer, x = ParametricActivation("relu"), np.array([[-1.0, 2.0]])
        >>> ops.convert_to_numpy(layer(x)).tolist()
        [[0.0, 2.0]]
        >>> layer.set_weights([np.array([0.5, 0.5])])
        >>> ops.convert_to_numpy(layer(x)).tolist()
        [[-0.5, 2.0]]

    References:
        Holzmüller et al., Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data,
        2024, section 3.2 (parametric activation functions).
    """

    def __init__(self, activation: Any, **options: Any) -> None:
        super().__init__(**options)
        self.activation = keras.activations.get(activation)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes one strength a unit."""
        self.strength: Any = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", name="strength"
        )

    def call(self, inputs: Any) -> Any:
        """Applies the activation.

        Args:
            inputs: Shape (batch, ..., units).

        Returns:
            A tensor of the same shape.
        """
        bent: Any = self.activation(inputs)
        return ops.add(inputs, ops.multiply(self.strength, ops.subtract(bent, inputs)))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Gives the output's shape, which is the input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal layer."""
        name = keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": name}


@keras.saving.register_keras_serializable(package="denselab")
class PeriodicEmbedding(keras.layers.Layer):
    r"""Embeds every number by waves of learned lengths, beside the number itself.

    $$x_i \mapsto \big(x_i,\; V_i^\top \cos(2\pi (w_i x_i + b_i)) + c_i\big), \qquad
    w_i, b_i \in \mathbb{R}^h, \quad V_i \in \mathbb{R}^{h \times (e - 1)}, \quad c_i \in \mathbb{R}^{e - 1}$$

    All of it is learned. It lets a network of few layers follow a feature through sharp turns, as trees do.

    Args:
        size: Numbers that a feature becomes, $e$, from 2.
        waves: Waves of a feature, $h$.
        frequency: Deviation of the first $w$, in cycles a unit of the feature. The embedding is as smooth as this
            is small; 0.1 suits features of deviation 1.
        seed: Seed of the first weights.
        **options: What every Keras layer takes: `name`, `dtype`, …

    Raises:
        UsageError: If one of the figures is out of range.

    Example:
        >>> import numpy as np
        >>> tuple(PeriodicEmbedding(size=4)(np.array([[0.5, 1.0]])).shape)
        (1, 8)

    References:
        Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning, 2022, section 3.3;
        Holzmüller et al., Better by Default, 2024, section 3.2 (PBLD).
    """

    def __init__(
        self,
        *,
        size: int = 4,
        waves: int = 16,
        frequency: float = 0.1,
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if size < 2 or waves < 1 or not frequency > 0:
            raise UsageError(
                f"size is {size!r}, waves is {waves!r}, frequency is {frequency!r}; give a size from 2, waves from 1 "
                "and a frequency above 0"
            )
        self.size, self.waves, self.frequency, self.seed = size, waves, frequency, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the waves of every feature."""
        features, waves, learned = input_shape[-1], self.waves, self.size - 1
        limit = 1 / math.sqrt(waves)
        seeds = [None if self.seed is None else self.seed + part for part in range(4)]
        spread = keras.initializers.RandomNormal(stddev=self.frequency, seed=seeds[0])
        turn = keras.initializers.RandomUniform(-0.5, 0.5, seed=seeds[1])
        mixing = keras.initializers.RandomUniform(-limit, limit, seed=seeds[2])
        shift = keras.initializers.RandomUniform(-limit, limit, seed=seeds[3])
        self.wave: Any = self.add_weight(shape=(features, waves), initializer=spread, name="wave")
        self.phase: Any = self.add_weight(shape=(features, waves), initializer=turn, name="phase")
        self.kernel: Any = self.add_weight(
            shape=(features, waves, learned), initializer=mixing, name="kernel"
        )
        self.bias: Any = self.add_weight(shape=(features, learned), initializer=shift, name="bias")

    def call(self, inputs: Any) -> Any:
        """Embeds features.

        Args:
            inputs: Shape (batch, ..., features).

        Returns:
            Shape (batch, ..., features * size), the numbers of one feature side by side.
        """
        numbers = ops.expand_dims(inputs, -1)
        turns = ops.add(ops.multiply(numbers, self.wave), self.phase)
        cosines = ops.cos(ops.multiply(turns, 2 * math.pi))
        learned = ops.add(ops.einsum("...fw,fwe->...fe", cosines, self.kernel), self.bias)
        together = ops.concatenate([numbers, learned], axis=-1)
        return ops.reshape(together, (-1, *inputs.shape[1:-1], inputs.shape[-1] * self.size))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Gives the output's shape."""
        (*rows, features) = input_shape
        return (*rows, None if features is None else features * self.size)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal layer."""
        names = ("size", "waves", "frequency", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
