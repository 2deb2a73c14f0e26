import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from denselab.errors import DataError, UsageError
from denselab.uncertainty import (
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_curve,
    score_predictions,
)

SURE = np.array([[0.9, 0.1], [0.9, 0.1]], np.float32)


@st.composite
def predictions(draw):
    """Probabilities and labels, of few shapes, each of which JAX compiles for."""
    shape = draw(st.sampled_from([(1, 2), (30, 5)]))
    weights = draw(hnp.arrays(np.float32, shape, elements=st.integers(1, 97).map(float)))
    labels = draw(hnp.arrays(np.int32, shape[0], elements=st.integers(0, shape[1] - 1)))
    return weights / weights.sum(1, keepdims=True), labels


def by_definition(probabilities, labels, bins):
    """The definition as a plain loop over bins (low, high]."""
    confidence, predicted = probabilities.max(1), probabilities.argmax(1)
    total = 0.0
    for place in range(bins):
        inside = (confidence * bins > place) & (confidence * bins <= place + 1)
        if inside.any():
            accuracy = (predicted[inside] == labels[inside]).mean()
            total += inside.mean() * abs(accuracy - confidence[inside].mean())
    return total


@pytest.mark.parametrize(
    ("probabilities", "labels", "gap"),
    [
        (SURE, [0, 0], 0.1),
        (SURE, [0, 1], 0.4),
        (SURE, [1, 1], 0.9),
        (np.array([[1.0, 0.0]]), [0], 0.0),
        (np.array([[0.6, 0.4], [0.9, 0.1]]), [0, 1], 0.5 * 0.4 + 0.5 * 0.9),
    ],
    ids=["right", "half right", "wrong", "sure and right", "two bins"],
)
def test_a_known_calibration_error(probabilities, labels, gap):
    found = expected_calibration_error(probabilities, np.array(labels))
    assert float(found) == pytest.approx(gap, abs=1e-6)


@given(predictions(), st.sampled_from([1, 15]))
@settings(deadline=None, max_examples=50)
def test_the_calibration_error_is_its_definition_and_within_its_bounds(case, bins):
    probabilities, labels = case
    found = float(expected_calibration_error(probabilities, labels, bins=bins))
    assert found == pytest.approx(by_definition(probabilities, labels, bins), abs=1e-5)
    assert -1e-6 <= found <= 1 + 1e-6


@given(predictions(), st.just(5), st.sampled_from([2, 3]))
@settings(deadline=None, max_examples=50)
def test_splitting_bins_never_lowers_the_calibration_error(case, bins, parts):
    whole = float(expected_calibration_error(*case, bins=bins))
    assert float(expected_calibration_error(*case, bins=bins * parts)) >= whole - 1e-6


@pytest.mark.parametrize(
    "score",
    [expected_calibration_error, brier_score, negative_log_likelihood],
    ids=lambda score: score.__name__,
)
def test_a_score_is_the_same_eager_compiled_and_vmapped(score):
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), size=(3, 50)).astype("float32")
    labels = random.integers(0, 4, size=(3, 50))
    eager = [score(*case) for case in zip(probabilities, labels, strict=True)]
    compiled = [jax.jit(score)(*case) for case in zip(probabilities, labels, strict=True)]
    np.testing.assert_allclose(compiled, eager, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(score)(probabilities, labels), eager, rtol=1e-6)


def test_log_loss_and_brier_score_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(4), size=200)
    labels = random.integers(0, 4, size=200)
    assert float(negative_log_likelihood(probabilities, labels)) == pytest.approx(
        log_loss(labels, probabilities), rel=1e-5
    )
    assert float(brier_score(probabilities, labels)) == pytest.approx(
        brier_score_loss(labels, probabilities, scale_by_half=False), rel=1e-5
    )


def test_a_true_class_of_probability_zero_costs_87_nats():
    found = negative_log_likelihood(np.array([[1.0, 0.0]], np.float32), np.array([1]))
    assert float(found) == pytest.approx(-np.log(np.finfo(np.float32).tiny), rel=1e-6)


def test_the_reliability_curve_is_that_of_scikit_learn():
    random = np.random.default_rng(0)
    chance = random.uniform(0.5, 1, size=500)
    right = random.uniform(size=500) < chance
    probabilities = np.stack([chance, 1 - chance], axis=1)
    curve = reliability_curve(probabilities, np.where(right, 0, 1), bins=10)
    accuracy, confidence = calibration_curve(right, chance, n_bins=10)
    filled = np.asarray(curve.counts) > 0
    np.testing.assert_allclose(np.asarray(curve.accuracy)[filled], accuracy, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(curve.confidence)[filled], confidence, rtol=1e-5)
    assert np.isnan(np.asarray(curve.accuracy)[~filled]).all()
    assert float(curve.counts.sum()) == 500


def test_no_bins_are_refused():
    with pytest.raises(UsageError, match="at least 1, such as 15"):
        expected_calibration_error(SURE, np.array([0, 1]), bins=0)


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        ([0, 1, 1], "with at least one example"),
        ([1, 2], "whole numbers from 0 to 1"),
        ([-1, 0], "whole numbers from 0 to 1"),
        ([0.0, 1.0], "whole numbers from 0 to 1"),
    ],
    ids=["too many", "from 1", "negative", "floats"],
)
@pytest.mark.parametrize("score", [brier_score, negative_log_likelihood, reliability_curve])
def test_labels_that_do_not_fit_are_refused(score, labels, remedy):
    with pytest.raises(DataError, match=remedy):
        score(SURE, np.array(labels))


def test_a_table_row_holds_every_score():
    labels = jnp.array([0, 1])
    row = score_predictions(SURE, labels)
    assert row.accuracy == 0.5
    assert row.negative_log_likelihood == float(negative_log_likelihood(SURE, labels))
    assert row.brier_score == float(brier_score(SURE, labels))
    assert row.expected_calibration_error == pytest.approx(0.4, abs=1e-6)
    assert row.aurc == 0.5
