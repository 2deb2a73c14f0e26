"""Plans: what is refused, what is added, and what a study is called."""

from dataclasses import replace

import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.recipes import apply_settings
from denselab.study import Plan, default_folder, plan_hash, plan_study, with_sources
from denselab.study.plan import training_order


def test_a_plan_knows_its_data(plan, dataset):
    assert (plan.dataset, plan.fingerprint) == ("toy", dataset.fingerprint)


def test_seeds_may_be_numpy_numbers(plan, dataset):
    again = plan_study(plan.recipes, dataset, seeds=np.arange(2), preset="published")
    assert plan_hash(again) == plan_hash(plan)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([], "give from 1 to 10,000"),
        (range(10_001), "give from 1 to 10,000"),
        ([3, 3], "seed 3 is given twice; give each once"),
        ([-1], "give a whole number from 0"),
        ([2**32], "give a whole number from 0"),
        ([0.5], "give one from 0"),
    ],
    ids=["none", "too many", "twice", "negative", "too large", "fraction"],
)
def test_seeds_that_make_no_sense_are_refused(plan, dataset, seeds, words):
    with pytest.raises(UsageError, match=words):
        plan_study(plan.recipes, dataset, seeds=seeds, preset="published")


def test_a_plan_needs_a_recipe(plan):
    with pytest.raises(UsageError, match="give at least one"):
        replace(plan, recipes=())


@pytest.mark.parametrize("name", ["plain", "Plain"])
def test_names_that_would_share_a_file_are_refused(plan, name):
    other = apply_settings(plan.recipes[1], {"name": name})
    with pytest.raises(UsageError, match=f"recipes plain and {name}: .*rename one"):
        replace(plan, recipes=(plan.recipes[0], other))


def test_a_recipe_whose_source_is_missing_is_refused(plan, find):
    with pytest.raises(UsageError, match="add alpha_dropout"):
        replace(plan, recipes=(find("mc_dropout"),))


@pytest.mark.parametrize(
    ("asked", "complete", "added"),
    [
        (["plain", "mc_dropout"], ["plain", "alpha_dropout", "mc_dropout"], ("alpha_dropout",)),
        (["mc_dropout", "alpha_dropout"], ["mc_dropout", "alpha_dropout"], ()),
        (["plain"], ["plain"], ()),
    ],
    ids=["missing", "behind", "not needed"],
)
def test_a_source_is_added_where_it_was_not_asked_for(find, asked, complete, added):
    recipes, names = with_sources([find(name) for name in asked], find)
    assert ([recipe.name for recipe in recipes], names) == (complete, added)


def test_a_source_is_added_once_for_two_that_need_it(find):
    other = apply_settings(find("mc_dropout"), {"name": "mc_again", "prediction.draws": 20})
    recipes, added = with_sources([find("mc_dropout"), other], find)
    assert [recipe.name for recipe in recipes] == ["alpha_dropout", "mc_dropout", "mc_again"]
    assert added == ("alpha_dropout",)


def test_a_source_is_trained_before_what_needs_it(plan, find):
    names = ["plain", "mc_dropout", "batch_norm", "alpha_dropout"]
    plan = replace(plan, recipes=tuple(map(find, names)))
    ordered = [recipe.name for recipe in training_order(plan)]
    assert ordered == ["plain", "alpha_dropout", "mc_dropout", "batch_norm"]


def changed(plan: Plan, field: str) -> Plan:
    recipes = (*plan.recipes[:1], apply_settings(plan.recipes[1], ["network.depth=2"]))
    renamed = (*plan.recipes[:1], apply_settings(plan.recipes[1], ["name=other"]))
    return {
        "more seeds": replace(plan, seeds=(0, 1, 2)),
        "fewer recipes": replace(plan, recipes=plan.recipes[:1]),
        "another setting": replace(plan, recipes=recipes),
        "another name": replace(plan, recipes=renamed),
        "other data": replace(plan, fingerprint="1" * 64),
        "another order": replace(plan, recipes=plan.recipes[::-1], seeds=(1, 0)),
        "another title": replace(
            plan, recipes=(apply_settings(plan.recipes[0], ["title=New"]), plan.recipes[1])
        ),
        "another name of the data": replace(plan, dataset="renamed"),
    }[field]


@pytest.mark.parametrize(
    "field", ["more seeds", "fewer recipes", "another setting", "another name", "other data"]
)
def test_what_changes_results_changes_the_folder(plan, field):
    assert default_folder("toy", changed(plan, field)) != default_folder("toy", plan)


@pytest.mark.parametrize("field", ["another order", "another title", "another name of the data"])
def test_what_does_not_change_results_keeps_the_folder(plan, field):
    assert default_folder("toy", changed(plan, field)) == default_folder("toy", plan)


@pytest.mark.parametrize(
    ("data", "begins"),
    [
        ("cifar10", "cifar10-"),
        ("../x", "x-"),
        ("/x", "x-"),
        ("..", "data-"),
        ("", "data-"),
        ("a\x00b\nc d", "a-b-c-d-"),
        ("<script>", "script-"),
        ("n" * 300, "n" * 64 + "-"),
    ],
    ids=repr,
)
def test_the_name_of_data_cannot_lead_out_of_the_folder_of_studies(plan, data, begins):
    folder = default_folder(data, plan)
    assert folder.parent.as_posix() == "studies"
    assert folder.name.startswith(begins)
    assert folder.name[len(begins) :] == plan_hash(plan)[:10]


def test_a_warm_start_is_trained_after_its_source_which_is_added(find, dataset):
    recipes, added = with_sources([find("one_cycle_warm")], find)
    assert added == ("alpha_dropout",)
    plan = plan_study(recipes[::-1], dataset, seeds=[0], preset="published")
    assert [recipe.name for recipe in training_order(plan)] == ["alpha_dropout", "one_cycle_warm"]
