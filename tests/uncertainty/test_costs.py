import keras
import numpy as np
import pytest

from denselab.uncertainty import draw_cost

layers = keras.layers
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="costs are counted in JAX programs"
)


def deep(where):
    """The network of the ladder: 3072 inputs, 20 hidden layers of 100, 10 classes."""
    inputs = outputs = keras.Input((3072,))
    if where == "input":
        outputs = layers.AlphaDropout(0.1)(outputs)
    for _ in range(20):
        outputs = layers.Dense(100, activation="selu")(outputs)
        if where == "every layer":
            outputs = layers.AlphaDropout(0.1)(outputs)
    if where == "output":
        outputs = layers.AlphaDropout(0.1)(outputs)
    return keras.Model(inputs, layers.Dense(10, activation="softmax")(outputs))


@pytest.mark.parametrize("masks", ["per_row", "shared"])
@pytest.mark.parametrize(
    ("where", "ratio"), [("output", 1.1986), ("every layer", 38.95), ("input", 100)]
)
def test_a_hundred_draws_cost_what_comes_behind_the_first_dropout(where, ratio, masks):
    cost = draw_cost(deep(where), np.zeros((1000, 3072), "float32"), masks=masks)
    assert cost.once + cost.per_draw == 3072 * 100 + 19 * 100 * 100 + 100 * 10
    assert cost.ratio(100) == pytest.approx(ratio, rel=1e-3)


def test_one_draw_costs_one_pass():
    assert draw_cost(deep("output"), np.zeros((1, 3072), "float32")).ratio(1) == 1
