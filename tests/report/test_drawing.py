import errno
import io
import re
import subprocess
import sys
from xml.etree import ElementTree

import altair as alt
import pytest
from PIL import Image

from denselab.errors import ExhaustedError, UsageError
from denselab.report import chart_html, chart_png, chart_svg, save_chart
from denselab.report.drawing import _DARK, PALETTE

HOSTILE = "</text><script>alert(1)</script>\"onload='x' &amp; <b>"


def chart(text="a name"):
    rows = alt.Data(values=[{"name": text, "value": 1}])
    return alt.Chart(rows, title=text).mark_bar(color=PALETTE[2]).encode(x="value:Q", y="name:N")


def luminance(colour):
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", PALETTE)
def test_marks_stand_out_on_light_and_on_dark(colour):
    paper = "#ffffff"
    assert contrast(colour, paper) >= 3
    assert contrast(colour, _DARK[paper]) >= 3


@pytest.mark.parametrize("ink", ["#1f2328", "#59636e"])
def test_text_is_readable_on_light_and_on_dark(ink):
    paper = "#ffffff"
    assert contrast(ink, paper) >= 4.5
    assert contrast(_DARK[ink], _DARK[paper]) >= 4.5


def test_an_svg_is_xml_that_follows_the_reader():
    svg = chart_svg(chart())

    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "@media (prefers-color-scheme:dark)" in svg
    assert '[fill="#1f2328"]{fill:#e6edf3}' in svg


def test_names_are_escaped():
    page = chart_html(chart(HOSTILE), HOSTILE)

    assert "<script" not in page
    assert "<b>" not in page
    texts = [node.text for node in ElementTree.fromstring(chart_svg(chart(HOSTILE))).iter()]
    assert HOSTILE in texts
    assert "default-src 'none'" in page


def test_a_picture_asks_for_nothing_from_elsewhere():
    page = chart_html(chart(), "a page")

    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#|data:)[^\"')]+", page) == []


def test_a_png_is_light_or_dark():
    light, dark = (
        Image.open(io.BytesIO(chart_png(chart(), dark=dark))).convert("RGB")
        for dark in (False, True)
    )

    assert light.getpixel((1, 1)) == (255, 255, 255)
    assert dark.getpixel((1, 1)) == (13, 17, 23)


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("html", b"<!doctype html>")]
)
def test_a_file_is_what_its_ending_says(tmp_path, ending, start):
    save_chart(chart(), tmp_path / f"p.{ending}")

    assert (tmp_path / f"p.{ending}").read_bytes().startswith(start)


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"give one of \.png, \.svg, \.html"):
        save_chart(chart(), tmp_path / "p.jpg")


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("denselab.study.files.write", full)

    with pytest.raises(ExhaustedError, match="the disk is full"):
        save_chart(chart(), tmp_path / "p.svg")
    assert list(tmp_path.iterdir()) == []


def test_pictures_need_neither_jax_nor_keras():
    script = """
import sys
import numpy as np
from denselab.report import RowPanel, chart_svg, comparison_chart, row_chart
chart_svg(comparison_chart({"a": {"accuracy": [0.9]}}, measures=["accuracy"]))
chart_svg(row_chart([RowPanel(0, "most certain", np.ones((3, 1)))], ["a"], title="t"))
print([name for name in ("jax", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")
