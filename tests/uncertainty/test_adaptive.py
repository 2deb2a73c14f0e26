import keras
import numpy as np
import pytest

from denselab.uncertainty import predict_draws

layers = keras.layers


@pytest.fixture(scope="module")
def reference(digits):
    """Ten thousand draws on another seed than the runs that are to cover them."""
    return predict_draws(digits.members[0], digits.test_x, draws=10_000, seed=99)


@pytest.mark.parametrize("until", [0.02, 0.01])
def test_nominal_95_percent_intervals_cover_the_answer_of_ten_thousand_draws(
    until, digits, reference
):
    assert len(digits.test_x) >= 2000
    found = predict_draws(digits.members[0], digits.test_x, until=until, seed=3)
    low, high = found.interval(0.95)
    covered = (low <= reference.probabilities) & (reference.probabilities <= high)
    chosen = covered[np.arange(len(covered)), found.classes]
    assert covered.mean() >= 0.93
    assert chosen.mean() >= 0.93
    # Not by being wide: rows that stopped late have errors of 0.8 to 1 targets, and 1.96 targets
    # cover these in 98.6 to 95 %.
    late = found.draws_used > 200
    assert late.sum() > 300
    assert 0.93 <= chosen[late].mean() <= 0.99


def test_rows_leave_when_they_meet_the_target(digits):
    found = predict_draws(digits.members[0], digits.test_x[:300], until=0.01)
    assert found.converged.all()
    assert (found.standard_errors.max(1) <= 0.01).all()
    assert found.draws_used.min() == 64
    assert found.draws_used.max() > 500
    # A row goes on for half as many again: its error ends at 0.82 targets, and an error estimated
    # from 200 draws or more is right to 5 % for the most of them.
    late = found.draws_used > 200
    assert np.quantile(found.standard_errors[late].max(1), 0.05) > 0.82 * 0.95 * 0.01


def test_a_row_stops_at_the_same_draw_whatever_is_beside_it(digits):
    model, x = digits.members[0], digits.test_x[:100]
    whole = predict_draws(model, x, until=0.02)
    few = predict_draws(model, x[:10], until=0.02, chunk=3)
    np.testing.assert_array_equal(few.draws_used, whole.draws_used[:10])
    np.testing.assert_allclose(few.probabilities, whole.probabilities[:10], atol=1e-6)


def test_draws_of_an_adaptive_run_are_those_of_a_fixed_one(digits):
    model, x = digits.members[0], digits.test_x[:50]
    found = predict_draws(model, x, until=0.02)
    row = int(found.draws_used.argmax())
    fixed = predict_draws(model, x, draws=int(found.draws_used[row]))
    np.testing.assert_allclose(found.probabilities[row], fixed.probabilities[row], atol=1e-6)


def test_the_most_draws_are_a_limit_and_the_result_says_so(digits):
    found = predict_draws(digits.members[0], digits.test_x[:100], until=1e-4, draws=150)
    assert found.draws_used.max() == 150
    assert not found.converged.all()
    np.testing.assert_array_equal(found.converged, found.standard_errors.max(1) <= 1e-4)


def test_a_regression_stops_too():
    model = keras.Sequential([keras.Input((2,)), layers.Dropout(0.5)])
    x = np.array([[0.1, 0.1], [2.0, 0.1], [0.0, 0.0]])
    found = predict_draws(model, x, until=0.05, outputs="values")
    # The variance of a unit x under Dropout(0.5) is x²: 0.01, 4 and 0 over 0.05².
    assert found.draws_used[0] == found.draws_used[2] == 64
    assert 1600 * 0.9 < found.draws_used[1] < 1600 * 1.5 * 1.1
    low, high = found.interval()
    assert ((low <= x) & (x <= high)).all()
