"""Sizes by hand, against a slow loop, and against Keras itself."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.recipes import (
    Dropout,
    Network,
    Recipe,
    layer_summary,
    load_recipe,
    one_cycle_steps,
    parameter_count,
    resolved,
    steps,
)

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing here is to fail on a busy machine."""

SMALL = {"depth": 3, "width": 4}


def small(**network) -> Recipe:
    return Recipe(name="small", network=Network(**(SMALL | network)))


# Two features, one output: Dense 2-4, 4-4, 4-4, 4-1 are 8 + 4, 16 + 4, 16 + 4, 4 + 1 = 57 weights.
HAND = [
    pytest.param({}, (57, 0), id="plain"),
    pytest.param({"depth": 1}, (17, 0), id="one hidden layer"),
    pytest.param({"hidden_bias": False}, (45, 0), id="no hidden biases"),
    pytest.param({"normalization": "batch"}, (57 + 24, 24), id="BatchNormalization"),
    pytest.param(
        {"normalization": "batch", "normalize_input": True}, (57 + 28, 28), id="on the input too"
    ),
    pytest.param({"normalization": "layer"}, (57 + 24, 0), id="LayerNormalization"),
    pytest.param({"normalization": "rms"}, (57 + 12, 0), id="RMSNormalization"),
    pytest.param(
        {"normalization": "rms", "normalize_input": True}, (57 + 14, 0), id="RMS on the input"
    ),
    pytest.param({"activation": "prelu"}, (57 + 12, 0), id="PReLU"),
    pytest.param({"activation": "rrelu"}, (57, 0), id="RReLU"),
    pytest.param({"residual": True}, (57, 0), id="residual"),
    pytest.param({"dropout": Dropout(kind="dropout", rate=0.5)}, (57, 0), id="dropout"),
]


@pytest.mark.parametrize(("network", "weights"), HAND)
def test_weights_are_those_counted_by_hand(network, weights):
    assert parameter_count(small(**network), features=2, outputs=1) == weights


@pytest.mark.parametrize(
    ("rung", "trainable", "non_trainable"),
    [
        ("plain", 500_210, 0),
        ("batch_norm", 510_354, 10_144),
        ("self_normalizing", 500_210, 0),
        ("alpha_dropout", 500_210, 0),
        ("mc_dropout", 500_210, 0),
        ("one_cycle", 500_210, 0),
        ("tuned/batch_norm", 508_354, 10_144),
    ],
)
def test_the_rungs_have_the_published_sizes_on_cifar10(rung, trainable, non_trainable):
    count = parameter_count(load_recipe(rung), features=3072, outputs=10)
    assert count == (trainable, non_trainable)
    assert count.total == trainable + non_trainable


def test_a_network_of_the_largest_size_is_counted_at_once():
    recipe = small(depth=1000, width=100_000)
    rows = layer_summary(recipe, features=1, outputs=1)
    assert len(rows) == 6
    assert parameter_count(recipe, features=1, outputs=1).trainable == 9_990_100_200_001


def test_the_summary_lists_layers_in_their_order():
    recipe = small(
        normalization="batch",
        normalize_input=True,
        residual=True,
        dropout=Dropout(kind="alpha_dropout", rate=0.1),
    )
    rows = [(r.part, r.layer, r.times) for r in layer_summary(recipe, features=2, outputs=1)]
    block = ["Dense", "BatchNormalization", "elu", "AlphaDropout"]
    assert rows == [
        ("input", "Flatten", 1),
        ("input", "BatchNormalization", 1),
        *(("hidden 1", layer, 1) for layer in block),
        *(("hidden 2 to 3", layer, 2) for layer in [*block, "Add"]),
        ("output", "Dense", 1),
    ]


