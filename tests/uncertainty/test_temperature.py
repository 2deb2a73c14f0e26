import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from denselab.errors import DataError, UsageError
from denselab.uncertainty import fit_temperature, negative_log_likelihood, temperature_scaled


def too_sure(by, rows=4000, seed=0):
    """Logits `by` times those that the labels were drawn from."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, size=(rows, 4))
    chances = softmax(logits, axis=1)
    labels = (chances.cumsum(1) < random.uniform(size=(rows, 1))).sum(1)
    return by * logits, labels


@pytest.mark.parametrize("by", [0.3, 1.0, 5.0])
def test_the_factor_that_made_logits_too_sure_is_found(by):
    logits, labels = too_sure(by)
    # Inverse Fisher information of the inverse temperature, one standard error relative.
    chances = softmax(logits / by, axis=1)
    scaled = logits / by
    variance = (chances * scaled**2).sum(1) - (chances * scaled).sum(1) ** 2
    error = 1 / np.sqrt(variance.sum())
    assert abs(fit_temperature(logits, labels) / by - 1) < 4 * error


def test_it_is_the_temperature_of_scikit_learn():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 5))
    y = (x[:, :3] + random.normal(0, 1.5, size=(400, 3))).argmax(1)
    model = LogisticRegression(C=1e4).fit(x[:60], y[:60])
    oracle = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
    oracle.fit(x[60:], y[60:])
    logits = model.decision_function(x[60:])
    ours = temperature_scaled(logits, fit_temperature(logits, y[60:]))
    np.testing.assert_allclose(ours, oracle.predict_proba(x[60:]), atol=1e-4)


def test_logarithms_of_probabilities_serve_as_logits():
    logits, labels = too_sure(3.0, rows=300)
    first = fit_temperature(logits, labels)
    assert fit_temperature(log_softmax(logits, axis=1), labels) == pytest.approx(first, rel=1e-6)


@given(st.integers(0, 1000), st.floats(0.2, 5))
@settings(deadline=None, max_examples=30)
def test_no_other_temperature_is_better_on_the_same_rows(seed, other):
    logits, labels = too_sure(2.0, rows=50, seed=seed)

    def loss(temperature):
        return float(negative_log_likelihood(temperature_scaled(logits, temperature), labels))

    assert loss(fit_temperature(logits, labels)) <= loss(other) + 1e-6


def test_the_order_of_the_classes_stays():
    logits, labels = too_sure(3.0, rows=50)
    scaled = np.asarray(temperature_scaled(logits, fit_temperature(logits, labels)))
    np.testing.assert_array_equal(scaled.argsort(1), logits.astype("float32").argsort(1))


@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 0], 0.01), ([1, 1], 100.0)], ids=["all right", "all wrong"]
)
def test_what_no_temperature_fits_ends_at_the_limit(labels, expected):
    logits = np.array([[1.0, 0.0], [2.0, 0.0]])
    assert fit_temperature(logits, np.array(labels)) == expected


@pytest.mark.parametrize(
    ("logits", "labels", "remedy"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), "at least one example"),
        (np.zeros((0, 2)), np.zeros(0, int), "at least one example"),
        (np.zeros((3, 2)), np.array([1, 2, 1]), "whole numbers from 0 to 1"),
        (np.array([[-np.inf, 0.0]]), np.array([1]), "clip probabilities"),
    ],
    ids=["labels missing", "no rows", "labels from 1", "infinite"],
)
def test_logits_that_cannot_be_fitted_are_refused(logits, labels, remedy):
    with pytest.raises(DataError, match=remedy):
        fit_temperature(logits, labels)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(UsageError, match="from fit_temperature"):
        temperature_scaled(np.zeros((1, 2)), 0.0)
