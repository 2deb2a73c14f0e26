import pytest

from denselab.errors import UsageError
from denselab.estimators import DenseClassifier
from denselab.estimators.parameters import FIELDS, recipe_of
from denselab.recipes import Recipe, fields, load_recipe


def test_no_parameter_leaves_the_recipe_as_it_is():
    assert recipe_of(DenseClassifier(recipe="plain").get_params()) == load_recipe("tuned/plain")


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("depth", 7),
        ("width", 9),
        ("activation", "gelu"),
        ("normalization", "layer"),
        ("optimizer", "adamw"),
        ("learning_rate", 0.25),
        ("weight_decay", 0.125),
        ("schedule", "cosine"),
        ("batch_size", 11),
        ("epochs", 13),
        ("early_stopping", False),
        ("patience", 3),
        ("validation_fraction", 0.25),
        ("label_smoothing", 0.1),
    ],
)
def test_a_parameter_sets_its_field(parameter, value):
    recipe = recipe_of({"recipe": "plain", parameter: value})
    table, field = FIELDS[parameter].split(".")
    assert getattr(getattr(recipe, table), field) == value


def test_every_field_is_one_of_a_recipe():
    assert set(FIELDS.values()) <= set(fields())


@pytest.mark.parametrize(("activation", "kind"), [("selu", "alpha_dropout"), ("relu", "dropout")])
def test_a_rate_chooses_the_dropout_that_suits_the_activation(activation, kind):
    found = recipe_of({"recipe": "plain", "activation": activation, "dropout": 0.2}).network
    assert (found.dropout.kind, found.dropout.rate) == (kind, 0.2)


def test_a_rate_of_0_takes_the_dropout_of_a_recipe_away():
    assert (
        recipe_of({"recipe": "one_cycle", "dropout": 0, "n_draws": 1}).network.dropout.kind
        == "none"
    )


def test_patience_switches_early_stopping_on():
    assert not load_recipe("tuned/one_cycle").training.early_stopping
    assert recipe_of({"recipe": "one_cycle", "patience": 4}).training.early_stopping


def test_settings_come_last():
    given = {"recipe": "plain", "depth": 3, "settings": {"network.depth": 4}}
    assert recipe_of(given).network.depth == 4
    assert recipe_of({**given, "settings": ["network.depth=5"]}).network.depth == 5


def test_a_recipe_may_be_a_file_or_a_recipe(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("extends = 'plain'\n[network]\nwidth = 12\n")
    assert recipe_of({"recipe": path}).network.width == 12
    assert recipe_of({"recipe": str(path)}).name == "mine"
    assert recipe_of({"recipe": Recipe(name="own")}).name == "own"


def test_a_recipe_that_shares_weights_trains_its_own():
    assert load_recipe("tuned/mc_dropout").weights_from == "alpha_dropout"
    assert recipe_of({"recipe": "mc_dropout"}).source is None


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"recipe": "plane"}, "did you mean plain"),
        ({"recipe": 3}, "give the name of a built-in recipe"),
        ({"recipe": "plain", "depth": 0}, "network.depth"),
        ({"recipe": "plain", "n_draws": 9}, "set network.dropout.kind, or 1"),
        ({"recipe": "plain", "settings": {"network.dept": 3}}, "did you mean"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(parameters, remedy):
    with pytest.raises(UsageError, match=remedy):
        recipe_of(parameters)
