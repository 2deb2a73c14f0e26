import itertools

import numpy as np
import pytest

from denselab.report.drawing import PALETTE
from denselab.report.marks import arm_colours, arm_shapes, data, log_ticks

# Machado et al., A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009, severity 1.
EYES = {
    "all colours": np.eye(3),
    "without red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "without blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
JUST_NOTICED = 2.3
"""In CIELAB; see Mahy et al., Evaluation of Uniform Color Spaces, 1994."""


def seen(colour, eyes):
    """Gives the place in CIELAB at which eyes see a colour."""
    parts = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    light = np.clip(np.asarray(eyes) @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    scaled = to_xyz @ light / np.array([0.9505, 1, 1.089])
    f = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", EYES)
def test_any_two_colours_are_told_apart(eyes):
    places = [seen(colour, EYES[eyes]) for colour in PALETTE]
    apart = [np.linalg.norm(a - b) for a, b in itertools.combinations(places, 2)]

    assert min(apart) > 8 * JUST_NOTICED


def test_arms_that_share_a_colour_differ_in_shape():
    names = [f"arm {place}" for place in range(40)]
    looks = list(zip(arm_colours(names).range, arm_shapes(names).range, strict=True))

    assert len(set(looks)) == 40


def test_ticks_of_a_logarithmic_axis_lie_within_the_values():
    assert log_ticks([0.02, 3.0, 0.5]) == [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    assert log_ticks([3.1, 3.2]) == [3.1, 3.2]


def test_rows_are_clean_and_short_and_finite():
    (row,) = data([{"arm": "a\x1b[31mb", "x": 1 / 3, "y": float("nan"), "n": 123456789}]).values

    assert row == {"arm": "ab", "x": 0.33333, "y": None, "n": 123456789}
