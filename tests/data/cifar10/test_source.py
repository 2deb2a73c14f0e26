"""Where a copy is looked for: the named place, the cache, the web; and the real copy beside us."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from denselab.data import describe, fetch_cifar10, load
from denselab.data.cifar10 import CIFAR10_URL, load_cifar10, source
from denselab.errors import DataError

ARCHIVE = "cifar-10-python.tar.gz"
REAL_COPY = Path(__file__).resolve().parents[4] / "shared" / "data" / "cifar10"


@pytest.fixture
def served(server, write, tmp_path, monkeypatch):
    """A server that has the archive of the cut-down data, where denselab looks for it."""
    server.content = (write("python archive", tmp_path / "origin") / ARCHIVE).read_bytes()
    monkeypatch.setenv("DENSELAB_CIFAR10_URL", f"{server.url}/{ARCHIVE}")
    return server


@pytest.fixture
def trusted(served, monkeypatch):
    """The same, and its hash is the one that is expected."""
    known = {"sha256": hashlib.sha256(served.content).hexdigest()}
    monkeypatch.setattr(fetch_cifar10, "__kwdefaults__", fetch_cifar10.__kwdefaults__ | known)
    return served


@pytest.mark.parametrize("inside", ["", "cifar10", "cifar-10"])
@pytest.mark.parametrize("layout", ["binary folder", "Parquet", "image folder", "python archive"])
def test_a_copy_is_found_in_the_named_folder_and_one_below(write, truth, tmp_path, inside, layout):
    write(layout, tmp_path / "data" / inside)
    data = load_cifar10(data_dir=str(tmp_path / "data"), rows=truth.rows)
    assert data.source == f"cifar10, {layout}"


def test_a_copy_in_cifar10_goes_before_other_data_beside_it(write, truth, tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"something else")
    write("npz, colours last", tmp_path / "cifar10")
    assert load_cifar10(data_dir=tmp_path, rows=truth.rows).source == "cifar10, npz"


def test_a_home_folder_is_expanded(write, truth, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write("binary folder", tmp_path / "data")
    assert load_cifar10(data_dir="~/data", rows=truth.rows).n == 50


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        ("missing", "missing does not exist; name the folder or file that holds CIFAR-10"),
        (
            "empty",
            r"no CIFAR-10 in .*empty; looked there and in cifar10, cifar-10 for cifar-10-batch",
        ),
        ("notes.txt", r"no CIFAR-10 in .*notes.txt"),
    ],
)
def test_a_place_without_a_copy_is_refused_and_nothing_downloaded(server, tmp_path, place, remedy):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(DataError, match=remedy) as refused:
        load("cifar10", data_dir=tmp_path / place)
    assert refused.value.exit_code == 2
    assert server.asked == []


@pytest.mark.parametrize("place", ["x" * 300, "~nobody-of-this-name/data", "nul\0byte"])
def test_a_place_that_cannot_be_is_refused_without_a_traceback(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"does not exist; name|name a folder you can read"):
        load("cifar10", data_dir=place)


def test_a_copy_in_the_cache_is_used_without_the_web(served, write, truth, own_cache):
    write("npz, colours last", own_cache / "cifar10")
    assert load_cifar10(offline=True, rows=truth.rows).source == "cifar10, npz"
    assert served.asked == []


def test_without_a_copy_the_archive_is_downloaded_once_and_read(trusted, truth, own_cache):
    told = []
    data = load_cifar10(progress=lambda done, total: told.append((done, total)), rows=truth.rows)
    assert data.source == "cifar10, python archive"
    assert told[-1] == (len(trusted.content), len(trusted.content))
    again = load_cifar10(rows=truth.rows)
    assert again.fingerprint == data.fingerprint
    assert len(trusted.asked) == 1
    assert (own_cache / "cifar10" / ARCHIVE).read_bytes() == trusted.content


def test_an_archive_with_another_hash_never_reaches_the_cache(served, own_cache):
    with pytest.raises(DataError, match=r"expected 6d958be0.*it was removed: run again"):
        load("cifar10")
    assert not (own_cache / "cifar10" / ARCHIVE).exists()
    assert not (own_cache / "cifar10" / f"{ARCHIVE}.part").exists()


def test_offline_refuses_to_download_and_says_what_to_do(served, own_cache):
    for use in (fetch_cifar10, lambda offline: load("cifar10", offline=offline)):
        with pytest.raises(DataError, match=r"offline forbids .* as data_dir, or go online once"):
            use(offline=True)
    assert served.asked == []
    assert not own_cache.exists()


def test_a_part_in_the_cache_is_not_taken_for_a_copy(served, own_cache):
    (own_cache / "cifar10").mkdir(parents=True)
    (own_cache / "cifar10" / f"{ARCHIVE}.part").write_bytes(served.content)
    with pytest.raises(DataError, match="offline forbids"):
        load("cifar10", offline=True)


def test_an_address_that_is_given_goes_before_the_environment(served, server, own_cache):
    hash_ = hashlib.sha256(server.content).hexdigest()
    fetched = fetch_cifar10(url=f"{server.url}/mirror", sha256=hash_)
    assert fetched == own_cache / "cifar10" / ARCHIVE
    assert server.asked == [("/mirror", None)]


def test_the_official_address_is_the_default(monkeypatch):
    asked = []
    monkeypatch.setattr(source, "download", lambda url, target, **_: asked.append(url) or target)
    fetch_cifar10()
    assert asked == [CIFAR10_URL] == ["https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"]


@pytest.mark.skipif(
    not REAL_COPY.is_dir(), reason="no ../shared/data/cifar10 beside the repository"
)
def test_the_real_copy_has_the_sizes_and_means_of_its_description():
    data = load("cifar10", data_dir=REAL_COPY, offline=True)
    about = describe(data)
    assert data.source == "cifar10, Parquet, JPEG copy"
    assert about["rows"] == {"train": 50_000, "test": 10_000}
    assert set(about["classes"].values()) == {5000}
    assert about["warnings"] == []
    # Its README gives two decimals.
    means = data.x.mean(axis=(0, 1, 2))
    np.testing.assert_allclose(means, [125.27, 122.93, 113.86], atol=0.005)
