import jax.numpy as jnp
import numpy as np
import pytest

from denselab.training.measures import (
    class_baseline,
    class_measures,
    most_confused,
    value_baseline,
    value_measures,
)
from denselab.uncertainty import expected_calibration_error, negative_log_likelihood

STREAM = np.random.default_rng(0)


@pytest.fixture
def predicted():
    said = STREAM.dirichlet(np.ones(3), 400)
    return said, np.array([STREAM.choice(3, p=row) for row in said])


def test_scores_are_those_of_the_room_of_uncertainty(predicted):
    said, labels = predicted

    found = class_measures(said, labels)

    assert found["accuracy"].value == (said.argmax(axis=1) == labels).mean()
    loss = negative_log_likelihood(jnp.asarray(said), jnp.asarray(labels))
    assert found["log_loss"].value == pytest.approx(float(loss), rel=1e-5)
    gap = expected_calibration_error(jnp.asarray(said), jnp.asarray(labels))
    assert found["expected_calibration_error"].value == pytest.approx(float(gap), rel=1e-4)


def test_intervals_hold_what_many_more_rows_would_say():
    held = []
    for trial in range(200):
        stream = np.random.default_rng(trial)
        errors = stream.normal(size=100)
        found = value_measures(errors, np.zeros(100) + np.arange(100) * 1e-9)
        held.append(found["mae"].low <= np.sqrt(2 / np.pi) <= found["mae"].high)

    # 95 % of 200 within five standard errors of 1.5 points, less what a bootstrap of 100 rows lacks.
    assert 0.95 - 5 * 0.0154 <= np.mean(held) <= 1


def test_an_interval_narrows_with_the_root_of_the_rows():
    few, many = (
        class_measures(np.array([[0.8, 0.2]] * n), np.array([0, 0, 0, 0, 1] * (n // 5)))
        for n in (100, 10_000)
    )

    ratio = (few["log_loss"].high - few["log_loss"].low) / (
        many["log_loss"].high - many["log_loss"].low
    )
    assert ratio == pytest.approx(10, rel=0.2)


def test_values_are_scored_by_hand():
    found = value_measures(np.array([1.0, 2.0, 6.0]), np.array([1.0, 4.0, 4.0]))

    assert found["rmse"].value == pytest.approx(np.sqrt(8 / 3))
    assert found["mae"].value == pytest.approx(4 / 3)
    assert found["r2"].value == pytest.approx(1 - (8 / 3) / 2)


def test_targets_of_one_value_have_no_r2():
    found = value_measures(np.array([1.0, 2.0]), np.array([1.0, 1.0]))

    assert np.isnan(found["r2"].value)
    assert found["mae"].value == 0.5


def test_the_baseline_looks_at_no_feature():
    found = class_baseline(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), 2)

    assert found["accuracy"] == 0.25
    assert found["log_loss"] == pytest.approx(-(np.log(0.75) + 3 * np.log(0.25)) / 4)
    assert value_baseline(np.array([0.0, 2.0]), np.array([0.0, 2.0]))["r2"] == 0


def test_pairs_with_most_rows_come_first():
    labels, chosen = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 2, 1, 2])

    first, second = most_confused(chosen, labels)

    assert first == (0, 1, 2, 3)
    assert second == (1, 2, 1, 2)
    assert most_confused(labels, labels) == []
