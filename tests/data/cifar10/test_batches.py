"""The official files in archives and folders: what is missing, cut, or unsafe."""

import gzip
import hashlib
import os
import tarfile

import pytest

from denselab.data.cifar10 import batches, load_cifar10
from denselab.errors import DataError, UnsafeFileError

FORMS = ["python folder", "binary folder"]
ARCHIVES = {"python archive": "cifar-10-python.tar.gz", "binary archive": "cifar-10-binary.tar.gz"}


@pytest.fixture
def load(truth):
    return lambda place: load_cifar10(data_dir=place, rows=truth.rows)


def only_folder(place):
    (folder,) = place.iterdir()
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", ["data_batch_1", "data_batch_3", "test_batch"])
def test_a_batch_missing_from_a_folder_is_named(write, load, tmp_path, form, missing):
    folder = only_folder(write(form, tmp_path / "copy"))
    (file,) = folder.glob(f"{missing}*")
    file.unlink()
    with pytest.raises(DataError, match=f"{file} is missing; get a complete copy"):
        load(tmp_path / "copy")


@pytest.mark.parametrize("missing", ["data_batch_1", "data_batch_3", "test_batch"])
def test_a_batch_missing_from_an_archive_is_named(write, load, pack, tmp_path, missing):
    files = write.python_files()
    del files[missing]
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(pack(files))
    with pytest.raises(DataError, match=f"has no {missing}; get a complete copy"):
        load(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_short_batch_is_named(write, load, tmp_path, form):
    folder = only_folder(write(form, tmp_path / "copy"))
    (first,), (test,) = folder.glob("data_batch_2*"), folder.glob("test_batch*")
    first.write_bytes(test.read_bytes())
    with pytest.raises(DataError, match=rf"{first.name} holds 20 rows, expected 10"):
        load(tmp_path / "copy")


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_may_have_any_name_if_it_is_named(write, load, tmp_path, archive):
    file = write(archive, tmp_path / "copy") / ARCHIVES[archive]
    renamed = file.rename(tmp_path / "copy" / "mine.tgz")
    assert load(renamed).source == f"cifar10, {archive}"


def test_a_binary_archive_under_the_name_of_the_python_one_is_read_as_what_it_is(
    write, load, tmp_path
):
    file = write("binary archive", tmp_path / "copy") / ARCHIVES["binary archive"]
    file.rename(file.with_name(ARCHIVES["python archive"]))
    assert load(tmp_path / "copy").source == "cifar10, binary archive"


def test_a_batch_file_stands_for_its_folder(write, load, tmp_path):
    write("python folder", tmp_path / "copy")
    place = tmp_path / "copy" / "cifar-10-batches-py"
    assert load(place / "data_batch_4").fingerprint == load(place).fingerprint


def test_the_official_archive_is_recognised(write, load, tmp_path, monkeypatch):
    file = write("python archive", tmp_path) / ARCHIVES["python archive"]
    monkeypatch.setattr(batches, "PYTHON_SHA256", hashlib.sha256(file.read_bytes()).hexdigest())
    assert load(tmp_path).source == "cifar10, python archive, official file"


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_cut_at_any_place_is_refused(write, load, tmp_path, archive):
    file = write(archive, tmp_path) / ARCHIVES[archive]
    whole = file.read_bytes()
    for length in [1, 5, 15, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"truncated or damaged archive .*delete it and get it"):
            load(tmp_path)


def test_a_flipped_bit_in_an_archive_is_noticed(write, load, tmp_path):
    file = write("binary archive", tmp_path) / ARCHIVES["binary archive"]
    whole = bytearray(file.read_bytes())
    for place in range(10, len(whole), len(whole) // 20):
        whole[place] ^= 1
        file.write_bytes(whole)
        with pytest.raises((DataError, UnsafeFileError)):
            load(tmp_path)
        whole[place] ^= 1


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        pytest.param(b"", "is empty; get it again", id="empty"),
        pytest.param(b"no archive", "truncated or damaged archive", id="no gzip"),
        pytest.param(gzip.compress(b""), "holds no readable tar", id="gzip of nothing"),
        pytest.param(gzip.compress(b"no tar" * 500), "holds no readable tar", id="gzip of no tar"),
        pytest.param(gzip.compress(bytes(10_240)), "has no data_batch_1", id="tar of nothing"),
    ],
)
def test_an_archive_that_is_none_is_refused(load, tmp_path, content, remedy):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=remedy):
        load(tmp_path)


