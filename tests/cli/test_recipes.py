import json

import pytest

from denselab.recipes import load_recipe, names


def test_the_ladder_is_listed_in_order(denselab):
    answer = denselab("recipes")

    assert answer.code == 0
    listed = [line.split()[0] for line in answer.out.splitlines()[1:7]]
    assert listed == list(names())
    assert "published values" in answer.out


def test_the_list_in_json_has_names_and_titles(denselab):
    listed = json.loads(denselab("recipes", "--json", "--preset", "tuned").out)["recipes"]

    assert [entry["name"] for entry in listed] == list(names("tuned"))
    assert listed[0]["title"] == load_recipe("plain", preset="tuned").title


@pytest.mark.parametrize("preset", ["published", "tuned"])
@pytest.mark.parametrize("name", names())
def test_what_is_shown_of_a_recipe_is_a_file_that_gives_the_same_recipe(
    denselab, folder, name, preset
):
    answer = denselab("recipes", name, "--preset", preset)

    assert answer.code == 0
    (folder / "copy.toml").write_text(answer.out)
    original = load_recipe(name, preset=preset)
    copy = load_recipe(folder / "copy.toml", preset=preset)
    assert copy.model_copy(update={"extends": original.extends}) == original


def test_differences_from_the_recipe_it_extends_are_shown(denselab):
    out = denselab("recipes", "mc_dropout").out

    below = out.partition("# Differs from published/alpha_dropout in:\n")[2]
    assert [line.split() for line in below.splitlines()] == [
        ["#", "weights_from", "none", "->", "alpha_dropout"],
        ["#", "network.dropout.monte_carlo", "false", "->", "true"],
        ["#", "prediction.draws", "1", "->", "10"],
    ]


def test_changes_are_among_the_differences(denselab):
    shown = json.loads(denselab("recipes", "batch_norm", "--set", "network.depth=3", "--json").out)

    assert shown["extends"] == "published/plain"
    assert shown["recipe"]["network"]["depth"] == 3
    assert {"field": "network.depth", "before": 20, "after": 3} in shown["differences"]


def test_the_first_rung_differs_from_nothing(denselab):
    assert "Differs" not in denselab("recipes", "plain").out


def test_a_recipe_file_is_shown_with_what_it_changes(denselab, folder):
    (folder / "mine.toml").write_text('extends = "plain"\n[network]\nwidth = 7\n')

    out = denselab("recipes", "mine.toml", "--preset", "tuned").out

    assert "# Differs from tuned/plain in:" in out
    assert "network.width  100  ->  7" in out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[network]\ndept = 3\n", "mine.toml: network.dept is no field of a recipe; did you mean"),
        ("[network\n", "mine.toml: not valid TOML"),
        ('[optimizer]\nlearning_rate = "1e-3"\n', "write 1e-3 without quotes"),
    ],
    ids=["unknown key", "no TOML", "number in quotes"],
)
def test_a_bad_file_is_one_line_with_file_and_field(denselab, folder, text, expected):
    (folder / "mine.toml").write_text(text)

    answer = denselab("recipes", "mine.toml")

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
