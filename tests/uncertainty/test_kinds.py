import keras
import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.uncertainty.kinds import LEVELS, drop_level, kind_of

layers = keras.layers
pytestmark = pytest.mark.backends


class AlwaysOn(layers.Dropout):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


class AlwaysOnAlpha(layers.AlphaDropout):
    def call(self, inputs):
        return super().call(inputs, training=True)


class Doubled(layers.Dropout):
    def call(self, inputs, training=None):
        return 2 * super().call(inputs, training=training)


class Renamed(layers.GaussianNoise):
    pass


@pytest.mark.parametrize(
    ("layer", "stock"),
    [
        (AlwaysOn(0.3), layers.Dropout(0.3)),
        (AlwaysOn(0.3, noise_shape=(None, 1, 4)), layers.Dropout(0.3)),
        (AlwaysOnAlpha(0.3), layers.AlphaDropout(0.3)),
        (Renamed(0.1), layers.GaussianNoise(0.1)),
    ],
    ids=["MC dropout", "with a noise shape", "MC alpha dropout", "a mere subclass"],
)
def test_a_variant_is_known_as_the_layer_that_it_acts_like(layer, stock):
    assert kind_of(layer) is kind_of(stock)


def test_a_subclass_that_does_something_else_is_not_known():
    assert kind_of(Doubled(0.3)) is None


def test_trying_a_variant_out_does_not_move_its_seed():
    layer = AlwaysOn(0.3, seed=1)
    before = np.asarray(keras.ops.convert_to_numpy(layer.seed_generator.state))
    kind_of(layer)
    after = np.asarray(keras.ops.convert_to_numpy(layer.seed_generator.state))
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("rate", [1e-6, 1.0], ids=["below the resolution", "everything"])
def test_a_rate_that_cannot_be_drawn_is_refused(rate):
    with pytest.raises(UsageError, match=r"rebuild the layer"):
        drop_level(layers.Dropout(rate))


@pytest.mark.parametrize("rate", [0.1, 1 / 3, 0.5, 0.9])
def test_the_realised_rate_is_within_half_a_step(rate):
    assert abs(drop_level(layers.Dropout(rate)) / LEVELS - rate) <= 0.5 / LEVELS


def all_fields():
    return np.arange(LEVELS, dtype=np.uint32)


def test_dropout_keeps_the_mean_exactly_over_all_fields():
    scale, shift = kind_of(layers.Dropout(0.1)).affine(layers.Dropout(0.1), all_fields())
    assert shift is None
    assert scale.astype(np.float64).mean() == pytest.approx(1, abs=1e-6)


def test_alpha_dropout_keeps_mean_and_variance_over_all_fields():
    layer = layers.AlphaDropout(0.1)
    parts = kind_of(layer).affine(layer, all_fields())
    scale, shift = (part.astype(np.float64) for part in parts)
    # Law of total variance, inputs of mean 0 and variance 1: E[s² + t²] - E[t]² = 1, E[t] = 0.
    assert shift.mean() == pytest.approx(0, abs=1e-6)
    assert (scale**2 + shift**2).mean() == pytest.approx(1, abs=1e-6)


def test_alpha_dropout_is_the_layer_of_keras():
    layer = layers.AlphaDropout(0.25, seed=0)
    inputs = np.random.default_rng(0).normal(size=(200, 50)).astype("float32")
    stock = np.asarray(keras.ops.convert_to_numpy(layer(inputs, training=True)))
    scale, shift = kind_of(layer).affine(layer, np.array([0, LEVELS - 1], np.uint32))
    either = np.stack([inputs * scale[0] + shift[0], inputs * scale[1] + shift[1]])
    assert np.abs(either - stock).min(axis=0).max() < 1e-5


@pytest.mark.parametrize(
    ("layer", "mean", "deviation"),
    [
        (layers.GaussianDropout(0.2), 1.0, 0.5),
        (layers.GaussianNoise(0.3), 0.0, 0.3),
    ],
    ids=["GaussianDropout", "GaussianNoise"],
)
def test_gaussian_noise_has_the_moments_of_its_layer(layer, mean, deviation):
    field = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    scale, shift = kind_of(layer).affine(layer, field)
    noise = (scale if shift is None else shift).astype(np.float64)
    centred = (noise - mean) / deviation
    for power, moment, error in ((1, 0, 1), (2, 1, 2**0.5), (3, 0, 15**0.5), (4, 3, 96**0.5)):
        assert abs((centred**power).mean() - moment) < 5 * error / len(field) ** 0.5


def test_gaussian_noise_is_finite_at_both_ends_and_symmetric():
    layer = layers.GaussianNoise(1.0)
    _, ends = kind_of(layer).affine(layer, np.array([0, 2**32 - 1], np.uint32))
    assert np.isfinite(ends).all()
    assert ends[0] == -ends[1] < -5


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (layers.Dropout(0.1), (7, 5, 4), (7, 5, 4)),
        (layers.Dropout(0.1, noise_shape=(None, 1, None)), (7, 5, 4), (7, 1, 4)),
        (layers.SpatialDropout1D(0.1), (7, 5, 4), (7, 1, 4)),
        (layers.SpatialDropout2D(0.1), (7, 5, 6, 4), (7, 1, 1, 4)),
        (
            layers.SpatialDropout2D(0.1, data_format="channels_first"),
            (7, 4, 5, 6),
            (7, 4, 1, 1),
        ),
        (layers.SpatialDropout3D(0.1), (7, 5, 6, 2, 4), (7, 1, 1, 1, 4)),
    ],
    ids=["full", "noise shape", "1D", "2D", "2D, channels first", "3D"],
)
def test_noise_is_shared_along(layer, inputs, expected):
    assert kind_of(layer).shape(layer, inputs) == expected


@pytest.mark.parametrize("noise_shape", [(None, 3), (None,), (None, 1, 1)])
def test_a_noise_shape_that_does_not_fit_is_refused(noise_shape):
    layer = layers.Dropout(0.1, noise_shape=noise_shape)
    with pytest.raises(UsageError, match="one entry an axis"):
        kind_of(layer).shape(layer, (7, 4))
