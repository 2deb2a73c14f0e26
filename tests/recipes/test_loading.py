"""Recipes found by name and by path, and what is wrong with files, in one line each."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from denselab.errors import UsageError
from denselab.recipes import load_recipe


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files into the working directory of a test."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    return write_file


def complaint(name, **options) -> str:
    with pytest.raises(UsageError) as caught:
        load_recipe(name, **options)
    message = str(caught.value)
    assert message.isprintable(), "an error is one line"
    assert len(message) < 600
    assert caught.value.exit_code == 2
    return message


def test_a_file_differs_from_the_rung_it_extends(write):
    recipe = load_recipe(write("mine.toml", 'extends = "batch_norm"\n[network]\ndepth = 3'))
    assert (recipe.name, recipe.extends) == ("mine", "published/batch_norm")
    assert (recipe.network.depth, recipe.network.normalization) == (3, "batch")


def test_a_rung_named_alone_is_that_of_the_preset_asked_for(write):
    mine = write("mine.toml", 'extends = "plain"')
    assert load_recipe(mine, preset="tuned").extends == "tuned/plain"
    assert load_recipe(mine, preset="tuned").optimizer == load_recipe("tuned/plain").optimizer


def test_a_rung_named_in_full_ignores_the_preset(write):
    mine = write("mine.toml", 'extends = "published/plain"')
    assert load_recipe(mine, preset="tuned").extends == "published/plain"
    assert load_recipe("published/plain", preset="tuned") == load_recipe("plain")


def test_a_file_that_extends_nothing_starts_from_plain(write):
    recipe = load_recipe(write("mine.toml", ""))
    assert recipe.extends is None
    assert recipe.network == load_recipe("plain").network


def test_a_file_extends_another_relative_to_itself(write):
    write("folder/base.toml", "[network]\nwidth = 7\ndepth = 2")
    write("folder/inner/mine.toml", 'extends = "../base.toml"\n[network]\ndepth = 5')
    recipe = load_recipe("folder/inner/mine.toml")
    assert (recipe.network.width, recipe.network.depth) == (7, 5)
    assert load_recipe(recipe.extends).network.width == 7


def test_name_and_title_are_not_inherited(write):
    write("base.toml", 'name = "basis"\ntitle = "The base"')
    recipe = load_recipe(write("mine.toml", 'extends = "base.toml"'))
    assert (recipe.name, recipe.title) == ("mine", "")


def test_the_file_may_give_another_name(write):
    assert load_recipe(write("my recipe.toml", 'name = "mine"')).name == "mine"


def test_the_word_none_unsets_what_the_base_set(write):
    mine = write("mine.toml", 'extends = "mc_dropout"\nweights_from = "none"')
    assert load_recipe(mine).weights_from is None


def test_a_new_optimizer_drops_the_options_it_does_not_have(write):
    mine = write("mine.toml", 'extends = "self_normalizing"\n[optimizer]\nname = "adam"')
    optimizer = load_recipe(mine).optimizer
    assert (optimizer.momentum, optimizer.learning_rate) == (0.0, 1e-3)


def test_settings_come_last(write):
    mine = write("mine.toml", "[network]\ndepth = 5")
    assert load_recipe(mine, settings=["network.depth=6"]).network.depth == 6


def test_a_byte_order_mark_and_foreign_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf[network]\r\ndepth = 3\r\n")
    assert load_recipe(path).network.depth == 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(
            "[optimizer]\nlr = 1e-3", "optimizer.lr .*did you mean optimizer.learning_rate", id="lr"
        ),
        pytest.param('lr = "1e-3"', "did you mean optimizer.learning_rate", id="lr at the top"),
        pytest.param("[optimiser]", "did you mean optimizer", id="British"),
        pytest.param(
            "patience = 3", "did you mean schedule.patience or training.patience", id="two places"
        ),
        pytest.param("[dropout]\nrate = 0.1", "did you mean network.dropout", id="lost table"),
        pytest.param("[network]\ncolour = 1", "network has depth, width", id="nothing close"),
        pytest.param(
            '[optimizer]\nlearning_rate = "1e-3"',
            'learning_rate = "1e-3": must be a number; write 1e-3 without quotes',
            id="number in quotes",
        ),
        pytest.param(
            '[training]\nstratified = "true"', "write true without quotes", id="true in quotes"
        ),
        pytest.param("[network]\ndepth = 0", "depth = 0: must be at least 1", id="depth 0"),
        pytest.param("[network]\ndepth = -1", "depth = -1: must be at least 1", id="depth -1"),
        pytest.param(
            "[network]\ndepth = 1_000_000_000", "must be at most 1,000", id="depth of a billion"
        ),
        pytest.param("[network]\ndepth = 3.0", "must be a whole number; write 3", id="depth 3.0"),
        pytest.param("[optimizer]\nlearning_rate = nan", "must be a finite number", id="nan"),
        pytest.param(
            '[network]\nactivation = "swish"', "one of selu, .*did you mean silu", id="swish"
        ),
        pytest.param("network = 3", "network = 3: must be a table", id="no table"),
        pytest.param("[network.depth]\na = 1", "depth = a table: must be a whole", id="a table"),
        pytest.param(
            '[optimizer]\nname = "adam"\nmomentum = 0.9',
            "optimizer.momentum = 0.9: means nothing when name is adam; .*sgd or rmsprop",
            id="momentum of adam",
        ),
        pytest.param(
            '[network.dropout]\nkind = "dropout"', "dropout.rate = 0.0: must be above", id="rate 0"
        ),
        pytest.param("[network]\ndepth = 0\nwidth = 0", "depth.*and 1 more", id="two problems"),
        pytest.param("extends = 3", "extends must be the name", id="extends a number"),
        pytest.param(
            'extends = "plian"', "extends: 'plian' .*did you mean plain", id="extends a typo"
        ),
        pytest.param('extends = "none.toml"', "none.toml: no such file", id="extends a ghost"),
        pytest.param('name = "a/b"', "letters, digits", id="name with a slash"),
        pytest.param("name = 2020-01-01", "must be text in quotes", id="name of a date"),
        pytest.param(
            '"a\\nb\\u009b" = 1', r"a\\u000ab\\u009b is no field", id="control characters"
        ),
        pytest.param(
            '"a.b" = 1', "a.b is no field of a recipe; a recipe has name", id="dotted key"
        ),
        pytest.param("[network]\ndepth = 1e300", "must be a whole number$", id="depth 1e300"),
        pytest.param("a = 1\na = 2", "not valid TOML: .*each key once", id="key twice"),
        pytest.param("[network]\n[network]", "not valid TOML: .*each key once", id="table twice"),
        pytest.param("a = [1", "not valid TOML", id="not TOML"),
        pytest.param("a = 1" + "0" * 900, "a is no field", id="a number of 900 digits"),
    ],
)
def test_a_bad_file_is_refused_with_its_remedy(write, text, says):
    message = complaint(write("mine.toml", text))
    assert message.startswith("mine.toml: ")
    assert re.search(says, message), message


def test_the_problem_is_found_in_the_file_that_has_it(write):
    write("base.toml", "[network]\ndepth = 0")
    assert complaint(write("mine.toml", 'extends = "base.toml"')).startswith("base.toml: ")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_of_files_is_refused(write, length):
    for i in range(length):
        write(f"f{i}.toml", f'extends = "./f{(i + 1) % length}.toml"')
    assert "extends itself (f0.toml -> " in complaint("f0.toml")


def test_an_unknown_rung_gets_a_proposal():
    assert "did you mean batch_norm?" in complaint("batchnorm")
    assert "there are plain, batch_norm," in complaint("xyz")
    assert "a recipe file ends in .toml" in complaint("")


def test_a_missing_file_gets_a_proposal(write):
    write("mine.toml", "")
    assert complaint("mien.toml") == "mien.toml: no such file; did you mean mine.toml?"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("no_folder/mine.toml", "cannot look into no_folder", id="missing folder"),
        pytest.param("~nobody_at_all/mine.toml", "no such file", id="unknown home"),
        pytest.param("nul\0.toml", "no path of a recipe file", id="null byte"),
        pytest.param("x" * 5000 + ".toml", "no path of a recipe file", id="endless name"),
        pytest.param("x" * 500 + ".toml", "cannot be read", id="long name"),
        pytest.param(Path(), "not a file", id="folder"),
    ],
)
def test_a_bad_path_is_refused(write, name, says):
    with pytest.raises(UsageError, match=says):
        load_recipe(name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_is_not_waited_for(write, tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    assert "not a file" in complaint("pipe.toml")


def test_reading_recipes_loads_neither_jax_nor_keras():
    code = (
        "import sys; from denselab.recipes import ladder, programs; programs(ladder('tuned'));"
        "print({'jax', 'keras', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
