"""Models that the user builds, compared as recipes are."""

import json

import keras
import numpy as np
import polars
import pytest

from denselab.errors import DataError, InterruptedTrainingError, UsageError
from denselab.study import compare, read_study, read_weights

stream = np.random.default_rng(0)
X = stream.normal(size=(120, 3)).astype("float32")
Y = (X @ [1.0, -1.0, 0.5] > 0).astype(int)


def builder(*, units=4, outputs=2, ending=None, loss=None, rate=0.01):
    def build():
        layers = [keras.layers.Dense(units, activation="relu"), keras.layers.BatchNormalization()]
        model = keras.Sequential(
            [keras.Input((3,)), *layers, keras.layers.Dense(outputs, activation=ending)]
        )
        by_default = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss or by_default, metrics=["accuracy"])
        return model

    return build


@pytest.fixture
def asked(tmp_path):
    return {"epochs": 2, "out": tmp_path / "study", "progress": lambda line: None}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    arms = {"small": builder(), "wide": builder(units=9)}
    out = tmp_path_factory.mktemp("built") / "study"
    return compare(arms, X, Y, seeds=6, epochs=3, out=out, progress=lambda line: None)


def test_every_model_has_a_trial_a_seed_and_a_verdict(found):
    trials = found.trials()
    assert trials["arm"].to_list() == ["small"] * 6 + ["wide"] * 6
    assert trials["seed"].to_list() == [*range(6)] * 2
    assert (found.contrasts()["arm"][0], found.contrasts()["n"][0]) == ("wide", 6)
    assert found.contrasts()["verdict"][0] in ("better", "worse", "undecided", "equivalent")
    assert found.epochs().filter(polars.col("arm") == "small").height == 18
    assert set(trials["parameters"]) == {4 * 3 + 4 + 16 + 4 * 2 + 2, 9 * 3 + 9 + 36 + 9 * 2 + 2}


def test_the_study_is_one_that_every_command_reads(found):
    study = read_study(found.folder)
    assert study.manifest.plan.names == ("small", "wide")
    assert study.documents["data"]["class_names"] == ["0", "1"]
    assert study.manifest.dataset["calibration_rows"] == 10


def test_the_best_member_is_kept_as_a_model_that_scores_the_same(found):
    study = read_study(found.folder)
    record = next(one for one in study.recipes if one.recipe == "wide")
    model = keras.saving.load_model(found.folder / record.model.name)
    trial = next(t for t in study.trials if (t.recipe, t.seed) == ("wide", record.model_seed))
    kernel = next(v for k, v in read_weights(study, trial).items() if v.shape == (3, 9))
    np.testing.assert_array_equal(model.layers[0].kernel, kernel)


def test_it_shows_itself_in_a_notebook_with_names_escaped(asked):
    arms = {"a": builder(), "b": builder(units=2)}
    found = compare(arms, X, np.where(Y, "<script>", "no"), seeds=1, **asked)
    page = found._repr_html_()
    assert "<td>b - a</td>" in page
    assert "<script>" not in page
    assert "too few seeds" in str(found)


def test_the_same_call_again_trains_nothing(asked):
    lines = []
    asked["progress"] = lines.append
    arms = {"a": builder()}
    first = compare(arms, X, Y, seeds=2, **asked)
    before = len(lines)
    again = compare(arms, X, Y, seeds=2, **asked)
    assert len(lines) == before
    assert again.trials().equals(first.trials())


def test_an_interrupted_comparison_goes_on(asked):
    done = []

    def stop(line):
        done.append(line)
        if "done (1 of" in line:
            raise KeyboardInterrupt

    arms = {"a": builder(), "b": builder(units=2)}
    with pytest.raises(InterruptedTrainingError, match="make the same call again to go on"):
        compare(arms, X, Y, seeds=2, **{**asked, "progress": stop})
    kept = len(read_study(asked["out"]).trials)
    assert 1 <= kept <= 2
    assert len(compare(arms, X, Y, seeds=2, **asked).trials()) == 4


@pytest.mark.parametrize(
    ("build", "y", "task"),
    [
        pytest.param(builder(ending="softmax", loss="sparse_categorical_crossentropy"), Y, None),
        pytest.param(
            builder(ending="softmax", loss="categorical_crossentropy"), np.eye(2)[Y], None
        ),
        pytest.param(builder(outputs=1, ending="sigmoid", loss="binary_crossentropy"), Y, None),
        pytest.param(builder(outputs=1, loss="mse"), X[:, 0], "regression"),
    ],
    ids=["softmax", "one-hot", "sigmoid", "regression"],
)
def test_outputs_of_every_kind_are_scored(build, y, task, asked):
    if task is not None:
        asked["task"] = task
    trial = compare({"a": build}, X, y, seeds=1, **asked).trials().row(0, named=True)
    assert np.isfinite(trial["test_loss"])
    assert (task == "regression") == np.isnan(trial["test_accuracy"])


def test_test_rows_of_one_s_own_are_used(asked):
    found = compare({"a": builder()}, X[:100], Y[:100], seeds=1, test=(X[100:], Y[100:]), **asked)
    assert found.study.manifest.dataset["test_rows"] == 20
    assert found.study.documents["data"]["test_labels"] == Y[100:].tolist()


def test_the_same_layers_under_other_names_are_the_same_model(asked):
    first = compare({"a": builder()}, X, Y, seeds=1, **asked)
    keras.layers.Dense(3)  # Keras now counts on, and names the next layers otherwise.
    again = compare({"a": builder()}, X, Y, seeds=1, **asked)
    assert again.trials().equals(first.trials())


@pytest.mark.parametrize(
    ("models", "changes", "error", "words"),
    [
        ({"a": builder(rate=0.5)}, {}, UsageError, "built, compiled or trained otherwise"),
        ({"a": lambda: 3}, {}, UsageError, "returned int; return a compiled keras.Model"),
        ({"a": lambda: keras.Sequential()}, {}, UsageError, "return a compiled keras.Model"),
        ({"b": builder(outputs=3)}, {}, UsageError, r"outputs of shape \(\d+, 3\)"),
        ({}, {}, UsageError, "give at least one"),
        ({"a": builder()}, {"epoch": 3}, UsageError, "there is no option epoch; there are"),
        ({"a": builder()}, {"task": "regression"}, Exception, "."),
    ],
    ids=["changed", "no model", "not compiled", "outputs", "none", "option", "other data"],
)
def test_what_makes_no_sense_is_refused(models, changes, error, words, asked):
    compare({"a": builder()}, X, Y, seeds=1, **asked)
    with pytest.raises(error, match=words):
        compare(models, X, Y, seeds=1, **{**asked, **changes})


def test_data_that_cannot_be_used_is_refused(asked):
    with pytest.raises(DataError):
        compare({"a": builder()}, np.full((20, 3), np.nan), Y[:20], seeds=1, **asked)


def test_the_table_of_a_contrast_is_json_too(found):
    back = json.loads(json.dumps(found.verdicts.to_json(), allow_nan=False))
    assert [one["arm"] for one in back["contrasts"]] == ["wide"]
