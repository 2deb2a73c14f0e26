import numpy as np
import pytest

from denselab.errors import UsageError
from denselab.uncertainty.results import class_result, value_result
from denselab.uncertainty.sketch import QuantileSketch
from denselab.uncertainty.streams import ClassTotals, ValueTotals, empty_updates, update


def classes(draws, until=None):
    totals = ClassTotals(draws.shape[1], draws.shape[2])
    empty = empty_updates(draws.shape[2], draws.shape[1], np)
    counted = np.ones(len(draws))
    state = update(empty, draws, "probabilities", counted=counted, xp=np)
    totals.add(np.arange(draws.shape[1]), state)
    return class_result(totals, until)


def values(draws, until=None):
    totals = ValueTotals(draws.shape[1], draws.shape[2])
    sketch = QuantileSketch(draws.shape[1], draws.shape[2])
    totals.add(np.arange(draws.shape[1]), draws)
    sketch.add(np.arange(draws.shape[1]), draws)
    return value_result(totals, sketch, until)


AGREE = np.array([[[0.5, 0.5]], [[0.5, 0.5]]])
DISAGREE = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])


@pytest.mark.parametrize(
    ("draws", "total", "aleatoric", "epistemic", "ratio"),
    [
        (AGREE, np.log(2), np.log(2), 0, 0.5),
        (DISAGREE, np.log(2), 0, np.log(2), 0.5),
        (AGREE[:, :, ::-1] * [2, 0], 0, 0, 0, 0),
    ],
    ids=["agree that it is open", "sure of opposites", "agree and sure"],
)
def test_uncertainty_has_two_parts(draws, total, aleatoric, epistemic, ratio):
    found = classes(draws)
    assert found.predictive_entropy[0] == pytest.approx(total, abs=1e-6)
    assert found.expected_entropy[0] == pytest.approx(aleatoric, abs=1e-6)
    assert found.mutual_information[0] == pytest.approx(epistemic, abs=1e-6)
    assert found.variation_ratio[0] == pytest.approx(ratio, abs=1e-6)


def test_without_a_target_every_row_has_converged():
    assert classes(DISAGREE).converged.all()


def test_an_interval_is_not_narrower_than_the_target():
    found = classes(AGREE, until=0.01)
    low, high = found.interval(0.95)
    half = 12.7062047 * 0.01  # Student's t with one degree of freedom
    np.testing.assert_allclose(high - 0.5, half, rtol=1e-6)
    np.testing.assert_allclose(0.5 - low, half, rtol=1e-6)


def test_an_interval_stays_within_probabilities():
    low, high = classes(DISAGREE).interval(0.99)
    assert low.min() == 0
    assert high.max() == 1


def test_noise_measured_elsewhere_becomes_the_aleatoric_part():
    draws = np.random.default_rng(0).normal(size=(30, 4, 1))
    found = values(draws)
    noisy = found.with_noise(0.25)
    np.testing.assert_allclose(noisy.variance, found.epistemic_variance + 0.25)
    np.testing.assert_array_equal(noisy.quantiles([0.5]), found.quantiles([0.5]))
    assert (found.aleatoric_variance == 0).all()


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_out_of_range_is_refused(level):
    with pytest.raises(UsageError, match=r"such as 0\.95"):
        classes(AGREE).interval(level)
