"""ONNX files are whole or not there."""

import errno
import os

import keras
import numpy as np
import onnx
import pytest

from denselab.errors import ExhaustedError, UsageError
from denselab.onnx_export import write_onnx


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])


def test_a_file_holds_the_model_and_its_folder_is_made(model, rows, run, tmp_path):
    path = tmp_path / "deep" / "model.onnx"
    size = write_onnx(model, path)

    assert path.stat().st_size == size
    assert np.allclose(run(onnx.load(path), rows)[0], model(rows), atol=1e-5)


def failing(number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


FULL = (errno.ENOSPC, ExhaustedError, "free some space")
FORBIDDEN = (errno.EACCES, UsageError, "another folder")


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [FULL, FORBIDDEN])
def test_a_failed_write_leaves_what_was_there(call, fault, model, tmp_path, monkeypatch):
    number, kind, match = fault
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, call, failing(number))

    with pytest.raises(kind, match=match):
        write_onnx(model, path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("model.onnx", b"old")]
