import keras
import numpy as np
import pytest

from denselab.errors import DataError, UsageError
from denselab.uncertainty import each_draw, predict_classes, predict_classes_at, predict_draws
from denselab.uncertainty.kinds import LEVELS, drop_level

layers = keras.layers
pytestmark = pytest.mark.backends

FORMS = ["sequential", "functional", "nested", "subclassed", "reloaded"]


def parts():
    keras.utils.set_random_seed(0)
    return [
        layers.Dense(8, activation="tanh"),
        layers.Dropout(0.3),
        layers.Dense(8, activation="tanh"),
        layers.BatchNormalization(),
        layers.AlphaDropout(0.2),
        layers.Dense(3, activation="softmax"),
    ]


class Subclassed(keras.Model):
    def __init__(self, chain):
        super().__init__()
        self.chain = chain

    def call(self, inputs):
        for layer in self.chain:
            inputs = layer(inputs)
        return inputs


def in_form(form, chain, tmp_path):
    """Puts the same layers, weights included, into another kind of model."""
    if form == "subclassed":
        model = Subclassed(chain)
        model(np.zeros((1, 6), "float32"))
        return model
    if form == "functional":
        inputs = outputs = keras.Input((6,))
        for layer in chain:
            outputs = layer(outputs)
        return keras.Model(inputs, outputs)
    if form == "nested":
        inner = keras.Sequential([keras.Input((6,)), *chain[:3]])
        tail = keras.Sequential([keras.Input((8,)), *chain[3:]])
        return keras.Sequential([keras.Input((6,)), inner, tail])
    model = keras.Sequential([keras.Input((6,)), *chain])
    if form == "reloaded":
        model.save(tmp_path / "model.keras")
        return keras.saving.load_model(tmp_path / "model.keras")
    return model


def values(model):
    return [np.asarray(keras.ops.convert_to_numpy(value)) for value in model.variables]


@pytest.fixture(scope="module")
def plain():
    """One model for many tests, so that its programs are compiled once."""
    return in_form("sequential", parts(), None)


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_a_model_changes_no_draw_and_draws_no_variable(form, plain, rows, tmp_path):
    model = in_form(form, parts(), tmp_path)
    before = values(model)
    found = each_draw(model, rows, draws=9, seed=3, outputs="probabilities")
    np.testing.assert_allclose(found, each_draw(plain, rows, draws=9, seed=3), atol=1e-6)
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_predict_gives_what_it_gave_before(plain, rows):
    before = plain.predict(rows, verbose=0)
    predict_draws(plain, rows, draws=5)
    np.testing.assert_array_equal(plain.predict(rows, verbose=0), before)


