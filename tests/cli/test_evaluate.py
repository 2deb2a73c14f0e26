import json
import zipfile

import keras
import numpy as np
import pytest

from denselab.components import MCDropout
from denselab.data import hold_out_test, load
from denselab.training import load_model, score
from denselab.uncertainty import predict_draws

NANS = keras.initializers.Constant(float("nan"))


@pytest.fixture
def data():
    return hold_out_test(load("wine"))


@pytest.fixture
def saved(folder):
    def save(*layers, features=13):
        model = keras.Sequential([keras.Input((features,)), *layers])
        model.save(folder / "model.keras")
        return model

    return save


def test_scores_are_those_of_the_model_on_the_test_rows(denselab, saved, data):
    model = saved(keras.layers.Normalization(), keras.layers.Dense(3, activation="softmax"))

    answer = denselab("evaluate", "model.keras", "wine", "--json")

    assert answer.code == 0
    result = json.loads(answer.out)
    expected = score(model.predict(data.test_x, verbose=0), data.test_y)
    assert result["rows"] == len(data.test_y) == 36
    assert result["accuracy"] == pytest.approx(expected.accuracy)
    assert result["loss"] == pytest.approx(expected.loss)


def test_the_rows_that_are_right_are_counted_and_the_classes_confused_named(denselab, saved, data):
    saved(keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros"))

    answer = denselab("evaluate", "model.keras", "wine")

    first, second = (int(np.sum(data.test_y == label)) for label in (0, 1))
    lines = answer.out.splitlines()
    assert lines[0] == f"36 test rows of wine, {first} of them right"
    assert [line.split("  ")[0] for line in lines[3:6]] == [
        "accuracy",
        "log loss",
        "calibration error",
    ]
    assert f"{100 * first / 36:.1f} %" in lines[3]
    assert lines[4].split()[2:] == [f"{np.log(3):.3f}", "1.099", "to", "1.099"]
    assert f"class_1 for class_0: {second} of {second} rows" in lines


def test_a_model_meant_for_draws_is_measured_by_their_mean(denselab, folder, data):
    train = ["train", "wine", "--recipe", "mc_dropout", "--depth", "1", "--epochs", "9"]
    assert denselab(*train, "--out", ".").code == 0

    first, second = (denselab("evaluate", "model.keras", "wine", "--json") for _ in range(2))
    words = denselab("evaluate", "model.keras", "wine")

    result = json.loads(first.out)
    assert result["draws"] == 10
    assert first.out == second.out
    found = predict_draws(load_model(folder / "model.keras").model, data.test_x, draws=10)
    assert result["loss"] == pytest.approx(score(found.probabilities, data.test_y).loss)
    assert words.out.splitlines()[0].endswith(", by the mean of 10 draws")


def test_mc_layers_of_a_file_that_says_nothing_are_drawn_too(denselab, saved):
    saved(MCDropout(0.5), keras.layers.Dense(3, activation="softmax"))

    first, second = (denselab("evaluate", "model.keras", "wine", "--json") for _ in range(2))

    assert json.loads(first.out)["draws"] == 100
    assert first.out == second.out


@pytest.mark.parametrize(
    ("layers", "features", "expected"),
    [
        ([keras.layers.Dense(3)], 13, "does not give probabilities; end it with a softmax"),
        (
            [keras.layers.Dense(3, activation="softmax", bias_initializer=NANS)],
            13,
            "3 NaN or infinite weights of 3 in layers/dense/vars/1",
        ),
        ([keras.layers.Dense(4, activation="softmax")], 13, "for each of 3 classes"),
        (
            [keras.layers.Dense(3, activation="softmax")],
            5,
            "takes rows of shape (5,), and these have (13,)",
        ),
    ],
    ids=["logits", "NaN", "other classes", "other features"],
)
def test_a_model_that_does_not_fit_is_refused(denselab, saved, layers, features, expected):
    saved(*layers, features=features)

    answer = denselab("evaluate", "model.keras", "wine")

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1


def test_a_model_with_code_in_it_is_refused_as_unsafe(denselab, saved):
    saved(keras.layers.Lambda(lambda x: x, output_shape=(13,)), keras.layers.Dense(3))

    answer = denselab("evaluate", "model.keras", "wine")

    assert answer.code == 5
    assert "model.keras: holds code that would run" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file; give a .keras file"),
        (b"PK\x03\x04 truncated", "no .keras file, or a damaged one"),
        ("empty zip", "is no model of Keras: config.json is missing"),
    ],
    ids=["missing", "truncated", "empty archive"],
)
def test_what_is_no_model_is_one_line(denselab, folder, content, expected):
    path = folder / "model.keras"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        zipfile.ZipFile(path, "w").close()

    answer = denselab("evaluate", "model.keras", "wine")

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1


def test_unknown_data_is_one_line(denselab, saved):
    saved(keras.layers.Dense(3))

    assert "did you mean 'wine'?" in denselab("evaluate", "model.keras", "wne").err
