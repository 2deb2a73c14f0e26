import csv
import errno
import json
import shutil

import keras
import numpy as np
import polars
import pytest

from denselab.cli.main import run
from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.recipes import load_recipe
from denselab.training import load_model, train_recipe
from denselab.training.predicting import DrawPlan, predict_rows
from denselab.uncertainty import predict_draws

SETTINGS = ["network.depth=2", "network.width=16", "training.epochs=30"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Networks on wine, with and without a calibration slice."""
    folder = tmp_path_factory.mktemp("trained")
    wine = hold_out_test(load("wine"))
    for name, data in (("sliced", hold_out_calibration(wine)), ("whole", wine)):
        recipes = [load_recipe(r, settings=SETTINGS) for r in ("alpha_dropout", "mc_dropout")]
        alpha = train_recipe(recipes[0], data, seeds=[0])
        train_recipe(recipes[1], data, seeds=[0], source=alpha).save_model(
            0, folder / f"{name}.keras"
        )
        alpha.save_model(0, folder / f"{name}_alpha.keras")
    return folder


@pytest.fixture
def sliced(trained, folder):
    shutil.copy(trained / "sliced.keras", folder / "model.keras")
    return folder / "model.keras"


@pytest.fixture
def stock(folder):
    """Saves a plain Keras model."""

    def save(*layers, features=13, name="model.keras"):
        model = keras.Sequential([keras.Input((features,)), *layers])
        model.save(folder / name)
        return model

    return save


def softmax(classes=3, **options):
    return keras.layers.Dense(classes, activation="softmax", **options)


# What comes out


def test_a_table_of_the_test_rows_is_written(denselab, sliced, folder):
    answer = denselab("predict", "model.keras", "wine", "--out", "p.parquet", "--draws", "20")

    assert (answer.code, answer.err) == (0, "")
    table = polars.read_parquet(folder / "p.parquet")
    data = hold_out_test(load("wine"))
    expected = predict_draws(load_model(sliced).model, data.test_x, draws=20)
    assert table["row"].to_list() == list(range(36))
    assert table["label"].to_list() == [data.class_names[y] for y in data.test_y]
    for number, name in enumerate(data.class_names):
        column = table[f"probability_{name}"].to_numpy()
        np.testing.assert_allclose(column, expected.probabilities[:, number], rtol=1e-6)
    assert set(table["draws_used"].to_list()) == {20}
    assert {"prediction_set", "calibrated_probability"} <= set(table.columns)
    assert "p.parquet is written" in answer.out


def test_the_same_command_gives_the_same_bytes_and_another_seed_others(denselab, sliced, folder):
    for name, seed in (("a.csv", "0"), ("b.csv", "0"), ("c.csv", "1")):
        ask = ["--out", name, "--seed", seed, "--draws", "8"]
        assert denselab("predict", "model.keras", "wine", *ask).code == 0

    a, b, c = ((folder / name).read_bytes() for name in ("a.csv", "b.csv", "c.csv"))
    assert a == b != c


def test_the_first_rows_are_shown(denselab, sliced):
    answer = denselab("predict", "model.keras", "wine", "--draws", "8")

    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[1].split()[:3] == ["row", "label", "predicted"]
    assert [line.split()[0] for line in lines[2:12]] == [str(row) for row in range(10)]
    assert "36 rows of wine, the mean of 8 draws each; the first 10 are shown" in answer.out
    assert "(both from 14 calibration rows)" in answer.out


def test_json_holds_every_row(denselab, sliced):
    answer = denselab("predict", "model.keras", "wine", "--draws", "8", "--json")

    found = json.loads(answer.out)
    assert found["rows"] == len(found["predictions"]) == 36
    right = [row["label"] == row["predicted"] for row in found["predictions"]]
    assert found["accuracy"] == pytest.approx(np.mean(right))
    inside = [row["label"] in row["prediction_set"] for row in found["predictions"]]
    assert found["covered"] == pytest.approx(np.mean(inside))
    assert found["no_sets_because"] is None


def test_draws_go_on_until_a_standard_error(denselab, sliced):
    ask = ["--until", "0.02", "--draws", "500", "--json"]
    found = json.loads(denselab("predict", "model.keras", "wine", *ask).out)

    used = [row["draws_used"] for row in found["predictions"]]
    assert found["draws"] == [min(used), max(used)]
    assert 64 == min(used) < max(used) <= 500


def test_one_draw_is_one_pass_with_dropout_off(denselab, sliced, trained):
    one = denselab("predict", "model.keras", "wine", "--draws", "1", "--json", "--seed", "1")
    two = denselab("predict", "model.keras", "wine", "--draws", "1", "--json", "--seed", "2")
    shutil.copy(trained / "sliced_alpha.keras", "alpha.keras")

    found = json.loads(one.out)["predictions"]
    assert found == json.loads(two.out)["predictions"]
    # The weights are those of alpha_dropout, whose stock layer is off in prediction.
    x = hold_out_test(load("wine")).test_x
    expected = keras.saving.load_model("alpha.keras").predict(x, verbose=0)
    np.testing.assert_allclose([row["probability"] for row in found], expected.max(1), rtol=1e-5)
    assert {row["standard_error"] for row in found} == {None}
    assert {row["mutual_information"] for row in found} == {0.0}


def test_shared_masks_are_another_way_to_draw(denselab, sliced):
    ask = ["predict", "model.keras", "wine", "--draws", "8", "--json"]
    own, shared = (
        json.loads(denselab(*ask, "--masks", masks).out) for masks in ("per_row", "shared")
    )

    assert own["predictions"] != shared["predictions"]


@pytest.mark.parametrize(("rows", "count"), [("test", 36), ("train", 128), ("all", 178)])
def test_rows_can_be_chosen(denselab, sliced, rows, count):
    found = denselab("predict", "model.keras", "wine", "--rows", rows, "--draws", "4", "--json")

    assert json.loads(found.out)["rows"] == count


def test_a_row_is_explained(denselab, sliced):
    answer = denselab("predict", "model.keras", "wine", "--explain", "2", "--draws", "8")

    assert answer.code == 0
    assert answer.out.startswith("Row 2 is predicted as class_")
    assert "comes second" in answer.out
    assert "what the network does not know" in answer.out
    assert "Its prediction set: " in answer.out


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_picture_is_drawn(denselab, sliced, folder, ending):
    ask = ["--picture", f"p.{ending}", "--draws", "8"]
    answer = denselab("predict", "model.keras", "wine", *ask)

    assert answer.code == 0
    content = (folder / f"p.{ending}").read_bytes()
    if ending == "png":
        assert content.startswith(b"\x89PNG")
    else:
        assert b"most uncertain" in content
        assert b"<script" not in content


def test_a_picture_shows_the_probabilities_of_the_table(denselab, sliced, folder):
    ask = ["--picture", "p.svg", "--json", "--draws", "8"]
    found = json.loads(denselab("predict", "model.keras", "wine", *ask).out)["predictions"]

    surest = min(found, key=lambda row: row["predictive_entropy"])
    words = f"row {surest['row']}: {surest['predicted']} ({surest['probability']:.2f})"
    assert words in (folder / "p.svg").read_text()


# Files as data


@pytest.fixture
def rows(folder):
    data = hold_out_test(load("wine"))

    def save(**arrays):
        np.savez(folder / "rows.npz", **arrays)
        return data

    return save


def test_a_file_is_predicted_like_the_rows_it_holds(denselab, sliced, rows):
    data = hold_out_test(load("wine"))
    rows(x=data.test_x, y=data.test_y)

    answer = denselab("predict", "model.keras", "rows.npz", "--draws", "8", "--json")
    expected = denselab("predict", "model.keras", "wine", "--draws", "8", "--json")

    found, known = json.loads(answer.out), json.loads(expected.out)
    assert found["accuracy"] == known["accuracy"]
    assert [r["predicted"] for r in found["predictions"]] == [
        r["predicted"] for r in known["predictions"]
    ]
    assert "fitted on rows of wine, and rows.npz is other data" in answer.err
    assert "prediction_set" not in found["predictions"][0]


def test_labels_may_be_names_and_a_single_row_is_enough(denselab, sliced, rows):
    x = hold_out_test(load("wine")).test_x[:1]
    rows(x=x, y=["class_2"])

    answer = denselab("predict", "model.keras", "rows.npz", "--draws", "8", "--json")

    assert json.loads(answer.out)["predictions"][0]["label"] == "class_2"


def test_rows_without_labels_have_no_such_column(denselab, sliced, folder):
    np.save(folder / "rows.npy", hold_out_test(load("wine")).test_x)

    answer = denselab("predict", "model.keras", "rows.npy", "--draws", "8", "--json")

    found = json.loads(answer.out)
    assert found["accuracy"] is None
    assert "label" not in found["predictions"][0]


# Sets only where they keep their promise


def test_sets_cover_about_what_was_asked_for(denselab, sliced):
    wide, narrow = (
        json.loads(
            denselab(
                "predict", "model.keras", "wine", "--coverage", share, "--draws", "16", "--json"
            ).out
        )
        for share in ("0.9", "0.5")
    )

    assert wide["set_size"] >= narrow["set_size"]
    assert wide["covered"] >= narrow["covered"]


@pytest.fixture
def models(trained, stock, folder):
    """Models of every origin in the working folder."""
    stock(keras.layers.Dropout(0.5), softmax(), name="stock.keras")
    for name in ("whole", "sliced"):
        shutil.copy(trained / f"{name}.keras", folder)
    return folder


@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        ("whole", ["wine"], "the model kept no calibration slice"),
        ("sliced", ["wine", "--rows", "train"], "the model has seen these rows"),
        ("stock", ["wine"], "does not say what the model was trained on"),
    ],
)
def test_without_sets_a_line_says_why(denselab, models, model, data, expected):
    answer = denselab("predict", f"{model}.keras", *data, "--draws", "4", "--out", "p.csv")

    assert answer.code == 0
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    with (models / "p.csv").open() as file:
        assert "prediction_set" not in next(csv.reader(file))


def test_other_rows_under_the_same_name_get_no_sets(denselab, sliced, monkeypatch):
    wine = load("wine")
    changed = wine.x.copy()
    changed[0, 0] += 1
    monkeypatch.setattr(
        "denselab.cli.selection.load",
        lambda *_, **__: type(wine)(**{**wine.__dict__, "x": changed}),
    )

    answer = denselab("predict", "model.keras", "wine", "--draws", "4")

    assert answer.code == 0
    assert "is not the one that the model was trained on (fingerprint)" in answer.err


def test_a_recipe_without_draws_says_that_it_draws_all_the_same(denselab, folder, trained):
    shutil.copy(trained / "sliced_alpha.keras", "model.keras")

    answer = denselab("predict", "model.keras", "wine")

    assert answer.code == 0
    assert "alpha_dropout predicts without draws (--draws 1); drawing all the same" in answer.err


# What cannot be done


def test_a_model_without_noise_says_what_to_do_and_does_it(denselab, stock):
    model = stock(keras.layers.Normalization(), softmax())

    refused = denselab("predict", "model.keras", "wine")
    done = denselab("predict", "model.keras", "wine", "--draws", "1", "--json")

    assert refused.code == 2
    assert "model.keras: has no dropout or noise to draw from" in refused.err
    assert "--draws 1" in refused.err
    assert refused.err.count("\n") == 1
    x = hold_out_test(load("wine")).test_x
    found = [row["probability"] for row in json.loads(done.out)["predictions"]]
    np.testing.assert_allclose(found, model.predict(x, verbose=0).max(1), rtol=1e-5)


@pytest.mark.parametrize("layer", [keras.layers.Dropout(0.0), keras.layers.GaussianDropout(0.0)])
def test_a_rate_of_0_is_no_noise(denselab, stock, layer):
    stock(layer, softmax())

    answer = denselab("predict", "model.keras", "wine")

    assert answer.code == 2
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("layer", [keras.layers.Dropout(1.0), keras.layers.AlphaDropout(1.0)])
def test_a_rate_of_1_is_one_line(denselab, stock, layer):
    stock(layer, softmax())

    answer = denselab("predict", "model.keras", "wine")

    assert answer.code == 2
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("layers", "features", "expected"),
    [
        ([keras.layers.Dropout(0.5), keras.layers.Dense(3)], 13, "end it with a softmax"),
        ([keras.layers.Dropout(0.5), softmax(4)], 13, "gives 4 classes, wine names 3"),
        ([keras.layers.Dropout(0.5), softmax()], 5, "takes rows of shape (5,), and these have"),
    ],
    ids=["logits", "other classes", "other features"],
)
@pytest.mark.parametrize("draws", ["1", "4"])
def test_a_model_that_does_not_fit_is_refused(denselab, stock, layers, features, expected, draws):
    stock(*layers, features=features)

    answer = denselab("predict", "model.keras", "wine", "--draws", draws)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--draws", "0"], "--draws 0: give at least 1"),
        (["--until", "0"], "--until 0.0: give a standard error above 0"),
        (["--until", "nan"], "--until nan: give a standard error above 0"),
        (["--coverage", "1"], "--coverage 1.0: give a share between 0 and 1"),
        (["--seed", "-1"], "seed -1 is out of range"),
        (["--out", "p.xlsx"], "--out p.xlsx: give a file that ends in .parquet, .csv"),
        (["--out", "there.csv"], "--out there.csv: is there already"),
        (["--out", "there.csv/p.csv"], "there.csv is a file; name a folder"),
        (["--picture", "p.jpg"], "--picture p.jpg: give a file that ends in .png, .svg, .html"),
        (["--explain", "36"], "--explain 36: there is no such row"),
        (["--masks", "none"], "masks"),
        (["--rows", "some"], "rows"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_make_no_sense_are_one_line(denselab, sliced, folder, options, expected):
    (folder / "there.csv").write_text("mine")

    answer = denselab("predict", "model.keras", "wine", *options)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["model.keras", "there.csv"]
    assert (folder / "there.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": np.full((3, 13), np.nan)}, "39 NaN or infinite entries"),
        ({"x": np.zeros((3, 5))}, "takes rows of shape (13,), and these have (5,)"),
        ({"x": np.zeros((3, 13)), "y": [0, 1, 3]}, "y holds '3'; expected numbers from 0 to 2"),
        ({"x": np.zeros((3, 13)), "y": ["a", "b", "c"]}, "y holds 'a'"),
    ],
    ids=["NaN", "shape", "label", "name"],
)
def test_rows_that_do_not_fit_are_one_line(denselab, sliced, rows, arrays, expected):
    rows(**arrays)

    answer = denselab("predict", "model.keras", "rows.npz", "--draws", "4")

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1


def test_rows_of_a_file_cannot_be_chosen(denselab, sliced, rows):
    rows(x=np.zeros((3, 13)))

    answer = denselab("predict", "model.keras", "rows.npz", "--rows", "test")

    assert (answer.code, "is a file, which is predicted whole" in answer.err) == (2, True)


def test_a_hostile_model_ends_with_5(denselab, stock):
    stock(keras.layers.Lambda(lambda x: x, output_shape=(13,)), softmax())

    answer = denselab("predict", "model.keras", "wine")

    assert answer.code == 5
    assert "model.keras: holds code that would run" in answer.err


def test_an_address_ends_with_5(denselab, folder):
    answer = denselab("predict", "hf://somebody/model", "wine")

    assert (answer.code, "is an address" in answer.err) == (5, True)


def test_a_full_disk_ends_with_6_and_leaves_nothing(denselab, sliced, folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("denselab.study.files.write", full)

    answer = denselab("predict", "model.keras", "wine", "--draws", "4", "--out", "p.csv")

    assert answer.code == 6
    assert "p.csv: the disk is full" in answer.err
    assert [path.name for path in folder.iterdir()] == ["model.keras"]


def test_names_that_a_terminal_or_a_spreadsheet_would_obey_are_harmless(denselab, folder, trained):
    import zipfile

    shutil.copy(trained / "sliced.keras", "model.keras")
    with zipfile.ZipFile("model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(members["denselab.json"])
    about["class_names"] = ["=cmd|' /C calc'!A0", "\x1b[31mred\x1b[0m", "<script>alert(1)</script>"]
    members["denselab.json"] = json.dumps(about).encode()
    with zipfile.ZipFile("model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    np.save("rows.npy", load("wine").x)

    ask = ["--draws", "4", "--out", "p.csv", "--picture", "p.html"]
    answer = denselab("predict", "model.keras", "rows.npy", *ask)

    assert answer.code == 0
    text = (folder / "p.csv").read_text()
    assert "\x1b" not in text + answer.out + answer.err
    assert ",\"'=cmd|' /C calc'!A0\"" in text
    assert '"red"' in text
    assert ',"=cmd' not in text
    assert "<script" not in (folder / "p.html").read_text()


def test_draws_by_hand_and_by_command_are_the_same(sliced):
    loaded = load_model(sliced)
    x = hold_out_test(load("wine")).test_x

    found = predict_rows(loaded.model, x, DrawPlan(12, seed=3))

    expected = predict_draws(loaded.model, x, draws=12, seed=3)
    assert np.array_equal(found.probabilities, expected.probabilities)


def test_help_is_there(capsys):
    assert run(["predict", "--help"]) == 0
    assert "mutual_information" in capsys.readouterr().out
