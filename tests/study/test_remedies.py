"""A remedy counts where a study says it is better, and nowhere else; the training is played."""

import json
from dataclasses import replace

import pytest

from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.study import compare_recipes, plan_study, read_study
from denselab.study.remedies import gain, mend, remedy_plan, remedy_seeds, verify_remedy

ILL = ["network.depth=1", "network.width=4", "network.kernel_initializer=constant"]
FIX = {"network.kernel_initializer": "he_normal"}


@pytest.fixture
def mended():
    return mend(load_recipe("plain", settings=ILL), FIX)


@pytest.fixture
def verify(dataset, tmp_path, training, monkeypatch):
    """Verifies a remedy by made-up trials in which the mended recipe scores higher by `more`."""
    usual = training.trial

    def run(mended, more=0.0, seeds=range(6)):
        def trial(name, seed, shared):
            made = usual(name, seed, shared)
            add = (more + (seed % 3) / 1000) * name.endswith("_mended")
            return replace(made, test=made.test._replace(accuracy=made.test.accuracy + add))

        monkeypatch.setattr(training, "trial", trial)
        plan = remedy_plan(mended, dataset, seeds=seeds, preset="published")
        return verify_remedy(plan, dataset, folder=tmp_path / "study", command="denselab diagnose")

    return run


def test_remedies_change_the_recipe_and_its_name(mended):
    assert mended.recipe.network.kernel_initializer == "he_normal"
    assert mended.recipe.name == "plain_mended"
    assert mended.recipe.title == "plain with network.kernel_initializer = he_normal"
    assert mended.before.network.kernel_initializer == "constant"
    assert (mended.applied, mended.left_out) == (FIX, {})


def test_a_remedy_that_does_not_fit_is_left_out_with_the_reason():
    changes = {
        "network.no_such": 1,
        "network.activation": "elu",
        "network.dropout.rate": 0.2,
        "optimizer.learning_rate": 1e-3,
    }

    found = mend(load_recipe("plain"), changes)

    assert dict(found.applied) == {"optimizer.learning_rate": 1e-3}
    assert "no_such" in found.left_out["network.no_such"]
    assert "is elu already" in found.left_out["network.activation"]
    assert "means nothing when kind is none" in found.left_out["network.dropout.rate"]


def test_the_name_of_a_mended_recipe_is_never_too_long():
    name = "a" * 64
    found = mend(load_recipe("plain", settings=[f"name={name}"]), {"network.depth": 3})

    assert len(found.recipe.name) == 64
    assert found.recipe.name.endswith("a_mended")


@pytest.mark.parametrize("name", ["mc_dropout", "one_cycle_warm"])
def test_a_recipe_that_takes_weights_is_refused(name):
    with pytest.raises(UsageError, match=r"mend \w+ instead"):
        mend(load_recipe(name), {"network.depth": 3})


def test_without_a_remedy_there_is_nothing_to_plan(dataset):
    found = mend(load_recipe("plain"), {})

    with pytest.raises(UsageError, match="nothing to mend"):
        remedy_plan(found, dataset, seeds=[0], preset="published")


def test_a_gain_is_one_where_the_verdict_is_better(verify, mended):
    found = verify(mended, more=0.1)

    assert found.helps
    assert (found.recipe, found.mended, found.n) == ("plain", "plain_mended", 6)
    assert found.difference == pytest.approx(10.1)
    assert found.low > found.region == 0.5
    assert json.loads(json.dumps(found.to_json()))["helps"]


@pytest.mark.parametrize(("more", "verdict"), [(0.0, "equivalent"), (-0.1, "worse")])
def test_a_remedy_that_is_not_better_does_not_help(verify, mended, more, verdict):
    found = verify(mended, more=more)

    assert (found.verdict, found.helps) == (verdict, False)


def test_with_fewer_seeds_than_a_verdict_takes_nothing_is_shown(verify, mended):
    found = verify(mended, more=0.1, seeds=range(remedy_seeds() - 1))

    assert (found.verdict, found.helps) == ("none", False)


def test_what_was_trained_is_not_trained_again(verify, mended, training):
    first = verify(mended, more=0.1)
    asked = list(training.asked)

    assert verify(mended, more=0.1) == first
    assert training.asked == asked


def test_another_study_has_no_gain(dataset, find, tmp_path, training):
    plan = plan_study([find("plain")], dataset, seeds=[0], preset="published")
    compare_recipes(plan, dataset, folder=tmp_path / "study", command="denselab compare toy")

    with pytest.raises(UsageError, match="no finished study of a recipe and its mended twin"):
        gain(read_study(tmp_path / "study"))
