"""One call of a model in Keras and in ONNX Runtime; the only file that opens `onnxruntime`."""

import logging
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from denselab.errors import UsageError

__all__ = ["Answer", "keras_answer", "onnx_answer", "onnx_session", "quantized"]

Answer = Callable[[np.ndarray], np.ndarray]
"""From rows to outputs, both NumPy arrays."""

# YNNPACK's fusions crash or err on some jaxlib versions and slow dense nets (jax issues 39103, 39257).
_XLA_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": ""}


def keras_answer(model: keras.Model) -> Answer:
    """Compiles a model's prediction as a program that serves it would, without `predict` around it.

    Args:
        model: A built model.

    Returns:
        A jitted stateless call on JAX, a `tf.function` on TensorFlow, a call without gradients on torch.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_answer(model)
    if backend == "torch":
        return _torch_answer(model)
    if backend == "tensorflow":
        tf: Any = import_module("tensorflow")

        call = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
        return lambda x: np.asarray(call(tf.convert_to_tensor(x)))
    return lambda x: np.asarray(model(x, training=False))


def _jax_answer(model: Any) -> Answer:
    import jax

    def call(trainable: Any, others: Any, x: Any) -> Any:
        return model.stateless_call(trainable, others, x, training=False)[0]

    trainable = [variable.value for variable in model.trainable_variables]
    others = [variable.value for variable in model.non_trainable_variables]
    run = jax.jit(call, compiler_options=_known_options())
    return lambda x: np.asarray(run(trainable, others, x))


def _known_options() -> dict[str, Any]:
    import jax

    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=_XLA_OPTIONS).lower(1.0).compile()
    except Exception:  # jaxlib's own error class for an unknown option differs between versions
        return {}
    return _XLA_OPTIONS


def _torch_answer(model: Any) -> Answer:
    torch: Any = import_module("torch")  # Optional, so types are not known.

    def answer(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))

    return answer


def onnx_answer(graph: bytes) -> Answer:
    """Opens an ONNX model of one input in ONNX Runtime, on one thread.

    Args:
        graph: The model, serialized.

    Returns:
        Its call.

    Raises:
        UsageError: If the package is missing.
    """
    session = onnx_session(graph)
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x})[0]


def onnx_session(graph: bytes) -> Any:
    """Opens an ONNX model in ONNX Runtime, on one thread.

    Args:
        graph: The model, serialized.

    Returns:
        The session, an `onnxruntime.InferenceSession`.

    Raises:
        UsageError: If the package is missing.
    """
    onnxruntime = _opened()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def quantized(graph: Any) -> bytes:
    """Rounds the kernels of an ONNX model to 8 bits, and what they are multiplied with batch by batch.

    Args:
        graph: The model, an `onnx.ModelProto`.

    Returns:
        The quantized model, serialized.

    Raises:
        UsageError: If the package is missing.
    """
    _opened()
    from onnxruntime.quantization import quantize_dynamic

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # It advises a step for graphs that are not optimized yet.
    try:
        with tempfile.TemporaryDirectory(prefix="denselab-") as folder:
            target = Path(folder, "int8.onnx")
            quantize_dynamic(graph, target)
            return target.read_bytes()
    finally:
        logging.disable(before)


def _opened() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError("needs onnxruntime; pip install 'denselab[onnx]'") from error
    return onnxruntime
