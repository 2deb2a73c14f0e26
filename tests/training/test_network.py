"""Every technique a recipe can name becomes the Keras layers, loss and optimizer it stands for."""

import keras
import numpy as np
import pytest

from denselab.components import MCAlphaDropout, MCDropout, OneCycle, RReLU, ScheduledMomentumSGD
from denselab.errors import UsageError
from denselab.recipes import ladder, load_recipe, parameter_count
from denselab.training import build_network, compile_network


def network(*settings):
    recipe = load_recipe("plain", settings=["network.depth=3", "network.width=8", *settings])
    return build_network(recipe, features=5, classes=4), recipe


def optimizer(*settings, rows=100):
    model, recipe = network(*settings)
    return compile_network(model, recipe, train_rows=rows).optimizer


def layers(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("preset", ["published", "tuned"])
def test_every_rung_has_the_parameters_its_recipe_counts(preset):
    for recipe in ladder(preset):
        model = build_network(recipe, features=64, classes=10)
        count = parameter_count(recipe, features=64, outputs=10)
        assert (count.total, count.trainable) == (
            sum(int(np.prod(w.shape)) for w in model.weights),
            sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        )


@pytest.mark.parametrize(
    "settings",
    [
        ["network.embedding=scale"],
        ["network.embedding=periodic", "network.parametric=true"],
        ["network.dropout.kind=dropout", "network.dropout.rate=0.1", "network.dropout.fading=true"],
    ],
    ids=lambda settings: settings[0],
)
def test_what_helps_on_tables_is_counted_as_it_is_built(settings):
    recipe = load_recipe("plain", settings=["network.depth=3", "network.width=7", *settings])
    model = build_network(recipe, features=5, classes=4)
    count = parameter_count(recipe, features=5, outputs=4)
    sizes = [
        [int(np.prod(w.shape)) for w in kind] for kind in (model.weights, model.trainable_weights)
    ]
    assert (count.total, count.trainable) == (sum(sizes[0]), sum(sizes[1]))


def test_fading_dropout_lasts_as_long_as_the_training():
    settings = ["network.depth=1", "training.epochs=3", "training.batch_size=10"]
    fading = [
        "network.dropout.kind=dropout",
        "network.dropout.rate=0.1",
        "network.dropout.fading=true",
    ]
    recipe = load_recipe("plain", settings=[*settings, *fading])
    model = build_network(recipe, features=5, classes=4, training=True, train_rows=25)
    assert model.get_layer("dropout_1").steps == 9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["network.activation=prelu", "network.parametric=true"], "means nothing with prelu"),
        (
            [
                "network.dropout.kind=dropout",
                "network.dropout.rate=0.1",
                "network.dropout.fading=true",
                "network.dropout.monte_carlo=true",
            ],
            "leaves no dropout to predict with",
        ),
        (
            [
                "network.dropout.kind=gaussian_dropout",
                "network.dropout.rate=0.1",
                "network.dropout.fading=true",
            ],
            "fading",
        ),
        (
            [
                "network.dropout.kind=dropout",
                "network.dropout.rate=0.1",
                "network.dropout.fading=true",
                "prediction.draws=10",
            ],
            "needs dropout at the end",
        ),
    ],
    ids=["prelu", "monte_carlo", "gaussian", "draws"],
)
def test_what_makes_no_sense_together_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("plain", settings=settings)


def test_the_plain_network_on_cifar10_has_the_published_number_of_weights():
    assert build_network(load_recipe("plain"), features=3072, classes=10).count_params() == 500_210


ACTIVATIONS = [
    "selu",
    "elu",
    "leaky_relu",
    "rrelu",
    "prelu",
    "relu",
    "gelu",
    "silu",
    "mish",
    "tanh",
    "sigmoid",
    "linear",
]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_can_be_reached(activation):
    model, _ = network(f"network.activation={activation}")
    kind = {"prelu": keras.layers.PReLU, "rrelu": RReLU}.get(activation, keras.layers.Activation)
    assert len(layers(model, kind)) == 3
    x = np.linspace(-2, 2, 15, dtype=np.float32).reshape(3, 5)
    assert np.isfinite(model.predict(x, verbose=0)).all()


INITIALIZERS = {
    "he_normal": 2 / 200,
    "he_uniform": 2 / 200,
    "lecun_normal": 1 / 200,
    "lecun_uniform": 1 / 200,
    "glorot_normal": 2 / 500,
    "glorot_uniform": 2 / 500,
    "orthogonal": 1 / 300,
}


@pytest.mark.parametrize(("name", "variance"), INITIALIZERS.items())
def test_every_initializer_starts_with_its_variance(name, variance):
    settings = ["network.depth=1", "network.width=300", f"network.kernel_initializer={name}"]
    recipe = load_recipe("plain", settings=settings)
    model = build_network(recipe, features=200, classes=4)
    kernel = np.asarray(model.get_layer("hidden_1").kernel.value)
    # 60,000 draws: the variance of a variance is at most 2/n (a normal's), so 5 standard errors.
    assert abs(kernel.var() / variance - 1) < 5 * np.sqrt(2 / kernel.size)


