import json

import numpy as np
import polars
import pytest

SMALL = ["--recipes", "plain,batch_norm", "--depth", "1", "--epochs", "2", "--seeds", "2"]


@pytest.fixture
def tables(folder):
    stream = np.random.default_rng(0)
    size = stream.uniform(30, 200, 150)
    price = 3 * size + stream.normal(0, 20, 150)
    kind = np.where(size > 100, "house", "flat")
    frame = polars.DataFrame({"size": size, "price": price, "kind": kind})
    frame.write_csv(folder / "homes.csv")
    return frame


def test_recipes_are_compared_on_a_quantity_by_its_squared_error(denselab, tables):
    ask = ["homes.csv", "--target", "price", "--drop", "kind", "--tune", "0", "--no-timing"]

    words = denselab("compare", *ask, *SMALL)
    found = json.loads(denselab("compare", *ask, *SMALL, "--json").out)

    assert words.code == 0, words.err
    assert words.out.splitlines()[0].split() == [
        "test",
        "squared",
        "best",
        "s",
        "per",
        "s",
        "to",
        "para-",
    ]
    assert found["verdicts"]["metric"] == "squared error"
    assert found["recipes"][0]["test_loss"]["mean"] > 0
    assert found["recipes"][0]["test_accuracy"]["mean"] is None
    assert found["verdicts"]["region"] == pytest.approx(0.01 * tables["price"].var(), rel=0.3)


def test_recipes_are_compared_on_classes_of_a_table(denselab, tables):
    ask = ["homes.csv", "--target", "kind", "--drop", "price", "--tune", "0", "--no-timing"]

    found = json.loads(denselab("compare", *ask, *SMALL, "--json").out)

    assert found["dataset"]["name"] == "homes"
    assert found["verdicts"]["metric"] == "accuracy"


def test_a_dry_run_shows_the_networks_of_a_table(denselab, tables, folder):
    answer = denselab("compare", "homes.csv", "--target", "kind", "--dry-run", *SMALL, "--json")

    shape = json.loads(answer.out)["dataset"]
    assert (shape["rows"], shape["calibration_rows"], shape["test_rows"]) == (108, 12, 30)
    assert {path.name for path in folder.iterdir()} == {"homes.csv"}


def test_a_rate_is_found_for_a_quantity(denselab, tables):
    asked = ["--target", "price", "--recipe", "plain", "--depth", "2", "--width", "8"]

    found = json.loads(denselab("find-lr", "homes.csv", *asked, "--steps", "60", "--json").out)

    assert 1e-7 < found["suggestions"][found["recommended"]]["learning_rate"] < 10


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["compare", "homes.csv"], "say what to predict with --target"),
        (["compare", "wine", "--target", "x"], "wine is a data set"),
        (["claims", "homes.csv"], "is a table, which train, predict"),
        (["sparsity", "homes.csv"], "is a table, which train, predict"),
        (
            ["compare", "homes.csv", "--target", "price", "--primary", "accuracy"],
            "regression has no accuracy",
        ),
    ],
    ids=["target", "data set", "claims", "sparsity", "accuracy"],
)
def test_what_does_not_fit_a_table_is_one_line(denselab, tables, arguments, expected):
    small = SMALL if arguments[0] == "compare" else []

    answer = denselab(*arguments, *small)

    assert answer.code == 2, answer.err
    assert expected in answer.err
