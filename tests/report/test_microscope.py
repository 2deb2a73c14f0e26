import pytest

from denselab.errors import UsageError
from denselab.report.drawing import page_look
from denselab.report.microscope import microscope_chart


def record(step, depth, **measured):
    known = {
        "mean": 0.1,
        "deviation": 1.0,
        "dead": 0.0,
        "saturated": 0.0,
        "gradient": 0.01,
        "ratio": 1e-3,
    }
    return {"step": step, "layer": f"dense_{depth}", "depth": depth, **known, **measured}


def rows(chart, field):
    tables = page_look(chart)["datasets"].values()
    return [row for table in tables for row in table if field in row]


def test_lines_go_through_depth_for_a_few_steps_from_first_to_last():
    chart = microscope_chart([record(step, depth) for step in range(0, 100, 5) for depth in (1, 2)])
    steps = sorted({int(row["step"]) for row in rows(chart, "deviation")})
    assert (steps[0], steps[-1], len(steps)) == (0, 95, 6)
    assert len(rows(chart, "deviation")) == 12


def test_every_look_at_every_layer_has_a_cell_and_sizes_are_logarithms():
    chart = microscope_chart(
        [record(step, depth, gradient=10.0**-depth) for step in (1, 2) for depth in (1, 2)]
    )
    cells = {(row["step"], row["depth"], row["value"]) for row in rows(chart, "value")}
    assert {(1, 1, -1.0), (2, 2, -2.0)} < cells


def test_what_was_not_measured_leaves_its_panel_out():
    bare = {
        "step": 0,
        "layer": "dense",
        "depth": 1,
        "mean": 0.0,
        "deviation": 1.0,
        "gradient": None,
    }
    assert rows(microscope_chart([bare]), "value") == []


def test_names_of_layers_are_plain_text():
    chart = microscope_chart([record(0, 1, layer="a\x1b[31mred\nname")])
    assert {row["layer"] for row in rows(chart, "layer")} == {"ared name"}


def test_nothing_to_draw_says_where_records_come_from():
    with pytest.raises(UsageError, match="train with the callback Doctor"):
        microscope_chart([])
