"""What a saved model was compiled with: loss, optimizer and metrics, read without Keras' reader.

`load_model` leaves it out, since prediction needs none of it; the doctor does. Objects are made here by
calling a class of Keras that stands in a list, with numbers, truth values and short words alone. What is
anything else is left out and named: no code, no function and no file of a configuration is ever reached.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from denselab.components import OneCycle, SmoothedSparseCategoricalCrossentropy
from denselab.data.arrays import clean_name
from denselab.training.archive import read_members

__all__ = ["compile_as_saved"]


def _classes(module: Any, names: str) -> dict[str, type]:
    return {name: getattr(module, name) for name in names.split()}


_KNOWN: dict[str, dict[str, type]] = {
    "optimizer": _classes(
        keras.optimizers,
        "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Nadam RMSprop SGD",
    ),
    "schedule": {
        "OneCycle": OneCycle,
        **_classes(
            keras.optimizers.schedules,
            "CosineDecay ExponentialDecay InverseTimeDecay PolynomialDecay",
        ),
    },
    "loss": {
        "SmoothedSparseCategoricalCrossentropy": SmoothedSparseCategoricalCrossentropy,
        **_classes(
            keras.losses,
            "BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy CategoricalHinge "
            "CategoricalFocalCrossentropy CosineSimilarity Hinge Huber KLDivergence LogCosh Poisson "
            "MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError SquaredHinge "
            "MeanSquaredLogarithmicError SparseCategoricalCrossentropy",
        ),
    },
    "metric": _classes(
        keras.metrics,
        "AUC Accuracy BinaryAccuracy BinaryCrossentropy CategoricalAccuracy CategoricalCrossentropy "
        "KLDivergence MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError Precision Recall "
        "R2Score RootMeanSquaredError SparseCategoricalAccuracy SparseCategoricalCrossentropy "
        "SparseTopKCategoricalAccuracy TopKCategoricalAccuracy MeanSquaredLogarithmicError",
    ),
}
"""What it is for -> name -> class; making one of these with plain values does nothing else."""

_MODULES = ("keras", "denselab.")
_LONGEST, _MOST = 100, {"metric": 10_000, "optimizer": 2**31, "schedule": 2**31, "loss": 2**31}
"""A metric may ask for memory by its numbers, such as thresholds."""

_DEEPEST, _MOST_PARTS = 4, 100


def compile_as_saved(model: keras.Model, path: Path) -> tuple[str, ...]:
    """Compiles a loaded model with the loss, optimizer and metrics of its file, where these are plain.

    Args:
        model: From `load_model` of this path, which has checked the file; it is changed.
        path: The `.keras` file.

    Returns:
        One line for each part that is left out; empty where the file says nothing of compiling.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from denselab.training import load_model
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.compile("sgd", "mse")
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.keras")
        ...     model.save(path)
        ...     loaded = load_model(path).model
        ...     left_out = compile_as_saved(loaded, path)
        >>> loaded.loss, left_out
        ('mse', ())
    """
    with tempfile.TemporaryDirectory(prefix="denselab-") as folder:
        config = json.loads(read_members(path, Path(folder, "unread.h5")).config)
    saved = config.get("compile_config")
    if not isinstance(saved, Mapping):
        return ()
    left_out: list[str] = []
    parts = {
        "optimizer": _part(saved.get("optimizer"), "optimizer", left_out),
        "loss": _part(saved.get("loss"), "loss", left_out),
        "metrics": _part(saved.get("metrics"), "metric", left_out),
    }
    if parts["loss"] is None or parts["optimizer"] is None:
        return tuple(left_out)
    try:
        model.compile(**parts)
    except Exception as error:  # Keras raises whatever the parts make it raise.
        left_out.append(f"what the file was compiled with: Keras refuses it ({_short(error)})")
    return tuple(left_out)


def _part(value: Any, kind: str, left_out: list[str], depth: int = 0) -> Any:
    """Makes one part of the configuration: an object, a word, or a table or list of these."""
    if value is None or (isinstance(value, str) and _word(value, kind)):
        return value
    short = depth < _DEEPEST and isinstance(value, list | dict) and len(value) <= _MOST_PARTS
    if short and isinstance(value, list):
        made = [_part(one, kind, left_out, depth + 1) for one in value]
        there = [one for one in made if one is not None]
        return there if kind == "metric" else made if there else None
    if isinstance(value, dict) and "class_name" in value:
        return _made(value, kind, left_out)
    if short and isinstance(value, dict) and kind != "optimizer":
        return {str(name): _part(one, kind, left_out, depth + 1) for name, one in value.items()}
    left_out.append(f"the {kind} {_short(value)} of the file: it is none of the plain ones")
    return None


def _made(value: Mapping[str, Any], kind: str, left_out: list[str]) -> Any:
    name, config = value["class_name"], value.get("config")
    if name == "function" and isinstance(config, str) and _word(config, kind):
        return config
    known = _KNOWN[kind].get(name) if isinstance(name, str) else None
    plain = str(value.get("module")).startswith(_MODULES) and isinstance(config, Mapping)
    if known is None or not plain:
        shown = config if name == "function" else name
        left_out.append(f"the {kind} {_short(shown)} of the file: it is none of the plain ones")
        return None
    given: Mapping[str, Any] = config if isinstance(config, Mapping) else {}
    options = {key: _option(key, one, kind, left_out) for key, one in given.items()}
    unnamed = ("name", "dtype")
    options = {k: one for k, one in options.items() if one is not None and k not in unnamed}
    try:
        return known(**options)
    except Exception as error:  # What a class of Keras raises depends on the values.
        left_out.append(f"the {kind} {name} of the file: Keras refuses it ({_short(error)})")
        return None


def _option(key: str, value: Any, kind: str, left_out: list[str]) -> Any:
    """Takes a value that is plain; a schedule may stand for a learning rate."""
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST[kind] else None
    if isinstance(value, str):
        return value if len(value) <= _LONGEST and value.isidentifier() else None
    if key == "learning_rate" and kind == "optimizer" and isinstance(value, dict):
        return _made(value, "schedule", left_out)
    return None


def _word(text: str, kind: str) -> bool:
    """Says whether a word is one that Keras knows for a part, such as `mse` or `accuracy`."""
    if kind == "metric" and text in ("accuracy", "acc", "crossentropy", "ce"):
        return True
    return kind in ("loss", "metric") and text in _WORDS


def _words() -> frozenset[str]:
    """Lists the losses of Keras that are functions, by all their names."""
    return frozenset(
        name
        for name in dir(keras.losses)
        if name.islower()
        and not name.startswith("_")
        and name not in ("get", "serialize", "deserialize")
    )


_WORDS = _words() | {"mse", "mae", "mape", "msle", "bce", "kld"}


def _short(text: object) -> str:
    return clean_name(text)[:60]