def link(kind, target="/etc/hostname", name="cifar-10-batches-py/data_batch_1"):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(link(tarfile.SYMTYPE), id="symbolic link"),
        pytest.param(link(tarfile.LNKTYPE), id="hard link"),
        pytest.param(link(tarfile.CHRTYPE), id="character device"),
        pytest.param(link(tarfile.BLKTYPE), id="block device"),
        pytest.param(link(tarfile.FIFOTYPE), id="pipe"),
        pytest.param(link(tarfile.SYMTYPE, name="beside"), id="a link beside the batches"),
    ],
)
def test_links_and_devices_in_an_archive_are_refused(write, load, pack, tmp_path, member):
    files = write.python_files() | {member.name.split("/")[-1]: member}
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(pack(files))
    with pytest.raises(
        UnsafeFileError, match=f"'{member.name}' is a link or device; get the official"
    ):
        load(tmp_path)


@pytest.mark.parametrize("name", ["../data_batch_1", "/data_batch_1", "a/../../b", "..\\b"])
def test_members_that_lie_outside_are_refused(write, load, pack, tmp_path, name):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(pack(write.python_files() | {name: b"x"}))
    with pytest.raises(UnsafeFileError, match="lies outside; get the official archive"):
        load(tmp_path)


def test_a_batch_that_is_there_twice_is_refused(write, load, pack, tmp_path):
    files = write.python_files() | {"again/data_batch_1": b"x"}
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(pack(files))
    with pytest.raises(UnsafeFileError, match="'again/data_batch_1' is there twice"):
        load(tmp_path)


def test_an_archive_that_unpacks_to_more_than_cifar10_can_be_is_refused(
    load, tmp_path, monkeypatch
):
    monkeypatch.setattr(batches, "_ARCHIVE_LIMIT", 2**20)
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(bytes(2**20 + 1)))
    with pytest.raises(UnsafeFileError, match="unpacks to more than 1,048,576 bytes"):
        load(tmp_path)


def test_a_member_of_negative_size_is_refused_before_the_reader_goes_in_circles(load, tmp_path):
    # CVE-2025-8194: a size of -512 leads back to the same header, for ever.
    header = bytearray(tarfile.TarInfo("README").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(bytes(header) + bytes(10_240)))
    with pytest.raises((DataError, UnsafeFileError), match=r"negative size|no readable tar"):
        load(tmp_path)


def test_an_archive_of_very_many_members_is_refused(load, pack, tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(pack({f"{i}": b"" for i in range(1001)}))
    with pytest.raises(UnsafeFileError, match="'1000' is one of more than 1,000"):
        load(tmp_path)


def test_an_archive_of_long_names_within_long_names_is_refused(load, tmp_path):
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type = tarfile.GNUTYPE_LONGNAME
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(gzip.compress(long_name.tobuf() * 5000))
    with pytest.raises(DataError, match="no readable tar archive"):
        load(tmp_path)


def test_a_pipe_in_the_place_of_a_batch_is_refused_and_not_waited_for(write, load, tmp_path):
    folder = only_folder(write("binary folder", tmp_path / "copy"))
    (folder / "data_batch_2.bin").unlink()
    os.mkfifo(folder / "data_batch_2.bin")
    with pytest.raises(DataError, match=r"data_batch_2\.bin is no plain file"):
        load(tmp_path / "copy")
