"""The data sets that come with scikit-learn: sizes, types, ranges, names."""

import numpy as np
import pytest

from denselab.data import load


@pytest.mark.parametrize(
    ("name", "shape", "classes", "image_shape"),
    [
        ("digits", (1797, 64), 10, (8, 8, 1)),
        ("wine", (178, 13), 3, None),
        ("breast_cancer", (569, 30), 2, None),
    ],
)
def test_a_built_in_set_has_its_published_size(name, shape, classes, image_shape):
    data = load(name, offline=True)
    assert (data.name, data.x.shape, data.classes) == (name, shape, classes)
    assert (data.x.dtype, data.y.dtype) == (np.float32, np.int32)
    assert len(data.feature_names) == data.features
    assert data.image_shape == image_shape
    assert set(data.y) == set(range(classes))
    assert data.test_x is None
    assert data.source == f"{name}, scikit-learn"


def test_digits_are_raw_pixels_from_0_to_16_that_look_like_their_label():
    digits = load("digits")
    assert (digits.x.min(), digits.x.max()) == (0, 16)
    assert digits.class_names == tuple("0123456789")
    zero = digits.x[digits.y == 0].mean(axis=0).reshape(digits.image_shape)[:, :, 0]
    assert zero[4, 4] < 1 < 10 < zero[4, 2]


def test_breast_cancer_names_the_classes_in_the_order_of_their_labels():
    data = load("breast_cancer")
    assert dict(zip(data.class_names, np.bincount(data.y), strict=True)) == {
        "malignant": 212,
        "benign": 357,
    }
