import json
import sys

import keras
import numpy as np
import pytest

from denselab.components import MCDropout
from denselab.data import hold_out_test, load

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def data():
    return hold_out_test(load("wine"))


@pytest.fixture
def saved(folder, data):
    def save(*layers):
        scale = keras.layers.Normalization(
            mean=data.x.mean(axis=0), variance=data.x.var(axis=0), name="scale"
        )
        inside = keras.Sequential([keras.Input((13,)), keras.layers.Dense(4, "selu"), *layers])
        end = keras.layers.Dense(3, activation="softmax")
        model = keras.Sequential([keras.Input((13,)), scale, inside, end])
        model.save(folder / "model.keras")
        return model

    return save


def test_the_file_answers_as_keras_does(denselab, saved, data, folder):
    model = saved()

    answer = denselab("export", "model.keras", "--onnx", "--data", "wine", "--json")

    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    x = data.test_x.astype(np.float32)
    (given,) = onnxruntime.InferenceSession("model.onnx").run(None, {"inputs": x})
    np.testing.assert_allclose(given, model.predict(x, verbose=0), atol=1e-5)
    assert found["rows"] == 36
    assert 0 <= found["largest_difference"] < 1e-5
    assert found["onnx_bytes"] == (folder / "model.onnx").stat().st_size
    assert found["keras_bytes"] == (folder / "model.keras").stat().st_size
    for name in ("keras", "onnx"):
        assert [one["batch"] for one in found["latencies"][name]] == [1, 64]


def test_without_data_it_is_checked_on_random_rows(denselab, saved):
    saved()

    answer = denselab("export", "model.keras", "--out", "other.onnx")

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "other.onnx is written; it answers as Keras does:"
    assert "256 random rows in the range of its normalisation is " in lines[1]
    assert [line.split()[0] for line in lines[4:6]] == ["Keras", "ONNX"]


def test_dropout_that_draws_rests_in_the_file(denselab, saved, data):
    model = saved(MCDropout(0.5, name="drop"))

    answer = denselab("export", "model.keras")

    assert answer.code == 0
    assert "dropout rests in it (drop)" in answer.out
    x = data.test_x.astype(np.float32)
    (given,) = onnxruntime.InferenceSession("model.onnx").run(None, {"inputs": x})
    model.layers[1].layers[1].rate = 0.0
    np.testing.assert_allclose(given, model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(denselab, saved, folder, monkeypatch, package):
    saved()
    monkeypatch.setitem(sys.modules, package, None)

    answer = denselab("export", "model.keras")

    assert answer.code == 2
    assert "pip install 'denselab[onnx]'" in answer.err
    assert answer.err.count("\n") == 1
    assert not (folder / "model.onnx").exists()


def test_a_file_that_answers_otherwise_is_not_written(denselab, saved, folder, monkeypatch):
    saved()
    made = []

    def wrong(graph):
        made.append(graph)
        return lambda x: np.full((len(x), 3), 0.5)

    monkeypatch.setattr("denselab.training.parity.onnx_answer", wrong)

    answer = denselab("export", "model.keras")

    assert made
    assert answer.code == 2
    assert "so nothing is written; this is a bug in denselab" in answer.err
    assert not (folder / "model.onnx").exists()


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["missing.keras"], 2, "missing.keras: no such file"),
        (["model.keras", "--out", "model.txt"], 2, "give a file that ends in .onnx"),
        (["model.keras", "--out", "there.onnx"], 2, "is there already"),
        (
            ["model.keras", "--data", "digits"],
            2,
            "takes rows of shape (13,), and these have (64,)",
        ),
        (["model.keras", "--recipe", "plain"], 2, "model.keras is no study"),
        (["hostile.keras"], 5, "holds code that would run"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    denselab, saved, folder, options, code, expected
):
    saved()
    (folder / "there.onnx").touch()
    hostile = [keras.Input((13,)), keras.layers.Lambda(lambda x: x, output_shape=(13,))]
    keras.Sequential(hostile).save(folder / "hostile.keras")
    before = sorted(folder.iterdir())

    answer = denselab("export", *options)

    assert answer.code == code
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert sorted(folder.iterdir()) == before