@pytest.mark.parametrize(
    "layer",
    [
        layers.Dropout(0.5),
        layers.AlphaDropout(0.5),
        layers.GaussianDropout(0.5),
        layers.GaussianNoise(0.5),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_every_stochastic_layer_differs_between_draws(layer, rows):
    inputs = keras.Input((6,))
    branches = [layer(inputs), layers.Dropout(0.5)(inputs, training=True)]
    model = keras.Model(inputs, layers.Concatenate()(branches))
    found = each_draw(model, rows, draws=4, outputs="values")
    for branch in np.split(found, 2, axis=2):
        assert not np.array_equal(branch[0], branch[1])


def test_layers_with_the_same_seed_have_masks_of_their_own(rows):
    inputs = keras.Input((6,))
    branches = [layers.Dropout(0.5, seed=1)(inputs) for _ in range(2)]
    model = keras.Model(inputs, layers.Concatenate()(branches))
    first, second = np.split(each_draw(model, rows, draws=4, outputs="values"), 2, axis=2)
    assert not np.array_equal(first, second)


def test_a_layer_used_twice_has_two_masks(rows):
    inputs = keras.Input((6,))
    drop = layers.Dropout(0.5)
    model = keras.Model(inputs, layers.Concatenate()([drop(inputs), drop(inputs)]))
    first, second = np.split(each_draw(model, rows, draws=4, outputs="values"), 2, axis=2)
    assert not np.array_equal(first, second)


def test_rows_have_masks_of_their_own_or_the_same_one():
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    ones = np.ones((20, 50))
    own = each_draw(model, ones, draws=2, outputs="values")
    shared = each_draw(model, ones, draws=2, masks="shared", outputs="values")
    assert len(np.unique(own.reshape(-1, 50), axis=0)) == 40
    assert len(np.unique(shared.reshape(-1, 50), axis=0)) == 2


@pytest.mark.parametrize("masks", ["per_row", "shared"])
def test_the_same_seed_gives_the_same_bytes(masks, plain, rows):
    first = predict_draws(plain, rows, draws=30, seed=4, masks=masks)
    second = predict_draws(plain, rows, draws=30, seed=4, masks=masks)
    for name in ("probabilities", "standard_errors", "mutual_information"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_another_seed_gives_other_draws(plain, rows):
    first, second = (each_draw(plain, rows, draws=1, seed=seed) for seed in (0, 1))
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize("masks", ["per_row", "shared"])
@pytest.mark.parametrize("chunk", [1, 64])
def test_chunks_change_nothing_beyond_rounding(chunk, masks, plain, rows):
    whole = predict_draws(plain, rows, draws=25, masks=masks)
    found = predict_draws(plain, rows, draws=25, masks=masks, chunk=chunk)
    for name in ("probabilities", "standard_errors", "expected_entropy", "mutual_information"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), atol=1e-6)


def test_fewer_rows_change_no_draw(plain, rows):
    whole = each_draw(plain, rows, draws=6)
    np.testing.assert_allclose(each_draw(plain, rows[:7], draws=6), whole[:, :7], atol=1e-6)


@pytest.mark.parametrize("masks", ["per_row", "shared"])
@pytest.mark.parametrize("fewer", [1, 3, 16])
def test_the_first_draws_of_many_are_those_of_a_short_run(fewer, masks, plain, rows):
    many = each_draw(plain, rows, draws=64, masks=masks)
    few = each_draw(plain, rows, draws=fewer, masks=masks)
    np.testing.assert_array_equal(few, many[:fewer])


@pytest.mark.parametrize("masks", ["per_row", "shared"])
@pytest.mark.parametrize("draws", [1, 7, 50, 130])
def test_the_statistics_are_those_of_the_draws(draws, masks, plain, rows):
    found = predict_draws(plain, rows, draws=draws, masks=masks)
    drawn = each_draw(plain, rows, draws=draws, masks=masks).astype(np.float64)
    mean = drawn.mean(0)
    entropy = -(drawn * np.log(drawn)).sum(2).mean(0)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-6)
    np.testing.assert_allclose(found.expected_entropy, entropy, atol=1e-6)
    total = -(mean * np.log(mean)).sum(1)
    np.testing.assert_allclose(found.predictive_entropy, total, atol=1e-6)
    np.testing.assert_allclose(found.mutual_information, total - entropy, atol=2e-6)
    votes = (drawn == drawn.max(2, keepdims=True)).mean(0)
    np.testing.assert_allclose(found.variation_ratio, 1 - votes.max(1), atol=1e-6)
    assert found.draws_used.tolist() == [draws] * len(rows)
    if draws > 1:
        errors = drawn.std(0, ddof=1) / draws**0.5
        np.testing.assert_allclose(found.standard_errors, errors, atol=1e-6)


LINEAR = np.random.default_rng(5).normal(size=(12, 4)).astype("float32")


def linear_after(layer):
    model = keras.Sequential([keras.Input((12,)), layer, layers.Dense(4, use_bias=False)])
    model.set_weights([LINEAR])
    return model


def moments(layer, x):
    """Mean and variance of a dropped unit, from its two values and the realised rate."""
    rate = drop_level(layer) / LEVELS
    if isinstance(layer, layers.AlphaDropout):
        limit = -1.7580993408473766
        scale = ((1 - rate) * (1 + rate * limit**2)) ** -0.5
        kept, dropped = (scale * (value - rate * limit) for value in (x, limit))
    else:
        kept, dropped = x / (1 - rate), np.zeros_like(x)
    mean = (1 - rate) * kept + rate * dropped
    return mean, rate * (1 - rate) * (kept - dropped) ** 2


@pytest.mark.parametrize("masks", ["per_row", "shared"])
@pytest.mark.parametrize("kind", [layers.Dropout, layers.AlphaDropout])
def test_dropout_before_the_output_matches_the_closed_form(kind, masks):
    layer, number = kind(0.3), 10_000
    x = np.random.default_rng(6).normal(size=(3, 12)).astype("float32")
    drawn = each_draw(linear_after(layer), x, draws=number, masks=masks, outputs="values")
    drawn = drawn.astype(np.float64)
    mean, variance = moments(layer, x.astype(np.float64))
    weights = LINEAR.astype(np.float64)
    errors = drawn.std(0) / number**0.5
    assert (np.abs(drawn.mean(0) - mean @ weights) < 4 * errors).all()
    for row in range(3):
        exact = weights.T @ np.diag(variance[row]) @ weights
        centred = drawn[:, row] - mean[row] @ weights
        products = centred[:, :, None] * centred[:, None, :]
        errors = products.std(0) / number**0.5
        assert (np.abs(products.mean(0) - exact) < 4 * errors).all()


def test_a_regression_has_mean_variance_and_quantiles():
    x = np.random.default_rng(6).normal(size=(3, 12)).astype("float32")
    model = linear_after(layers.Dropout(0.3))
    model.compile(loss="mse")
    found = predict_draws(model, x, draws=5000, seed=2)
    drawn = each_draw(model, x, draws=5000, seed=2).astype(np.float64)
    np.testing.assert_allclose(found.mean, drawn.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.epistemic_variance, drawn.var(0, ddof=1), rtol=1e-5)
    assert (found.aleatoric_variance == 0).all()
    levels = [0.05, 0.5, 0.95]
    below = (drawn[None] <= found.quantiles(levels)[:, None]).mean(1)
    assert np.abs(below - np.array(levels)[:, None, None]).max() < 3 / 256


def test_a_predicted_log_variance_is_the_aleatoric_part():
    x = np.random.default_rng(6).normal(size=(3, 12)).astype("float32")
    model = linear_after(layers.Dropout(0.3))
    found = predict_draws(model, x, draws=40, outputs="mean_and_log_variance")
    drawn = each_draw(model, x, draws=40, outputs="values").astype(np.float64)
    np.testing.assert_allclose(found.mean, drawn[..., :2].mean(0), atol=1e-5)
    np.testing.assert_allclose(found.aleatoric_variance, np.exp(drawn[..., 2:]).mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.variance - found.aleatoric_variance, found.epistemic_variance)


def test_two_classes_from_one_sigmoid(small, rows):
    model = small(layers.Dropout(0.3), outputs=1, ending="sigmoid")
    found = predict_draws(model, rows, draws=20)
    raw = each_draw(model, rows, draws=20, outputs="values")[..., 0].mean(0)
    np.testing.assert_allclose(found.probabilities, np.stack([1 - raw, raw], 1), atol=1e-6)


def test_logits_and_the_softmax_of_them_say_the_same(small, rows):
    drop = layers.Dropout(0.3)
    with_softmax, without = small(drop), small(drop, ending=None)
    first = predict_draws(with_softmax, rows, draws=20)
    second = predict_draws(without, rows, draws=20, outputs="logits")
    np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-6)
    np.testing.assert_allclose(first.mutual_information, second.mutual_information, atol=1e-6)