@pytest.mark.parametrize(
    ("where", "parts"),
    [("input", ["input"]), ("every", ["hidden 1", "hidden 2"]), ("output", ["output"])],
)
def test_dropout_stands_where_it_was_put(where, parts):
    recipe = small(depth=2, dropout=Dropout(kind="gaussian_dropout", rate=0.1, where=where))
    rows = layer_summary(recipe, features=2, outputs=1)
    assert [row.part for row in rows if row.layer == "GaussianDropout"] == parts


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param(64, (2, 0, 100), id="batches come out even"),
        pytest.param(65, (2, 1, 150), id="one row is left"),
        pytest.param(5, (0, 5, 50), id="less than a batch"),
    ],
)
def test_steps_are_those_counted_by_hand(rows, expected):
    assert steps(Recipe(name="a"), rows) == expected


def test_a_recipe_with_foreign_weights_trains_no_step():
    assert steps(load_recipe("mc_dropout"), 33_500) == (0, 0, 0)


@CALM
@given(st.integers(1, 500), st.integers(1, 60), st.integers(1, 5))
def test_steps_agree_with_a_loop_over_batches(rows, batch, epochs):
    recipe = load_recipe(
        "plain", settings={"training.batch_size": batch, "training.epochs": epochs}
    )
    sizes = [len(range(start, min(start + batch, rows))) for start in range(0, rows, batch)]
    full, last, total = steps(recipe, rows)
    assert full == sizes.count(batch)
    assert full * batch + last == rows
    assert total == len(sizes) * epochs


@CALM
@given(st.integers(1, 10_000), st.integers(1, 300), st.integers(1, 60))
def test_the_phases_of_one_cycle_fill_the_training(rows, batch, epochs):
    recipe = load_recipe("one_cycle", settings={"training.batch_size": batch})
    recipe = recipe.model_copy(
        update={"training": recipe.training.model_copy(update={"epochs": epochs})}
    )
    total, half, last = one_cycle_steps(rows, batch, epochs)
    assert total == steps(recipe, rows).total
    assert last == total // 10 + 1
    assert total - (2 * half + last) in (0, 1)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        pytest.param(
            lambda: parameter_count(small(), features=0, outputs=1), "features = 0", id="features"
        ),
        pytest.param(
            lambda: layer_summary(small(), features=1, outputs=0), "outputs = 0", id="outputs"
        ),
        pytest.param(lambda: steps(small(), 0), "n_train = 0", id="rows"),
        pytest.param(lambda: one_cycle_steps(5, 0, 1), "batch = 0", id="batch"),
    ],
)
def test_sizes_of_nothing_are_refused(call, says):
    with pytest.raises(UsageError, match=f"{says}: must be at least 1"):
        call()


KERAS = """
import json, sys
from math import prod
import keras
from keras import layers

NORMS = {"batch": layers.BatchNormalization, "layer": layers.LayerNormalization,
         "rms": layers.RMSNormalization}

def build(net, features, outputs):
    norm = NORMS.get(net["normalization"])
    x = start = keras.Input((features,))
    if net.get("normalize_input"):
        x = norm()(x)
    for _ in range(net["depth"]):
        x = layers.Dense(net["width"], use_bias=net["hidden_bias"])(x)
        x = norm()(x) if norm else x
        x = layers.PReLU()(x) if net["activation"] == "prelu" else x
    return keras.Model(start, layers.Dense(outputs)(x))

def count(net, features, outputs):
    model = build(net, features, outputs)
    return [sum(prod(w.shape) for w in ws)
            for ws in (model.trainable_weights, model.non_trainable_weights)]

print(json.dumps([count(*case) for case in json.load(sys.stdin)]))
"""


def test_weights_are_those_that_keras_counts():
    networks = [Network(**(SMALL | case.values[0])) for case in HAND]
    cases = [(resolved(network), 2, 1) for network in networks]
    done = subprocess.run(
        [sys.executable, "-c", KERAS],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
        check=True,
    )
    ours = [
        list(parameter_count(Recipe(name="a", network=n), features=2, outputs=1)) for n in networks
    ]
    assert json.loads(done.stdout) == ours
