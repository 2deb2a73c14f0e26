import itertools
import json
import zipfile

import keras
import numpy as np
import onnxruntime
import polars
import pytest

from denselab.cli.main import run
from denselab.data import PreprocessingOptions, read_table, table_dataset
from denselab.data.tables import held_out_rows
from denselab.training import load_model

SMALL = ["--recipe", "plain", "--depth", "1", "--width", "8", "--epochs", "15"]
PETS, HOUSES = "pets-model/model.keras", "houses-model/model.keras"


def pets(rows=200):
    """Cats are small and of colours of their own; some weights are missing."""
    stream = np.random.default_rng(0)
    cats = stream.random(rows) < 0.5
    weight = np.where(cats, 4, 20) + stream.normal(0, 4, rows)
    return polars.DataFrame(
        {
            "chip": [f"id-{number}" for number in range(rows)],
            "weight": [
                None if gone else round(w, 3)
                for w, gone in zip(weight, stream.random(rows) < 0.1, strict=True)
            ],
            "colour": np.where(
                cats, "tabby", np.where(stream.random(rows) < 0.5, "brown", "black")
            ),
            "vaccinated": stream.choice(["yes", "no"], rows),
            "kind": np.where(cats, "=cat", "dog"),
        }
    )


def houses(rows=200):
    stream = np.random.default_rng(1)
    size, rooms = stream.uniform(30, 200, rows), stream.integers(1, 7, rows)
    price = 3.0 * size + 10 * rooms + stream.normal(0, 20, rows)
    return polars.DataFrame({"size": size.round(3), "rooms": rooms, "price": price.round(2)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two tables and a model of each, made once."""
    place = tmp_path_factory.mktemp("trained")
    patch = pytest.MonkeyPatch()
    with patch.context() as changed:
        changed.chdir(place)
        pets().write_csv("pets.csv")
        houses().write_csv("houses.csv")
        for table, target in (("pets.csv", "kind"), ("houses.csv", "price")):
            assert run(["train", table, "--target", target, "--ensemble", "2", *SMALL]) == 0
    return place


@pytest.fixture
def here(denselab, trained, monkeypatch):
    """The command line in the folder of the two models."""
    monkeypatch.chdir(trained)
    return denselab


@pytest.fixture
def answers(here, tmp_path):
    """What is predicted of some rows, as a frame."""

    numbers = itertools.count()

    def predict(model, frame, *options, ending="csv"):
        out = tmp_path / f"out-{next(numbers)}.{ending}"
        frame.write_csv(tmp_path / "new.csv")
        answer = here("predict", model, str(tmp_path / "new.csv"), "--out", str(out), *options)
        assert answer.code == 0, answer.err
        read = polars.read_csv if ending == "csv" else polars.read_parquet
        return read(out)

    return predict


def test_a_folder_is_left_with_a_model_and_a_report(trained):
    assert {path.name for path in (trained / "pets-model").iterdir()} == {
        "model.keras",
        "report.md",
    }
    loaded = load_model(trained / PETS)
    assert loaded.description.members == 2
    assert loaded.description.class_names == ("=cat", "dog")
    assert loaded.preprocessing.target.name == "kind"


def test_the_file_is_one_model_that_stock_keras_reads(trained):
    model = keras.saving.load_model(trained / HOUSES)
    loaded = load_model(trained / HOUSES)
    table = read_table(trained / "houses.csv")

    x = loaded.preprocessing.transform(table)
    said = model.predict(x, verbose=0)

    assert said.shape == (200, 1)
    np.testing.assert_allclose(said, loaded.model.predict(x, verbose=0), rtol=1e-6)


def test_the_report_says_what_was_found(trained):
    report = (trained / "pets-model" / "report.md").read_text()

    assert "# pets" in report
    assert "Target kind: classification (the target holds text or truth values)" in report
    assert "left out: chip (names the row" in report
    assert "| accuracy |" in report
    assert "Baseline: the commonest class" in report
    assert "144 train and validate, 16 calibrate, 40 test" in report


def test_names_from_the_table_do_not_format_the_report(here, trained):
    frame = houses().rename({"size": "[a](javascript:b)|<b>*"})
    frame.write_csv("odd.csv")

    assert here("train", "odd.csv", "--target", "price", "--ensemble", "1", *SMALL).code == 0

    report = (trained / "odd-model" / "report.md").read_text()
    assert r"\[a\](javascript:b)\|\<b\>\*" in report


def test_a_folder_is_never_written_over(here, trained):
    options = ["--target", "price", "--ensemble", "1", *SMALL]
    before = (trained / HOUSES).read_bytes()

    first = here("train", "houses.csv", *options, "--json")
    again = here("train", "houses.csv", *options, "--out", "houses-model")

    assert json.loads(first.out)["model"] == "houses-model-2/model.keras"
    assert again.code == 2
    assert "houses-model/model.keras is there already" in again.err
    assert (trained / HOUSES).read_bytes() == before


def test_json_holds_scores_with_intervals_beside_the_baseline(here, trained):
    ask = ["train", "pets.csv", "--target", "-1", "--ensemble", "1", "--out", "json", *SMALL]

    found = json.loads(here(*ask, "--json").out)

    assert found["rows"] == {"train": 144, "calibration": 16, "test": 40}
    accuracy = found["scores"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert found["baseline"]["accuracy"] == 0.55
    assert found["table"]["left_out"].keys() == {"chip"}
    assert found["coverage"]["calibration_rows"] == 16


def test_new_rows_need_no_target_and_may_come_in_any_order(answers):
    frame = pets().head(20)

    shuffled = answers("pets-model", frame.select("colour", "vaccinated", "weight"))
    whole = answers(PETS, frame)

    assert "label" not in shuffled.columns
    assert whole["label"].to_list() == [
        f"'{name}" if name[0] == "=" else name for name in frame["kind"]
    ]
    assert shuffled["probability_dog"].to_list() == whole["probability_dog"].to_list()


def test_classes_come_by_their_names_and_text_like_a_formula_is_quoted(answers):
    frame = pets().head(30)

    as_text, as_parquet = (answers(PETS, frame, ending=ending) for ending in ("csv", "parquet"))

    assert set(as_text["predicted"]) == {"'=cat", "dog"}
    assert set(as_parquet["predicted"]) == {"=cat", "dog"}
    assert all(set(one) <= {"=cat", "dog"} for one in as_parquet["prediction_set"])


def test_prediction_sets_rest_on_what_the_file_kept(here, answers, trained):
    found = answers(PETS, pets().head(50), "--coverage", "0.5", ending="parquet")
    scores = np.array(load_model(trained / PETS).description.conformal.scores)

    threshold = np.sort(scores)[int(np.ceil(0.5 * (len(scores) + 1))) - 1]
    for row in found.iter_rows(named=True):
        inside = [name for name in ("=cat", "dog") if 1 - row[f"probability_{name}"] <= threshold]
        assert sorted(row["prediction_set"]) == inside


def test_scores_that_are_kept_are_those_of_the_calibration_rows(trained):
    loaded = load_model(trained / HOUSES)
    options = PreprocessingOptions(scaling="robust")
    table = read_table(trained / "houses.csv", target="price")

    data, _ = table_dataset(table, calibration=0.1, options=options)

    said = loaded.model.predict(data.calibration_x, verbose=0)[:, 0]
    wanted = np.sort(np.abs(said - data.calibration_y))
    np.testing.assert_allclose(loaded.description.conformal.scores, wanted, rtol=1e-3, atol=1e-3)


def test_a_quantity_comes_with_an_interval_that_holds_the_truth_as_often_as_asked(answers):
    frame = houses(2000).tail(1500)

    found = answers(HOUSES, frame, "--coverage", "0.8")

    assert found.columns == ["row", "target", "predicted", "standard_deviation", "lower", "upper"]
    inside = (found["lower"] <= found["target"]) & (found["target"] <= found["upper"])
    # Coverage given 16 calibration rows is Beta(14, 3): 0.82 with a deviation of 0.09.
    assert 0.82 - 5 * 0.09 < inside.mean() <= 1
    assert (found["standard_deviation"] > 0).all()
    assert (found["upper"] - found["lower"]).n_unique() < 1500


def test_the_mean_of_members_is_what_the_model_says(answers, trained):
    frame = houses().head(10)
    loaded = load_model(trained / HOUSES)

    found = answers(HOUSES, frame)

    said = loaded.model.predict(loaded.preprocessing.transform(read_table(frame)), verbose=0)
    np.testing.assert_allclose(found["predicted"], said[:, 0], rtol=1e-5)


def test_the_table_it_was_trained_on_is_measured_on_its_test_rows(here, trained):
    found = json.loads(here("evaluate", "houses-model", "houses.csv", "--json").out)

    table = read_table(trained / "houses.csv", target="price")
    rows = held_out_rows(table)
    loaded = load_model(trained / HOUSES)
    said = loaded.model.predict(loaded.preprocessing.transform(table)[rows], verbose=0)[:, 0]
    errors = said - houses()["price"].to_numpy()[rows]
    assert (found["which"], found["rows"]) == ("test rows", 40)
    assert found["scores"]["mae"]["value"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)


def test_another_table_is_measured_whole(here, trained):
    houses().head(150).write_csv("more.csv")

    found = json.loads(here("evaluate", "houses-model", "more.csv", "--json").out)

    assert (found["which"], found["rows"]) == ("rows", 150)


def test_rows_it_was_trained_on_are_pointed_out(here):
    assert "was trained on these very rows" in here("predict", "pets-model", "pets.csv").err


def test_how_the_table_was_read_is_kept_in_the_model(here, trained, tmp_path):
    text = houses().with_columns(
        size=polars.when(polars.col("rooms") == 3).then(-9).otherwise("size")
    )
    text.write_csv("marked.csv", separator=";")
    ask = ["--target", "price", "--missing", "-9.0", "--delimiter", ";", "--ensemble", "1"]
    assert here("train", "marked.csv", *ask, *SMALL).code == 0

    loaded = load_model(trained / "marked-model" / "model.keras")
    answer = here("predict", "marked-model", "marked.csv", "--out", str(tmp_path / "p.csv"))

    assert loaded.preprocessing.feature_names == ("size", "size is missing", "rooms")
    assert answer.code == 0, answer.err
    assert "very rows" in answer.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "pets.csv"], "say what to predict with --target NAME"),
        (["train", "pets.csv", "--target", "knd"], "did you mean 'kind'?"),
        (["train", "none.csv", "--target", "x"], "cannot read none.csv"),
        (["train", "wine", "--target", "x"], "wine is a data set; --target"),
        (["train", "pets.csv", "--target", "kind", "--ensemble", "0"], "--ensemble 0: give"),
        (["predict", "pets-model", "houses.csv"], "lacks 3 of 3 columns: 'weight'"),
        (["predict", "pets-model", "wine"], "was trained on columns of a table"),
        (["predict", "pets-model", "pets.csv", "--rows", "test"], "is predicted whole"),
        (["predict", "pets-model", "pets.csv", "--explain", "999"], "there is no such row"),
        (["predict", "houses-model", "houses.csv", "--explain", "999"], "there is no such row"),
        (["predict", "houses-model", "houses.csv", "--picture", "a.svg"], "shows classes"),
        (["evaluate", "houses-model", "pets.csv"], "lacks 2 of 2 columns"),
        (["prune", "houses-model/model.keras", "--sparsity", "0.5"], "model of a table"),
    ],
    ids=lambda value: "-".join(value[:4])[:40] if isinstance(value, list) else None,
)
def test_what_does_not_fit_is_one_line(here, arguments, expected):
    answer = here(*arguments)

    assert answer.code == 2, answer.err
    assert expected in answer.err
    assert len([line for line in answer.err.splitlines() if "very rows" not in line]) == 1


def test_a_target_that_cannot_be_read_does_not_keep_rows_from_being_predicted(here, trained):
    houses().with_columns(price=polars.lit("?")).write_csv("unknown.csv")

    answer = here("predict", "houses-model", "unknown.csv")

    assert answer.code == 0
    assert "without looking at labels" in answer.err


def test_preprocessing_that_does_not_fit_the_network_is_refused(here, trained):
    wrong = load_model(trained / PETS).preprocessing.to_json()
    with (
        zipfile.ZipFile(trained / HOUSES) as old,
        zipfile.ZipFile(trained / "wrong.keras", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, wrong if name == "preprocessing.json" else old.read(name))

    answer = here("predict", "wrong.keras", "houses.csv")

    assert answer.code == 2
    assert "its preprocessing makes" in answer.err


def test_an_ensemble_of_a_data_set_is_one_model_too(denselab, folder):
    ask = ["--ensemble", "2", "--recipe", "plain", "--depth", "1", "--epochs", "3"]

    assert denselab("train", "wine", *ask).code == 0
    answer = denselab("predict", "wine-model", "wine", "--json")

    found = json.loads(answer.out)
    assert found["draws"] == [2, 2]
    assert found["mutual_information"] > 0
    assert "prediction_set" in found["predictions"][0]


@pytest.mark.parametrize(
    ("model", "table"), [("pets-model", "pets.csv"), ("houses-model", "houses.csv")]
)
def test_an_onnx_file_takes_columns_and_answers_alike(here, trained, tmp_path, model, table):
    answer = here(
        "export", "--onnx", model, "--data", table, "--out", str(tmp_path / "m.onnx"), "--json"
    )

    about = json.loads(answer.out)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    loaded = load_model(trained / model / "model.keras")
    assert about["rows"] == 200
    assert about["largest_difference"] < 1e-4 * (1 if model == "pets-model" else 500)
    assert [one.name for one in session.get_inputs()] == [
        step.name for step in loaded.preprocessing.steps
    ]


def test_an_onnx_file_is_checked_on_rows_of_its_own_without_data(here, trained):
    answer = here("export", "pets-model")

    assert answer.code == 0, answer.err
    assert "256 random rows such as it was made for" in answer.out
    assert (trained / "pets-model" / "model.onnx").is_file()
    (trained / "pets-model" / "model.onnx").unlink()
