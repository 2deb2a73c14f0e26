"""Measures what a sparse model pays: sizes, accuracy and latency of every way to answer with it."""

import platform
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from denselab.errors import UsageError
from denselab.onnx_export import to_onnx
from denselab.sparsity.copying import cloned
from denselab.sparsity.csr import csr_chain
from denselab.sparsity.latency import Latency, interleaved, one_core
from denselab.sparsity.measurement import Measurement, Way
from denselab.sparsity.packing import pack
from denselab.sparsity.runtimes import Answer, keras_answer, onnx_answer, quantized
from denselab.sparsity.structured import shrink

__all__ = ["measure"]

_CHUNK = 256
_PACKAGES = ("keras", "jax", "torch", "tensorflow", "onnx", "onnxruntime", "scipy", "numpy")


def measure(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    shrunk: keras.Model | None = None,
    batch_sizes: Sequence[int] = (1, 64),
    rounds: int = 15,
) -> Measurement:
    """Measures a model as Keras, ONNX Runtime in float32 and int8, and scipy's CSR answer with it.

    Zeros do not make a dense product faster, so nothing here is inferred from sparsity. All ways get
    NumPy rows, give NumPy outputs, take turns on one core (Linux; elsewhere `threads` says what could
    use more), and are compiled before. Keras is called as a compiled function, not by `predict`, whose
    loop would take most of the time of a row.

    Args:
        model: A built model of one input and one output.
        x: Rows as the model takes them, shape (row, ...). Batches are cut from them, or repeat them.
        y: Labels for accuracy: integer classes, where one output column is a probability of class 1;
            numbers of a float type for the root mean squared error.
        shrunk: A smaller model for the same rows. Without one, the model without its dead units is
            measured where it has any.
        batch_sizes: Rows of a batch.
        rounds: How often each way is timed.

    Returns:
        The measurement. What could not be measured says why.

    Raises:
        UsageError: If the model, the rows or the labels do not fit.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> found = measure(model, np.ones((8, 4)), batch_sizes=(1,), rounds=2)
        >>> found.way("keras").parameters, found.way("csr").latency(1).batch
        (10, 1)
    """
    rows = _rows(model, x)
    labels = None if y is None else _labels(y, len(rows))
    _check(batch_sizes, rounds)
    candidates = list(_candidates(model, ""))
    smaller = _without_dead_units(model) if shrunk is None else shrunk
    if smaller is not None:
        if _rows(smaller, x).dtype != rows.dtype:
            raise UsageError(f"shrunk takes other numbers than {model.name!r}; shrink that model")
        candidates += list(_candidates(smaller, "shrunk_"))
    metric = None if labels is None else "accuracy" if labels.dtype.kind in "iub" else "rmse"
    with one_core() as alone:
        ways = _timed(candidates, rows, batch_sizes, rounds)
    if labels is not None:
        answers = {one.way.name: one.answer for one in candidates if one.answer}
        ways = [
            replace(way, score=_score(answers[way.name], rows, labels))
            if way.name in answers
            else way
            for way in ways
        ]
    threads = "one core for all" if alone else "one thread for ONNX Runtime and CSR, Keras as it is"
    return Measurement(
        ways=tuple(ways),
        batch_sizes=tuple(batch_sizes),
        metric=metric,
        rounds=rounds,
        threads=threads,
        backend=keras.backend.backend(),
        machine=_machine(),
        versions=dict(_versions()),
    )


def _without_dead_units(model: keras.Model) -> keras.Model | None:
    """Shrinks a model; None where nothing is dead, or its wiring is not known."""
    try:
        smaller = shrink(model)
    except UsageError:
        return None
    return smaller if smaller.count_params() < model.count_params() else None


@dataclass(frozen=True)
class _Candidate:
    """A way to answer, and what answers; None where `way.not_measured` says why."""

    way: Way
    answer: Answer | None


def _candidates(model: Any, prefix: str) -> Iterator[_Candidate]:
    """Gives the ways to answer with a model, those for the record with the given model only."""
    parameters = sum(int(np.prod(weight.shape)) for weight in model.weights)
    nonzero = sum(int(np.count_nonzero(_numbers(weight))) for weight in model.weights)
    owner = "the shrunk model" if prefix else "the model"

    def candidate(name: str, title: str, make: Callable[[], tuple[Answer, int, int]]) -> _Candidate:
        way = Way(f"{prefix}{name}", f"{owner} in {title}", parameters, nonzero)
        try:
            answer, size, packed = make()
        except UsageError as error:
            return _Candidate(replace(way, not_measured=str(error)), None)
        return _Candidate(replace(way, file_bytes=size, packed_bytes=packed), answer)

    yield candidate("keras", "Keras", lambda: (keras_answer(model), *_keras_sizes(model)))
    yield candidate("onnx", "ONNX Runtime", lambda: _onnx(to_onnx(model).SerializeToString()))
    if not prefix:
        int8 = "ONNX Runtime int8"
        yield candidate("onnx_int8", int8, lambda: _onnx(quantized(to_onnx(model))))
        yield candidate("csr", "scipy CSR", lambda: _csr(model))


