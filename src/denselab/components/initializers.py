"""Initializers for teaching what goes wrong, and for biases as PyTorch draws them."""

import math
from numbers import Integral
from typing import Any

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["FanInUniform", "Symmetric"]


@keras.saving.register_keras_serializable(package="denselab")
class Symmetric(keras.initializers.Initializer):
    r"""Gives all units of a layer the same incoming weights.

    One column $v$ is drawn for the first unit and given to all of them:

    $$W_{ij} = v_i, \qquad v \sim \texttt{initializer} \text{ of shape } (\text{inputs}, 1)$$

    The units then have equal outputs. Where the next layer treats them alike, as one made with
    `keras.initializers.Constant` does, they have equal gradients too, and stay copies of one unit
    however long one trains: a first layer of this kind with constant layers after it is as wide as
    one unit. It is here to be seen failing, not to be used. Unlike under `Constant`, the inputs
    count differently.

    Args:
        initializer: Name or instance of the Keras initializer that draws the column.

    Raises:
        UsageError: If the weights have no axis of units, as a bias does; when it is called.

    Example:
        >>> weights = Symmetric(keras.initializers.HeNormal(seed=0))((3, 2))
        >>> bool((weights[:, 0] == weights[:, 1]).all()), len(set(weights[:, 0].tolist()))
        (True, 3)

    References:
        Rumelhart, Hinton and Williams, Learning Internal Representations by Error Propagation, 1986
        (the problem of symmetry breaking).
    """

    def __init__(self, initializer: str | keras.initializers.Initializer = "lecun_normal") -> None:
        self.initializer: Any = keras.initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Makes the weights.

        Args:
            shape: Shape of the weights; the last axis is the unit.
            dtype: Their type; `None` for Keras' float type.

        Returns:
            A tensor of that shape whose columns are equal.
        """
        if len(shape) < 2:
            raise UsageError(
                f"the weights have shape {tuple(shape)}, without an axis of units; "
                "give Symmetric to a kernel, and 'zeros' to the bias"
            )
        column = self.initializer((*shape[:-1], 1), dtype=dtype)
        return ops.tile(column, (1,) * (len(shape) - 1) + (shape[-1],))

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal initializer."""
        return {"initializer": keras.initializers.serialize(self.initializer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Symmetric":
        """Makes an initializer from `get_config`'s answer."""
        return cls(keras.initializers.deserialize(config["initializer"]))


@keras.saving.register_keras_serializable(package="denselab")
class FanInUniform(keras.initializers.Initializer):
    r"""Draws biases as PyTorch does, in a range that shrinks with the number of inputs.

    $$b \sim \mathrm{U}\!\left(-\frac{1}{\sqrt{n}}, \frac{1}{\sqrt{n}}\right)$$

    with $n$ = `fan_in`. A bias does not know how many inputs its layer has, so that is an argument.

    Args:
        fan_in: Number of inputs of the layer, at least 1.
        seed: Seed; an initializer with a seed gives the same numbers each time. `None` for one
            that is drawn when the initializer is made.

    Raises:
        UsageError: If `fan_in` is not a whole number from 1.

    Example:
        >>> bias = FanInUniform(fan_in=100, seed=0)((1000,))
        >>> bool(-0.1 <= bias.min() < -0.099) and bool(0.099 < bias.max() <= 0.1)
        True

    References:
        LeCun et al., Efficient BackProp, 1998, section 4.6 (why the range shrinks with the root of
        the number of inputs).
    """

    def __init__(self, fan_in: int, *, seed: int | None = None) -> None:
        is_count = isinstance(fan_in, Integral) and not isinstance(fan_in, bool)
        if not is_count or fan_in < 1:
            raise UsageError(
                f"fan_in is {fan_in!r}; give the number of inputs, a whole number from 1"
            )
        self.fan_in = int(fan_in)
        self.seed = seed
        bound = 1 / math.sqrt(fan_in)
        self._uniform = keras.initializers.RandomUniform(-bound, bound, seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Makes the biases.

        Args:
            shape: Their shape.
            dtype: Their type; `None` for Keras' float type.

        Returns:
            A tensor of that shape, within 1 / sqrt(fan_in) of 0.
        """
        return self._uniform(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal initializer."""
        return {"fan_in": self.fan_in, "seed": self.seed}
