from math import inf, isnan, nan

import numpy as np
import pytest

from denselab.study.claims.evidence import (
    Evidence,
    difference_arm,
    metric_arm,
    swings,
)
from denselab.study.records import epochs_to
from denselab.study.statistics import Arm


def test_epochs_to_a_target_are_counted_from_one(trials):
    found = trials(
        "a",
        {"val_accuracy": [0.2, 0.5, 0.9]},
        {"val_accuracy": [0.2, 0.3, 0.4]},
        {"val_accuracy": [0.9, 0.9, 0.9]},
        failed=[2],
    )
    assert [epochs_to(trial, 0.5) for trial in found.values()] == [2.0, inf, inf]


def test_a_metric_is_taken_from_records_or_layers_and_failures_have_none(trials):
    table = {"mean": [-0.5, 0.1], "zero": [0.0, 0.5]}
    evidence = Evidence(
        {"a": trials("a", {"val_loss": [2.0, 1.0, 0.5]}, {}, failed=[1])},
        layers={"a": {0: {"end": table}}},
    )
    wanted = {
        "first_validation_loss": 2.0,
        "off_centre": 0.3,
        "zero_derivatives": 25.0,
        "loss": 1.0,
    }
    for metric, value in wanted.items():
        scores = metric_arm(evidence, "a", metric).scores
        assert (scores[0], scores[1]) == (pytest.approx(value), None)


def test_the_difference_of_arms_is_taken_seed_by_seed_and_row_by_row():
    first = Arm({0: 0.5, 1: 0.7, 2: None}, {0: np.array([1.0, 0.0]), 1: np.array([1.0, 0.4])})
    second = Arm({0: 0.25, 1: 0.2, 2: 0.1}, {0: np.array([0.5, 0.0])})
    found = difference_arm(first, second)

    assert found.scores == {0: 0.25, 1: pytest.approx(0.5), 2: None}
    assert {seed: rows.tolist() for seed, rows in found.rows.items()} == {0: [0.5, 0.0]}
    assert difference_arm(first, Arm({0: 1.0})).rows is None


def test_a_swinging_loss_is_told_from_a_smooth_one():
    epochs = np.arange(120)
    falling = np.exp(-epochs / 40)
    lobe, cycles = swings(falling * np.exp(0.2 * np.sin(2 * np.pi * epochs / 20)))
    assert lobe < -0.5
    assert 5 <= cycles <= 7

    lobe, cycles = swings(falling * np.exp(0.2 * np.random.default_rng(0).normal(size=120)))
    assert lobe > -0.4
    assert all(isnan(one) for one in swings([1.0] * 11))
    assert all(isnan(one) for one in swings([1.0] * 20))
    assert all(isnan(one) for one in swings([*range(1, 20), nan]))
