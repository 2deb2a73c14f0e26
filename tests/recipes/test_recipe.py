"""What a recipe accepts and refuses."""

import pickle

import pytest
from pydantic import ValidationError

from denselab.recipes import (
    Dropout,
    Network,
    Optimizer,
    Prediction,
    Recipe,
    Schedule,
    Training,
    fields,
    load_recipe,
)


def test_every_field_is_described():
    assert [path for path, field in fields().items() if not field.description] == []


def test_fields_reach_into_every_table():
    assert {"name", "network", "network.depth", "network.dropout", "network.dropout.rate"} <= set(
        fields()
    )


def test_the_defaults_are_the_published_plain_rung():
    plain = load_recipe("plain")
    assert Recipe(name="plain", title=plain.title) == plain


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe(name="a").network.depth = 3


def test_equal_recipes_are_equal_keys():
    assert len({Recipe(name="a"), Recipe(name="a"), Recipe(name="b")}) == 2


def test_a_recipe_survives_pickling():
    recipe = load_recipe("one_cycle")
    assert pickle.loads(pickle.dumps(recipe)) == recipe


def test_a_recipe_survives_pydantics_own_round_trip():
    recipe = load_recipe("one_cycle")
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("depth", [0, -1, 1001, 10**9, 3.0, True, "3", None])
def test_what_is_no_depth_is_refused(depth):
    with pytest.raises(ValidationError, match="depth"):
        Network(depth=depth)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        pytest.param(Network, {"width": 0}, id="width 0"),
        pytest.param(Network, {"width": 100_001}, id="width too large"),
        pytest.param(Network, {"l1": -0.1}, id="negative l1"),
        pytest.param(Network, {"kernel_value": float("inf")}, id="infinite weight"),
        pytest.param(Dropout, {"kind": "dropout", "rate": 1.0}, id="everything dropped"),
        pytest.param(Dropout, {"kind": "dropout", "rate": -0.1}, id="negative rate"),
        pytest.param(Optimizer, {"learning_rate": 0.0}, id="learning rate 0"),
        pytest.param(Optimizer, {"learning_rate": float("nan")}, id="learning rate nan"),
        pytest.param(Optimizer, {"name": "sgd", "momentum": 1.0}, id="momentum 1"),
        pytest.param(Optimizer, {"clipnorm": 0.0}, id="clipnorm 0"),
        pytest.param(Optimizer, {"weight_decay": -1e-4}, id="negative weight decay"),
        pytest.param(Training, {"batch_size": 0}, id="batch 0"),
        pytest.param(Training, {"epochs": 0}, id="epochs 0"),
        pytest.param(Training, {"patience": 0}, id="patience 0"),
        pytest.param(Training, {"validation_fraction": 0.0}, id="no validation rows"),
        pytest.param(Training, {"validation_fraction": 1.0}, id="no training rows"),
        pytest.param(Training, {"label_smoothing": 1.0}, id="nothing but smoothing"),
        pytest.param(Prediction, {"draws": 0}, id="draws 0"),
    ],
)
def test_values_out_of_range_are_refused(table, values):
    with pytest.raises(ValidationError, match=list(values)[-1]):
        table(**values)


@pytest.mark.parametrize(
    ("optimizer", "has"),
    [
        ("sgd", {"momentum", "nesterov"}),
        ("rmsprop", {"momentum", "epsilon"}),
        ("adam", {"beta_1", "beta_2", "epsilon"}),
        ("adamw", {"beta_1", "beta_2", "epsilon"}),
        ("nadam", {"beta_1", "beta_2", "epsilon"}),
        ("lion", {"beta_1", "beta_2"}),
        ("adagrad", {"epsilon"}),
    ],
)
def test_an_optimizer_accepts_its_own_options_alone(optimizer, has):
    values = {"momentum": 0.5, "nesterov": True, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-3}
    assert Optimizer(name=optimizer, **{option: values[option] for option in has}).name == optimizer
    for option in values.keys() - has:
        with pytest.raises(ValidationError, match="means nothing when name is"):
            Optimizer(name=optimizer, **{option: values[option]})


