"""The six rungs: the published ones field by field, and what the tuned ones promise."""

import tomllib
from importlib.resources import files

import pytest

from denselab.errors import UsageError
from denselab.recipes import Recipe, differences, ladder, load_recipe, names, resolved

RUNGS = ("plain", "batch_norm", "self_normalizing", "alpha_dropout", "mc_dropout", "one_cycle")

PLAIN = {
    "weights_from": None,
    "starts_from": None,
    "network": {
        "depth": 20,
        "width": 100,
        "activation": "elu",
        "parametric": False,
        "embedding": "none",
        "kernel_initializer": "he_normal",
        "bias_initializer": "zeros",
        "hidden_bias": True,
        "normalization": "none",
        "residual": False,
        "dropout": {"kind": "none"},
        "l1": 0.0,
    },
    "preprocessing": {"scaling": "none"},
    "optimizer": {
        "name": "nadam",
        "learning_rate": 5e-5,
        "weight_decay": None,
        "beta_1": None,
        "beta_2": None,
        "epsilon": None,
        "clipnorm": None,
    },
    "schedule": {"kind": "constant"},
    "training": {
        "batch_size": 32,
        "epochs": 50,
        "early_stopping": True,
        "patience": 10,
        "restore_best": True,
        "validation_fraction": 0.33,
        "stratified": False,
        "label_smoothing": 0.0,
        "mixup": 0.0,
        "ema": None,
        "swa_start": None,
    },
    "prediction": {"draws": 1},
    "sparsity": {"method": "none"},
}

SGD = {
    "name": "sgd",
    "learning_rate": 1e-3,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": None,
    "clipnorm": None,
}

SELU = {"activation": "selu", "kernel_initializer": "lecun_normal"}

ALPHA = {"kind": "alpha_dropout", "rate": 0.1, "where": "output", "monte_carlo": False}

PUBLISHED = {
    "plain": PLAIN,
    "batch_norm": PLAIN
    | {"network": PLAIN["network"] | {"normalization": "batch", "normalize_input": True}},
    "self_normalizing": PLAIN | {"network": PLAIN["network"] | SELU, "optimizer": SGD},
    "alpha_dropout": PLAIN
    | {
        "network": PLAIN["network"] | SELU | {"dropout": ALPHA},
        "optimizer": SGD,
        "preprocessing": {"scaling": "standard"},
    },
    "mc_dropout": PLAIN
    | {
        "weights_from": "alpha_dropout",
        "network": PLAIN["network"] | SELU | {"dropout": ALPHA | {"monte_carlo": True}},
        "optimizer": SGD,
        "preprocessing": {"scaling": "standard"},
        "prediction": {"draws": 10},
    },
    "one_cycle": PLAIN
    | {
        "network": PLAIN["network"] | SELU | {"dropout": ALPHA | {"monte_carlo": True}},
        "optimizer": SGD | {"learning_rate": 0.05},
        "preprocessing": {"scaling": "standard"},
        "schedule": {
            "kind": "one_cycle",
            "warmup_fraction": 0.0,
            "annealing": "linear",
            "start_factor": 0.1,
            "final_factor": 1e-4,
            "low_momentum": None,
            "high_momentum": None,
        },
        "training": PLAIN["training"]
        | {"batch_size": 128, "epochs": 45, "early_stopping": False, "restore_best": False},
    },
}
"""The design's table, written out."""


def tuned() -> dict[str, Recipe]:
    return {rung.name: rung for rung in ladder("tuned")}


@pytest.mark.parametrize("name", RUNGS)
def test_a_published_rung_is_the_designs(name):
    fields = resolved(load_recipe(name, preset="published"))
    labels = {fields.pop("name"), fields.pop("title"), fields.pop("extends")}
    assert name in labels
    assert fields == PUBLISHED[name]


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_the_ladder_has_six_rungs_in_order(preset):
    assert names(preset) == RUNGS
    assert tuple(rung.name for rung in ladder(preset)) == RUNGS


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_every_file_of_the_ladder_is_a_rung_with_a_title(preset):
    folder = files("denselab.recipes") / "ladder" / preset
    stems = {file.name.removesuffix(".toml") for file in folder.iterdir()}
    tables = {"default"} if preset == "tuned" else set()
    assert stems == {*RUNGS, "one_cycle_warm"} | tables
    assert all(rung.title for rung in ladder(preset))


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_the_warm_1cycle_arm_differs_from_the_rung_in_its_start_alone(preset):
    warm, cold = (load_recipe(name, preset=preset) for name in ("one_cycle_warm", "one_cycle"))
    changed = {field for field, _, _ in differences(warm, cold)}
    assert changed - {"name", "title", "extends"} == {"starts_from"}
    assert warm.starts_from == "alpha_dropout"


@pytest.mark.parametrize("preset", ["published", "tuned"])
@pytest.mark.parametrize("name", RUNGS[1:])
def test_a_rung_holds_nothing_but_its_difference(preset, name):
    rung = load_recipe(name, preset=preset)
    assert rung.extends is not None
    changed = {change.field for change in differences(rung, load_recipe(rung.extends))}
    file = files("denselab.recipes") / "ladder" / preset / f"{name}.toml"
    written = set(leaves(tomllib.loads(file.read_text(encoding="utf-8"))))
    # A schedule's own options are spelled out where it is chosen.
    assert written - {"extends", "title"} <= changed


def leaves(table, prefix=""):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_tuned_inputs_are_standardised_and_splits_stratified_everywhere():
    for rung in ladder("tuned"):
        assert rung.preprocessing.scaling == "standard"
        assert rung.training.stratified


def test_tuned_batch_norm_has_no_useless_biases():
    assert [rung.name for rung in ladder("tuned") if not rung.network.hidden_bias] == ["batch_norm"]


@pytest.mark.parametrize("name", ["alpha_dropout", "mc_dropout", "one_cycle"])
def test_tuned_dropout_is_in_every_layer_and_fits_selu(name):
    network = tuned()[name].network
    assert network.activation == "selu"
    assert network.dropout.kind == "alpha_dropout"
    assert network.dropout.where == "every"


@pytest.mark.parametrize("name", RUNGS)
def test_a_tuned_rung_has_the_published_techniques(name):
    published, rung = load_recipe(name), tuned()[name]
    assert rung.optimizer.name == published.optimizer.name
    assert rung.schedule.kind == published.schedule.kind
    assert rung.weights_from == published.weights_from
    same = {"depth", "width", "activation", "kernel_initializer", "normalization"}
    assert all(getattr(rung.network, f) == getattr(published.network, f) for f in same)
    assert rung.network.dropout.kind == published.network.dropout.kind
    assert rung.network.dropout.monte_carlo == published.network.dropout.monte_carlo


def test_an_unknown_preset_is_refused():
    with pytest.raises(UsageError, match=r"'tund' is none of .*did you mean tuned"):
        ladder("tund")


def test_the_recipe_for_tables_is_the_same_whatever_the_preset():
    recipe = load_recipe("default")

    assert recipe == load_recipe("default", preset="tuned") == load_recipe("tuned/default")
    assert recipe.network.embedding == "periodic"
    assert "default" not in names("tuned")
    with pytest.raises(UsageError, match="did you mean default"):
        load_recipe("published/default")
