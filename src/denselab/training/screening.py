"""Looks through the configuration of a model file for anything that is not plain layers.

Keras makes objects of whatever a configuration names: classes and functions of its own modules by
name, of other modules by import, Python code by `Lambda`. Its safe mode forbids what is known to be
bad. Here only what is known to be good passes, and it must stand where and how Keras writes it.
"""

import json
import math
from typing import Any

from denselab.errors import DataError, UnsafeFileError
from denselab.training.plain_names import ACTIVATIONS, CLASSES, DTYPES, OURS

__all__ = ["screened_config"]

_MODELS = frozenset({"Functional", "Model", "Sequential"})
_FUNCTION_MODULES = ("builtins", "keras.activations")
_KEYS = {
    *("module", "class_name", "config", "registered_name", "shared_object_id"),
    *("name", "build_config", "compile_config", "inbound_nodes"),
}
_NAMES = frozenset({"name", "activation", "recurrent_activation"})
_IDENTITIES = frozenset({"seed", "shared_object_id"})

_DEEPEST, _MOST_OBJECTS, _MOST_NUMBER, _LONGEST = 60, 20_000, 2**24, 500
_TENSOR = "__keras_tensor__"


def screened_config(text: bytes) -> dict[str, Any]:
    """Reads the configuration of a model, if plain layers are all that it names.

    Args:
        text: `config.json` of the file.

    Returns:
        The configuration without what the model was compiled with, for
        `keras.saving.deserialize_keras_object`.

    Raises:
        UnsafeFileError: If it names anything else, or numbers and nesting that no model has.
        DataError: If it is no configuration.
    """
    try:
        config = json.loads(text, object_pairs_hook=_once)
    except RecursionError as error:
        raise UnsafeFileError("has a configuration nested deeper than any model") from error
    except ValueError as error:
        raise DataError(f"has a configuration that is no JSON ({error}); save it again") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise DataError("has a configuration that names no model; save the model again")
    _Screen().value(config, "", 0)
    if config["class_name"] not in _MODELS | OURS:
        raise DataError(f"holds a {config['class_name']}, not a model; save a keras.Model")
    return config


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UnsafeFileError("has a configuration that says the same thing twice")
    return found


class _Screen:
    """Walks through a configuration and counts what it meets."""

    def __init__(self) -> None:
        self.objects = 0

    def value(self, value: Any, key: str, depth: int) -> None:
        """Checks anything in a configuration, under the key it stands at."""
        if depth > _DEEPEST:
            raise UnsafeFileError("has a configuration nested deeper than any model")
        if isinstance(value, dict):
            self._table(value, depth)
        elif isinstance(value, list):
            for item in value:
                self.value(item, key, depth + 1)
        elif isinstance(value, str):
            _check_text(value, key)
        elif isinstance(value, int | float):
            _check_number(value, key)

    def _table(self, table: dict[str, Any], depth: int) -> None:
        if "class_name" in table:
            self._object(table)
        elif "module" in table or "registered_name" in table:
            raise UnsafeFileError("names a module without a class, as Keras never does")
        for key, value in table.items():
            _check_text(key, "name")
            self.value(value, key, depth + 1)

    def _object(self, table: dict[str, Any]) -> None:
        self.objects += 1
        if self.objects > _MOST_OBJECTS:
            raise UnsafeFileError(f"has more than {_MOST_OBJECTS:,} layers and parts of layers")
        table.pop("compile_config", None)  # Losses, metrics and optimizers: none is needed.
        name, config = table["class_name"], table.get("config")
        if name == _TENSOR and set(table) == {"class_name", "config"}:
            _check_tensor(config)
            return
        if name == "function":
            _check_function(table)
            return
        _check_class(table)
        if not isinstance(config, dict):
            raise UnsafeFileError(f"has a {_shown(name)} whose configuration is no table")
        if name in _MODELS:
            _check_layers(config)


def _check_class(table: dict[str, Any]) -> None:
    name, module = table["class_name"], table.get("module")
    registered = table.get("registered_name")
    if not isinstance(name, str) or not isinstance(module, str):
        raise UnsafeFileError(f"names {_shown(name)} of no module, as Keras never does")
    if name == "Lambda" or name == "__lambda__":
        raise UnsafeFileError(
            "holds code that would run (a Lambda layer); build it of plain layers"
        )
    ours = name in OURS and registered == f"denselab>{name}" and module.startswith("denselab.")
    stock = name in CLASSES.get(module, ()) and registered in (None, name)
    if not (ours or stock):
        raise UnsafeFileError(
            f"holds {_shown(name)} of {_shown(module)}, which is none of the plain layers that "
            "denselab loads; where you trust it, load it with Keras"
        )
    if unknown := set(table) - _KEYS:
        raise UnsafeFileError(f"has a {name} with {_shown(min(unknown))}, which Keras never writes")


def _check_function(table: dict[str, Any]) -> None:
    name = table.get("config")
    known = isinstance(name, str) and name in ACTIVATIONS
    plain = table.get("module") in _FUNCTION_MODULES
    named = table.get("registered_name") in (None, name)
    if not (known and plain and named and set(table) <= _KEYS):
        raise UnsafeFileError(
            f"names the function {_shown(name)}, which is no activation of Keras; where you trust "
            "it, load it with Keras"
        )


def _check_layers(config: dict[str, Any]) -> None:
    """Keeps Keras off its reader of old files, which checks less: it takes layers of no module."""
    layers = config.get("layers", [])
    if not isinstance(layers, list) or not all(isinstance(one, dict) for one in layers):
        raise UnsafeFileError("has layers that are none")
    for layer in layers:
        if "class_name" not in layer or "module" not in layer:
            raise UnsafeFileError("has a layer in a format older than Keras 3; save it again")
        for node in layer.get("inbound_nodes") or []:
            if not isinstance(node, dict) or set(node) != {"args", "kwargs"}:
                raise UnsafeFileError("has a layer in a format older than Keras 3; save it again")


def _check_tensor(config: Any) -> None:
    if not isinstance(config, dict) or not set(config) <= {"shape", "dtype", "keras_history"}:
        raise UnsafeFileError("has an input of a layer that is none")


def _check_text(text: str, key: str) -> None:
    if len(text) > _LONGEST or not text.isprintable() or "://" in text:
        raise UnsafeFileError(f"has a text {_shown(text)} that no model needs")
    if key in _NAMES and (text.startswith(".") or "/" in text or "\\" in text):
        raise UnsafeFileError(f"has the name {_shown(text)}, which leads to another place")
    if key == "dtype" and text not in DTYPES:
        raise UnsafeFileError(f"has the type {_shown(text)}; give one of {', '.join(DTYPES)}")


def _check_number(number: float, key: str) -> None:
    limit = 2**64 if key in _IDENTITIES else _MOST_NUMBER
    if isinstance(number, int) and abs(number) > limit:
        digits = math.floor(math.log10(abs(number)))
        raise UnsafeFileError(
            f"asks for {_shown(key)} of about 1e{digits}, more than any network that is loaded has"
        )


def _shown(text: Any) -> str:
    return ascii(text)[:60]
