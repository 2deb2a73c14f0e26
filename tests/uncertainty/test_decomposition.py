import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denselab.errors import DataError
from denselab.uncertainty import (
    each_draw,
    ensemble_prediction,
    expected_entropy,
    fit_temperature,
    mutual_information,
    negative_log_likelihood,
    predict_draws,
    predictive_entropy,
    score_predictions,
    temperature_scaled,
    variation_ratio,
)


def members(seed, number=5, sharpness=1.0):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.full(3, 1 / sharpness), size=(number, 8))


def by_hand(draws):
    mean = draws.mean(0)
    total = [-sum(p * np.log(p) for p in row) for row in mean]
    inner = [
        np.mean([-sum(p * np.log(p) for p in draw[row]) for draw in draws])
        for row in range(draws.shape[1])
    ]
    counts = [np.bincount(draws[:, row].argmax(1), minlength=3) for row in range(draws.shape[1])]
    return total, inner, [1 - count.max() / len(draws) for count in counts]


def test_the_parts_are_those_of_a_plain_loop():
    draws = members(0)
    total, inner, dissent = by_hand(draws)
    np.testing.assert_allclose(predictive_entropy(draws), total, rtol=1e-5)
    np.testing.assert_allclose(expected_entropy(draws), inner, rtol=1e-5)
    np.testing.assert_allclose(mutual_information(draws), np.subtract(total, inner), atol=1e-6)
    np.testing.assert_allclose(variation_ratio(draws), dissent, atol=1e-6)


@given(st.integers(0, 10_000), st.sampled_from([1, 2, 6]), st.floats(0.3, 30))
@settings(deadline=None, max_examples=40)
def test_the_parts_keep_their_bounds(seed, number, sharpness):
    draws = members(seed, number, sharpness)
    total, inner = predictive_entropy(draws), expected_entropy(draws)
    assert (inner >= 0).all()
    assert (inner <= total + 1e-6).all()
    assert (total <= np.log(3) + 1e-6).all()
    assert (variation_ratio(draws) <= 1 - 1 / 3 + 1e-6).all()


def test_an_ensemble_has_the_parts_of_its_members():
    draws = members(1)
    found = ensemble_prediction(list(draws))
    np.testing.assert_allclose(found.probabilities, draws.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.predictive_entropy, predictive_entropy(draws), rtol=1e-5)
    np.testing.assert_allclose(found.expected_entropy, expected_entropy(draws), rtol=1e-5)
    np.testing.assert_allclose(found.mutual_information, mutual_information(draws), atol=1e-6)
    np.testing.assert_allclose(found.variation_ratio, variation_ratio(draws), atol=1e-6)
    errors = draws.std(0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-5)


@pytest.mark.parametrize(
    "tables", [[], [np.ones((2, 3)), np.ones((2, 2))], [np.ones(3)]], ids=["none", "mixed", "flat"]
)
def test_members_that_do_not_fit_are_refused(tables):
    with pytest.raises(DataError, match="all of one shape"):
        ensemble_prediction(tables)


def test_draws_and_members_stand_beside_the_temperature_scaled_network(digits):
    """The table of the study, with what must hold between its lines."""
    model, x, y = digits.members[0], digits.test_x, digits.test_y
    tables = [member.predict(x, verbose=0) for member in digits.members]
    held_out = np.log(np.maximum(model.predict(digits.calibration_x, verbose=0), 1e-30))
    temperature = fit_temperature(held_out, digits.calibration_y)
    scaled = temperature_scaled(np.log(np.maximum(tables[0], 1e-30)), temperature)
    drawn = predict_draws(model, x, draws=100).probabilities
    lines = {
        "deterministic": score_predictions(tables[0], y),
        "temperature-scaled": score_predictions(scaled, y),
        "MC dropout": score_predictions(drawn, y),
        "ensemble": score_predictions(ensemble_prediction(tables).probabilities, y),
    }
    plain, scaled_line = lines["deterministic"], lines["temperature-scaled"]
    assert temperature > 1
    assert scaled_line.accuracy == plain.accuracy
    assert scaled_line.negative_log_likelihood < plain.negative_log_likelihood
    assert scaled_line.expected_calibration_error < plain.expected_calibration_error
    # Jensen: the mean of draws or members is better than they are one by one.
    single_draws = each_draw(model, x, draws=20)
    for name, single in (("MC dropout", single_draws), ("ensemble", tables)):
        alone = np.mean([float(negative_log_likelihood(table, y)) for table in single])
        assert lines[name].negative_log_likelihood < alone
