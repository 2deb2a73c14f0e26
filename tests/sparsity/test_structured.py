import keras
import numpy as np
import pytest

from denselab.components import MCAlphaDropout, RReLU
from denselab.errors import UsageError
from denselab.sparsity import dense_layers, output_layers, remove_units, shrink, unit_share

layers = keras.layers
pytestmark = pytest.mark.backends


def chain(*parts, shape=(5,)):
    return keras.Sequential([keras.Input(shape), *parts])


def plain():
    return chain(
        layers.Dense(12, "selu", name="first"),
        layers.Dense(9, "gelu", name="second"),
        layers.Dense(3, "softmax", name="answer"),
    )


def batch_norm():
    return chain(
        layers.BatchNormalization(),
        layers.Dense(12, use_bias=False, name="first"),
        layers.BatchNormalization(),
        layers.Activation("elu"),
        layers.Dense(9, use_bias=False, name="second"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dense(3, use_bias=False, name="answer"),
    )


def prelu_and_dropout():
    return chain(
        layers.Rescaling(1 / 3),
        layers.Flatten(),
        layers.Dense(12, name="first"),
        layers.PReLU(),
        layers.Dropout(0.2),
        layers.Dense(9, name="second"),
        RReLU(),
        layers.AlphaDropout(0.1),
        layers.GaussianNoise(0.1),
        layers.Dense(3, name="answer"),
        shape=(2, 3),
    )


def skips():
    """Two residual blocks, one by a layer and one by `+`, on a stream of 12 units."""
    inputs = keras.Input((5,))
    stream = layers.Dense(12, "elu", name="stem")(inputs)
    inner = layers.BatchNormalization()(layers.Dense(9, "relu", name="inside")(stream))
    stream = layers.Add()([stream, layers.Dense(12, name="back")(inner)])
    stream = stream + layers.Dense(12, name="again")(layers.Dense(7, "tanh", name="deep")(stream))
    return keras.Model(inputs, layers.Dense(3, "softmax", name="answer")(stream))


NETWORKS = {
    "plain": (plain, [7, 6, 3]),
    "batch_norm": (batch_norm, [7, 6, 3]),
    "prelu_and_dropout": (prelu_and_dropout, [7, 6, 3]),
    "skips": (skips, [7, 6, 7, 4, 7, 3]),
}


def with_dead_units(make):
    """Units 0 to 2 of hidden layers see nothing; nothing reads units 5 and 6 of the widest."""
    keras.utils.set_random_seed(0)
    model = make()
    stream = np.random.default_rng(0)
    for variable in model.weights:
        positive = "variance" in variable.path
        value = (
            stream.uniform(0.5, 2, variable.shape)
            if positive
            else stream.normal(size=variable.shape)
        )
        variable.assign(value)
    for name, layer in dense_layers(model).items():
        kernel, *bias = layer.get_weights()
        if name not in output_layers(model):
            kernel[:, :3] = 0
        if len(kernel) == 12:
            kernel[5:7] = 0
        layer.set_weights([kernel, *bias])
    return model


def rows(model):
    return np.random.default_rng(1).normal(size=(40, *model.input_shape[1:])).astype("float32")


def units(model):
    return [layer.units for layer in dense_layers(model).values()]


@pytest.mark.parametrize("name", NETWORKS)
def test_without_its_dead_units_a_network_answers_the_same(name):
    make, expected = NETWORKS[name]
    model = with_dead_units(make)
    before = model.get_weights()
    smaller = shrink(model)
    assert units(smaller) == expected
    assert type(smaller) is type(model)
    x = rows(model)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(smaller(x)), keras.ops.convert_to_numpy(model(x)), atol=1e-5
    )
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", NETWORKS)
def test_dead_units_are_removed_before_all_others(name):
    make, _ = NETWORKS[name]
    model = with_dead_units(make)
    smaller = remove_units(model, share=0.25)
    assert units(smaller)[:2] == [9, 7]
    x = rows(model)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(smaller(x)), keras.ops.convert_to_numpy(model(x)), atol=1e-5
    )


def test_death_spreads_through_layers():
    """Nothing reads the last hidden layer but for one unit, so the others, and all that only they read, go."""
    model = with_dead_units(plain)
    kernel, bias = model.get_layer("answer").get_weights()
    kernel[np.arange(9) != 4] = 0
    model.get_layer("answer").set_weights([kernel, bias])
    kernel, bias = model.get_layer("second").get_weights()
    kernel[np.arange(12) != 8, 4] = 0
    model.get_layer("second").set_weights([kernel, bias])
    smaller = shrink(model)
    assert units(smaller) == [1, 1, 3]
    x = rows(model)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(smaller(x)), keras.ops.convert_to_numpy(model(x)), atol=1e-5
    )


