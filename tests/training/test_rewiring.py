import keras
import numpy as np
import pytest

from denselab.components import MCDropout
from denselab.errors import DataError
from denselab.training.rewiring import closed, flattened, without_ending
from denselab.uncertainty import StochasticModel, to_mc

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def inside(name="inside"):
    inputs = keras.Input((4,))
    first = keras.layers.Dense(4, "relu", name="first")
    x = keras.layers.Add(name="skip")([inputs, first(inputs)])
    x = keras.layers.BatchNormalization(name="norm")(first(x))
    return keras.Model(inputs, x, name=name)


def whole(*ends):
    return keras.Sequential([keras.Input((4,)), inside(), *ends])


def softmax_layer():
    return [keras.layers.Dense(3, name="end"), keras.layers.Softmax(name="probabilities")]


@pytest.mark.parametrize(
    ("ends", "ending"),
    [
        (softmax_layer(), "softmax"),
        ([keras.layers.Dense(3, activation="softmax", name="probabilities")], "softmax"),
        ([keras.layers.Dense(3, name="end"), keras.layers.Activation("softmax")], "softmax"),
        ([keras.layers.Dense(1, activation="sigmoid", name="end")], "sigmoid"),
        ([keras.layers.Dense(3, name="end")], "none"),
    ],
    ids=["softmax layer", "softmax of a Dense", "activation", "sigmoid", "none"],
)
def test_a_model_there_and_back_predicts_the_same(ends, ending):
    model = whole(*ends)

    flat = flattened(model)
    logits, found = without_ending(flat)
    back = closed(logits, found, model)

    assert found == ending
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    assert [layer.name for layer in flat.layers].count("first") == 1
    expected = model.predict(X, verbose=0)
    np.testing.assert_allclose(flat.predict(X, verbose=0), expected, rtol=1e-6)
    np.testing.assert_allclose(back.predict(X, verbose=0), expected, rtol=1e-6)
    if ending == "softmax":
        given = logits.predict(X, verbose=0)
        odds = np.exp(given - given.max(axis=1, keepdims=True))
        np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), expected, rtol=1e-5)


def test_the_copy_shares_no_weight():
    model = whole(*softmax_layer())
    before = model.predict(X, verbose=0)

    flat = flattened(model)
    flat.set_weights([0 * weight for weight in flat.get_weights()])

    np.testing.assert_array_equal(model.predict(X, verbose=0), before)


def test_layers_of_one_name_in_two_models_stay_apart():
    model = keras.Sequential([keras.Input((4,)), inside(), inside("again"), keras.layers.Softmax()])

    flat = flattened(model)

    assert [layer.name for layer in flat.layers if layer.name.startswith("first")] == [
        "first",
        "first_2",
    ]
    np.testing.assert_allclose(flat.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)


def test_dropout_that_draws_rests_and_wakes_again():
    model = whole(MCDropout(0.5, name="drop"), *softmax_layer())

    flat = flattened(model)
    back = closed(*without_ending(flat), model)

    np.testing.assert_array_equal(flat.predict(X, verbose=0), flat.predict(X, verbose=0))
    assert type(flat.get_layer("drop")) is keras.layers.Dropout
    assert type(back.get_layer("drop")) is MCDropout
    assert back.get_layer("drop").rate == 0.5


def test_a_model_that_draws_around_another_draws_again():
    model = to_mc(whole(keras.layers.Dropout(0.5, name="drop"), *softmax_layer()))

    back = closed(*without_ending(flattened(model)), model)

    assert isinstance(back, StochasticModel)
    assert (back.predict(X, verbose=0) != back.predict(X, verbose=0)).any()


def test_several_inputs_are_refused():
    inputs = [keras.Input((2,)), keras.Input((2,))]
    model = keras.Model(inputs, keras.layers.Concatenate()(inputs))

    with pytest.raises(DataError, match="2 inputs and 1 outputs; give a model of one each"):
        flattened(model)