@pytest.mark.parametrize(
    ("kind", "has"),
    [
        ("constant", set()),
        ("exponential", {"end_factor"}),
        ("cosine", {"end_factor", "warmup_fraction"}),
        ("one_cycle", {"warmup_fraction", "annealing", "start_factor", "final_factor"}),
        ("reduce_on_plateau", {"factor", "patience", "minimum_factor"}),
    ],
)
def test_a_schedule_accepts_its_own_options_alone(kind, has):
    values = {
        "end_factor": 0.5,
        "warmup_fraction": 0.2,
        "annealing": "cosine",
        "start_factor": 0.2,
        "final_factor": 0.2,
        "factor": 0.2,
        "patience": 3,
        "minimum_factor": 0.2,
    }
    assert Schedule(kind=kind, **{option: values[option] for option in has}).kind == kind
    for option in values.keys() - has:
        with pytest.raises(ValidationError, match="means nothing when kind is"):
            Schedule(kind=kind, **{option: values[option]})


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        pytest.param(lambda: Dropout(rate=0.1), "set kind to dropout", id="a rate of nothing"),
        pytest.param(lambda: Dropout(kind="dropout"), "must be above 0", id="dropping nothing"),
        pytest.param(
            lambda: Dropout(kind="gaussian_dropout", rate=0.1, monte_carlo=True),
            "set kind to dropout or alpha_dropout",
            id="Monte Carlo with noise",
        ),
        pytest.param(
            lambda: Network(kernel_value=1.0), "kernel_initializer to constant", id="kernel value"
        ),
        pytest.param(
            lambda: Network(bias_value=1.0), "bias_initializer to constant", id="bias value"
        ),
        pytest.param(
            lambda: Network(normalize_input=True),
            "normalization to batch or layer or rms",
            id="input normalised by nothing",
        ),
        pytest.param(
            lambda: Optimizer(name="sgd", nesterov=True), "set momentum above 0", id="Nesterov"
        ),
        pytest.param(
            lambda: Schedule(kind="exponential", end_factor=0.0), "above 0", id="exponential to 0"
        ),
        pytest.param(
            lambda: Schedule(kind="one_cycle", low_momentum=0.8),
            "needs high_momentum",
            id="half a momentum cycle",
        ),
        pytest.param(
            lambda: Schedule(kind="one_cycle", high_momentum=0.8),
            "needs low_momentum",
            id="the other half",
        ),
        pytest.param(
            lambda: Schedule(kind="one_cycle", low_momentum=0.9, high_momentum=0.8),
            "must not be above high_momentum",
            id="momentum cycle upside down",
        ),
        pytest.param(
            lambda: Recipe(
                name="a",
                schedule=Schedule(kind="one_cycle", low_momentum=0.8, high_momentum=0.9),
            ),
            "needs optimizer.name = sgd",
            id="momentum cycle of nadam",
        ),
        pytest.param(
            lambda: Recipe(name="a", prediction=Prediction(draws=2)),
            "set network.dropout.kind",
            id="draws without dropout",
        ),
        pytest.param(
            lambda: Recipe(name="a", weights_from="a"), "another recipe", id="its own weights"
        ),
        pytest.param(
            lambda: Recipe(name="a", title="one\ntwo"), "must be one line", id="title of two lines"
        ),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(make, remedy):
    with pytest.raises(ValidationError, match=remedy):
        make()


def test_momentum_cycling_is_possible_with_sgd():
    recipe = Recipe(
        name="a",
        optimizer=Optimizer(name="sgd", momentum=0.9),
        schedule=Schedule(kind="one_cycle", low_momentum=0.85, high_momentum=0.95),
    )
    assert recipe.schedule.high_momentum == 0.95


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".hidden", "a b", "a\n", "ä", "a" * 65])
def test_a_name_that_is_no_file_name_is_refused(name):
    with pytest.raises(ValidationError, match="name"):
        Recipe(name=name)
