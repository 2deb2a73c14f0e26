import itertools
import json

import keras
import numpy as np
import onnxruntime
import pytest

from denselab.data import Preprocessing, PreprocessingOptions, read_table
from denselab.errors import UsageError
from denselab.onnx_export import to_onnx
from denselab.training import LoadedModel
from denselab.training.table_graph import features_for, graph_inputs
from denselab.training.table_parity import check_table_onnx, graph_facts, likely_table

STREAM = np.random.default_rng(0)


def table(rows=60, target="y"):
    """Numbers of all sizes, with and without gaps, truth values, and categories with rare levels."""
    when = 1.6e9 + STREAM.integers(0, 1000, rows)
    gappy = np.where(STREAM.random(rows) < 0.2, np.nan, STREAM.normal(size=rows))
    town = [str(one) for one in STREAM.choice(["Ulm", "Köln", "", "Bonn"], rows)]
    town[:2] = ["Aachen", "Trier"]  # Too rare for slots of their own.
    return read_table(
        {
            "when": when,
            "gappy": gappy,
            "still": [2.0] * (rows - 1) + [3.0],
            "town": town,
            "paid": [["yes", "no", ""][i % 3] for i in range(rows)],
            "y": ["a", "b"] * (rows // 2),
        },
        target=target,
    )


def graph_features(fitted, rows, missing=("",)):
    """Runs the preprocessing alone, through a model that changes nothing."""
    width = len(fitted.feature_names)
    model = keras.Sequential([keras.Input((width,)), keras.layers.Identity()])
    graph = to_onnx(model, features=features_for(fitted, missing))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, graph_inputs(fitted, rows))[0]


@pytest.mark.parametrize(
    ("scaling", "encoding"),
    [*itertools.product(["none", "standard", "robust", "quantile"], ["onehot", "integer"])],
)
def test_features_are_those_of_the_preprocessing(scaling, encoding):
    options = PreprocessingOptions(scaling=scaling, encoding=encoding)
    fitted = Preprocessing.fit(table(), np.arange(40), options=options)

    for rows in (table(), likely_table(fitted)):
        np.testing.assert_allclose(
            graph_features(fitted, rows), fitted.transform(rows), rtol=1e-6, atol=1e-6
        )


def test_large_numbers_keep_the_digits_that_tell_them_apart():
    fitted = Preprocessing.fit(table())

    made = graph_features(fitted, table())[:, 0]

    assert len(np.unique(made)) > 40  # As float32, a second of 2020 is 128 seconds wide.


def test_a_level_never_seen_and_a_text_for_missing_go_where_they_went_in_training():
    fitted = Preprocessing.fit(table())
    names = fitted.feature_names
    row = {"when": 1.6e9, "gappy": 0.0, "still": 2.0, "paid": 1.0}
    fed = {name: np.array([[value], [value]]) for name, value in row.items()}
    fed["town"] = np.array([["Rom"], ["?"]], object)
    model = keras.Sequential([keras.Input((len(names),)), keras.layers.Identity()])
    graph = to_onnx(model, features=features_for(fitted, ("?",)))

    rare, gone = onnxruntime.InferenceSession(graph.SerializeToString()).run(None, fed)[0]

    assert [name for name, on in zip(names, rare, strict=True) if on == 1 and "town" in name] == [
        "town: rare"
    ]
    assert [name for name, on in zip(names, gone, strict=True) if on == 1 and "town" in name] == [
        "town is missing"
    ]


@pytest.fixture
def loaded():
    fitted = Preprocessing.fit(table())
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((len(fitted.feature_names),)), *layers])
    return LoadedModel(model, None, fitted)


def test_a_whole_model_is_checked_on_rows_such_as_it_was_made_for(loaded):
    found = check_table_onnx(loaded, rounds=2)

    assert found.difference < 1e-5
    assert found.rows == 256
    assert set(found.latencies) == {"keras", "onnx"}


def test_a_graph_that_answers_otherwise_is_refused(loaded, monkeypatch):
    monkeypatch.setattr("denselab.training.table_graph._CLIP", 1.0)
    robust = Preprocessing.fit(table(), options=PreprocessingOptions(scaling="robust"))

    with pytest.raises(UsageError, match="so nothing is written"):
        check_table_onnx(loaded._replace(preprocessing=robust), rounds=2)


def test_the_file_says_what_its_outputs_are(loaded):
    facts = graph_facts(loaded)

    assert facts["task"] == "classification"
    assert json.loads(facts["classes"]) == ["a", "b"]