def test_a_layer_that_is_dead_altogether_keeps_one_unit():
    model = plain()
    kernel, bias = model.get_layer("second").get_weights()
    model.get_layer("second").set_weights([kernel * 0, bias])
    smaller = shrink(model)
    assert units(smaller) == [1, 1, 3]
    x = rows(model)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(smaller(x)), keras.ops.convert_to_numpy(model(x)), atol=1e-6
    )


def test_units_that_other_layers_mix_stay_or_are_refused():
    model = chain(
        layers.Dense(6, "relu", name="first"),
        layers.LayerNormalization(name="norm"),
        layers.Dense(6, "relu", name="second"),
        layers.Dense(2, name="answer"),
    )
    for name in ("first", "second"):
        kernel, bias = model.get_layer(name).get_weights()
        kernel[:, :2] = 0
        model.get_layer(name).set_weights([kernel, bias])
    assert units(shrink(model)) == [6, 4, 2]
    with pytest.raises(
        UsageError, match=r"'first'.*'norm' \(LayerNormalization\).*skip=\['first'\]"
    ):
        remove_units(model, share=0.5)
    assert units(remove_units(model, share=0.5, skip=["first"])) == [6, 3, 2]
    softmax = chain(layers.Dense(4, "softmax", name="gate"), layers.Dense(2))
    with pytest.raises(UsageError, match=r"'gate' .*activation that mixes units"):
        remove_units(softmax, share=0.5)
    shared = layers.Dense(5, name="shared")
    inputs = keras.Input((5,))
    twice = keras.Model(inputs, layers.Dense(2)(shared(shared(inputs))))
    with pytest.raises(UsageError, match=r"called more than once"):
        remove_units(twice, share=0.5)


def test_constants_do_not_pass_dropout_that_draws_in_prediction():
    model = chain(
        layers.Dense(6, name="first", bias_initializer="ones"),
        MCAlphaDropout(0.5),
        layers.Dense(2, name="answer"),
    )
    kernel, bias = model.get_layer("first").get_weights()
    kernel[:, :2] = 0
    model.get_layer("first").set_weights([kernel, bias])
    assert units(shrink(model)) == [6, 2]


def test_shares_may_differ_between_layers_but_not_across_a_skip():
    model = skips()
    smaller = remove_units(model, share={"inside": 0.5, "deep": 0.99})
    assert units(smaller) == [12, 5, 12, 1, 12, 3]  # 4.5 is rounded to even; one unit stays.
    with pytest.raises(UsageError, match=r"stem, back, again share.*the same share"):
        remove_units(model, share={"stem": 0.5})
    with pytest.raises(UsageError, match=r"'answer', whose units are the answers"):
        remove_units(model, share={"answer": 0.5})
    with pytest.raises(UsageError, match=r"no Dense layer 'stm'"):
        remove_units(model, share={"stm": 0.5})
    with pytest.raises(UsageError, match=r"share is 50.*did you mean 0\.5"):
        remove_units(model, share=50)


def test_the_share_of_units_leaves_the_weights_of_a_sparsity():
    keras.utils.set_random_seed(0)
    model = chain(layers.Dense(40), layers.Dense(40), layers.Dense(10), shape=(20,))
    smaller = remove_units(model, share=unit_share(model, 0.8))
    left = sum(layer.kernel.shape[0] * layer.kernel.shape[1] for layer in smaller.layers)
    assert 0.9 * 560 < left <= 560  # A fifth of 2,800; whole units do not hit it on the dot.
    with pytest.raises(UsageError, match=r"with one unit a layer"):
        unit_share(chain(layers.Dense(2), layers.Dense(9), shape=(9,)), 0.9)


def test_subclassed_models_are_refused():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.part = layers.Dense(3)

        def call(self, inputs):
            return self.part(inputs)

    model = Own()
    model(np.ones((1, 4), "float32"))
    with pytest.raises(UsageError, match=r"functional API"):
        shrink(model)


def test_a_shrunk_model_is_stock_compiled_and_loads_anywhere(tmp_path):
    model = with_dead_units(skips)
    model.compile(keras.optimizers.Nadam(1e-3), "sparse_categorical_crossentropy", ["accuracy"])
    smaller = shrink(model)
    assert type(smaller.optimizer) is type(model.optimizer)
    assert smaller.optimizer is not model.optimizer
    smaller.save(tmp_path / "smaller.keras")
    assert "denselab" not in smaller.to_json()
    loaded = keras.models.load_model(tmp_path / "smaller.keras")
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(loaded(rows(model))),
        keras.ops.convert_to_numpy(smaller(rows(model))),
    )


@pytest.mark.parametrize(
    "ask", [lambda m: remove_units(m, share=0.5), lambda m: unit_share(m, 0.5)]
)
def test_units_inside_another_model_are_refused_and_not_left_in_silence(ask):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(8, name="deep"), layers.Dense(3)])
    outer = keras.Sequential([keras.Input((4,)), layers.Rescaling(0.5), inner, layers.Softmax()])
    with pytest.raises(UsageError, match=r"'deep' is inside another model.*flattened"):
        ask(outer)
