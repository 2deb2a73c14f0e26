"""Weights as safetensors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from denselab.errors import CorruptStudyError
from denselab.study.weights import packed_weights, unpacked_weights

PATH = Path("weights/plain-0.safetensors")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="f4").reshape(2, 3),
        np.arange(6, dtype="f4").reshape(2, 3).T,
        np.arange(12, dtype="f4")[::2],
        np.arange(3, dtype=">f4"),
        np.float32(2.5),
        np.zeros((0, 3), "f4"),
        np.array([2**32 - 1], np.uint32),
        np.array([np.nan, np.inf], "f4"),
    ],
    ids=["C", "Fortran", "strided", "big-endian", "no axes", "empty", "uint32", "not finite"],
)
def test_arrays_are_read_back(array):
    data = packed_weights({"dense/kernel": array}, recipe="plain", seed=0)
    (back,) = unpacked_weights(data, PATH).values()
    np.testing.assert_array_equal(back, array, strict=False)
    assert back.shape == np.shape(array)
    assert back.dtype == np.asarray(array).dtype.newbyteorder("=")


def test_the_same_weights_are_the_same_bytes_in_every_process():
    code = (
        "import sys, numpy as np; from denselab.study.weights import packed_weights;"
        "w = {name: np.ones(3, 'f4') for name in 'abc'};"
        "sys.stdout.buffer.write(packed_weights(w, recipe='plain', seed=7))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    weights = {name: np.ones(3, "f4") for name in "abc"}
    assert found.stdout == packed_weights(weights, recipe="plain", seed=7)


def test_what_is_no_safetensors_file_is_named():
    with pytest.raises(CorruptStudyError, match=r"plain-0.safetensors: is no safetensors file"):
        unpacked_weights(b"something else", PATH)
