"""What is read of losses and metrics: their family, and how they read the outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from denselab.doctor.facts.layers import stock_kind

__all__ = ["CROSS_ENTROPIES", "Family", "Loss", "Metric", "per_output", "read_loss", "read_metric"]

Family = Literal["categorical", "sparse", "binary", "regression", "hinge", "divergence", "custom"]

CROSS_ENTROPIES: tuple[Family, ...] = ("categorical", "sparse", "binary")

_FAMILIES: Mapping[str, Family] = {
    "categorical_crossentropy": "categorical",
    "categorical_focal_crossentropy": "categorical",
    "sparse_categorical_crossentropy": "sparse",
    "smoothed_sparse_categorical_crossentropy": "sparse",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "mean_absolute_percentage_error": "regression",
    "mean_squared_logarithmic_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
    "hinge": "hinge",
    "squared_hinge": "hinge",
    "categorical_hinge": "hinge",
    "kl_divergence": "divergence",
    "poisson": "divergence",
    "cosine_similarity": "divergence",
}
_NAMES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
    "bce": "binary_crossentropy",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
    "kullback_leibler_divergence": "kl_divergence",
}


@dataclass(frozen=True)
class Loss:
    """The loss of one output.

    Attributes:
        name: Keras' name of it, or what the user calls it.
        family: What kind of targets and outputs it compares; `custom` where that is not known.
        from_logits: Whether it puts the softmax or sigmoid on itself.
        ignored_class: Label that a sparse loss leaves out.
        broadcasts: Whether it compares targets (N,) with outputs (N, 1) pair by pair instead of row
            by row; None where it could not be tried.
        usual: Whether its further options, such as Huber's delta, are Keras' own.
    """

    name: str
    family: Family
    from_logits: bool = False
    ignored_class: int | None = None
    broadcasts: bool | None = None
    usual: bool = True


@dataclass(frozen=True)
class Metric:
    """One metric of one output.

    Attributes:
        kind: Keras' class of it, or its name in lower case where it was given as text.
        name: What it is called in the logs.
        threshold: Above which an output counts as positive, None without one.
        from_logits: Whether it reads the outputs as logits.
    """

    kind: str
    name: str
    threshold: float | None = None
    from_logits: bool = False


def per_output(given: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """Deals losses, metrics or targets to the outputs of a model.

    Args:
        given: One for all, a list, or a dictionary by the outputs' names.
        names: Names of the outputs.

    Returns:
        One entry an output, None where there is none.

    Example:
        >>> per_output({"b": "mse"}, ["a", "b"])
        (None, 'mse')
    """
    if isinstance(given, Mapping):
        return tuple(given.get(name) for name in names)
    if isinstance(given, list | tuple) and len(given) == len(names) > 1:
        return tuple(given)
    if isinstance(given, list | tuple) and len(given) == 1:
        return (given[0],) * len(names)
    return (given,) * len(names)


def read_loss(given: Any) -> Loss | None:
    """Reads a loss.

    Args:
        given: What was given to `compile` for one output.

    Returns:
        The facts, or None without a loss.

    Example:
        >>> read_loss("mse").name
        'mean_squared_error'
    """
    if given is None:
        return None
    resolved = _resolved(given)
    options: Mapping[str, Any] = getattr(resolved, "_fn_kwargs", {}) or {}
    function = getattr(resolved, "fn", resolved)
    name = _snake(getattr(function, "__name__", type(resolved).__name__))
    name = _NAMES.get(name, name)
    ours = stock_function(function) or name == "smoothed_sparse_categorical_crossentropy"
    family = _FAMILIES.get(name, "custom") if ours else "custom"
    from_logits = options.get("from_logits", getattr(resolved, "from_logits", False))
    return Loss(
        name=name,
        family=family,
        from_logits=bool(from_logits),
        ignored_class=options.get("ignore_class"),
        broadcasts=_broadcasts(resolved) if family == "custom" else False,
        usual=options.get("delta", 1.0) == 1.0,
    )


def stock_function(function: Any) -> bool:
    """Says whether a function is Keras' own."""
    return str(getattr(function, "__module__", "")).split(".")[0] == "keras"


def read_metric(given: Any) -> Metric:
    """Reads a metric.

    Args:
        given: One metric as given to `compile`.

    Returns:
        The facts.
    """
    if isinstance(given, str):
        name = given if given in ("acc", "accuracy", "ce", "crossentropy") else given.lower()
        return Metric(kind=_TEXT_METRICS.get(given, given), name=name)
    if callable(given) and not isinstance(given, keras.metrics.Metric):
        name = str(getattr(given, "__name__", type(given).__name__))
        return Metric(kind=name, name=name)
    options = getattr(given, "_fn_kwargs", {}) or {}
    thresholds = options.get("threshold", getattr(given, "thresholds", None))
    first = thresholds[0] if isinstance(thresholds, list | tuple) and thresholds else thresholds
    return Metric(
        kind=stock_kind(given),
        name=str(getattr(given, "name", type(given).__name__)),
        threshold=float(first) if isinstance(first, int | float) else None,
        from_logits=bool(options.get("from_logits", getattr(given, "from_logits", False))),
    )


_TEXT_METRICS = {"Accuracy": "Accuracy", "BinaryAccuracy": "BinaryAccuracy"}


def _resolved(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    try:
        return keras.losses.get(given)
    except ValueError:
        return given


def _snake(name: str) -> str:
    letters = [f"_{letter.lower()}" if letter.isupper() else letter for letter in name]
    return "".join(letters).removeprefix("_")


def _broadcasts(loss: Any) -> bool | None:
    """Tries a loss object on three rows: squeezed or not, the targets should give one value."""
    if not isinstance(loss, keras.losses.Loss) or hasattr(loss, "fn"):
        return False  # `compile` wraps functions so that they get equal ranks
    outputs = keras.ops.convert_to_tensor(np.array([[0.2], [0.5], [0.9]], np.float32))
    flat = np.array([1.0, 0.0, 1.0], np.float32)
    try:
        values = [
            np.asarray(keras.ops.convert_to_numpy(loss(keras.ops.convert_to_tensor(y), outputs)))
            for y in (flat, flat[:, None])
        ]
        first, second = (float(value.mean()) for value in values)
    except Exception:  # a user's loss may raise whatever it likes
        return None
    return not np.isclose(first, second, rtol=1e-4, atol=1e-6, equal_nan=True)
