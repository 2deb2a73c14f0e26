import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.sparsity import remove_units
from denselab.sparsity.graph import graph_of
from denselab.sparsity.saliency import saliencies
from denselab.sparsity.units import spaces_of

layers = keras.layers
pytestmark = pytest.mark.backends

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(20, 2)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, "tanh", name="first"),
            layers.Dropout(0.5),
            layers.Dense(3, "elu", name="second"),
            layers.Dense(2, name="answer"),
        ]
    )
    model.compile("sgd", "mse")
    return model


def measured(model, saliency):
    spaces = [space for space in spaces_of(graph_of(model)) if space.free]
    return saliencies(model, spaces, X, Y, saliency=saliency)


def forward(model, x):
    """Activations of the hidden layers and the outputs, in NumPy."""
    (w1, b1), (w2, b2), (w3, b3) = (
        [w.astype("float64") for w in model.get_layer(name).get_weights()]
        for name in ("first", "second", "answer")
    )
    first = np.tanh(x @ w1 + b1)
    sums = first @ w2 + b2
    second = np.where(sums > 0, sums, np.expm1(sums))
    return first, second, second @ w3 + b3


def test_weights_are_the_norms_in_and_out(model):
    found = measured(model, "weight")
    kernels = [model.get_layer(n).get_weights()[0] for n in ("first", "second", "answer")]
    for value, entering, leaving in zip(found, kernels, kernels[1:], strict=False):
        for unit in range(len(value)):
            expected = np.sqrt((entering[:, unit] ** 2).sum() * (leaving[unit] ** 2).sum())
            assert value[unit] == pytest.approx(expected, rel=1e-5)


def test_activations_are_their_mean_size(model):
    found = measured(model, "activation")
    for value, activation in zip(found, forward(model, X), strict=False):
        np.testing.assert_allclose(value, np.abs(activation).mean(axis=0), rtol=1e-4)


def test_taylor_is_the_loss_s_slope_towards_losing_the_unit(model):
    """Against a slow loop: the derivative of each row's loss by scaling one unit, by central differences."""
    found = measured(model, "taylor")
    (w2, b2), (w3, b3) = (
        [w.astype("float64") for w in model.get_layer(name).get_weights()]
        for name in ("second", "answer")
    )

    def loss(first, second, y):
        if second is None:
            sums = first @ w2 + b2
            second = np.where(sums > 0, sums, np.expm1(sums))
        return ((second @ w3 + b3 - y) ** 2).mean()

    totals = [np.zeros(5), np.zeros(3)]
    for x, y in zip(X.astype("float64"), Y.astype("float64"), strict=True):
        first, second, _ = forward(model, x)
        for place, activation in enumerate((first, second)):
            for unit in range(len(activation)):
                scale = np.ones(len(activation))
                slopes = []
                for step in (1e-5, -1e-5):
                    scale[unit] = 1 + step
                    moved = activation * scale
                    slopes.append(loss(moved, None, y) if place == 0 else loss(None, moved, y))
                totals[place][unit] += abs(slopes[0] - slopes[1]) / 2e-5
    for value, total in zip(found, totals, strict=True):
        np.testing.assert_allclose(value, total / len(X), rtol=1e-3)


def test_what_is_missing_is_asked_for(model):
    with pytest.raises(UsageError, match=r"give 'weight', 'activation' or 'taylor'"):
        remove_units(model, share=0.5, saliency="size")
    with pytest.raises(UsageError, match=r"give x$"):
        remove_units(model, share=0.5, saliency="activation")
    with pytest.raises(UsageError, match=r"give x and y"):
        remove_units(model, X, share=0.5, saliency="taylor")
    bare = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    with pytest.raises(UsageError, match=r"model.compile"):
        remove_units(bare, X, Y, share=0.5, saliency="taylor")
