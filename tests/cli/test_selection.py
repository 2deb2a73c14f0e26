import errno
import re
from types import SimpleNamespace

import numpy as np
import pytest

from denselab.cli import selection
from denselab.cli.options import DataOptions, RecipeOptions
from denselab.errors import UsageError
from denselab.recipes import names


@pytest.mark.parametrize(
    ("data", "asked", "preset"),
    [
        ("cifar10", None, "published"),
        ("digits", None, "tuned"),
        ("cifar10", "tuned", "tuned"),
        ("wine", "published", "published"),
    ],
)
def test_published_values_are_the_default_for_the_data_they_were_published_for(data, asked, preset):
    assert selection.preset_for(data, RecipeOptions(preset=asked)) == preset


def test_short_options_and_settings_change_the_recipe_and_the_last_one_counts():
    options = RecipeOptions(epochs=7, depth=2, width=8, settings=["network.width=9"])

    recipe = selection.selected_recipe("plain", "tuned", options)

    assert recipe.training.epochs == 7
    assert (recipe.network.depth, recipe.network.width) == (2, 9)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (RecipeOptions(depth=0), "recipe plain, settings: network.depth = 0: must be at least 1"),
        (RecipeOptions(epochs=0), "training.epochs = 0: must be at least 1"),
        (RecipeOptions(settings=["network.dept=3"]), "did you mean network.depth?"),
        (RecipeOptions(settings=["optimizer.momentum=0.5"]), "means nothing when name is nadam"),
        (RecipeOptions(settings=["depth"]), "write field=value"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value.settings or value),
)
def test_changes_that_make_no_sense_are_refused_with_the_recipe_s_name(options, expected):
    with pytest.raises(UsageError, match=re.escape(expected)) as caught:
        selection.selected_recipe("plain", "tuned", options)

    assert str(caught.value).startswith("recipe plain, ")


def test_recipes_come_in_the_order_they_were_named():
    asked = ["one_cycle", "plain"]

    recipes = selection.selected_recipes(asked, "published", RecipeOptions())

    assert [recipe.name for recipe in recipes] == asked


def test_a_recipe_brings_the_one_whose_weights_it_takes_with_the_same_changes():
    recipes = selection.selected_recipes(["mc_dropout"], "published", RecipeOptions(depth=3))

    assert [recipe.name for recipe in recipes] == ["alpha_dropout", "mc_dropout"]
    assert [recipe.network.depth for recipe in recipes] == [3, 3]


def test_the_whole_ladder_brings_nothing_twice():
    recipes = selection.selected_recipes(names("tuned"), "tuned", RecipeOptions())

    assert [recipe.name for recipe in recipes] == list(names("tuned"))


def test_a_file_of_the_same_name_as_another_recipe_is_refused(tmp_path):
    file = tmp_path / "plain.toml"
    file.write_text('extends = "plain"\n')

    with pytest.raises(UsageError, match="two recipes are called plain; name each once"):
        selection.selected_recipes(["plain", str(file)], "tuned", RecipeOptions())


@pytest.mark.parametrize(
    ("first", "count", "expected"),
    [
        (0, 0, "--seeds 0: give a number from 1"),
        (0, -1, "--seeds -1: give a number from 1"),
        (0, 10_001, "--seeds 10001: give a number from 1 to 10,000"),
        (-1, 1, "seed -1 is out of range"),
        (2**32 - 1, 2, "seed 4294967296 is out of range"),
    ],
)
def test_seeds_out_of_range_are_refused(first, count, expected):
    with pytest.raises(UsageError, match=expected):
        selection.selected_seeds(first, count)


def test_seeds_follow_the_first_one():
    assert selection.selected_seeds(2**32 - 2, 2) == (2**32 - 2, 2**32 - 1)


def test_the_test_rows_are_the_same_every_time():
    first, second = (selection.selected_data("wine", DataOptions()) for _ in range(2))

    assert first.fingerprint == second.fingerprint
    assert len(first.test_y) == round(0.2 * 178)
    np.testing.assert_array_equal(first.test_x, second.test_x)


def test_checking_a_folder_leaves_nothing_behind(tmp_path):
    selection.check_writable(tmp_path / "a" / "b")

    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(UsageError, match="file is a file; name a folder"):
        selection.check_writable(tmp_path / "file" / "below")


def refusing(number: int):
    def temporary_file(dir):
        raise OSError(number, "reason", str(dir))

    return SimpleNamespace(TemporaryFile=temporary_file)


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "tempfile", refusing(errno.EROFS))

    with pytest.raises(UsageError, match=r"cannot write to .* \(reason\); choose another folder"):
        selection.check_writable(tmp_path / "new")


def test_a_full_disk_is_not_taken_for_a_read_only_one(tmp_path, monkeypatch):
    monkeypatch.setattr(selection, "tempfile", refusing(errno.ENOSPC))

    with pytest.raises(OSError, match="reason") as caught:
        selection.check_writable(tmp_path / "new")

    assert caught.value.errno == errno.ENOSPC
