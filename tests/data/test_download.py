"""Downloads from a server on 127.0.0.1 that breaks off, knows no ranges, or sends other bytes."""

import errno
import hashlib
import re
import shutil
import threading
from collections import namedtuple
from pathlib import Path

import pytest

from denselab.data.download import cache_folder, download
from denselab.errors import DataError, ExhaustedError


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "archive.tar.gz"


def get(server, target, **changes):
    wanted = {"sha256": hashlib.sha256(server.content).hexdigest(), **changes}
    return download(f"{server.url}/archive.tar.gz", target, **wanted)


def part_of(target):
    return target.with_name(target.name + ".part")


def leave_part(target, content):
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(content)


def test_a_file_arrives_whole_and_leaves_no_part(server, target):
    assert get(server, target) == target
    assert target.read_bytes() == server.content
    assert not part_of(target).exists()


def test_a_file_that_is_there_is_not_asked_for(server, target):
    get(server, target)
    get(server, target)
    assert len(server.asked) == 1


def test_progress_tells_bytes_there_and_bytes_to_come_up_to_the_end(server, target):
    told = []
    get(server, target, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert {total for _, total in told} == {len(server.content)}
    assert told[-1][0] == len(server.content)


def test_progress_says_none_where_the_server_announces_no_size(server, target):
    server.announces = False
    told = []
    get(server, target, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(server.content), None)


def test_a_connection_that_breaks_off_is_taken_up_where_it_stopped(server, target):
    server.cuts = [100_000, 200_000]
    get(server, target)
    assert target.read_bytes() == server.content
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=300000-"]


def test_a_part_of_an_earlier_run_is_gone_on_with(server, target):
    leave_part(target, server.content[:5000])
    get(server, target)
    assert server.asked == [("/archive.tar.gz", "bytes=5000-")]
    assert target.read_bytes() == server.content


def test_a_part_that_is_whole_only_needs_its_hash_checked(server, target):
    leave_part(target, server.content)
    told = []
    get(server, target, progress=lambda *bytes_: told.append(bytes_))
    assert target.read_bytes() == server.content
    assert told == []


def test_a_part_longer_than_the_file_is_thrown_away(server, target):
    leave_part(target, server.content + b"more")
    get(server, target)
    assert target.read_bytes() == server.content


def test_a_server_without_ranges_sends_everything_again(server, target):
    server.ranges = False
    leave_part(target, b"x" * 5000)
    get(server, target)
    assert target.read_bytes() == server.content


def test_a_part_of_the_file_that_was_not_asked_for_is_not_taken(server, target):
    server.ignores_start = True
    leave_part(target, b"x" * 5000)
    get(server, target)
    assert target.read_bytes() == server.content
    assert [wanted for _, wanted in server.asked] == ["bytes=5000-", None]


def test_a_server_that_always_breaks_off_leaves_the_part_and_says_to_run_again(server, target):
    server.cuts = [1000] + [0] * 100
    with pytest.raises(DataError, match=r"stopped at 1,000 bytes of 1,048,576; run the same"):
        get(server, target)
    assert part_of(target).read_bytes() == server.content[:1000]
    assert not target.exists()
    server.cuts = []
    assert get(server, target).read_bytes() == server.content


def test_a_server_without_ranges_that_breaks_off_is_not_asked_for_ever(server, target):
    server.ranges = False
    server.cuts = [1000] * 100
    with pytest.raises(DataError, match="stopped at 1,000"):
        get(server, target)
    assert len(server.asked) == 2


def test_a_wrong_hash_removes_the_part_and_nothing_takes_the_place(server, target):
    with pytest.raises(DataError, match=f"expected {'0' * 64}; it was removed: run again"):
        get(server, target, sha256="0" * 64)
    assert not part_of(target).exists()
    assert not target.exists()


def test_a_part_of_another_file_ends_in_a_wrong_hash_and_the_next_run_succeeds(server, target):
    leave_part(target, b"x" * 5000)
    with pytest.raises(DataError, match="it was removed: run again"):
        get(server, target)
    assert get(server, target).read_bytes() == server.content


def test_an_answer_that_is_no_file_names_the_code_and_another_way(server, target):
    server.status = 404
    with pytest.raises(DataError, match=r"answered 404 .*get the file another way .* data_dir"):
        get(server, target)


def test_a_redirection_to_another_page_is_followed(server, target):
    server.status, server.location = 302, "/moved"
    answer = server.answer

    def once(handler):
        answer(handler)
        server.status = None

    server.answer = once
    assert get(server, target).read_bytes() == server.content
    assert [path for path, _ in server.asked] == ["/archive.tar.gz", "/moved"]


@pytest.mark.parametrize("elsewhere", ["ftp://127.0.0.1/x", "file:///etc/hostname"])
def test_a_redirection_away_from_the_web_is_refused(server, target, elsewhere):
    server.status, server.location = 302, elsewhere
    with pytest.raises(DataError, match="check the"):
        get(server, target)
    assert not target.exists()


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://host/x", "data:,x", "archive.tar.gz", ""]
)
def test_only_web_addresses_are_downloaded(target, url):
    with pytest.raises(DataError, match="begins with https:// or http://"):
        download(url, target, sha256="0" * 64)
    assert not target.parent.exists()


