import numpy as np
import pytest
from scipy.stats import norm

from denselab.errors import UsageError
from denselab.report import (
    Reliability,
    chart_svg,
    comparison_chart,
    draws_chart,
    reliability_chart,
)
from denselab.report.measures import MEASURES
from denselab.report.reliability import wilson_interval
from denselab.report.uncertainty import _spread


def drawn(spec, mark):
    """Rows of the layers of a chart that have one kind of mark."""
    found = []
    if isinstance(spec, dict):
        kind = spec.get("mark")
        name = kind.get("type") if isinstance(kind, dict) else kind
        if name == mark:
            found += spec["data"]["values"]
        for value in spec.values():
            found += drawn(value, mark)
    elif isinstance(spec, list):
        for value in spec:
            found += drawn(value, mark)
    return found


SCORES = {
    "one pass": {"accuracy": [0.9, 0.92, 0.94], "aurc": [0.02, 0.03, 0.04]},
    "ensemble": {"accuracy": [0.95], "aurc": [0.01]},
}


def test_every_seed_is_a_dot_and_every_method_a_mean():
    spec = comparison_chart(SCORES, measures=["accuracy", "aurc"]).to_dict()

    dots = drawn(spec, "circle")
    assert [row["value"] for row in dots if row["method"] == "one pass"] == [
        *SCORES["one pass"]["accuracy"],
        *SCORES["one pass"]["aurc"],
    ]
    means = {(row["method"], round(row["mean"], 4)) for row in drawn(spec, "point")}
    assert means == {("one pass", 0.92), ("one pass", 0.03), ("ensemble", 0.95), ("ensemble", 0.01)}


def test_the_interval_is_students():
    mean, low, high = _spread([0.9, 0.92, 0.94])

    # 0.02 / sqrt(3) times 4.3027, the 97.5 % point of t with 2 degrees of freedom.
    assert mean == pytest.approx(0.92)
    assert (mean - low, high - mean) == pytest.approx((0.049683, 0.049683), rel=1e-4)
    assert _spread([0.5]) == (0.5, 0.5, 0.5)


def test_wilsons_interval_solves_its_equation():
    share, counts = np.array([0.0, 0.3, 1.0]), np.array([5.0, 40.0, 5.0])

    for end in wilson_interval(share, counts):
        inside = (end > 0) & (end < 1)
        z = np.abs(share - end) / np.sqrt(np.maximum(end * (1 - end), 1e-12) / counts)
        np.testing.assert_allclose(z[inside], norm.ppf(0.975), rtol=1e-3)


def test_a_reliability_diagram_leaves_empty_bins_out():
    curve = Reliability(
        np.array([0.0, 10, 30]), np.array([np.nan, 0.5, 0.9]), np.array([np.nan, 0.3, 0.9])
    )

    chart = reliability_chart({"one pass": curve})

    points = drawn(chart.to_dict(), "point")
    assert [(row["confidence"], row["accuracy"]) for row in points] == [(0.5, 0.3), (0.9, 0.9)]
    assert [row["share"] for row in drawn(chart.to_dict(), "bar")] == [0.25, 0.75]
    # 10 of 40 rows are 20 points off: 5 %.
    assert "calibration error 5.0%" in chart_svg(chart)


def test_more_draws_are_shown_with_their_spread():
    quality = {"negative_log_likelihood": {100: [0.2, 0.22], 1: [0.4, 0.3], 10: [0.25, 0.25]}}
    references = {"negative_log_likelihood": {"ensemble": 0.1}}

    spec = draws_chart(quality, references=references).to_dict()

    band = drawn(spec, "area")
    assert [row["draws"] for row in band] == [1, 10, 100]
    assert [row["mean"] for row in band] == pytest.approx([0.35, 0.25, 0.21])
    assert [row["high"] - row["mean"] for row in band] == pytest.approx(
        [0.0707, 0, 0.0141], abs=1e-4
    )
    assert drawn(spec, "rule") == [{"value": 0.1, "method": "ensemble", "draws": 100}]


def test_a_single_number_of_draws_can_be_drawn():
    assert "<svg" in chart_svg(draws_chart({"aurc": {1: [0.2]}}))


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_title_and_a_direction(name):
    svg = chart_svg(comparison_chart({"a": {name: [0.1, 0.2]}}, measures=[name]))

    assert MEASURES[name].title in svg
    assert "better" in svg


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: comparison_chart({}), "no method"),
        (lambda: comparison_chart({"a": {"accuracy": [1.0]}}), "a has no negative_log_likelihood"),
        (lambda: reliability_chart({}), "no curve"),
        (lambda: draws_chart({}), "nothing to draw"),
        (lambda: draws_chart({"aurc": {0: [0.1]}}), "from 1 on"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, expected):
    with pytest.raises(UsageError, match=expected):
        make()