def _onnx(graph: bytes) -> tuple[Answer, int, int]:
    return onnx_answer(graph), len(graph), len(zlib.compress(graph, 6))


def _csr(model: keras.Model) -> tuple[Answer, int, int]:
    chain = csr_chain(model)
    return chain, chain.nbytes, chain.nbytes


def _keras_sizes(model: keras.Model) -> tuple[int, int]:
    """Saves a copy without the optimizer, whose state can be larger than the model."""
    copy = cloned(model)
    copy.set_weights(model.get_weights())
    with tempfile.TemporaryDirectory(prefix="denselab-") as folder:
        plain = Path(folder, "model.keras")
        copy.save(plain)
        size = plain.stat().st_size
        return size, pack(plain, plain)


def _timed(
    candidates: Sequence[_Candidate], rows: np.ndarray, batch_sizes: Sequence[int], rounds: int
) -> list[Way]:
    latencies: dict[str, list[Latency]] = {one.way.name: [] for one in candidates}
    for batch in batch_sizes:
        given = np.resize(rows, (batch, *rows.shape[1:]))
        tasks = {
            one.way.name: _task(one.answer, given) for one in candidates if one.answer is not None
        }
        for name, seconds in interleaved(tasks, rounds=rounds).items():
            latencies[name].append(Latency(batch, tuple(seconds)))
    return [replace(one.way, latencies=tuple(latencies[one.way.name])) for one in candidates]


def _task(answer: Answer, given: np.ndarray) -> Callable[[], object]:
    return lambda: answer(given)


def _score(answer: Answer, rows: np.ndarray, labels: np.ndarray) -> float:
    """Answers in chunks of one shape, and compares."""
    parts = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        parts.append(answer(np.resize(chunk, (_CHUNK, *rows.shape[1:])))[: len(chunk)])
    outputs = np.concatenate(parts).reshape(len(rows), -1)
    if labels.dtype.kind not in "iub":
        difference = outputs - labels.reshape(len(labels), -1)
        return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))
    one_column = outputs.shape[1] == 1
    classes = outputs[:, 0] > 0.5 if one_column else outputs.argmax(axis=1)
    return float(np.mean(classes == labels.reshape(-1)))


def _rows(model: Any, x: Any) -> np.ndarray:
    if not isinstance(model, keras.Model) or not model.built:
        raise UsageError(f"{model!r} is no model that was built; call it on rows first")
    inputs, outputs = (keras.tree.flatten(model.inputs), keras.tree.flatten(model.outputs))
    if len(inputs) != 1 or len(outputs) != 1:
        raise UsageError(
            f"{model.name!r} has {len(inputs)} inputs and {len(outputs)} outputs; "
            "give a model of one input and one output"
        )
    wanted = tuple(inputs[0].shape[1:])
    rows = np.asarray(x)
    if rows.shape[1:] != wanted or not len(rows) or rows.dtype.kind not in "fiub":
        raise UsageError(
            f"x is {rows.dtype} of shape {rows.shape}; {model.name!r} takes rows of shape {wanted}, "
            "at least one"
        )
    return np.ascontiguousarray(rows, str(inputs[0].dtype))


def _labels(y: Any, rows: int) -> np.ndarray:
    labels = np.asarray(y)
    if len(labels) != rows or labels.dtype.kind not in "fiub":
        raise UsageError(
            f"y is {labels.dtype} of shape {labels.shape} for {rows} rows; give one class or number a row"
        )
    return labels


def _check(batch_sizes: Sequence[int], rounds: int) -> None:
    if not batch_sizes or min(batch_sizes) < 1 or rounds < 1:
        raise UsageError(
            f"batch_sizes is {tuple(batch_sizes)}, rounds is {rounds}; give sizes from 1 on, such as "
            "(1, 64), and 1 round at least"
        )


def _numbers(variable: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))


def _machine() -> str:
    """Gives the model of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    return found[0] if found else platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for package in _PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue
