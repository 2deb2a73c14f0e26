import base64
import io

import numpy as np
import pytest
from PIL import Image

from denselab.errors import UsageError
from denselab.report import RowPanel, chart_svg, notable_rows, row_chart
from denselab.report.notable import _data_url, _ends, _scatter

P = np.array([[0.99, 0.01], [0.5, 0.5], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
ENTROPY = -(P * np.log(P)).sum(axis=1)


def test_rows_are_chosen_by_entropy_and_by_confident_errors():
    chosen = notable_rows(P, ENTROPY, np.array([0, 0, 1, 1, 0]), count=2)

    assert chosen == [
        (0, "most certain"),
        (3, "most certain"),
        (1, "most uncertain"),
        (4, "most uncertain"),
        (2, "most surprising"),
    ]


def test_no_row_is_shown_twice_and_without_labels_nothing_surprises():
    chosen = notable_rows(P, ENTROPY, None, count=4)

    rows = [row for row, _ in chosen]
    assert sorted(rows) == [0, 1, 2, 3, 4]
    assert {why for _, why in chosen} == {"most certain", "most uncertain"}


def panel(**changes):
    draws = np.random.default_rng(0).dirichlet(np.ones(7), 30)
    return RowPanel(**{"row": 4, "why": "most uncertain", "draws": draws, **changes})


def test_a_row_shows_its_five_most_probable_classes_and_the_true_one():
    one = panel()
    order = np.argsort(-one.draws.mean(axis=0))
    names = [f"name {number}" for number in range(7)]

    svg = chart_svg(row_chart([panel(label=int(order[6]))], names, title="t"))

    shown = [*order[:4], order[6]]
    assert [name in svg for name in names] == [number in shown for number in range(7)]
    assert f"row 4: name {order[0]} (" in svg
    assert f"but it is name {order[6]}" in svg


def test_names_are_escaped_and_shortened():
    names = ["<script>alert(1)</script>", *map(str, range(6))]
    draws = np.eye(7)[[0, 0]]

    svg = chart_svg(row_chart([panel(draws=draws)], names, title="<b>"))

    assert "<script" not in svg
    assert "<b>" not in svg
    assert "&lt;script&gt;alert(1…" in svg


def test_an_image_is_embedded_as_it_is():
    pixels = np.array([[0, 16], [8, 4]], np.float32)[..., None]

    url = _data_url(pixels, _ends([panel(pixels=pixels)]))

    kind, _, content = url.partition(",")
    assert kind == "data:image/png;base64"
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert image.shape == (192, 192)
    assert [image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]] == [0, 255, 127, 63]


def test_colours_keep_their_bytes():
    pixels = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)

    content = _data_url(pixels, _ends([panel(pixels=pixels)])).partition(",")[2]

    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert image[0, 0].tolist() == [10, 20, 30]


def test_images_stand_beside_their_rows():
    pixels = np.zeros((2, 2, 1))

    assert "data:image/png;base64" in chart_svg(
        row_chart([panel(pixels=pixels)], "abcdefg", title="t")
    )
    assert "data:image" not in chart_svg(row_chart([panel()], "abcdefg", title="t"))


def test_dots_spread_where_they_are_dense_and_stay_in_their_lane():
    draws = np.concatenate([np.full((50, 1), 0.5), np.array([[0.1]])])

    spread = _scatter(draws)[:, 0]

    assert np.abs(spread).max() <= 0.5
    assert np.ptp(spread[:50]) > 0.9
    assert abs(spread[50]) < 0.02


def test_no_row_is_refused():
    with pytest.raises(UsageError, match="no row to draw"):
        row_chart([], ["a"], title="t")
