"""An ONNX graph as a file, whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras

from denselab.errors import ExhaustedError, UsageError
from denselab.onnx_export.export import to_onnx
from denselab.onnx_export.graph import Graph, Value

__all__ = ["write_onnx"]


def write_onnx(
    model: keras.Model,
    path: Path,
    *,
    features: Callable[[Graph], Value] | None = None,
    facts: Mapping[str, str] | None = None,
) -> int:
    """Writes a model as an `.onnx` file.

    Args:
        model: As for `to_onnx`.
        path: The file; folders above it are made, and a file of that name is replaced once the new
            one is whole.
        features: As for `to_onnx`.
        facts: As for `to_onnx`.

    Returns:
        Its size in bytes.

    Raises:
        UsageError: If the model cannot be exported, or the file not be written.
        ExhaustedError: If the disk is full.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_onnx(model, Path(folder, "model.onnx")) > 4 * model.count_params()
        True
    """
    path = Path(path)
    data = to_onnx(model, features=features, facts=facts).SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExhaustedError(
                f"{path}: the disk is full; free some space and try again"
            ) from error
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    return len(data)


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(suffix=path.suffix, prefix=".", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
