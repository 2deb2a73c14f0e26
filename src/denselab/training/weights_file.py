"""The weights of a model file, read by a limited process and checked here."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from denselab.errors import DataError, UnsafeFileError

__all__ = ["read_weights", "write_weights"]

_SCRIPT = Path(__file__).with_name("hdf5_reader.py")
_SECONDS = 300


def read_weights(file: Path) -> dict[str, np.ndarray]:
    """Reads an HDF5 file that may have been built to do harm.

    Args:
        file: The file; the folder must be writable and nobody else's.

    Returns:
        Path of a dataset -> array of finite numbers.

    Raises:
        UnsafeFileError: If it holds links, packed or scattered arrays, or claims what it has not.
        DataError: If it is damaged, or a weight is NaN or infinite.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    target = file.with_suffix(".safetensors")
    answer = _run_apart(file, target)
    if "unsafe" in answer:
        raise UnsafeFileError(f"holds {answer['unsafe']}")
    if "damaged" in answer:
        raise DataError(
            f"has weights that cannot be read ({answer['damaged']}); save the model again"
        )
    try:
        arrays = load_file(target)
    except (SafetensorError, OSError) as error:
        raise DataError(f"has weights that cannot be read ({error}); save it again") from error
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = array.size - int(np.isfinite(array).sum())
            raise DataError(
                f"has {bad:,} NaN or infinite weights of {array.size:,} in {name}: its training "
                "diverged; train it again with a lower learning rate"
            )
    return arrays


def write_weights(arrays: dict[str, np.ndarray], file: Path) -> int:
    """Writes arrays as the HDF5 file that Keras reads; all of it is ours.

    Args:
        arrays: From `read_weights`.
        file: The file, ending in `.weights.h5`.

    Returns:
        How many numbers it holds.
    """
    import h5py

    with h5py.File(file, "w") as clean:
        for name, array in arrays.items():
            clean[name] = array
    return sum(math.prod(array.shape) for array in arrays.values())


def _run_apart(source: Path, target: Path) -> dict[str, str]:
    # -P: a file called numpy.py in the working folder is not imported. One thread: OpenBLAS sets
    # memory aside for each, and memory is limited.
    command = [sys.executable, "-P", str(_SCRIPT), str(source), str(target)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(
            command, capture_output=True, env=environment, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(f"has weights that were not read in {_SECONDS} s") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise DataError(
            f"has weights that the HDF5 library died of (status {done.returncode}; {last[:200]}); "
            "save the model again"
        ) from error
    return {str(kind): str(text) for kind, text in answer.items()}
