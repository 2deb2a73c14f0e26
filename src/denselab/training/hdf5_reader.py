"""Reads the weights of a model file in a process of its own, which may run out of its limits or crash.

This is a script, not a module of the room: `weights_file` runs it as
`python hdf5_reader.py weights.h5 weights.safetensors`. The HDF5 library has to parse a file that
anybody may have made, and that is a great deal of C; nothing else of denselab parses one. It imports
neither Keras nor denselab, so it is there in a fraction of a second.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Any

import h5py
import numpy as np
from h5py.h5o import get_info as object_info
from safetensors.numpy import save_file

__all__ = ["main"]

_MOST_OBJECTS, _DEEPEST = 100_000, 64
_SECONDS = 120
_SPARE_BYTES = 2**31


class _RefusedError(Exception):
    """Something a model of Keras does not hold."""


def main(source: str, target: str) -> None:
    """Copies plain arrays from an HDF5 file to a safetensors file, and prints what came of it.

    Args:
        source: The HDF5 file.
        target: The file to write.
    """
    size = os.path.getsize(source)
    _limit(size)
    try:
        with h5py.File(source, "r") as file:
            save_file(_arrays(file, size), target)
    except _RefusedError as error:
        answer = {"unsafe": str(error)}
    except Exception as error:  # What the library raises depends on what the file holds.
        answer = {"damaged": f"{type(error).__name__}: {error}"[:300]}
    else:
        answer = {}
    json.dump(answer, sys.stdout)


def _limit(size: int) -> None:
    """Bounds memory, time and what is written, where the operating system can do that."""
    try:
        import resource
    except ImportError:  # Windows has no such limits.
        return
    limits = {
        resource.RLIMIT_AS: 4 * size + _SPARE_BYTES,
        resource.RLIMIT_CPU: _SECONDS,
        resource.RLIMIT_FSIZE: 2 * size + 2**20,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):  # A lower limit is in force, or none can be set.
            resource.setrlimit(kind, (limit, limit))


def _arrays(file: h5py.File, size: int) -> dict[str, np.ndarray]:
    found: dict[str, h5py.Dataset] = {}
    _walk(file, "", (found, set()))
    total = sum(dataset.nbytes for dataset in found.values())
    if total > size:  # Datasets that share bytes, or have none.
        raise _RefusedError(f"{total:,} bytes of weights in {size:,} bytes of file")
    return {name: _native(dataset[()]) for name, dataset in found.items()}


def _walk(group: h5py.Group, prefix: str, known: tuple[dict[str, h5py.Dataset], set[Any]]) -> None:
    found, seen = known
    for key in group:
        name = str(key)
        if not name.isprintable() or prefix.count("/") > _DEEPEST or len(seen) > _MOST_OBJECTS:
            raise _RefusedError("names or nesting that Keras never writes")
        if type(group.get(name, getlink=True)) is not h5py.HardLink:
            raise _RefusedError("a link to another place or file among the weights")
        item: Any = group[name]
        address = object_info(item.id).addr
        if address in seen:
            raise _RefusedError("weights that stand under two names")
        seen.add(address)
        if isinstance(item, h5py.Group):
            _walk(item, f"{prefix}{name}/", known)
        else:
            _check(item)
            found[f"{prefix}{name}"] = item


def _check(item: Any) -> None:
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
        kind = getattr(item, "dtype", type(item).__name__)
        raise _RefusedError(f"weights of type {kind}; only plain numbers are read")
    plan = item.id.get_create_plist()
    if item.is_virtual or plan.get_external_count():
        raise _RefusedError("weights that lie in another file")
    if plan.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT) or plan.get_nfilters():
        raise _RefusedError("weights in packed or scattered pieces, as Keras never writes them")
    if item.id.get_storage_size() != item.nbytes:
        raise _RefusedError(f"{item.nbytes:,} bytes of weights that are not in the file")


def _native(array: Any) -> np.ndarray:
    array = np.asarray(array)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


if __name__ == "__main__":
    main(*sys.argv[1:])
