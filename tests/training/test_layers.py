import numpy as np
import pytest

from denselab.data import hold_out_test, load, standardization
from denselab.recipes import load_recipe
from denselab.training import train_recipe
from denselab.training.layers import distinct_units, first_weights, layer_facts
from denselab.training.saving import INPUT_MEAN, INPUT_SCALE

SMALL = ["network.depth=3", "network.width=8", "training.epochs=1"]


@pytest.fixture(scope="module")
def wine():
    return hold_out_test(load("wine"))


def recipe(*settings):
    return load_recipe("self_normalizing", preset="tuned", settings=[*SMALL, *settings])


def started(wine, asked, seed=0):
    weights = first_weights(asked, wine, seed)
    rows = np.arange(wine.n)
    mean, scale = standardization(wine.x.reshape(wine.n, -1), rows)
    return {**weights, INPUT_MEAN: mean, INPUT_SCALE: scale}


def test_first_weights_are_those_that_training_starts_from(wine):
    still = recipe("optimizer.learning_rate=1e-30", "training.early_stopping=false")
    trained = train_recipe(still, wine, seeds=[3]).trials[0].weights
    for name, value in first_weights(still, wine, 3).items():
        np.testing.assert_allclose(value, trained[name], rtol=0, atol=1e-27)


def test_layers_are_measured_as_a_plain_loop_does(wine):
    asked = recipe("network.activation=relu")
    weights = started(wine, asked)
    (facts,) = layer_facts(asked, wine, [weights])

    x = (wine.x.reshape(wine.n, -1) - weights[INPUT_MEAN]) * weights[INPUT_SCALE]
    for k in range(1, 4):
        z = x @ weights[f"hidden_{k}/kernel"] + weights[f"hidden_{k}/bias"]
        x = np.maximum(z, 0)
        assert facts.mean[k - 1] == pytest.approx(x.mean(), rel=1e-4)
        assert facts.variance[k - 1] == pytest.approx(x.var(), rel=1e-4)
        assert facts.zero[k - 1] == pytest.approx((z <= 0).mean(), abs=1e-3)
    assert facts.distinct == (8, 8, 8)


def test_what_is_measured_is_what_the_next_layer_is_given(wine):
    weights = started(wine, recipe())
    plain, dropped, skipping = (
        layer_facts(one, wine, [weights])[0]
        for one in (
            recipe(),
            recipe("network.dropout.kind=dropout", "network.dropout.rate=0.5"),
            recipe("network.residual=true"),
        )
    )
    # Dropping half of the units and doubling the others doubles their second moment.
    moment = [one.variance[0] + one.mean[0] ** 2 for one in (plain, dropped)]
    assert moment[1] == pytest.approx(2 * moment[0], rel=0.2)
    assert skipping.variance[0] == plain.variance[0]
    assert skipping.variance[2] > plain.variance[2]


def test_equal_weights_are_one_unit(wine):
    asked = recipe("network.kernel_initializer=symmetric")
    (facts,) = layer_facts(asked, wine, [started(wine, asked)])
    assert facts.distinct == (1, 1, 1)
    assert max(facts.spread) < 1e-6


def test_units_that_differ_by_little_are_one():
    kernel = np.array([[1.0, 1.0 + 1e-7, 1.1], [2.0, 2.0, 2.0]])
    assert distinct_units(kernel) == 2
    assert distinct_units(np.zeros((2, 3))) == 1
