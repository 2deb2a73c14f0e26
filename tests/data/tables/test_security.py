"""Hostile tables: nothing runs, nothing fills the memory, nothing waits."""

import io
import os
import pickle
import zipfile

import numpy as np
import polars as pl
import pytest

from denselab.data import Preprocessing, PreprocessingOptions, describe_table, read_table
from denselab.errors import DataError, UnsafeFileError


class Canary:
    """Fires when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("name", ["t.npz", "t.npy"])
def test_a_pickle_inside_an_array_never_fires(tmp_path, name):
    payload, path = np.array([Canary(tmp_path / "fired")], object), tmp_path / name
    np.savez(path, x=payload) if name == "t.npz" else np.save(path, payload)

    with pytest.raises(UnsafeFileError, match="holds Python objects, which are unpickled") as error:
        read_table(path, target=-1)

    assert error.value.exit_code == 5
    assert not (tmp_path / "fired").exists()


@pytest.mark.parametrize("protocol", [4, 5])
def test_a_pickle_under_another_name_is_refused(tmp_path, write, protocol):
    path = write(pickle.dumps(Canary(tmp_path / "fired"), protocol=protocol))

    with pytest.raises((UnsafeFileError, DataError)):
        read_table(path)
    assert not (tmp_path / "fired").exists()


def test_an_npz_that_unpacks_a_thousandfold_is_refused(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros((10_000_000, 8), np.uint8))
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", array.getvalue())

    with pytest.raises(UnsafeFileError, match=r"unpacks from .* to 80,000,128 bytes"):
        read_table(path)


def test_an_npz_that_lies_about_its_sizes_is_refused(tmp_path):
    path = tmp_path / "lie.npz"
    np.savez_compressed(path, x=np.zeros((1000, 8)))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (2**20).to_bytes(4, "little")
    path.write_bytes(content)

    with pytest.raises((DataError, UnsafeFileError)):
        read_table(path, target=-1)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_npz_with_two_arrays_of_one_name_is_refused(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros((3, 2)))
    path = tmp_path / "two.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", array.getvalue())
        archive.writestr("x.npy", array.getvalue())

    with pytest.raises(UnsafeFileError, match="arrays of one name"):
        read_table(path)


def test_a_member_that_leads_outside_is_never_written(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    path = tmp_path / "in" / "slip.npz"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../outside.npy", array.getvalue())
        archive.writestr("y.npy", array.getvalue())

    read_table(path)
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["in", "slip.npz"]


def test_a_parquet_file_that_unpacks_a_thousandfold_is_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    column = pl.repeat(1.0, 5_000_000, eager=True)
    pl.DataFrame({"a": column, "b": column}).write_parquet(path)

    with pytest.raises(UnsafeFileError, match=r"unpacks from .* to more than 80,000,000 bytes"):
        read_table(path)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/dev/zero", "is a device or pipe; give a plain file"),
        ("/tmp", "is a folder; give a plain file"),
        ("self.csv", "Too many levels of symbolic links"),
        ("/nowhere/at/all", "No such file or directory"),
    ],
    ids=["device", "folder", "loop", "dangling"],
)
def test_links_to_what_is_no_plain_file_are_refused(tmp_path, target, message):
    link = tmp_path / "self.csv"
    link.symlink_to(tmp_path / target if target == "self.csv" else target)

    with pytest.raises(DataError, match=message):
        read_table(link)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(DataError, match="is a device or pipe"):
        read_table(tmp_path / "pipe.csv")


@pytest.mark.parametrize("address", ["https://example.com/a.csv", "s3://b/a.csv", "file:///a.csv"])
def test_addresses_are_refused_without_a_look(address, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked the network"))

    with pytest.raises(DataError, match=f"{address} is an address; download the file yourself"):
        read_table(address)


def test_a_file_larger_than_the_bound_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2**33)  # Sparse: no block is written.

    with pytest.raises(DataError, match="8,589,934,592 bytes; at most 1,073,741,824 are read"):
        read_table(path)


def test_terminal_escapes_in_names_and_labels_are_taken_out(write):
    content = "a,\x1b[31mb\x1b[0m,y\n1,u,\x1b]0;gone\x07p\n2,v,q\n3,u,q\n1,u,\x1b]0;gone\x07p\n"
    table = read_table(write(content), target="y")
    fitted = Preprocessing.fit(table)

    assert [column.name for column in table.schema.columns] == ["a", "b", "y"]
    assert fitted.class_names == ("p", "q")
    assert "\x1b" not in "".join(
        str(column["examples"]) for column in describe_table(table)["columns"]
    )


HOSTILE = {
    "infinite": ('"median":1.5', '"median":1e999'),
    "not a number": ('"median":1.5', '"median":NaN'),
    "text for a number": ('"median":1.5', '"median":"1.5"'),
    "another kind": ('"kind":"number"', '"kind":"code"'),
    "more than there is": ('"median":1.5', '"median":1.5,"code":"x"'),
    "another format": ('"format":1', '"format":2'),
    "deeply nested": ('"format":1', '"format":' + "[" * 100_000),
    "falling knots": ('"knots":[1.0,2.0]', '"knots":[2.0,1.0]'),
    "no scores": ('"scores":[', '"scores":[],"x":['),
}


@pytest.mark.parametrize(("old", "new"), HOSTILE.values(), ids=HOSTILE)
def test_a_forged_preprocessing_is_refused_in_one_line(old, new):
    table = read_table({"a": [1.0, 2.0], "c": ["u", "v"], "y": [0.5, 1.5]}, target="y")
    text = Preprocessing.fit(table, options=PreprocessingOptions(scaling="quantile")).to_json()
    assert old in text

    with pytest.raises(DataError, match="the preprocessing cannot be read") as error:
        Preprocessing.from_json(text.replace(old, new, 1))
    assert "\n" not in str(error.value)
