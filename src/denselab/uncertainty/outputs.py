"""What a model's outputs are: logits, probabilities or values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import keras
import numpy as np
from jaxtyping import Float

from denselab.errors import UsageError
from denselab.uncertainty.streams import class_probabilities

__all__ = [
    "LogitRecorder",
    "Outputs",
    "OutputsChoice",
    "Reading",
    "predicted_probabilities",
    "read_outputs",
]

OutputsChoice = Literal["auto", "logits", "probabilities", "values", "mean_and_log_variance"]
"""What a caller may say of a model's outputs."""

Outputs = Literal["logits", "probabilities", "values", "mean_and_log_variance"]
"""What a model's outputs are."""


@dataclass(frozen=True)
class Reading:
    """How a model's outputs are read.

    Attributes:
        outputs: What they are.
        last: The layer whose softmax or sigmoid made them, to read its logits; None if not found.
        columns: Number of outputs of a row.
    """

    outputs: Outputs
    last: keras.Layer | None
    columns: int

    @property
    def classes(self) -> int:
        """Number of classes; one output stands for two."""
        return max(2, self.columns)

    def scale(self, from_logits: bool) -> str:
        """Names the scale of what was traced, for `streams.update`."""
        kind = "logits" if from_logits or self.outputs == "logits" else "probabilities"
        return kind if self.columns > 1 else f"binary_{kind}"


class LogitRecorder:
    """Stands for a last activation and remembers what went into it.

    Args:
        activation: The softmax or sigmoid.
    """

    def __init__(self, activation: Callable[[Any], Any]) -> None:
        self._activation = activation
        self._seen: tuple[Any, Any] = (None, None)

    def __call__(self, inputs: Any) -> Any:
        """Applies the activation."""
        self._seen = (inputs, self._activation(inputs))
        return self._seen[1]

    def logits_of(self, outputs: Any) -> Any:
        """Gives the logits behind outputs, or None if they were not made here."""
        return self._seen[0] if self._seen[1] is outputs else None


def read_outputs(model: keras.Model, choice: OutputsChoice, columns: int) -> Reading:
    """Finds out what a model's outputs are.

    A softmax, or a sigmoid on a single output, gives probabilities. Any other end is what the
    compiled loss says: logits or probabilities for a cross-entropy, values otherwise. Nothing else
    is guessed.

    Args:
        model: Any Keras model with one output of two axes.
        choice: What the caller says; "auto" looks.
        columns: Number of outputs of a row.

    Returns:
        How to read them.

    Raises:
        UsageError: If the choice is unknown, or "auto" finds nothing to go by.
    """
    if choice not in get_args(OutputsChoice):
        known = ", ".join(get_args(OutputsChoice))
        raise UsageError(f"outputs is {choice!r}; give one of {known}")
    last = _last_layer(model)
    ending = _ending(last, columns)
    outputs = choice if choice != "auto" else ending or _by_loss(model)
    if outputs == "mean_and_log_variance" and columns % 2:
        raise UsageError(
            f"outputs is 'mean_and_log_variance', but the model has {columns} outputs; it needs an "
            "even number, means first"
        )
    if outputs is None:
        raise UsageError(
            f"cannot tell what the outputs of model {model.name!r} are; give outputs='logits', "
            "'probabilities' or 'values'"
        )
    found = last if ending == outputs == "probabilities" and hasattr(last, "activation") else None
    return Reading(outputs, found, columns)


def predicted_probabilities(
    model: keras.Model, outputs: Float[np.ndarray, "row output"]
) -> Float[np.ndarray, "row class"]:
    """Turns what a classifier gave for some rows into class probabilities.

    Args:
        model: The classifier, whose end or compiled loss says what its outputs are.
        outputs: Its outputs.

    Returns:
        Probabilities; one output stands for two classes.

    Raises:
        UsageError: If it cannot be told what the outputs are, or they are values.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
        >>> predicted_probabilities(model, np.array([[0.25]])).tolist()
        [[0.75, 0.25]]
    """
    if outputs.ndim != 2:
        raise UsageError(
            f"model {model.name!r} gives outputs of shape {outputs.shape}; it must give (row, output)"
        )
    reading = read_outputs(model, "auto", outputs.shape[1])
    if reading.outputs not in ("logits", "probabilities"):
        raise UsageError(
            f"model {model.name!r} gives values, not classes; end it with a softmax, or compile it "
            "with a cross-entropy from logits"
        )
    found, _ = class_probabilities(outputs[None], reading.scale(False), np)
    return found[0].T


def _last_layer(model: Any) -> Any:
    """Follows the output back to the layer that made it; None for a subclassed model."""
    inner = getattr(model, "stochastic_model", None)
    if inner is not None:
        return _last_layer(inner)
    if isinstance(model, keras.Sequential):
        layer = model.layers[-1]
    elif getattr(model, "outputs", None):
        layer = model.outputs[0]._keras_history.operation
    else:
        return None
    return _last_layer(layer) if isinstance(layer, keras.Model) else layer


def _ending(layer: Any, columns: int) -> Outputs | None:
    activation = getattr(layer, "activation", None)
    softmax = activation is keras.activations.softmax or isinstance(layer, keras.layers.Softmax)
    if softmax and columns > 1:
        return "probabilities"
    if activation is keras.activations.sigmoid and columns == 1:
        return "probabilities"
    return None


def _by_loss(model: keras.Model) -> Outputs | None:
    loss = getattr(model, "loss", None)
    if loss is None or isinstance(loss, list | tuple | dict):
        return None
    loss = keras.losses.get(loss)
    settings = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if "crossentropy" in name:
        return "logits" if settings.get("from_logits") else "probabilities"
    return None if "hinge" in name else "values"