@pytest.mark.parametrize("url", ["http://[", "http://", "https://host:port/", "http://a b/"])
def test_an_address_that_makes_no_sense_is_named(target, url):
    with pytest.raises(DataError, match=f"cannot reach {re.escape(url)}"):
        download(url, target, sha256="0" * 64)


def test_a_file_system_without_locks_does_not_stop_a_download(server, target, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    assert get(server, target).read_bytes() == server.content


def test_a_server_that_is_not_there_is_named_with_the_remedy(server, target):
    port = server.http.server_port
    server.http.server_close()
    with pytest.raises(DataError, match=f"cannot reach http://127.0.0.1:{port}/.*proxy settings"):
        get(server, target)


def test_the_proxy_of_the_environment_is_asked(server, target, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    hash_ = hashlib.sha256(server.content).hexdigest()
    download("http://archive.invalid/cifar.tar.gz", target, sha256=hash_)
    assert server.asked == [("http://archive.invalid/cifar.tar.gz", None)]
    assert target.read_bytes() == server.content


def test_a_file_announced_too_large_is_refused_before_a_byte_is_kept(server, target):
    with pytest.raises(DataError, match=r"announces 1,048,576 bytes, expected at most 1,000"):
        get(server, target, size_limit=1000)
    assert not part_of(target).exists()


def test_a_file_that_grows_too_large_is_given_up_and_removed(server, target):
    server.announces = False
    with pytest.raises(DataError, match="sends more than 1,000 bytes"):
        get(server, target, size_limit=1000)
    assert not part_of(target).exists()


def test_a_disk_without_room_is_told_before_a_byte_is_written(server, target, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 5, 5))
    with pytest.raises(ExhaustedError, match=r"5 bytes free .*needs 1,048,576.*DENSELAB_CACHE"):
        get(server, target)
    assert not part_of(target).exists()


def test_a_disk_that_fills_up_keeps_what_came(server, target, monkeypatch):
    opened = Path.open

    class FullFile:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def truncate(self, size):
            self.file.truncate(size)

        def write(self, data):
            self.file.write(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_full(path, *mode):
        file = opened(path, *mode)
        return FullFile(file) if mode == ("ab",) else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        with pytest.raises(ExhaustedError, match=r"no space left for archive\.tar\.gz"):
            get(server, target)
    assert part_of(target).read_bytes() == server.content[:10]
    assert get(server, target).read_bytes() == server.content


def test_a_cache_that_cannot_be_written_names_the_variable_to_set(server, tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(DataError, match=r"cannot write .* set DENSELAB_CACHE"):
        get(server, tmp_path / "taken" / "archive.tar.gz")


def test_two_at_once_fetch_the_file_once(server, target):
    errors = []

    def fetch():
        try:
            get(server, target)
        except DataError as error:
            errors.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(server.asked) == 1
    assert target.read_bytes() == server.content


def test_the_cache_folder_is_the_users_unless_the_environment_names_one(monkeypatch, own_cache):
    assert cache_folder() == own_cache
    monkeypatch.delenv("DENSELAB_CACHE")
    assert cache_folder().name == "denselab"
