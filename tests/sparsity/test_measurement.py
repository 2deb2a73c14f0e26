"""The table, the JSON and the sentence follow from the measurements alone."""

import json

import pytest

from denselab.sparsity.latency import Latency
from denselab.sparsity.measurement import Measurement, Way


def way(name, *seconds, score=None, **more):
    latencies = tuple(Latency(batch, (t,) * 4) for batch, t in zip((1, 64), seconds, strict=False))
    return Way(name, f"the {name}", 100, 20, 400, 90, score, latencies, **more)


def found(*ways, metric=None, batch_sizes=(1, 64)):
    return Measurement(ways, batch_sizes, metric, 4, "one core for all", "jax", "a machine", {})


def test_the_quickest_is_recommended_at_each_batch_size():
    sentence = found(way("dense", 4e-3, 8e-3), way("sparse", 1e-3, 9e-3)).recommend()

    assert sentence == (
        "On this machine the fastest is the sparse at batch 1 (1 ms, 4 times as fast as the dense), "
        "and the dense at batch 64 (8 ms); how right the answers are was not measured (no labels)."
    )


def test_a_way_that_loses_accuracy_is_left_out_and_named():
    ways = (
        way("dense", 4e-3, score=0.90),
        way("small", 1e-3, score=0.85),
        way("sparse", 2e-3, score=0.895),
    )
    measurement = found(*ways, metric="accuracy", batch_sizes=(1,))

    assert measurement.recommend() == (
        "On this machine the fastest is the sparse at batch 1 (2 ms, 2 times as fast as the dense); "
        "left out: the small loses 5.0 points of accuracy."
    )
    assert "fastest is the small" in measurement.recommend(tolerance=0.06)


def test_an_error_may_grow_by_a_share():
    ways = (
        way("dense", 4e-3, score=2.0),
        way("small", 1e-3, score=2.1),
        way("sparse", 2e-3, score=1.9),
    )
    sentence = found(*ways, metric="rmse", batch_sizes=(1,)).recommend()

    assert "fastest is the sparse" in sentence
    assert "left out: the small has an error 5.0 % greater." in sentence


def test_ways_that_the_rounds_do_not_tell_apart_are_both_named():
    one = Way("a", "the first", 1, 1, latencies=(Latency(1, (1.0, 2.0, 1.0, 2.0)),))
    other = Way("b", "the second", 1, 1, latencies=(Latency(1, (2.0, 1.0, 2.0, 1.5)),))
    sentence = found(one, other, batch_sizes=(1,)).recommend()

    assert "the first or the second at batch 1" in sentence
    assert "which the rounds do not tell apart" in sentence


def test_what_was_not_measured_is_in_the_table_and_never_recommended():
    silent = way("onnx", score=None, not_measured="needs onnxruntime; pip install 'denselab[onnx]'")
    text = str(found(way("dense", 1e-3, 2e-3), silent))

    assert "the onnx: not measured: needs onnxruntime; pip install 'denselab[onnx]'" in text
    assert "fastest is the dense at batch 1" in text


def test_the_table_has_a_row_a_way_and_a_column_a_batch_size():
    header, rows = found(way("dense", 1e-3, 2e-3, score=0.5), metric="accuracy").cells()

    assert header[5:] == ("accuracy", "ms at batch 1", "ms at batch 64")
    assert rows == (("the dense", "100", "20", "0.4", "0.1", "0.5000", "1 (1-1)", "2 (2-2)"),)


def test_json_holds_every_round_and_the_sentence():
    table = json.loads(json.dumps(found(way("dense", 1e-3, 2e-3)).to_json()))

    assert table["ways"][0]["latencies"][1] == {"batch": 64, "rounds": [2e-3] * 4}
    assert table["recommendation"].startswith("On this machine the fastest is the dense")


def test_a_way_and_a_batch_size_are_found_by_name():
    measurement = found(way("dense", 1e-3, 2e-3), way("sparse", 1e-3, 2e-3))

    assert measurement.way("sparse").latency(64).median == pytest.approx(2e-3)
