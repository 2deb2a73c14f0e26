"""What is recorded of trust in probabilities: spreads and the smallest number of draws, by hand."""

import json
from math import isnan, sqrt

import numpy as np
import pytest

from denselab.study.trust import (
    METRICS,
    ConformalCoverage,
    DrawCurve,
    MethodScores,
    RecipeTrust,
    smallest_sufficient,
)


def scores(values, whole=None):
    table = dict.fromkeys(METRICS, tuple(values))
    return MethodScores("mc", 2.0, table, {} if whole is None else dict.fromkeys(METRICS, whole))


def test_over_seeds_there_are_mean_and_deviation():
    found = scores([0.1, 0.2, 0.6])
    assert found.value("loss") == pytest.approx(0.3)
    assert found.deviation("loss") == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert isnan(scores([0.1]).deviation("loss"))


def test_an_ensemble_has_its_own_value_and_the_jackknife_s_error():
    left_out = np.array([0.31, 0.29, 0.33, 0.30])
    found = scores(left_out, whole=0.28)
    assert found.value("aurc") == 0.28
    # The definition: sqrt((n - 1) / n * sum of squared deviations from their mean).
    expected = sqrt(3 / 4 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.deviation("aurc") == pytest.approx(expected)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).random(12)
    left_out = [(values.sum() - value) / 11 for value in values]
    expected = values.std(ddof=1) / sqrt(12)
    assert scores(left_out, whole=values.mean()).deviation("loss") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("losses", "errors", "expected"),
    [
        pytest.param([1.5, 1.402, 1.4], [0.02, 0.02, 0.02], 10, id="ten will do"),
        pytest.param([1.4, 1.4, 1.4], [0.03, 0.021, 0.02], 10, id="calibration counts too"),
        pytest.param([1.3, 1.3, 1.4], [0.02, 0.02, 0.02], 1, id="better is as good"),
        pytest.param([1.401, 1.5, 1.4], [0.02, 0.02, 0.02], 100, id="greater numbers too"),
        pytest.param([1.5, 1.41, 1.4], [0.02, 0.02, 0.02], 100, id="none"),
    ],
)
def test_the_smallest_number_of_draws_that_is_as_good(losses, errors, expected):
    values = {"loss": [(v,) for v in losses], "calibration_error": [(v,) for v in errors]}
    assert smallest_sufficient((1, 10, 100), values) == expected


def test_over_seeds_the_upper_end_of_the_interval_counts():
    # Differences 0.000, 0.008: mean 0.004 is within 0.005, but t(1) = 12.7 leaves it open.
    values = {"loss": [(1.4, 1.408), (1.4, 1.4)]}
    assert smallest_sufficient((10, 100), values) == 100
    # Differences 0.0030, 0.0031: the interval ends at 0.0037.
    assert smallest_sufficient((10, 100), {"loss": [(1.403, 1.4031), (1.4, 1.4)]}) == 10


def test_everything_is_written_as_json():
    curve = DrawCurve((1, 10), {"loss": ((1.0, 1.1), (0.9, 1.0))}, 10)
    sets = ConformalCoverage(0.9, (0.91,), (1.5,), (0.9, 0.92))
    trust = RecipeTrust("a", (0, 1), (scores([0.1, 0.3]),), {"t": (1.5,)}, curve, sets, ("n",))
    back = json.loads(json.dumps(trust.to_json(), allow_nan=False))
    assert back["methods"][0]["scores"]["loss"]["value"] == pytest.approx(0.2)
    assert back["curve"] == {
        "draws": [1, 10],
        "values": {"loss": [[1.0, 1.1], [0.9, 1.0]]},
        "sufficient": 10,
    }
    assert back["conformal"]["resplit"] == [0.9, 0.92]


def test_one_seed_has_no_spread_in_json_either():
    assert scores([0.1]).to_json()["scores"]["loss"]["spread"] is None