def test_equal_weights_and_biases_can_be_asked_for():
    model, _ = network(
        "network.kernel_initializer=constant",
        "network.kernel_value=0.25",
        "network.bias_initializer=constant",
        "network.bias_value=0.01",
    )
    for number in (1, 2, 3):
        layer = model.get_layer(f"hidden_{number}")
        assert np.unique(np.asarray(layer.kernel.value)).tolist() == [0.25]
        assert np.unique(np.asarray(layer.bias.value)).tolist() == [np.float32(0.01)]


def test_biases_of_pytorch_stay_within_one_over_the_root_of_fan_in():
    model, _ = network("network.bias_initializer=fan_in_uniform")
    for number, fan_in in ((1, 5), (2, 8)):
        bias = np.asarray(model.get_layer(f"hidden_{number}").bias.value)
        assert 0 < np.abs(bias).max() <= fan_in**-0.5


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("batch", keras.layers.BatchNormalization),
        ("layer", keras.layers.LayerNormalization),
        ("rms", keras.layers.RMSNormalization),
    ],
)
def test_a_normalization_stands_between_every_dense_and_its_activation(kind, layer):
    model, _ = network(f"network.normalization={kind}", "network.normalize_input=true")
    kinds = [type(one) for one in model.layers]
    assert kinds[1] is layer
    for number in (1, 2, 3):
        place = model.layers.index(model.get_layer(f"hidden_{number}"))
        assert kinds[place + 1 : place + 3] == [layer, keras.layers.Activation]


@pytest.mark.parametrize(
    ("kind", "monte_carlo", "layer"),
    [
        ("dropout", "false", keras.layers.Dropout),
        ("dropout", "true", MCDropout),
        ("alpha_dropout", "false", keras.layers.AlphaDropout),
        ("alpha_dropout", "true", MCAlphaDropout),
        ("gaussian_dropout", "false", keras.layers.GaussianDropout),
    ],
)
@pytest.mark.parametrize(
    ("where", "places"), [("input", [1]), ("every", [3, 6, 9]), ("output", [7])]
)
def test_dropout_stands_where_the_recipe_says(kind, monte_carlo, layer, where, places):
    settings = [f"kind={kind}", "rate=0.25", f"where={where}"]
    if kind != "gaussian_dropout":
        settings.append(f"monte_carlo={monte_carlo}")
    model, _ = network(*(f"network.dropout.{setting}" for setting in settings))
    found = [i for i, one in enumerate(model.layers) if type(one) is layer]
    assert found == places
    assert all(model.layers[i].rate == 0.25 for i in found)


def test_residual_connections_add_each_block_but_the_first():
    model, _ = network("network.residual=true")
    assert [layer.name for layer in layers(model, keras.layers.Add)] == ["skip_2", "skip_3"]


@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw", "nadam", "lion", "adagrad"])
def test_every_optimizer_gets_its_settings(name):
    made = optimizer(
        f"optimizer.name={name}", "optimizer.learning_rate=0.02", "optimizer.clipnorm=1.5"
    )
    assert type(made).__name__.lower() == name
    assert float(made.learning_rate) == pytest.approx(0.02)
    assert made.clipnorm == 1.5


def test_schedules_start_and_end_where_the_recipe_says():
    rows, epochs = 100, 50  # 4 steps an epoch, 200 in all
    ends = {
        "exponential": (["end_factor=0.01"], 0.1, 0.001),
        "cosine": (["end_factor=0.01"], 0.1, 0.001),
        "one_cycle": ([], 0.01, 1e-5),
    }
    for kind, (settings, first, last) in ends.items():
        made = optimizer(
            "optimizer.name=sgd",
            "optimizer.learning_rate=0.1",
            f"schedule.kind={kind}",
            *(f"schedule.{setting}" for setting in settings),
            f"training.epochs={epochs}",
            rows=rows,
        )
        schedule = made._learning_rate
        assert float(schedule(0)) == pytest.approx(first, rel=1e-4), kind
        assert float(schedule(200)) == pytest.approx(last, rel=1e-3), kind


def test_a_cosine_with_warmup_climbs_from_zero_to_the_rate():
    made = optimizer(
        "optimizer.learning_rate=0.1",
        "schedule.kind=cosine",
        "schedule.warmup_fraction=0.1",
        "training.epochs=50",
    )
    schedule = made._learning_rate
    assert [round(float(schedule(step)), 4) for step in (0, 10, 20)] == [0.0, 0.05, 0.1]


def test_one_cycle_can_move_the_momentum_against_the_rate():
    made = optimizer(
        "optimizer.name=sgd",
        "schedule.kind=one_cycle",
        "schedule.low_momentum=0.85",
        "schedule.high_momentum=0.95",
    )
    assert isinstance(made, ScheduledMomentumSGD)
    assert isinstance(made._learning_rate, OneCycle)


def test_label_smoothing_raises_the_lowest_loss_a_sure_model_can_have():
    x = np.eye(4, 5, dtype=np.float32)
    losses = []
    for smoothing in (0.0, 0.1):
        model, recipe = network(f"training.label_smoothing={smoothing}")
        compile_network(model, recipe, train_rows=10)
        losses.append(float(model.loss(np.arange(4), 20 * np.eye(4, dtype=np.float32))))
    assert losses[0] < 1e-6
    assert losses[1] == pytest.approx(0.1 * 0.75 * 20, rel=1e-3)
    assert x.shape == (4, 5)