def test_several_inputs_by_name():
    first, second = keras.Input((2,), name="first"), keras.Input((3,), name="second")
    joined = layers.Concatenate()([first, layers.Dropout(0.5)(second)])
    model = keras.Model({"first": first, "second": second}, joined)
    data = {"second": np.ones((5, 3)), "first": np.full((5, 2), 7.0)}
    found = each_draw(model, data, draws=20, outputs="values")
    assert (found[..., :2] == 7).all()
    assert set(np.unique(found[..., 2:])) == {0, 2}


def test_pixels_stay_as_they_came():
    pixels = np.random.default_rng(0).integers(0, 256, size=(5, 4), dtype=np.uint8)
    scaled = [keras.Input((4,), dtype="uint8"), layers.Rescaling(1 / 255), layers.Dropout(0.5)]
    found = each_draw(keras.Sequential(scaled), pixels, draws=50, outputs="values")
    np.testing.assert_allclose(found.max(0), 2.0 * pixels / 255, rtol=1e-6)


def test_classes_are_those_of_the_mean_probabilities(plain, rows):
    found = predict_draws(plain, rows, draws=12, seed=5)
    classes = predict_classes(plain, rows, draws=12, seed=5)
    np.testing.assert_array_equal(classes, found.probabilities.argmax(1))


