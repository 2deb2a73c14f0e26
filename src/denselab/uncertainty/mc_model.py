"""A model that shares another's weights and predicts with its dropout active."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from denselab.errors import UsageError
from denselab.uncertainty.checks import check_model, no_noise_message
from denselab.uncertainty.stochastic import always_off, replaced, stochastic_layers

__all__ = ["StochasticModel", "to_mc"]


@keras.saving.register_keras_serializable(package="denselab")
class StochasticModel(keras.Model):
    """Calls a model with its stochastic layers switched on, in prediction too.

    Everything else, BatchNormalization above all, follows `training` as usual: `fit` trains the
    model inside, `predict` and `evaluate` draw. Saved and loaded, it draws on.

    Args:
        stochastic_model: The model inside, shared, not copied.
        **options: What every Keras model takes: `name`, …

    Example:
        >>> import numpy as np
        >>> plain = keras.Sequential([keras.Input((100,)), keras.layers.Dropout(0.5)])
        >>> drawing = StochasticModel(plain)
        >>> bool((drawing.predict(np.ones((1, 100)), verbose=0) == 0).any())
        True
    """

    def __init__(self, stochastic_model: keras.Model, **options: Any) -> None:
        super().__init__(**options)
        self.stochastic_model = stochastic_model
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Draws once.

        Args:
            inputs: What the model inside takes.
            training: Whether the rest of the model trains.

        Returns:
            What the model inside gives.
        """
        inside = self.stochastic_model
        calls = [(layer, _switched_on(layer.call)) for layer in stochastic_layers(inside)]
        off = [] if training else always_off(inside)
        options = {"training": training} if inside._call_has_training_arg else {}
        with replaced(calls + off):
            return inside(inputs, **options)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal model."""
        inside = keras.saving.serialize_keras_object(self.stochastic_model)
        return {"name": self.name, "stochastic_model": inside}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "StochasticModel":
        """Makes a model from its configuration."""
        inside = keras.saving.deserialize_keras_object(
            config["stochastic_model"], custom_objects=custom_objects
        )
        return cls(inside, name=config["name"])


def to_mc(model: keras.Model) -> StochasticModel:
    """Turns a trained model into one that predicts with its dropout active.

    The two share every weight: training either trains both. Keras up to 3.15.1 ignores
    `training=True` given to a layer of a functional model when it predicts, on every backend; this
    model does not depend on it. For many draws `predict_draws` is faster, on either model.

    Args:
        model: A built Keras model with a stochastic layer.

    Returns:
        A model for `predict`, `evaluate`, `fit` and `save`. Loading it takes
        `import denselab.uncertainty` and no `custom_objects`.

    Raises:
        UsageError: If the model has no stochastic layer.

    Example:
        >>> plain = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
        >>> to_mc(plain).stochastic_model is plain
        True

    References:
        Gal and Ghahramani, Dropout as a Bayesian Approximation, 2016.
    """
    check_model(model)
    if not stochastic_layers(model):
        raise UsageError(no_noise_message(model))
    return StochasticModel(model, name=f"{model.name}_mc")


def _switched_on(call: Callable[..., Any]) -> Callable[..., Any]:
    if "training" not in inspect.signature(call).parameters:
        return call

    def on(*arguments: Any, **options: Any) -> Any:
        return call(*arguments, **{**options, "training": True})

    return on
