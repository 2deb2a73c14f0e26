"""Programs and weights that recipes share."""

import pytest

from denselab.errors import UsageError
from denselab.recipes import (
    apply_settings,
    groups,
    ladder,
    load_recipe,
    programs,
    start_source,
    weights_source,
)

PLAIN = load_recipe("plain")


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_the_ladder_needs_five_programs(preset):
    assert programs(ladder(preset)) == 5


def test_no_recipe_needs_no_program():
    assert programs([]) == 0


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        (["optimizer.learning_rate=1"], 1),
        (["name=other", "title=Other"], 1),
        (["weights_from=other"], 1),
        (["network.depth=3"], 2),
        (["training.batch_size=64"], 2),
        (["optimizer.name=adam"], 2),
        (["optimizer.beta_1=0.5"], 2),
        (["schedule.kind=cosine"], 2),
        (["optimizer.weight_decay=0.1"], 2),
        (["training.label_smoothing=0.1"], 2),
    ],
    ids=str,
)
def test_recipes_share_a_program_unless_their_steps_differ(settings, count):
    assert programs([PLAIN, apply_settings(PLAIN, settings)]) == count


@pytest.mark.parametrize("name", ["nadam", "adamw"])
def test_two_sizes_of_weight_decay_share_a_program(name):
    base = apply_settings(PLAIN, {"optimizer.name": name, "optimizer.weight_decay": 0.1})
    assert programs([base, apply_settings(base, ["optimizer.weight_decay=0.2"])]) == 1


def test_adamw_decays_unless_told_otherwise():
    base = apply_settings(PLAIN, ["optimizer.name=adamw"])
    assert programs([base, apply_settings(base, ["optimizer.weight_decay=0.2"])]) == 1


def test_draws_alone_need_no_other_program():
    rung = load_recipe("one_cycle")
    assert programs([rung, apply_settings(rung, ["prediction.draws=7"])]) == 1


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_mc_dropout_takes_the_weights_of_alpha_dropout(preset):
    rungs = {rung.name: rung for rung in ladder(preset)}
    for rung in rungs.values():
        expected = "alpha_dropout" if rung.name == "mc_dropout" else rung.name
        assert weights_source(rung, list(rungs.values())) == rungs[expected]


def test_weights_of_a_recipe_that_is_not_there_are_refused():
    with pytest.raises(UsageError, match=r"not among the recipes .plain.; add alpha_dropout"):
        weights_source(load_recipe("mc_dropout"), [PLAIN])


def test_weights_that_come_from_elsewhere_themselves_are_refused():
    second = apply_settings(load_recipe("mc_dropout"), ["name=second", "weights_from=mc_dropout"])
    with pytest.raises(UsageError, match="from alpha_dropout; name that one"):
        weights_source(second, [*ladder(), second])


@pytest.mark.parametrize(
    "setting", ["network.depth=3", "network.activation=elu", "preprocessing.scaling=none"]
)
def test_weights_that_do_not_fit_are_refused(setting):
    field = setting.partition("=")[0]
    changed = apply_settings(load_recipe("mc_dropout"), [setting])
    with pytest.raises(UsageError, match=f"{field} is .* the weights do not fit"):
        weights_source(changed, ladder())


def test_another_dropout_can_use_the_same_weights():
    changed = apply_settings(load_recipe("mc_dropout"), ["network.dropout.rate=0.3"])
    assert weights_source(changed, ladder()).name == "alpha_dropout"


def test_a_warm_start_takes_the_weights_that_fit():
    warm = load_recipe("one_cycle_warm")
    assert start_source(warm, ladder()).name == "alpha_dropout"
    assert weights_source(warm, ladder()) == warm  # It trains weights of its own.
    assert start_source(load_recipe("one_cycle"), ladder()) is None


def test_a_warm_start_that_would_validate_on_trained_rows_is_refused():
    warm = apply_settings(load_recipe("one_cycle_warm"), ["training.validation_fraction=0.2"])
    with pytest.raises(UsageError, match="validate on rows it was trained on; make them equal"):
        start_source(warm, ladder())


@pytest.mark.parametrize(
    ("setting", "message"),
    [("starts_from=plain", "the weights do not fit"), ("starts_from=mc_dropout", "name that one")],
)
def test_a_warm_start_from_weights_that_do_not_fit_or_are_borrowed_is_refused(setting, message):
    changed = apply_settings(load_recipe("one_cycle_warm"), [setting, "network.activation=selu"])
    with pytest.raises(UsageError, match=message):
        start_source(changed, ladder())


def test_a_recipe_cannot_both_share_weights_and_start_from_others():
    with pytest.raises(UsageError, match=r"starts_from.*trains nothing; set one"):
        apply_settings(load_recipe("mc_dropout"), ["starts_from=alpha_dropout"])


LATE = ["training.early_stopping=false", "training.restore_best=false"]


def sparse(name, *settings, base="plain"):
    return load_recipe(base, settings=[*LATE, f"name={name}", *settings])


def test_recipes_that_differ_in_how_sparse_they_become_are_one_group():
    a, b = (
        sparse(f"g{share}", "sparsity.method=gradual", f"sparsity.share={share}")
        for share in (0, 0.9)
    )
    strong = sparse("l", "sparsity.method=l1", "sparsity.strength=1.0")
    weak = sparse("m", "sparsity.method=l1", "sparsity.strength=0.1")
    found = groups([a, strong, PLAIN, b, weak])
    assert [[one.name for one in group] for group in found] == [
        ["g0", "g0.9"],
        ["l", "m"],
        ["plain"],
    ]
    assert programs([a, strong, PLAIN, b, weak]) == 3


@pytest.mark.parametrize(
    "setting",
    [
        "sparsity.end=0.5",
        "sparsity.scope=global",
        "training.epochs=7",
        "optimizer.learning_rate=1e-3",
    ],
)
def test_recipes_that_differ_in_anything_else_are_trained_apart(setting):
    a, b = sparse("a", "sparsity.method=gradual"), sparse("b", "sparsity.method=gradual", setting)
    assert [len(group) for group in groups([a, b])] == [1, 1]


def test_dense_recipes_are_never_grouped():
    assert len(groups(ladder())) == 6
