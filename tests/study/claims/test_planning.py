import pytest

from denselab.errors import UsageError
from denselab.study.claims import load_claim, load_claims, plan_claims

BIASES = ["biases_may_start_anywhere", "batch_norm_converges_faster"]


def planned(dataset, claims, **options):
    return plan_claims(claims, dataset, seeds=range(4), preset="tuned", **options)


def test_arms_of_equal_settings_are_trained_once(dataset):
    plan = planned(dataset, load_claims(BIASES))
    main, pilot = plan.groups

    assert plan.places["biases_may_start_anywhere", "zeros"] == plan.places[BIASES[1], "plain"]
    assert len(main.plan.recipes) == 4
    assert plan.shared(plan.claims[0]) == ("plain",)
    assert plan.trainings == 4 * 4 + 3
    assert [recipe.name for recipe in pilot.plan.recipes] == [
        plan.places[BIASES[1], "plain"].recipe
    ]
    assert not set(pilot.plan.seeds) & set(main.plan.seeds)


def test_all_claims_together_train_fewer_arms_than_they_name(dataset):
    claims = load_claims()
    plan = planned(dataset, claims)
    named = sum(len(claim.arms) for claim in claims)
    trained = sum(len(group.plan.recipes) for group in plan.groups if group.name != "pilot")
    assert trained < 0.75 * named


def test_claims_that_tune_have_a_study_of_their_own(dataset):
    plan = planned(dataset, load_claims(["activations_rank", "selu_is_centred"]))
    assert [(group.name, len(group.plan.recipes)) for group in plan.groups] == [
        ("main", 2),
        ("tuned-4", 6),
    ]
    assert plan.groups[1].plan.tuning.rates == 4
    assert plan.trainings == 2 * 4 + 6 * (4 + 4)


def test_arms_keep_the_names_that_a_study_knows_them_by(dataset):
    (claim,) = load_claims(["selu_is_centred"])
    known = claim.arms["selu"].model_copy(update={"name": "known"})
    plan = planned(dataset, [claim], known=[known])
    assert plan.places["selu_is_centred", "selu"].recipe == "known"


SHARING = """
statement = "Draws help"
source = "somebody"
[arms.drawn]
extends = "tuned/mc_dropout"
weights_from = "once"
[arms.once]
extends = "tuned/alpha_dropout"
[[parts]]
kind = "difference"
says = "they do"
arm = "drawn"
against = "once"
metric = "loss"
expect = "better"
region = 0.01
"""


def test_an_arm_may_take_the_weights_of_another_of_its_claim(dataset, tmp_path):
    path = tmp_path / "draws.toml"
    path.write_text(SHARING)
    plan = planned(dataset, [load_claim(path)])
    recipes = {one.name: one for one in plan.groups[0].plan.recipes}
    drawn = recipes[plan.places["draws", "drawn"].recipe]
    assert drawn.weights_from == plan.places["draws", "once"].recipe
    assert plan.trainings == 4

    path.write_text(SHARING.replace('"once"\n[arms.once]', '"twice"\n[arms.once]'))
    with pytest.raises(
        UsageError, match="weights_from = twice: no arm of the claim; there are drawn, once"
    ):
        planned(dataset, [load_claim(path)])


def test_no_claims_are_refused(dataset):
    with pytest.raises(UsageError, match="no claims; name at least one"):
        planned(dataset, [])