@pytest.mark.parametrize("masks", ["per_row", "shared"])
def test_several_numbers_of_draws_in_one_run_are_the_runs_of_those_numbers(masks, plain, rows):
    found = predict_classes_at(plain, rows, at=[1, 3, 40], seed=4, masks=masks)
    for draws, one in zip([1, 3, 40], found, strict=True):
        alone = predict_draws(plain, rows, draws=draws, seed=4, masks=masks)
        np.testing.assert_allclose(one.probabilities, alone.probabilities, atol=1e-6)
        np.testing.assert_allclose(one.expected_entropy, alone.expected_entropy, atol=1e-6)
        assert set(one.draws_used) == {draws}


@pytest.mark.parametrize("at", [[], [0, 1], [5, 5], [10, 1]], ids=str)
def test_numbers_of_draws_that_do_not_rise_are_refused(at, plain, rows):
    with pytest.raises(UsageError, match="give rising numbers of draws"):
        predict_classes_at(plain, rows, at=at)


def test_classes_of_a_regression_are_refused(rows):
    model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.5)])
    with pytest.raises(UsageError, match="use predict_draws"):
        predict_classes(model, rows, outputs="values")


def with_nan(x):
    x = x.copy()
    x[3, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("change", "error", "remedy"),
    [
        ({"draws": 0}, UsageError, "at least 1, such as 100"),
        ({"draws": 2.5}, UsageError, "whole number"),
        ({"seed": -1}, UsageError, "whole number from 0"),
        ({"masks": "own"}, UsageError, "per_row, shared"),
        ({"until": 0.0}, UsageError, "above 0, such as 0.01"),
        ({"chunk": 0}, UsageError, "at least 1, or None"),
        ({"outputs": "classes"}, UsageError, "give one of auto, logits"),
        ({"output": "logits"}, UsageError, "give one of chunk, outputs"),
    ],
    ids=str,
)
def test_an_argument_that_makes_no_sense_is_refused(change, error, remedy, plain, rows):
    with pytest.raises(error, match=remedy):
        predict_draws(plain, rows, **change)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (with_nan, "row 3; fill or drop"),
        (lambda x: x[:, :4], r"give rows of shape"),
        (lambda x: x[:0], "at least one row"),
        (lambda x: x.astype(str), "encode text"),
        (lambda x: [x, x[:3]], "of one length"),
    ],
    ids=["NaN", "too few columns", "no rows", "text", "different lengths"],
)
def test_data_that_does_not_fit_is_refused(change, remedy, plain, rows):
    with pytest.raises(DataError, match=remedy):
        predict_draws(plain, change(rows), draws=5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("outputs", ["probabilities", "values"])
def test_a_model_that_has_diverged_is_named_as_the_cause(outputs, value, rows):
    model = in_form("sequential", [layers.Dropout(0.5), layers.Dense(2)], None)
    model.layers[1].set_weights([np.full((6, 2), value), np.zeros(2)])
    with pytest.raises(DataError, match="weights have diverged"):
        predict_draws(model, rows, draws=5, outputs=outputs)


@pytest.mark.parametrize(
    ("parts", "remedy"),
    [
        ([layers.Dense(3)], "add a keras.layers.Dropout"),
        ([layers.Dropout(0.0), layers.Dense(3)], "a rate of 0 is none"),
        ([layers.Dropout(1.0), layers.Dense(3)], "rebuild the layer"),
        ([layers.Dropout(0.1, noise_shape=(None, 2)), layers.Dense(3)], "one entry an axis"),
        ([layers.Dropout(0.1), layers.Reshape((2, 3))], "one output of one axis"),
    ],
    ids=["no stochastic layer", "rate 0", "rate 1", "bad noise shape", "output of two axes"],
)
def test_a_model_that_cannot_be_drawn_from_is_refused(parts, remedy, rows):
    with pytest.raises(UsageError, match=remedy):
        predict_draws(keras.Sequential([keras.Input((6,)), *parts]), rows, outputs="values")


def test_what_is_no_model_is_refused(rows):
    with pytest.raises(UsageError, match=r"give a keras\.Model"):
        predict_draws(layers.Dense(3), rows)


def test_a_model_without_weights_is_refused(rows):
    with pytest.raises(UsageError, match="call it on one row"):
        predict_draws(keras.Sequential([layers.Dense(3), layers.Dropout(0.1)]), rows)


def test_values_taken_for_probabilities_are_refused(small, rows):
    model = small(layers.Dropout(0.3), ending=None)
    with pytest.raises(UsageError, match="say outputs='logits'"):
        predict_draws(model, rows, draws=5, outputs="probabilities")
