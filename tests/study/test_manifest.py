"""`study.toml`: written, read back, added to."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from denselab.errors import CorruptStudyError, UsageError
from denselab.recipes import Recipe, apply_settings, ladder
from denselab.study import manifest_for, plan_study
from denselab.study.manifest import extended, parsed, written

FOLDER = Path("studies/toy")


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_the_whole_ladder_is_read_back(dataset, preset):
    plan = plan_study(ladder(preset), dataset, seeds=range(3), preset=preset)
    manifest = manifest_for(plan, dataset, command="denselab compare toy")
    again = parsed(written(manifest), FOLDER)
    assert [r.model_dump() for r in again.plan.recipes] == [r.model_dump() for r in plan.recipes]
    assert replace(again, plan=plan) == manifest


def test_it_says_what_was_asked_for_and_where(manifest, dataset):
    document = tomllib.loads(written(manifest).decode())
    assert document["preset"] == "published"
    assert document["seeds"] == [0, 1]
    assert document["dataset"] == {
        "name": "toy",
        "fingerprint": dataset.fingerprint,
        "task": "classification",
        "rows": 8,
        "test_rows": 2,
        "calibration_rows": 0,
        "features": 3,
        "classes": 2,
        "source": "made up",
    }
    assert [table["name"] for table in document["recipes"]] == ["plain", "batch_norm"]
    (run,) = document["runs"]
    assert run["command"] == "denselab compare toy"
    assert {"python", "denselab", "keras", "jax", "numpy"} <= set(run["versions"])
    assert {"cpu", "cores", "memory_gib"} <= set(run["hardware"])


def test_names_with_dots_stay_whole(dataset):
    recipe = Recipe(name="my.v2-a")
    plan = plan_study([recipe], dataset, seeds=[0], preset="mine")
    assert parsed(written(manifest_for(plan, dataset, command="")), FOLDER).plan == plan


def test_a_command_that_is_no_text_is_the_same_when_read_again(plan, dataset):
    manifest = manifest_for(plan, dataset, command="denselab compare \udcff.csv")
    again = parsed(written(manifest), FOLDER)
    assert extended(again, manifest, FOLDER) is again


def test_a_plan_for_other_data_is_refused(plan, other_dataset):
    with pytest.raises(UsageError, match="plan the study on this data"):
        manifest_for(plan, other_dataset, command="")


def test_the_same_again_adds_nothing(manifest):
    later = replace(manifest, created="later", runs=(replace(manifest.runs[0], started="later"),))
    assert extended(manifest, later, FOLDER) is manifest


def test_seeds_and_recipes_are_added(manifest, plan, dataset, find):
    wanted = plan_study(
        [find("plain"), find("one_cycle")], dataset, seeds=[1, 5], preset="published"
    )
    both = extended(manifest, manifest_for(wanted, dataset, command="more"), FOLDER)
    assert [recipe.name for recipe in both.plan.recipes] == ["plain", "batch_norm", "one_cycle"]
    assert both.plan.seeds == (0, 1, 5)
    assert [run.command for run in both.runs] == ["denselab compare toy", "more"]


@pytest.mark.parametrize("field", ["command", "versions", "hardware"])
def test_a_run_that_differs_is_recorded(manifest, field):
    value = "other" if field == "command" else {"python": "4.0"}
    wanted = replace(manifest, runs=(replace(manifest.runs[0], **{field: value}),))
    both = extended(manifest, wanted, FOLDER)
    assert getattr(both.runs[1], field) == value
    assert extended(both, wanted, FOLDER) is both


def test_other_data_is_refused(manifest, plan, other_dataset):
    other = replace(plan, fingerprint=other_dataset.fingerprint)
    wanted = manifest_for(other, other_dataset, command="")
    with pytest.raises(UsageError, match=r"studies/toy: holds a study of toy .*another folder"):
        extended(manifest, wanted, FOLDER)


def test_a_changed_recipe_is_refused(manifest, plan, dataset):
    changed = apply_settings(plan.recipes[1], ["optimizer.learning_rate=1e-3"])
    wanted = manifest_for(replace(plan, recipes=(changed,)), dataset, command="")
    with pytest.raises(
        UsageError,
        match=r"recipe batch_norm has optimizer.learning_rate = 5e-05 there and 0.001 here; "
        "give the recipe another name",
    ):
        extended(manifest, wanted, FOLDER)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("format = 1", "format = 2"),
        lambda text: text.replace("seeds = [0, 1]", "seeds = []"),
        lambda text: text.replace("depth = 1", "deepness = 1"),
        lambda text: text.replace("[[runs]]", "[[rums]]"),
        lambda text: text + "]",
        lambda text: "",
    ],
    ids=["format", "seeds", "recipe", "runs", "syntax", "empty"],
)
def test_what_cannot_be_understood_is_named(manifest, spoil):
    data = spoil(written(manifest).decode()).encode()
    with pytest.raises(
        CorruptStudyError, match=r"^studies/toy/study.toml: cannot be understood.*use the version"
    ) as raised:
        parsed(data, FOLDER / "study.toml")
    assert "\n" not in str(raised.value)
