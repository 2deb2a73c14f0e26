"""Arms, strengths and the curve of a study of sparsity."""

import math

import pytest

from denselab.errors import UsageError
from denselab.recipes import groups, load_recipe, parameter_count
from denselab.study import manifest_for, open_study, plan_study, read_study
from denselab.study.records import ScoresRecord
from denselab.study.sparse import (
    DENSE,
    choose_strengths,
    curve_question,
    pilot_recipes,
    sparse_recipes,
    sparsity_curve,
)

SIZES = (64, 10)


def arms(methods=("magnitude", "gradual", "l1", "structured"), shares=(0.8, 0.9), base=None):
    return sparse_recipes(
        base or load_recipe("plain", preset="tuned"),
        methods=methods,
        shares=shares,
        strengths=dict.fromkeys(shares, 0.01),
        sizes=SIZES,
    )


def test_each_way_but_the_structured_one_is_one_population():
    made = arms()
    sizes = {group[0].name: len(group) for group in groups(made)}
    # The dense arm is the magnitude one without zeros.
    assert sizes == {
        "dense": 3,
        "gradual-80": 2,
        "l1-80": 2,
        "structured-80": 1,
        "structured-90": 1,
    }


def test_structured_arms_have_the_wanted_share_of_parameters_and_the_dense_ones_weights():
    dense, *others = arms(["structured"], [0.5, 0.9])
    whole = parameter_count(dense, features=64, outputs=10).total
    for one in others:
        left = parameter_count(one, features=64, outputs=10).total / whole
        assert left == pytest.approx(1 - one.sparsity.share, abs=0.02)
        assert one.starts_from == DENSE
        assert one.training.epochs == round(0.3 * dense.training.epochs)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"methods": ["magic"]}, "give one of magnitude, gradual, l1, structured"),
        ({"shares": [90.0]}, "did you mean 0.9?"),
        ({"shares": [1.0]}, "above 0 and below 1"),
        ({"shares": [-0.1]}, "above 0 and below 1"),
        ({"shares": [0.0]}, "above 0 and below 1"),
        ({"shares": [0.5, 0.5]}, "one stands there twice"),
        ({"shares": []}, "give at least one of each"),
    ],
)
def test_what_makes_no_curve_is_refused(asked, message):
    with pytest.raises(UsageError, match=message):
        arms(**asked)


def test_the_question_holds_every_arm_against_the_dense_one():
    asked = curve_question(arms(["gradual"]))
    assert asked.contrasts == (("gradual-80", "dense"), ("gradual-90", "dense"))
    assert asked.region == 1.0


@pytest.fixture
def study(tmp_path, dataset, trial, weights):
    """Three arms and two seeds of accuracies that can be told by hand."""
    base = load_recipe(
        "plain", settings=["network.depth=1", "network.width=4", "training.epochs=3"]
    )
    recipes = arms(["gradual"], [0.5, 0.9], base)
    plan = plan_study(recipes, dataset, seeds=[0, 1], preset="published")
    accuracies = {"dense": (0.9, 0.8), "gradual-50": (0.9, 0.82), "gradual-90": (0.7, 0.5)}
    with open_study(tmp_path / "study", manifest_for(plan, dataset, command="c")) as store:
        from dataclasses import replace

        from denselab.study.hashing import settings_hash

        for recipe in recipes:
            for seed in (0, 1):
                scores = ScoresRecord(0.5, accuracies[recipe.name][seed])
                one = replace(
                    trial("plain", seed),
                    recipe=recipe.name,
                    settings=settings_hash(recipe),
                    test=scores,
                )
                store.add_trial(one, weights(seed))
    return read_study(tmp_path / "study")


def test_the_curve_holds_every_point_against_the_dense_network(study):
    curve = sparsity_curve(study)
    assert (curve.dense.method, curve.dense.mean) == ("dense", pytest.approx(85.0))
    half, most = curve.points
    assert (half.arm, half.share, half.difference) == ("gradual-50", 0.5, pytest.approx(1.0))
    assert most.difference == pytest.approx(-25.0)
    # The t interval of the two differences -0.2 and -0.3, with one degree of freedom.
    assert most.high - most.low == pytest.approx(2 * 12.706 * 5.0, rel=1e-3)
    assert math.isfinite(most.deviation)
    assert [one["arm"] for one in curve.to_json()] == ["dense", "gradual-50", "gradual-90"]


def test_a_study_without_sparse_recipes_has_no_curve(folder):
    assert sparsity_curve(read_study(folder)) is None


def test_strengths_are_chosen_by_the_validation_loss_of_a_seed_of_their_own(
    tmp_path, dataset, training, monkeypatch
):
    base = load_recipe(
        "plain", settings=["network.depth=1", "network.width=4", "training.epochs=3"]
    )
    recipes = pilot_recipes(base, shares=[0.5], strengths=[0.1, 0.2])
    losses = {recipes[0].name: 2.0, recipes[1].name: 1.0}
    seen = {}

    def compare_recipes(plan, data, *, folder, **_):
        seen.update(plan=plan, data=data, folder=folder)

    class Read:
        trials = tuple(
            type("T", (), {"recipe": name, "validation": ScoresRecord(loss, 0.5)})
            for name, loss in losses.items()
        )

    monkeypatch.setattr("denselab.study.sparse.compare_recipes", compare_recipes)
    monkeypatch.setattr("denselab.study.sparse.read_study", lambda _: Read)
    chosen = choose_strengths(
        base,
        dataset,
        shares=[0.5],
        strengths=[0.1, 0.2],
        folder=tmp_path / "curve",
        follow=("again", None),
    )
    assert chosen == {0.5: 0.2}
    assert seen["folder"] == tmp_path / "curve-strengths"
    assert len(seen["plan"].seeds) == 1
    assert (seen["data"].test_x == dataset.x[:8]).all()  # Training rows: nobody sees the test rows.


def test_where_every_strength_diverges_it_says_what_to_do(tmp_path, dataset, monkeypatch):
    base = load_recipe("plain", settings=["network.depth=1", "network.width=4"])
    (recipe,) = pilot_recipes(base, shares=[0.5], strengths=[0.1])

    class Read:
        trials = (
            type("T", (), {"recipe": recipe.name, "validation": ScoresRecord(math.nan, math.nan)}),
        )

    monkeypatch.setattr("denselab.study.sparse.compare_recipes", lambda *_, **__: None)
    monkeypatch.setattr("denselab.study.sparse.read_study", lambda _: Read)
    with pytest.raises(UsageError, match="smaller --strengths or a lower learning rate"):
        choose_strengths(
            base,
            dataset,
            shares=[0.5],
            strengths=[0.1],
            folder=tmp_path,
            follow=("again", None),
        )


def test_a_curve_that_was_kept_with_another_study_is_the_same_curve(study, tmp_path, manifest):
    curve = sparsity_curve(study)
    with open_study(tmp_path / "other", manifest) as store:
        store.put_document("sparsity", curve.to_json())
    kept = sparsity_curve(read_study(tmp_path / "other"))
    assert kept.points == curve.points
    assert kept.dense.accuracies == curve.dense.accuracies
