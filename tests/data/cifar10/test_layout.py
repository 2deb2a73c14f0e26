"""Every complete lossless copy, whatever its layout, gives the same arrays and fingerprint."""

import hashlib

import numpy as np
import pytest

from denselab.data import Dataset
from denselab.data.cifar10 import load_cifar10
from denselab.data.cifar10.layout import CLASS_NAMES, Part, in_canonical_order, read_bytes
from denselab.errors import DataError, UnsafeFileError

LOSSLESS = {
    "python folder, Python 2": "python folder",
    "python folder, protocol 2": "python folder",
    "python folder, protocol 4": "python folder",
    "python folder, protocol 5": "python folder",
    "python archive, Python 2": "python archive",
    "binary folder": "binary folder",
    "binary archive": "binary archive",
    "Parquet": "Parquet",
    "Parquet, image column": "Parquet",
    "Parquet, shards": "Parquet",
    "image folder": "image folder",
    "npz, colours last": "npz",
    "npz, colours first": "npz",
    "npz, flat planes": "npz",
    "npz, flat colours last": "npz",
    "npz, Fortran order": "npz",
    "npz, colours last, packed": "npz",
}
LOSSY = {
    "Parquet, JPEG": "Parquet, JPEG copy",
    "image folder, JPEG": "image folder, JPEG copy",
}


def canonical(x, y):
    """The canonical order by its definition: rising SHA-256 of the label byte and the pixels."""
    keys = [hashlib.sha256(bytes([v]) + i.tobytes()).hexdigest() for i, v in zip(x, y, strict=True)]
    order = sorted(range(len(y)), key=lambda row: keys[row])
    return x[order], y[order].astype(np.int32)


@pytest.fixture(scope="module")
def expected(truth):
    x, y = canonical(truth.x_train, truth.y_train)
    test_x, test_y = canonical(truth.x_test, truth.y_test)
    return Dataset(
        name="expected",
        x=x,
        y=y,
        task="classification",
        class_names=CLASS_NAMES,
        test_x=test_x,
        test_y=test_y,
    ).fingerprint


@pytest.fixture
def copy(write, truth, tmp_path):
    def load(layout, **options):
        folder = write(layout, tmp_path / "copy")
        return load_cifar10(data_dir=folder, rows=truth.rows, **options)

    return load


@pytest.mark.parametrize("layout", LOSSLESS)
def test_every_lossless_layout_has_the_fingerprint_of_the_truth(copy, expected, layout):
    data = copy(layout)
    assert data.fingerprint == expected
    assert data.source == f"cifar10, {LOSSLESS[layout]}"


@pytest.mark.parametrize("layout", LOSSLESS)
def test_every_lossless_layout_has_the_true_image_under_every_label(copy, truth, layout):
    data = copy(layout)
    for came_x, came_y, x, y in (
        (data.x, data.y, truth.x_train, truth.y_train),
        (data.test_x, data.test_y, truth.x_test, truth.y_test),
    ):
        came = {image.tobytes(): label for image, label in zip(came_x, came_y, strict=True)}
        assert came == {image.tobytes(): label for image, label in zip(x, y, strict=True)}


@pytest.mark.parametrize("layout", LOSSY)
def test_a_jpeg_copy_says_so_and_has_another_fingerprint(copy, expected, layout):
    data = copy(layout)
    assert data.source == f"cifar10, {LOSSY[layout]}"
    assert data.fingerprint != expected
    assert np.bincount(data.y).tolist() == [5] * 10


def test_one_jpeg_among_png_files_makes_a_jpeg_copy(write, truth, encode, tmp_path):
    folder = write("image folder", tmp_path / "copy")
    image = next((folder / "test" / "cat").glob("*.png"))
    image.with_suffix(".jpg").write_bytes(encode(truth.x_test[0], "JPEG"))
    image.unlink()
    assert load_cifar10(data_dir=folder, rows=truth.rows).source.endswith("JPEG copy")


def test_a_copy_comes_as_bytes_with_colours_last_and_named_classes(copy):
    data = copy("binary folder")
    assert (data.x.shape, data.x.dtype) == ((50, 32, 32, 3), np.uint8)
    assert (data.test_x.shape, data.test_x.dtype) == ((20, 32, 32, 3), np.uint8)
    assert data.y.dtype == data.test_y.dtype == np.int32
    assert (data.name, data.image_shape, data.classes) == ("cifar10", (32, 32, 3), 10)
    assert (data.class_names[0], data.class_names[9]) == ("airplane", "truck")


@pytest.mark.parametrize("layout", LOSSLESS)
def test_a_copy_with_fewer_rows_than_all_is_refused(write, layout, tmp_path):
    folder = write(layout, tmp_path / "copy")
    with pytest.raises(DataError, match=r"holds \d+ rows, expected [15]0,000; get a complete"):
        load_cifar10(data_dir=folder)


def test_the_canonical_order_does_not_depend_on_the_order_that_came(truth):
    part = Part(truth.x_train, truth.y_train.astype(np.int32))
    shuffled = np.random.default_rng(1).permutation(50)
    first = in_canonical_order(part)
    again = in_canonical_order(Part(part.x[shuffled], part.y[shuffled]))
    assert first.x.tobytes() == again.x.tobytes()
    assert first.y.tobytes() == again.y.tobytes()
    assert first.y.tolist() != sorted(first.y.tolist())


def test_the_same_image_under_two_labels_has_a_canonical_order_too():
    x, y = np.zeros((2, 32, 32, 3), np.uint8), np.array([3, 4], np.int32)
    turned = in_canonical_order(Part(x, y[::-1]))
    assert in_canonical_order(Part(x, y)).y.tolist() == turned.y.tolist()


def test_a_file_larger_than_it_can_be_is_refused_unread(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * 101)
    assert len(read_bytes(tmp_path / "large", 101)) == 101
    with pytest.raises(UnsafeFileError, match="larger than 100 bytes"):
        read_bytes(tmp_path / "large", 100)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("empty", "is empty; get it again"),
        ("missing", "get a complete copy"),
        (".", "is no plain file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, remedy):
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match=remedy):
        read_bytes(tmp_path / name, 100)
