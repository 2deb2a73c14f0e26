"""Axes are found by short names, arms are named by values, and two axes make a grid."""

import pytest

from denselab.errors import UsageError
from denselab.recipes import Recipe, differences, load_recipe, read_axis, vary


def varied(*axes, base="plain", settings=()):
    recipe = load_recipe(base, preset="tuned")
    return vary(recipe, [read_axis(axis) for axis in axes], settings=settings)


def names(*axes, **options):
    return [recipe.name for recipe in varied(*axes, **options).recipes]


@pytest.mark.parametrize(
    ("asked", "field", "label"),
    [
        ("activation", "network.activation", "activation"),
        ("network.activation", "network.activation", "activation"),
        ("learning_rate", "optimizer.learning_rate", "learning_rate"),
        ("dropout.rate", "network.dropout.rate", "dropout.rate"),
        ("rate", "network.dropout.rate", "dropout.rate"),
        ("dropout", "network.dropout.kind", "dropout"),
        ("network.dropout", "network.dropout.kind", "dropout"),
        ("optimizer", "optimizer.name", "optimizer"),
        ("schedule", "schedule.kind", "schedule"),
        ("training.patience", "training.patience", "training.patience"),
        ("schedule.patience", "schedule.patience", "schedule.patience"),
        ("draws", "prediction.draws", "draws"),
    ],
)
def test_a_field_is_found_by_its_unique_last_parts(asked, field, label):
    assert read_axis(f"{asked}=1, 2") == (field, label, ("1", "2"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patience=1,2", r"means schedule\.patience or training\.patience; write one of them"),
        ("kind=a,b", r"means network\.dropout\.kind or schedule\.kind"),
        ("activaton=relu,elu", r"is no field of a recipe; did you mean activation\?"),
        ("lr=1,2", r"did you mean learning_rate\?"),
        ("schedul.kind=a,b", r"did you mean schedule\.kind\?"),
        ("xyzzy=1,2", "denselab recipes plain shows the fields"),
        ("title=a,b", "is no field of a recipe"),
        ("network=1,2", "is no field of a recipe"),
        ("activation", r"write FIELD=A,B"),
        ("=relu,elu", r"write FIELD=A,B"),
        ("activation=relu", r"at least two values .* there is --set"),
        ("activation=relu,,elu", "at least two values"),
    ],
)
def test_what_is_no_axis_is_refused_with_what_to_do(text, message):
    with pytest.raises(UsageError, match=message):
        read_axis(text)


def test_arms_of_one_axis_differ_in_that_field_alone():
    base = load_recipe("plain", preset="tuned")
    found = varied("activation=relu,elu,selu")

    assert [one.name for one in found.recipes] == [
        "activation-relu",
        "activation-elu",
        "activation-selu",
    ]
    assert found.crossings == ()
    relu, elu, _ = found.recipes
    assert differences(elu, base) == []
    assert [(d.field, d.before, d.after) for d in differences(relu, base)] == [
        ("network.activation", "elu", "relu")
    ]
    assert relu.title == "plain with activation = relu"


def test_values_are_named_as_the_recipe_holds_them():
    assert names("learning_rate=1e-3,5e-05,2") == [
        "learning_rate-0.001",
        "learning_rate-5e-05",
        "learning_rate-2.0",
    ]
    assert names("residual=true,false") == ["residual-true", "residual-false"]
    assert names("clipnorm=none,1e20") == ["clipnorm-none", "clipnorm-1e20"]


def test_two_axes_make_a_grid_whose_last_axis_changes_fastest():
    found = varied("activation=relu,elu", "residual=false,true")

    neither, second, first, both = (recipe.name for recipe in found.recipes)
    assert (neither, both) == ("activation-relu_residual-false", "activation-elu_residual-true")
    assert found.crossings == (("activation x residual", both, first, second, neither),)


def test_a_larger_grid_crosses_every_pair_of_values_that_are_not_the_first():
    found = varied("activation=relu,elu,selu", "depth=2,3,4")

    assert len(found.recipes) == 9
    assert [one.name for one in found.crossings] == [
        "activation-elu x depth-3",
        "activation-elu x depth-4",
        "activation-selu x depth-3",
        "activation-selu x depth-4",
    ]
    assert found.crossings[-1] == (
        "activation-selu x depth-4",
        "activation-selu_depth-4",
        "activation-selu_depth-2",
        "activation-relu_depth-4",
        "activation-relu_depth-2",
    )


def test_three_axes_make_a_grid_without_interactions():
    found = varied("activation=relu,elu", "depth=2,3", "residual=false,true")

    assert len(found.recipes) == 8
    assert found.crossings == ()


def test_names_that_would_be_too_long_hold_the_values_alone():
    axes = ("kernel_initializer=glorot_uniform,he_normal", "bias_initializer=fan_in_uniform,zeros")

    assert names(*axes)[0] == "glorot_uniform_fan_in_uniform"


def test_a_setting_may_need_what_an_axis_sets_and_changes_no_arm_where_it_means_nothing():
    none, alpha = varied(
        "dropout=none,alpha_dropout", settings=["network.dropout.rate=0.1"]
    ).recipes

    assert (none.network.dropout.rate, alpha.network.dropout.rate) == (0.0, 0.1)


def test_a_setting_that_means_nothing_in_any_arm_is_refused():
    with pytest.raises(
        UsageError, match=r"with optimizer=adam, .* means nothing when name is adam"
    ):
        varied("optimizer=adam,nadam", settings=["optimizer.momentum=0.9"])


@pytest.mark.parametrize(
    ("axes", "settings", "message"),
    [
        (["activation=relu,rleu"], [], r"with activation=rleu, .* did you mean relu\?"),
        (["learning_rate=1e-3,0.001"], [], "0.001 is given twice"),
        (["depth=2,3", "network.depth=4,5"], [], "depth is given twice; give all its values"),
        (["depth=2,3"], ["network.depth=4"], "network.depth is to be varied, and set"),
        (["depth=" + ",".join(map(str, range(1, 66)))], [], "65 arms; give values for at most 64"),
    ],
)
def test_arms_that_make_no_sense_are_refused(axes, settings, message):
    with pytest.raises(UsageError, match=message):
        varied(*axes, settings=settings)


def test_every_arm_can_be_read_back_by_its_name():
    base = Recipe(name="mine", title="x" * 200)

    for recipe in vary(base, [read_axis("l1=0,1e-5")]).recipes:
        assert Recipe.model_validate(recipe.model_dump()) == recipe
