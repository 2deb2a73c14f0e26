"""Runs ONNX graphs, and rows to run them on."""

from collections.abc import Callable

import keras
import numpy as np
import onnxruntime
import pytest

from denselab.onnx_export import to_onnx


@pytest.fixture
def run() -> Callable[..., list[np.ndarray]]:
    """Runs an ONNX model on arrays, in the order of its inputs."""

    def outputs(graph, *arrays):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        names = [one.name for one in session.get_inputs()]
        return session.run(None, dict(zip(names, arrays, strict=True)))

    return outputs


@pytest.fixture
def differences(run) -> Callable[..., float]:
    """Gives the greatest difference from Keras, relative to the greatest output where that is above 1."""

    def greatest(model, *arrays):
        keras_given = arrays[0] if len(arrays) == 1 else list(arrays)
        wanted = keras.ops.convert_to_numpy(model(keras_given, training=False))
        (came,) = run(to_onnx(model), *arrays)
        assert came.shape == wanted.shape
        assert came.dtype == np.float32
        return float(np.abs(came - wanted).max() / max(1.0, np.abs(wanted).max()))

    return greatest


@pytest.fixture
def rows() -> np.ndarray:
    """Seven rows of six features, small and large, of both signs, and zero."""
    values = np.random.default_rng(0).normal(size=(7, 6)) * [0.01, 0.3, 1, 1, 3, 9]
    values[0] = 0
    return values.astype("float32")
