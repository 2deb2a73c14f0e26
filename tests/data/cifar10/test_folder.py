"""Image folders that are incomplete, or hold what they should not."""

import os
import shutil

import pytest

from denselab.data.cifar10 import load_cifar10
from denselab.errors import DataError, UnsafeFileError


@pytest.fixture
def folder(write, tmp_path):
    return write("image folder", tmp_path / "copy")


@pytest.fixture
def load(truth, folder):
    return lambda: load_cifar10(data_dir=folder, rows=truth.rows)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_image_is_counted(folder, load, part):
    next((folder / part / "cat").glob("*.png")).unlink()
    expected = {"train": "49 rows, expected 50", "test": "19 rows, expected 20"}[part]
    with pytest.raises(DataError, match=f"{part} holds {expected}; get a complete copy"):
        load()


def test_a_missing_class_is_named(folder, load):
    shutil.rmtree(folder / "test" / "frog")
    with pytest.raises(DataError, match="test has no 'frog'; expected the folders airplane, "):
        load()


def test_a_class_too_many_is_named(folder, load):
    (folder / "train" / "plane").mkdir()
    with pytest.raises(DataError, match="train has an unexpected 'plane'"):
        load()


def test_an_empty_class_is_named(folder, load):
    for image in (folder / "train" / "frog").iterdir():
        image.unlink()
    with pytest.raises(DataError, match="frog holds no image; get a complete copy"):
        load()


def test_a_missing_part_is_named(folder, load):
    shutil.rmtree(folder / "test")
    with pytest.raises(DataError, match=r"cannot list .*test"):
        load()


def test_a_class_that_is_a_file_is_named(folder, load):
    shutil.rmtree(folder / "train" / "frog")
    (folder / "train" / "frog").write_text("no folder")
    with pytest.raises(DataError, match=r"cannot list .*frog .*expected a folder"):
        load()


@pytest.mark.parametrize("name", ["notes.txt", "0001.gif", "0001"])
def test_a_file_that_is_no_image_is_named(folder, load, name):
    (folder / "train" / "cat" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=f"{name} is no PNG or JPEG file; remove it"):
        load()


def test_a_damaged_image_is_named(folder, load):
    image = next((folder / "train" / "cat").glob("*.png"))
    image.write_bytes(image.read_bytes()[:-900])
    with pytest.raises(DataError, match=f"{image.name} is no readable PNG or JPEG"):
        load()


def test_a_link_that_leads_to_itself_is_named(folder, load):
    image = next((folder / "train" / "cat").glob("*.png"))
    image.unlink()
    image.symlink_to(image)
    with pytest.raises(DataError, match=f"cannot read .*{image.name}"):
        load()


def test_a_folder_that_is_a_link_to_itself_is_named(folder, load):
    shutil.rmtree(folder / "train" / "cat")
    os.symlink(folder / "train" / "cat", folder / "train" / "cat")
    with pytest.raises(DataError, match=r"cannot list .*cat"):
        load()


def test_a_huge_image_file_is_refused(folder, load):
    image = next((folder / "train" / "cat").glob("*.png"))
    image.write_bytes(bytes(2**20 + 1))
    with pytest.raises(UnsafeFileError, match="larger than 1,048,576 bytes"):
        load()
