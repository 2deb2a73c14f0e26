"""Binary batches: one label byte, then three planes."""

import numpy as np
import pytest

from denselab.data.cifar10.binary import read_binary_batch
from denselab.errors import DataError


def test_a_record_is_a_label_and_three_planes():
    planes = bytes([1] * 1024 + [2] * 1024 + [3] * 1024)
    part = read_binary_batch(bytes([7]) + planes + bytes([0]) + bytes(3072), "data_batch_1.bin")
    assert part.y.tolist() == [7, 0]
    assert (part.x[0] == [1, 2, 3]).all()
    assert (part.x[1] == 0).all()


def test_a_plane_is_filled_row_by_row():
    pixels = np.zeros((3, 32, 32), np.uint8)
    pixels[1, 4, 5] = 99
    part = read_binary_batch(bytes([0]) + pixels.tobytes(), "data_batch_1.bin")
    assert np.argwhere(part.x).tolist() == [[0, 4, 5, 1]]


@pytest.mark.parametrize("size", [3072, 3074, 2 * 3073 - 1, 1])
def test_a_row_that_is_cut_is_refused(size):
    with pytest.raises(DataError, match=r"^data_batch_1.bin has .*multiple of 3,073.*get the file"):
        read_binary_batch(bytes(size), "data_batch_1.bin")


def test_a_label_that_is_none_is_refused_with_its_row():
    rows = bytes([9]) + bytes(3072) + bytes([10]) + bytes(3072)
    with pytest.raises(DataError, match=r"data_batch_1.bin, row 1: label 10, expected 0 to 9"):
        read_binary_batch(rows, "data_batch_1.bin")
