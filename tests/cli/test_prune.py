import itertools
import json
import shutil

import keras
import numpy as np
import pytest

from denselab.cli import prune as command
from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.onnx_export import write_onnx
from denselab.recipes import load_recipe
from denselab.sparsity import sparsity_of
from denselab.training import load_model, score, train_recipe
from denselab.training.predicting import DrawPlan, predict_rows
from denselab.training.saving import calibration_slice

SETTINGS = ["network.depth=2", "network.width=16", "training.epochs=20"]
PRUNE = ["prune", "model.keras", "--data", "wine", "--out", "out"]
FAST = ["--no-measure", "--method", "magnitude", "--epochs", "0"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network on wine that kept a calibration slice, predicted by draws."""
    folder = tmp_path_factory.mktemp("trained")
    data = hold_out_calibration(hold_out_test(load("wine")))
    recipes = [
        load_recipe(r, preset="tuned", settings=SETTINGS) for r in ("alpha_dropout", "mc_dropout")
    ]
    alpha = train_recipe(recipes[0], data, seeds=[0])
    drawn = train_recipe(recipes[1], data, seeds=[0], source=alpha)
    drawn.save_model(0, folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture
def model(trained, folder):
    shutil.copy(trained, folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture
def saved(folder):
    def save(*layers, features=13):
        keras.Sequential([keras.Input((features,)), *layers]).save(folder / "model.keras")

    return save


def softmax(classes=3, **options):
    return keras.layers.Dense(classes, activation="softmax", **options)


# What comes out


@pytest.mark.parametrize("method", ["magnitude", "gradual", "l1"])
def test_a_sparse_model_is_left_that_says_how_it_was_pruned(denselab, model, folder, method):
    ask = ["--method", method, "--sparsity", "0.8", "--epochs", "2", "--no-measure", "--json"]
    answer = denselab(*PRUNE, *ask)

    assert answer.code == 0
    found, loaded = json.loads(answer.out), load_model(folder / "out" / "model.keras")
    kernels = sparsity_of(loaded.model)
    assert kernels.zeros == {n: round(0.8 * size) for n, size in kernels.sizes.items()}
    about, before = loaded.description, load_model(model).description
    assert about.pruning.model_dump() == {
        "method": method,
        "sparsity": 0.8,
        "scope": "layer",
        "epochs": 2,
        "seed": 0,
    }
    assert about.model_copy(update={"pruning": None}) == before
    data = hold_out_calibration(hold_out_test(load("wine")))
    table = predict_rows(loaded.model, data.test_x, DrawPlan(10)).probabilities
    assert found["after"]["test"] == pytest.approx(score(table, data.test_y)._asdict())
    assert found["draws"] == 10
    assert found["dataset"]["test_rows"] == 36
    assert found["files"] == ["measurements.json", "model.keras", "model.onnx"]
    assert sorted(path.name for path in (folder / "out").iterdir()) == found["files"]
    assert json.loads((folder / "out" / "measurements.json").read_text()) == found
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_whole_units_go_and_what_it_pays_is_shown(denselab, model, folder):
    answer = denselab(*PRUNE, "--method", "structured", "--sparsity", "0.5", "--epochs", "1")

    assert answer.code == 0
    loaded = load_model(folder / "out" / "model.keras")
    widths = [loaded.model.get_layer(f"hidden_{k}").units for k in (1, 2)]
    assert max(widths) < 16
    lines = answer.out.splitlines()
    assert lines[0].split() == ["before", "after"]
    parameters = next(line.split() for line in lines if line.startswith("parameters"))
    sizes = [13, *widths, 3]
    expected = sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert parameters[2] == str(expected)
    assert any(line.startswith("the shrunk model in ONNX Runtime ") for line in lines)
    assert "On this machine the fastest is " in answer.out
    assert lines[-1] == "out: measurements.json, model.keras, model.onnx"


def test_sets_are_fitted_for_the_pruned_model_as_before(denselab, model, folder):
    assert denselab(*PRUNE, *FAST, "--sparsity", "0.3").code == 0

    answer = denselab("predict", "out/model.keras", "wine", "--draws", "8", "--json")

    assert json.loads(answer.out)["no_sets_because"] is None


def test_neither_test_nor_calibration_rows_are_trained_on(denselab, model, monkeypatch):
    seen = []
    fit = keras.Model.fit

    def watched(self, x, y, **options):
        seen.extend([x, options["validation_data"][0]])
        return fit(self, x, y, **options)

    monkeypatch.setattr(keras.Model, "fit", watched)

    assert denselab(*PRUNE, "--sparsity", "0.5", "--epochs", "1", "--no-measure").code == 0

    data = hold_out_calibration(hold_out_test(load("wine")))
    rows = {row.tobytes() for part in seen for row in part}
    apart = {row.tobytes() for part in (data.test_x, data.calibration_x) for row in part}
    assert rows == {row.tobytes() for row in data.x} - apart
    assert load_model("out/model.keras").description.calibration == calibration_slice(data)


def test_a_model_tuned_on_other_data_promises_nothing_about_its_slice(
    denselab, saved, trained, folder
):
    other = hold_out_calibration(hold_out_test(load("wine")), fraction=0.2)
    recipe = load_recipe("plain", preset="tuned", settings=["network.depth=1", "training.epochs=1"])
    shifted = type(other)(**{**vars(other), "x": other.x + 1})
    train_recipe(recipe, shifted, seeds=[0]).save_model(0, folder / "model.keras")

    answer = denselab(*PRUNE, "--sparsity", "0.3", "--epochs", "1", "--no-measure")

    assert answer.code == 0
    assert "The model was trained on other data than this wine (fingerprint)" in answer.out
    about = load_model(folder / "out" / "model.keras").description
    assert about.calibration is None
    assert about.pruning.method == "gradual"


def test_a_study_gives_the_best_model_of_a_recipe(denselab, folder):
    compare = ["compare", "wine", "--depth", "1", "--width", "8", "--epochs", "2", "--seeds", "1"]
    ask = ["--recipes", "plain,batch_norm", "--tune", "0", "--no-timing", "--out", "study"]
    assert denselab(*compare, *ask).code == 0

    several = denselab("prune", "study", *FAST, "--out", "out")
    misspelt = denselab("prune", "study", *FAST, "--out", "out", "--recipe", "plian")
    answer = denselab(
        "prune", "study", *FAST, "--out", "out", "--recipe", "plain", "--sparsity", "0.2", "--json"
    )

    assert (several.code, misspelt.code) == (2, 2)
    assert "keeps models of plain, batch_norm; name one with --recipe" in several.err
    assert "did you mean plain?" in misspelt.err
    assert answer.code == 0
    assert json.loads(answer.out)["model"] == "study/models/plain.keras"
    assert load_model(folder / "out" / "model.keras").description.recipe == "plain"


def test_without_onnx_the_rest_is_written(denselab, model, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)

    answer = denselab(*PRUNE, *FAST, "--sparsity", "0.3")

    assert answer.code == 0
    assert "No model.onnx: " in answer.out
    assert "pip install 'denselab[onnx]'" in answer.out
    assert answer.out.splitlines()[-1] == "out: measurements.json, model.keras"


# What is refused


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sparsity", "1"], "--sparsity is 1.0; give a share of zeros from 0 to below 1"),
        (["--sparsity", "-0.1"], "--sparsity is -0.1; give a share of zeros"),
        (
            ["--sparsity", "90"],
            "--sparsity is 90.0, but it is a share from 0 to below 1; did you mean 0.9?",
        ),
        (["--sparsity", "nan"], "--sparsity is nan"),
        (["--method", "random"], "--method"),
        (["--method", "gradual", "--epochs", "0"], "gradual trains, give 1 or more"),
        (["--method", "magnitude", "--epochs", "-1"], "--epochs is -1; give 0 to train nothing"),
        (["--learning-rate", "0"], "--learning-rate is 0.0; give a number above 0"),
        (["--skip", "hidden_9"], "--skip names 'hidden_9', which is no Dense layer of this model"),
        (["--seed", "-1"], "seed -1 is out of range"),
        (["--recipe", "plain"], "model.keras is no study"),
        (["--data", "digits"], "takes rows of shape (13,), and these have (64,)"),
        (["--data", "wne"], "did you mean 'wine'?"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(denselab, model, folder, options, expected):
    answer = denselab(*PRUNE, *(["--epochs", "1"] if "--epochs" not in options else []), *options)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([keras.layers.Softmax()], "has no Dense layer"),
        ([softmax(4)], "gives 4 probabilities a row, expected one for each of 3 classes"),
        ([keras.layers.Dense(3)], "does not give probabilities"),
    ],
    ids=["no Dense", "other classes", "logits"],
)
def test_a_model_that_does_not_fit_is_one_line(denselab, saved, folder, layers, expected):
    saved(*layers)

    answer = denselab(*PRUNE, *FAST)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 truncated"], ids=["missing", "damaged"])
def test_what_is_no_model_is_one_line(denselab, folder, content):
    if content:
        (folder / "model.keras").write_bytes(content)

    answer = denselab(*PRUNE)

    assert answer.code == 2
    assert "model.keras: " in answer.err
    assert answer.err.count("\n") == 1


def test_a_hostile_model_is_refused_as_unsafe(denselab, saved):
    saved(keras.layers.Lambda(lambda x: x, output_shape=(13,)), softmax())

    answer = denselab(*PRUNE)

    assert answer.code == 5
    assert "model.keras: holds code that would run" in answer.err


def test_the_data_of_a_file_must_be_named(denselab, model):
    assert "--data is missing" in denselab("prune", "model.keras").err


def test_a_folder_with_something_in_it_is_left_alone(denselab, model, folder):
    (folder / "out").mkdir()
    (folder / "out" / "model.keras").write_bytes(b"mine")

    answer = denselab(*PRUNE, *FAST)

    assert answer.code == 2
    assert "out/model.keras is there already" in answer.err
    assert (folder / "out" / "model.keras").read_bytes() == b"mine"


def test_outputs_that_nothing_reaches_are_not_shipped_unless_asked_for(denselab, saved, folder):
    saved(keras.layers.Dense(4, "relu", name="hidden"), softmax(name="end"))
    ask = [*PRUNE, *FAST, "--sparsity", "0.95"]

    refused = denselab(*ask)

    assert refused.code == 2
    assert "would have no path from any input, so nothing is written; prune less" in refused.err
    assert not (folder / "out").exists()
    allowed = denselab(*ask, "--allow-broken")
    assert allowed.code == 0
    assert "outputs that no input reaches: " in allowed.out
    assert "it may have seen these test rows" in allowed.out


def test_an_interrupted_pruning_leaves_nothing(denselab, model, folder, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for name, method in (("fit", "gradual"), ("save", "magnitude")):
        with monkeypatch.context() as patch:
            patch.setattr(keras.Model, name, interrupted)
            epochs = "1" if name == "fit" else "0"
            ask = ["--method", method, "--epochs", epochs, "--sparsity", "0.3", "--no-measure"]
            answer = denselab(*PRUNE, *ask)

        assert answer.code == 130
        assert answer.err == "denselab: interrupted; nothing is written to out\n"
        assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_a_full_disk_ends_with_6_and_leaves_nothing(denselab, model, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("denselab.onnx_export.writing.os.fsync", full)

    answer = denselab(*PRUNE, *FAST, "--sparsity", "0.3")

    assert answer.code == 6
    assert "the disk is full" in answer.err
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_a_rate_that_is_too_high_is_said(denselab, model, folder):
    answer = denselab(*PRUNE, "--epochs", "2", "--learning-rate", "1e30")

    assert answer.code == 2
    assert "the loss was no number any more in epoch" in answer.err
    assert "give a lower --learning-rate" in answer.err
    assert not (folder / "out").exists()


def test_long_tuning_says_how_far_it_is(denselab, model, monkeypatch):
    monkeypatch.setattr(command, "_SECONDS_BETWEEN_LINES", 0.0)

    answer = denselab(*PRUNE, "--sparsity", "0.5", "--epochs", "2", "--no-measure")

    lines = answer.err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "gradual: epoch 1 of 2",
        "gradual: epoch 2 of 2",
    ]
    assert all(line.endswith(" % zeros") for line in lines)


def test_the_onnx_file_is_that_of_the_pruned_model(denselab, model, folder):
    assert denselab(*PRUNE, *FAST, "--sparsity", "0.3").code == 0
    assert write_onnx(load_model("out/model.keras").model, folder / "again.onnx") > 0

    onnxruntime = pytest.importorskip("onnxruntime")
    x = hold_out_test(load("wine")).test_x.astype(np.float32)
    answers = [
        onnxruntime.InferenceSession(path).run(None, {"inputs": x})[0]
        for path in ("out/model.onnx", "again.onnx")
    ]
    np.testing.assert_allclose(*answers, atol=1e-6)
