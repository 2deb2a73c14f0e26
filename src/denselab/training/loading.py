"""Opens model files, of whom ever they are, without running what is in them.

Keras never sees the file. It is unpacked and checked member by member; its configuration passes
only if it names plain layers; its weights are read by a limited process; the network is built once
without memory, to count what it would take; and only then for real, from what was checked. Why so:
`docs/decisions/0004-model-files-are-screened.md`.
"""

import copy
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import keras

from denselab.data import Preprocessing
from denselab.errors import DataError, DenselabError, UnsafeFileError
from denselab.training.archive import read_members
from denselab.training.description import ModelDescription, read_description
from denselab.training.screening import screened_config
from denselab.training.weights_file import read_weights, write_weights

__all__ = ["LoadedModel", "load_model"]

# Keras finds the classes of denselab that a model may hold once these were imported.
for _room in ("denselab.components", "denselab.uncertainty"):
    import_module(_room)

_MOST_VALUES = 2**22
"""Values that a layer may give for one row: an image of 224 x 224 in 64 channels has 3.2 million."""


class LoadedModel(NamedTuple):
    """A model from a file.

    Attributes:
        model: The network, not compiled.
        description: What denselab wrote about it; None for files of other programs.
        preprocessing: What makes its features of the columns of a table; None for models that take arrays.
    """

    model: keras.Model
    description: ModelDescription | None
    preprocessing: Preprocessing | None = None


def load_model(path: Path) -> LoadedModel:
    """Loads a model from a `.keras` file that anybody may have made.

    Args:
        path: The file.

    Returns:
        The model, and what its file says of it.

    Raises:
        UnsafeFileError: If the file could run code, read other files or exhaust the machine, or
            is of a format that can.
        DataError: If it is no model, is damaged, or its weights are no numbers.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "model.keras")
        ...     keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
        ...     load_model(path).model.count_params()
        8
    """
    path = Path(path)
    with _naming(path), tempfile.TemporaryDirectory(prefix="denselab-") as folder:
        unpacked = Path(folder, "unpacked.h5")
        members = read_members(path, unpacked)
        config = screened_config(members.config)
        description = read_description(members.description)
        text = members.preprocessing
        preprocessing = None if text is None else Preprocessing.from_json(text)
        arrays = read_weights(unpacked)
        clean = Path(folder, "clean.weights.h5")
        numbers = write_weights(arrays, clean)
        _check_size(config, numbers)
        model = _built(config, clean)
    if preprocessing is not None:
        _check_features(model, preprocessing)
    return LoadedModel(model, description, preprocessing)


def _check_features(model: keras.Model, preprocessing: Preprocessing) -> None:
    takes, made = getattr(model, "input_shape", None), len(preprocessing.feature_names)
    if takes != (None, made):
        raise DataError(
            f"takes rows of shape {takes}, and its preprocessing makes {made:,} features; save it again"
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Puts the name of the file before what is wrong with it."""
    try:
        yield
    except DenselabError as error:
        raise type(error)(f"{path}: {error}") from error


def _check_size(config: dict[str, Any], numbers: int) -> None:
    """Builds the network without memory, and compares it with the weights that are there."""
    model = _without_memory(config)
    wanted = sum(math.prod(variable.shape) for variable in model.weights)
    if wanted > numbers:
        raise UnsafeFileError(
            f"asks for {wanted:,} weights and holds {numbers:,}; it would take memory for nothing"
        )
    shapes = [shape[1:] for shape in _shapes(model)]
    if any(None in shape for shape in shapes):
        raise DataError("takes rows of open size; give a model whose rows have one shape")
    largest = max((math.prod(shape) for shape in shapes), default=0)
    if largest > _MOST_VALUES:
        raise UnsafeFileError(
            f"has a layer that gives {largest:,} values a row; at most {_MOST_VALUES:,} are loaded"
        )


def _without_memory(config: dict[str, Any]) -> keras.Model:
    made = []

    def build() -> tuple[()]:
        # In this scope variables know their shapes and have no values.
        with keras.StatelessScope(initialize_variables=False):
            made.append(_deserialized(config))
        return ()

    if keras.backend.backend() == "jax":
        import jax

        jax.eval_shape(build)  # What a layer computes while it is built is traced, not run.
    else:
        build()
    return made[0]


def _shapes(model: keras.Model) -> Iterator[tuple[Any, ...]]:
    """Gives the shape of every tensor in the network; the sizes of axes may be None."""
    for layer in model._flatten_layers(include_self=True):
        network = getattr(layer, "_functional", None) or layer  # A Sequential has one inside.
        for operation in getattr(network, "operations", ()):
            for node in operation._inbound_nodes:
                for tensor in node.output_tensors:
                    yield tuple(tensor.shape)


def _built(config: dict[str, Any], weights: Path) -> keras.Model:
    model = _deserialized(config)
    try:
        model.load_weights(weights)
    except Exception as error:  # What Keras raises depends on what does not fit.
        raise DataError(
            f"has weights that do not fit its network ({_first_line(error)})"
        ) from error
    return model


def _deserialized(config: dict[str, Any]) -> keras.Model:
    try:
        # Keras takes the tables apart that it is given.
        model: Any = keras.saving.deserialize_keras_object(copy.deepcopy(config), safe_mode=True)
        if not isinstance(model, keras.Model) or not model.built:
            raise DataError("holds no model that was built; call it on a row and save it again")
    except DenselabError:
        raise
    except Exception as error:  # What Keras raises depends on what the configuration holds.
        raise DataError(f"Keras cannot build it ({_first_line(error)}); save it again") from error
    return model


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:200]
