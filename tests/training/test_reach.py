"""Every component can be reached from a recipe, and does there what it does alone."""

import keras
import numpy as np
import pytest

from denselab import components
from denselab.data import hold_out_test, load
from denselab.engine import train_population
from denselab.recipes import load_recipe
from denselab.training import build_network, compile_network, train_recipe

SMALL = ["network.depth=2", "network.width=8", "training.epochs=4"]
FREE = ["training.restore_best=false", "training.early_stopping=false"]
CYCLE = ["optimizer.name=sgd", "schedule.kind=one_cycle"]
MOMENTUM = [*CYCLE, "schedule.low_momentum=0.85", "schedule.high_momentum=0.95"]
DROPOUT = ["network.dropout.rate=0.2", "network.dropout.monte_carlo=true"]

REACHED_BY = {
    "Annealing": [*CYCLE, "schedule.annealing=cosine"],
    "FadingDropout": ["network.dropout.kind=dropout", *DROPOUT[:1], "network.dropout.fading=true"],
    "FanInUniform": ["network.bias_initializer=fan_in_uniform"],
    "FrontScale": ["network.embedding=scale"],
    "MCAlphaDropout": ["network.dropout.kind=alpha_dropout", *DROPOUT],
    "MCDropout": ["network.dropout.kind=dropout", *DROPOUT],
    "MixUp": ["training.mixup=0.2"],
    "OneCycle": CYCLE,
    "OneCycleMomentum": MOMENTUM,
    "ParametricActivation": ["network.parametric=true"],
    "PeriodicEmbedding": ["network.embedding=periodic"],
    "RReLU": ["network.activation=rrelu"],
    "ScheduledMomentumSGD": MOMENTUM,
    "SmoothedSparseCategoricalCrossentropy": ["training.label_smoothing=0.1"],
    "Symmetric": ["network.kernel_initializer=symmetric"],
}
"""Component -> the settings of a recipe whose compiled model holds it."""

ELSEWHERE = {
    "LearningRateRangeTest": "denselab find-lr",
    "StochasticWeightAveraging": "training.swa_start, as the engine's Averaging",
    "recalibrate_batch_normalization": "training.ema, as the engine's recalibrate",
    "smooth_losses": "denselab find-lr",
    "suggest_rates": "denselab find-lr",
}
"""What is no part of a model -> how it is reached; tests/engine/test_averaging.py holds the twins together."""


def compiled(settings, **shape):
    recipe = load_recipe("plain", settings=[*SMALL, *settings])
    model = build_network(recipe, **{"features": 5, "classes": 4, **shape}, training=True)
    return compile_network(model, recipe, train_rows=100)


def parts(model):
    """Everything a compiled model is made of."""
    layers = list(model._flatten_layers())
    optimizer = model.optimizer
    schedules = [getattr(optimizer, "_learning_rate", None), getattr(optimizer, "momentum", None)]
    initializers = [
        getattr(layer, f"{kind}_initializer", None)
        for layer in layers
        for kind in ("kernel", "bias")
    ]
    return [*layers, optimizer, model.loss, *schedules, *initializers]


def test_every_component_is_reached():
    assert sorted([*REACHED_BY, *ELSEWHERE]) == components.__all__


@pytest.mark.parametrize("name", REACHED_BY)
def test_a_recipe_reaches_the_component(name):
    made = parts(compiled(REACHED_BY[name]))
    if name == "Annealing":
        assert [one.annealing for one in made if isinstance(one, components.OneCycle)] == ["cosine"]
    else:
        assert any(isinstance(one, getattr(components, name)) for one in made)


def test_mixup_changes_neither_first_weights_nor_what_is_predicted():
    models = []
    for mixup in (0.0, 0.3):
        keras.utils.set_random_seed(1)
        models.append(compiled([f"training.mixup={mixup}"]))
    plain, mixed = models
    assert [v.path for v in mixed.trainable_weights] == [v.path for v in plain.trainable_weights]
    x = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
    np.testing.assert_array_equal(plain.predict_on_batch(x), mixed.predict_on_batch(x))
    assert not np.allclose(mixed(x, training=True), mixed(x, training=False))


def test_all_units_of_a_symmetric_layer_are_equal():
    kernel = np.asarray(compiled(REACHED_BY["Symmetric"]).get_layer("hidden_1").kernel.value)
    assert (kernel == kernel[:, :1]).all()
    assert len(np.unique(kernel)) == 5


def test_one_cycle_has_two_phases_of_either_shape():
    shape = [*MOMENTUM, "schedule.warmup_fraction=0.25", "schedule.annealing=cosine"]
    settings = [*shape, "optimizer.learning_rate=0.1", "training.epochs=50"]
    optimizer = compiled(settings).optimizer  # 4 steps an epoch, 200 in all
    rates = [float(optimizer._learning_rate(step)) for step in (0, 25, 50, 125, 200)]
    np.testing.assert_allclose(rates, [0.01, 0.055, 0.1, 0.050005, 1e-5], rtol=1e-4)
    momenta = [float(optimizer.momentum(step)) for step in (0, 50, 200)]
    np.testing.assert_allclose(momenta, [0.95, 0.85, 0.95], rtol=1e-6)


def test_an_exponential_average_takes_its_decay_from_the_recipe():
    optimizer = compiled([*FREE, "training.ema=0.9"]).optimizer
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert not compiled([]).optimizer.use_ema


@pytest.fixture(scope="module")
def digits():
    return hold_out_test(load("digits"))


def options_of(recipe, dataset, monkeypatch):
    """What `train_recipe` asks the engine for."""
    asked = {}

    def spy(*arguments, **options):
        asked.update(options)
        return train_population(*arguments, **options)

    monkeypatch.setattr("denselab.training.train.train_population", spy)
    result = train_recipe(recipe, dataset, seeds=[0])
    return asked, result


@pytest.mark.parametrize(
    ("setting", "start", "recalibrates"),
    [("training.swa_start=0.5", 2, False), ("training.ema=0.9", None, True)],
)
def test_a_recipe_trains_to_averaged_weights(setting, start, recalibrates, digits, monkeypatch):
    base = load_recipe("batch_norm", preset="tuned", settings=[*SMALL, *FREE])
    recipe = load_recipe("batch_norm", preset="tuned", settings=[*SMALL, *FREE, setting])
    asked, result = options_of(recipe, digits, monkeypatch)
    averaging = asked["averaging"]
    assert (averaging.start_epoch if averaging else None) == start
    assert asked["recalibrate"] is recalibrates
    raw = train_recipe(base, digits, seeds=[0]).trials[0]
    (trial,) = result.trials
    np.testing.assert_allclose(trial.trace["val_loss"], raw.trace["val_loss"], rtol=1e-4)
    assert not np.allclose(trial.weights["hidden_1/kernel"], raw.weights["hidden_1/kernel"])
    assert np.isfinite(trial.validation.loss)


def test_mixup_trains_and_its_saved_model_needs_no_layer_of_ours(digits, tmp_path):
    recipe = load_recipe("plain", preset="tuned", settings=[*SMALL, "training.mixup=0.4"])
    result = train_recipe(recipe, digits, seeds=[0])
    result.save_model(0, tmp_path / "model.keras")
    model = keras.models.load_model(tmp_path / "model.keras")
    assert not any(isinstance(one, components.MixUp) for one in model._flatten_layers())
    loss, accuracy = model.evaluate(digits.test_x, digits.test_y, verbose=0)
    assert accuracy == pytest.approx(result.trials[0].test.accuracy, abs=1e-6)
    assert loss == pytest.approx(result.trials[0].test.loss, rel=1e-3)
