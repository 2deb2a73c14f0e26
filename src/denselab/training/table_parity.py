"""Holds the ONNX graph of a table's model against Keras and the preprocessing: from columns to answers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from denselab.data import Preprocessing, Table, read_table
from denselab.data.tables import CategoryStep, NumberStep
from denselab.errors import UsageError
from denselab.onnx_export import to_onnx
from denselab.randomness import generator
from denselab.sparsity import Latency
from denselab.sparsity.latency import interleaved, one_core
from denselab.sparsity.runtimes import keras_answer, onnx_session
from denselab.training.loading import LoadedModel
from denselab.training.parity import BATCHES, CHUNK, ROUNDS, TOLERANCE, Parity, drawing_layers
from denselab.training.rewiring import flattened
from denselab.training.table_graph import features_for, graph_inputs

__all__ = ["check_table_onnx", "graph_facts", "likely_table", "table_features"]

_ROWS, _MISSING = 256, 0.1
_UNSEEN = "a level that was never seen"


def table_features(loaded: LoadedModel) -> Any:
    """Gives what adds the preprocessing of a model to a graph, for `to_onnx`.

    Args:
        loaded: A model of a table.

    Returns:
        As `features_for`.
    """
    assert loaded.preprocessing is not None
    about = loaded.description
    missing = ("",) if about is None or about.table is None else about.table.missing
    return features_for(loaded.preprocessing, missing)


def graph_facts(loaded: LoadedModel) -> dict[str, str]:
    """Says what an ONNX file of a table's model is to say of itself: its task, target and classes."""
    preprocessing = loaded.preprocessing
    assert preprocessing is not None
    names = preprocessing.class_names
    facts = {
        "task": "classification" if names is not None else "regression",
        "target": preprocessing.target.name,
    }
    return facts if names is None else {**facts, "classes": json.dumps(names)}


def check_table_onnx(
    loaded: LoadedModel, table: Table | None = None, *, seed: int = 0, rounds: int = ROUNDS
) -> Parity:
    """Exports a model with its preprocessing in memory, and compares ONNX Runtime with Keras behind it.

    Args:
        loaded: A model of a table.
        table: Rows to compare on, or None for random ones, see `likely_table`.
        seed: Decides random rows.
        rounds: How often each way is timed.

    Returns:
        How they compare, from columns in memory to answers.

    Raises:
        UsageError: If a package is missing, a layer cannot be exported, or the answers differ.
        DataError: If columns are missing.
    """
    preprocessing = loaded.preprocessing
    assert preprocessing is not None
    source = "rows"
    if table is None:
        table, source = (
            likely_table(preprocessing, seed=seed),
            "random rows such as it was made for",
        )
    flat = flattened(loaded.model)
    graph = to_onnx(flat, features=table_features(loaded))
    answer, session = keras_answer(flat), onnx_session(graph.SerializeToString())
    features, fed = preprocessing.transform(table), graph_inputs(preprocessing, table)
    difference = _difference(answer, session, features, fed)
    latencies: dict[str, list[Latency]] = {"keras": [], "onnx": []}
    with one_core():
        for batch in BATCHES:
            rows = np.resize(np.arange(len(table)), batch)
            some = replace(table, frame=table.frame[rows])
            given = {name: values[rows] for name, values in fed.items()}
            tasks = {
                "keras": lambda some=some: answer(preprocessing.transform(some)),
                "onnx": lambda given=given: session.run(None, given)[0],
            }
            for name, seconds in interleaved(tasks, rounds=rounds).items():
                latencies[name].append(Latency(batch, tuple(seconds)))
    timed = {name: tuple(found) for name, found in latencies.items()}
    return Parity(flat, difference, len(table), source, timed, drawing_layers(loaded.model))


def likely_table(preprocessing: Preprocessing, *, seed: int = 0) -> Table:
    """Draws rows such as a preprocessing was fitted on, with missing values and levels never seen among them.

    Args:
        preprocessing: The preprocessing.
        seed: The seed.

    Returns:
        256 rows of its columns.
    """
    stream = generator(seed, "resampling")
    columns: dict[str, np.ndarray] = {}
    for step in preprocessing.steps:
        gone = stream.random(_ROWS) < _MISSING
        if isinstance(step, CategoryStep):
            known = np.array([*step.levels, _UNSEEN], object)
            drawn = known[stream.integers(0, len(known), _ROWS)]
            columns[step.name] = np.where(gone, "", drawn)
        else:
            drawn = (
                _drawn(step, stream) if isinstance(step, NumberStep) else stream.random(_ROWS) < 0.5
            )
            columns[step.name] = np.where(gone, np.nan, drawn)
    return read_table(columns)


def _drawn(step: NumberStep, stream: np.random.Generator) -> np.ndarray:
    if step.knots:
        low, high = step.knots[0], step.knots[-1]
        edge = 0.1 * (high - low)
        return stream.uniform(low - edge, high + edge, _ROWS)
    spread = 1 / step.scale if step.scale else 0.0
    return step.median + spread * stream.normal(size=_ROWS)


def _difference(
    answer: Any, session: Any, features: np.ndarray, fed: Mapping[str, np.ndarray]
) -> float:
    largest = 0.0
    for start in range(0, len(features), CHUNK):
        rows = np.resize(np.arange(start, min(start + CHUNK, len(features))), CHUNK)
        wanted = np.asarray(answer(features[rows]), np.float64)
        came = session.run(None, {name: values[rows] for name, values in fed.items()})[0]
        gap = np.abs(np.asarray(came, np.float64) - wanted)
        if not (gap <= TOLERANCE * (1 + np.abs(wanted))).all():
            raise UsageError(
                f"ONNX Runtime answers with {np.nanmax(gap):.3g} more or less than Keras, so nothing is written; "
                "this is a bug in denselab, please report it with the model"
            )
        largest = max(largest, float(gap.max()))
    return largest
