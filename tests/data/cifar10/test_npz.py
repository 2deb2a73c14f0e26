"""npz copies: headers that lie, objects, and arrays of other shapes."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from denselab.data.cifar10 import load_cifar10, npz
from denselab.errors import DataError, UnsafeFileError

NAMES = ["x_train", "y_train", "x_test", "y_test"]


@pytest.fixture
def arrays(truth):
    return {name: getattr(truth, name) for name in NAMES}


@pytest.fixture
def load(truth, tmp_path):
    return lambda: load_cifar10(data_dir=tmp_path / "cifar10.npz", rows=truth.rows)


@pytest.fixture
def save(tmp_path):
    return lambda **arrays: np.savez(tmp_path / "cifar10.npz", **arrays)


def replace_member(tmp_path, arrays, name, content):
    """Writes the npz with one member made by hand."""
    with zipfile.ZipFile(tmp_path / "cifar10.npz", "w") as archive:
        for each, array in arrays.items():
            packed = io.BytesIO()
            np.save(packed, array)
            archive.writestr(f"{each}.npy", content if each == name else packed.getvalue())


def header(text, version=b"\x01\x00"):
    size = len(text).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode("latin-1")


def test_any_name_will_do_for_a_file_that_is_named(arrays, tmp_path, truth):
    np.savez(tmp_path / "mine.npz", **arrays)
    assert load_cifar10(data_dir=tmp_path / "mine.npz", rows=truth.rows).n == 50


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_array_is_named(arrays, load, save, name):
    del arrays[name]
    save(**arrays)
    with pytest.raises(DataError, match=f"{name} is missing; expected x_train, y_train, x_test"):
        load()


@pytest.mark.parametrize(
    ("name", "change", "remedy"),
    [
        ("x_train", lambda x: x / 255, r"x_train is float64, expected uint8 .*astype\('uint8'\)"),
        ("x_train", lambda x: x.astype(np.int64), "x_train is int64, expected uint8"),
        ("x_test", lambda x: x[:, :, :, :2], r"x_test has shape \(20, 32, 32, 2\), expected"),
        ("x_test", lambda x: x.reshape(20, -1)[:, :3071], r"shape \(20, 3071\), expected"),
        ("x_test", lambda x: x[0, 0, 0, 0], r"shape \(\), expected"),
        ("y_train", lambda y: y.astype(float), "y_train is float64 .*expected whole numbers"),
        ("y_train", lambda y: np.eye(10, dtype=int)[y], r"shape \(50, 10\), expected .*\(n,\)"),
        ("y_test", lambda y: y + 1, "label 10, expected 0 to 9"),
        ("y_test", lambda y: y[:19], "y_test holds 19 rows, expected 20"),
        ("x_train", lambda x: x[:49], "x_train holds 49 rows, expected 50"),
    ],
)
def test_an_array_that_is_no_cifar10_is_refused(arrays, load, save, name, change, remedy):
    save(**arrays | {name: change(arrays[name])})
    with pytest.raises(DataError, match=remedy):
        load()


def test_objects_are_refused_and_never_unpickled(arrays, load, save, tmp_path):
    class Gadget:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'canary')!r}, 'w').close()",)

    gadget = np.array([Gadget()], object)
    save(**arrays | {"y_test": gadget})
    with pytest.raises(UnsafeFileError, match="pickled objects, which could run code; save plain"):
        load()
    assert not (tmp_path / "canary").exists()
    pickle.loads(pickle.dumps(gadget))
    assert (tmp_path / "canary").exists(), "the canary cannot sing, so the test proves nothing"


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': %s}"


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        pytest.param(
            header(HEADER % ("|u1", (10**13,))),
            r"10,000,000,000,000 bytes, the file has",
            id="10 TB",
        ),
        pytest.param(header(HEADER % ("|u1", (9,))) + b"x" * 8, "9 bytes, the file", id="cut"),
        pytest.param(header(HEADER % ("|u1", (9,))) + b"x" * 10, "is damaged", id="bytes too many"),
        pytest.param(header(HEADER % ("|u1", (-1,))), "is damaged", id="negative"),
        pytest.param(
            header(HEADER % ("|u1", (-1, -9))) + b"x" * 9, "is damaged", id="two negative"
        ),
        pytest.param(header("((("), "y_test is no array", id="open brackets"),
        pytest.param(header("(" * 9000), "y_test is no array", id="many open brackets"),
        pytest.param(header("'''"), "y_test is no array", id="open text"),
        pytest.param(header(HEADER % ("|V0", (9,))), "damaged npz", id="items of no size"),
        pytest.param(header("x" * 20_000), "y_test is no array", id="a header of 20 KB"),
        pytest.param(header("1" * 90_000, b"\x02\x00"), "y_test is no array", id="of 90 KB"),
        pytest.param(b"\x93NUMPY\x02\x00" + b"\xff" * 4, "y_test is no array", id="of 4 GB"),
        pytest.param(header("__import__('os')"), "y_test is no array", id="code"),
        pytest.param(b"\x93NUMPY\x09\x00", "y_test is no array", id="another version"),
        pytest.param(b"", "y_test is no array", id="empty"),
    ],
)
def test_a_header_that_lies_is_found_out_before_the_memory_is_asked_for(
    arrays, load, tmp_path, content, remedy
):
    replace_member(tmp_path, arrays, "y_test", content)
    with pytest.raises(DataError, match=remedy):
        load()


def test_a_file_cut_at_any_place_is_refused(arrays, load, save, tmp_path):
    save(**arrays)
    file = tmp_path / "cifar10.npz"
    whole = file.read_bytes()
    for length in [0, 1, 30, 1000, len(whole) // 2, len(whole) - 30, len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="truncated or damaged npz"):
            load()


def test_a_flipped_bit_is_noticed(arrays, load, save, tmp_path):
    save(**arrays)
    file = tmp_path / "cifar10.npz"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(DataError, match="truncated or damaged npz"):
        load()


def test_a_member_that_is_there_twice_is_refused(arrays, load, save, tmp_path):
    save(**arrays)
    with (
        pytest.warns(UserWarning, match="Duplicate name"),
        zipfile.ZipFile(tmp_path / "cifar10.npz", "a") as archive,
    ):
        archive.writestr("y_test.npy", b"other")
    with pytest.raises(UnsafeFileError, match="there twice"):
        load()


def test_an_array_far_too_large_is_refused_unread(arrays, load, save, monkeypatch):
    save(**arrays)
    monkeypatch.setattr(npz, "_MEMBER_LIMIT", 1000)
    with pytest.raises(UnsafeFileError, match="larger than 1,000 bytes"):
        load()


def test_flat_noise_is_taken_for_planes_as_in_the_official_files(arrays, load, save):
    noise = np.random.default_rng(3).integers(0, 256, (50, 3072), dtype=np.uint8)
    save(**arrays | {"x_train": noise})
    came = {image.tobytes() for image in load().x}
    assert came == {row.reshape(3, 32, 32).transpose(1, 2, 0).tobytes() for row in noise}
