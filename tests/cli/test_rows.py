import io
import pickle
import zipfile

import numpy as np
import pytest

from denselab.cli.rows import is_file_name, read_rows
from denselab.errors import DataError, UnsafeFileError

X = np.arange(12.0).reshape(4, 3)


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "rows.npz", **arrays)
        return tmp_path / "rows.npz"

    return write


class Canary:
    """What unpickling would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_names_of_files_are_told_from_names_of_data():
    assert [is_file_name(name) for name in ("a.npz", "b.NPY", "digits")] == [True, True, False]


@pytest.mark.parametrize(
    "x",
    [X, X.astype(">f8"), np.asfortranarray(X), X.astype("int64"), X.astype("float16")],
    ids=["plain", "big-endian", "Fortran order", "integers", "half"],
)
def test_rows_come_as_float32(save, x):
    rows = read_rows(save(x=x))

    assert rows.x.dtype == np.float32
    assert rows.x.tolist() == X.tolist()
    assert rows.y is None


def test_bytes_stay_bytes_and_labels_come_along(save):
    rows = read_rows(save(x=X.astype("uint8"), y=[[0], [1], [1], [0]]))

    assert rows.x.dtype == np.uint8
    assert rows.y.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_rows_are_enough(save, count):
    assert read_rows(save(x=X[:count])).x.tolist() == X[:count].tolist()


def test_a_compressed_file_and_a_npy_file_are_read(tmp_path):
    np.savez_compressed(tmp_path / "c.npz", x=X)
    np.save(tmp_path / "d.npy", X)

    assert read_rows(tmp_path / "c.npz").x.tolist() == X.tolist()
    assert read_rows(tmp_path / "d.npy").x.tolist() == X.tolist()


def test_objects_are_refused_and_never_unpickled(tmp_path):
    canary = tmp_path / "canary"
    objects = np.array([Canary(canary)], dtype=object)
    np.savez(tmp_path / "rows.npz", x=objects, allow_pickle=True)
    np.save(tmp_path / "rows.npy", objects, allow_pickle=True)

    for name in ("rows.npz", "rows.npy"):
        with pytest.raises(UnsafeFileError, match="holds Python objects"):
            read_rows(tmp_path / name)
    assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary))).close()  # The canary would fire.
    assert canary.exists()


def header(shape, kind="<f8"):
    file = io.BytesIO()
    table = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, table)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(2**40, 2), (2**62, 2**62), (5, 3)])
def test_a_header_that_asks_for_more_than_is_there_takes_no_memory(tmp_path, shape):
    (tmp_path / "rows.npy").write_bytes(header(shape) + bytes(8 * 14))

    with pytest.raises(DataError, match=r"asks for|ends after"):
        read_rows(tmp_path / "rows.npy")


def test_a_header_with_a_negative_axis_is_refused(tmp_path):
    (tmp_path / "rows.npy").write_bytes(header((-1, 14)) + bytes(8 * 28))

    with pytest.raises(DataError, match="asks for"):
        read_rows(tmp_path / "rows.npy")


def test_a_header_of_megabytes_is_refused(tmp_path):
    content = b"\x93NUMPY\x02\x00" + (2**31 - 1).to_bytes(4, "little") + b" " * 1000
    (tmp_path / "rows.npy").write_bytes(content)

    with pytest.raises(DataError, match="damaged or no NumPy file"):
        read_rows(tmp_path / "rows.npy")


def test_an_array_that_unpacks_a_thousandfold_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((2**26 // 8 + 1, 1)) + bytes(2**26 + 8))

    with pytest.raises(UnsafeFileError, match="unpacks from"):
        read_rows(tmp_path / "rows.npz")


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"a": X}, "holds a; save inputs as x"),
        ({"x": X[0]}, r"x has shape \(3,\)"),
        ({"x": X[:0]}, r"x has shape \(0, 3\)"),
        ({"x": np.float64(3)}, r"x has shape \(\)"),
        ({"x": np.where(X == 5, np.nan, X)}, r"1 NaN or infinite entries, the first at x\[1, 2\]"),
        ({"x": X + 1j}, "complex numbers"),
        ({"x": X.astype(str)}, "text"),
        ({"x": X, "y": [0, 1]}, "expected 4 whole numbers or names"),
        ({"x": X, "y": [0.5, 1, 1, 0]}, "expected 4 whole numbers or names"),
    ],
    ids=["no x", "a row", "empty", "no axis", "NaN", "complex", "text", "short y", "fractions"],
)
def test_rows_that_cannot_be_used_are_one_line(save, arrays, expected):
    path = save(**arrays)

    with pytest.raises(DataError, match=expected) as caught:
        read_rows(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x93NUMPY\x03\x00", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["rows.npz", "rows.npy"])
def test_damaged_files_are_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DataError, match=name):
        read_rows(tmp_path / name)


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_rows(tmp_path / "rows.npz")
