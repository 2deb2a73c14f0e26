import itertools

import jax
import numpy as np
import pytest

from denselab.errors import DataError, UsageError
from denselab.uncertainty import aurc, risk_coverage, selective_accuracy

THREE = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], np.float32)


@pytest.mark.parametrize(
    ("labels", "risks"),
    [
        ([0, 0, 0], [0, 0, 0]),
        ([0, 0, 1], [0, 0, 1 / 3]),
        ([1, 0, 0], [1, 1 / 2, 1 / 3]),
        ([1, 1, 1], [1, 1, 1]),
    ],
    ids=["all right", "least sure wrong", "surest wrong", "all wrong"],
)
def test_a_known_risk_coverage_curve(labels, risks):
    curve = risk_coverage(THREE, np.array(labels))
    np.testing.assert_allclose(curve.risk, risks, rtol=1e-6)
    np.testing.assert_allclose(curve.coverage, [1 / 3, 2 / 3, 1], rtol=1e-6)
    assert float(aurc(THREE, np.array(labels))) == pytest.approx(np.mean(risks), rel=1e-6)


def test_equal_confidences_give_the_mean_over_all_orders():
    wrong = np.array([1, 0, 0, 1, 0])
    confidence = np.array([0.9, 0.7, 0.7, 0.7, 0.5])
    orders = [[0, *middle, 4] for middle in itertools.permutations([1, 2, 3])]
    exact = np.mean([np.cumsum(wrong[order]) / np.arange(1, 6) for order in orders], axis=0)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    found = risk_coverage(probabilities, wrong, confidence=confidence)
    np.testing.assert_allclose(found.risk, exact, rtol=1e-6)


def test_a_ranking_that_says_nothing_gives_the_error_rate():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=80).astype("float32")
    labels = random.integers(0, 3, 80)
    error = (probabilities.argmax(1) != labels).mean()
    found = aurc(probabilities, labels, confidence=np.zeros(80))
    assert float(found) == pytest.approx(error, rel=1e-5)


def test_the_order_of_the_examples_does_not_matter():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=80).round(1).astype("float32")
    labels, order = random.integers(0, 3, 80), random.permutation(80)
    first, second = aurc(probabilities, labels), aurc(probabilities[order], labels[order])
    assert float(first) == pytest.approx(float(second), rel=1e-5)


def test_it_is_the_same_eager_compiled_and_vmapped():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), size=(2, 40)).astype("float32")
    labels = random.integers(0, 3, size=(2, 40))
    eager = [aurc(*case) for case in zip(probabilities, labels, strict=True)]
    compiled = [jax.jit(aurc)(*case) for case in zip(probabilities, labels, strict=True)]
    np.testing.assert_allclose(compiled, eager, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(aurc)(probabilities, labels), eager, rtol=1e-6)


@pytest.mark.parametrize(
    ("coverage", "expected"), [(1 / 3, 1), (0.34, 1), (2 / 3, 1), (0.9, 2 / 3), (1, 2 / 3)]
)
def test_accuracy_of_the_surest_part(coverage, expected):
    found = selective_accuracy(THREE, np.array([0, 0, 1]), coverage=coverage)
    assert float(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("coverage", [0, -0.1, 1.1])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(UsageError, match=r"such as 0\.8"):
        selective_accuracy(THREE, np.array([0, 0, 1]), coverage=coverage)


def test_confidences_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="give one number each"):
        aurc(THREE, np.array([0, 0, 1]), confidence=np.zeros(2))
