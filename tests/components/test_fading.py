import keras
import numpy as np
import pytest

from denselab.components import FadingDropout
from denselab.errors import UsageError

UNITS = 40_000


def share_dropped(layer):
    out = keras.ops.convert_to_numpy(layer(np.ones((1, UNITS), "float32"), training=True))
    kept = out[out > 0]
    dropped = 1 - kept.size / UNITS
    if dropped:
        np.testing.assert_allclose(kept, 1 / (1 - dropped), rtol=0.05)
    return dropped


def test_the_rate_holds_for_half_of_the_steps_and_then_falls_to_nothing():
    layer = FadingDropout(0.4, steps=8, seed=0)
    found = [share_dropped(layer) for _ in range(10)]
    late = [0.2 * (1 + np.cos(np.pi * (2 * step / 8 - 1))) for step in range(5, 8)]
    expected = [*[0.4] * 5, *late, 0.0, 0.0]
    # Five deviations of a share of 40,000 units.
    np.testing.assert_allclose(found, expected, atol=5 * 0.5 / np.sqrt(UNITS))


def test_it_neither_drops_nor_counts_in_prediction():
    layer, x = FadingDropout(0.5, steps=4), np.ones((1, 100), "float32")
    for _ in range(10):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    assert layer.get_weights()[0] == 0


def test_fit_counts_its_steps():
    layer = FadingDropout(0.5, steps=100)
    model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    model.fit(np.ones((10, 3)), np.ones(10), batch_size=4, epochs=2, verbose=0)
    assert layer.get_weights()[0] == 6


@pytest.mark.parametrize("wrong", [{"rate": 1.0, "steps": 5}, {"rate": 0.1, "steps": 0}])
def test_a_rate_of_1_or_no_steps_are_refused(wrong):
    with pytest.raises(UsageError, match="give a rate from 0 to below 1, and steps from 1"):
        FadingDropout(**wrong)
