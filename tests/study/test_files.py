"""Whole writes, and the words for those that fail."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from denselab.errors import CorruptStudyError, ExhaustedError, StudyInUseError, UsageError
from denselab.study import files


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    return error


def test_a_whole_write_leaves_the_file_alone(tmp_path):
    files.write_whole(tmp_path / "a", b"first")
    files.write_whole(tmp_path / "a", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"second"}


def test_a_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    files.write_whole(tmp_path / "a", b"first")

    def half(file, data):
        file.write(data[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write", half)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(tmp_path / "a", b"second")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"first"}


def test_what_a_killed_write_left_does_not_hinder_the_next(tmp_path):
    files.temporary(tmp_path / "a").write_bytes(b"much longer than what comes")
    files.write_whole(tmp_path / "a", b"whole")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"whole"}


def test_folders_are_made_with_those_above_them_and_listed_innermost_first(tmp_path):
    made = files.make_folders(tmp_path / "a" / "b")
    assert made == (tmp_path / "a" / "b", tmp_path / "a")
    assert files.make_folders(tmp_path / "a" / "b") == ()


def test_no_folder_is_left_if_one_cannot_be_made(tmp_path, monkeypatch):
    def fails_inside(folder):
        if folder.name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        os.mkdir(folder)

    monkeypatch.setattr(files, "make_folder", fails_inside)
    with pytest.raises(OSError, match="No space"):
        files.make_folders(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES])
def test_a_file_system_that_cannot_sync_folders_will_do(tmp_path, monkeypatch, number):
    asked = []

    def cannot(handle):
        asked.append(handle)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", cannot)
    files.sync_folder(tmp_path)
    assert len(asked) == 1


def test_a_folder_that_could_not_be_synced_is_no_secret(tmp_path, monkeypatch):
    def fails(handle):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="I/O error"):
        files.sync_folder(tmp_path)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError(errno.ENOSPC, "No space"), ExhaustedError, "disk is full; make room"),
        (OSError(errno.EDQUOT, "Quota"), ExhaustedError, "disk is full; make room"),
        (OSError(errno.EIO, "I/O error"), ExhaustedError, r"\(I/O error\); check the disk"),
        (OSError(errno.EROFS, "Read-only"), UsageError, r"\(Read-only\); choose a folder"),
        (OSError(errno.EACCES, "Denied"), UsageError, r"\(Denied\); choose a folder"),
        (OSError(errno.ENOTDIR, "No folder"), UsageError, r"\(No folder\); choose a folder"),
        (OSError("odd"), UsageError, r"\(odd\); choose a folder"),
        (sqlite_error(sqlite3.SQLITE_FULL), ExhaustedError, "disk is full; make room"),
        (sqlite_error(sqlite3.SQLITE_IOERR_WRITE), ExhaustedError, "check the disk"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DIRECTORY), UsageError, "choose a folder"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), UsageError, "choose a folder"),
        (sqlite_error(sqlite3.SQLITE_BUSY), StudyInUseError, "close that and run again"),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), CorruptStudyError, "restore the file"),
    ],
    ids=str,
)
def test_a_failed_write_names_the_file_and_what_to_do(error, kind, words):
    with pytest.raises(kind, match=f"^s/a: .*{words}"), files.writing(Path("s/a")):
        raise error


def test_an_error_that_is_a_bug_stays_what_it_is():
    with pytest.raises(sqlite3.IntegrityError), files.writing(Path("s/a")):
        raise sqlite3.IntegrityError("UNIQUE constraint failed")


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(CorruptStudyError, match=r"a: is gone; restore"):
        files.read_whole(tmp_path / "a")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be read .*check its rights"):
        files.read_whole(tmp_path)


def test_a_file_of_another_size_is_named(tmp_path):
    (tmp_path / "a").write_bytes(b"four")
    files.check_size(tmp_path / "a", 4)
    with pytest.raises(CorruptStudyError, match=r"has 4 bytes, expected 5; restore"):
        files.check_size(tmp_path / "a", 5)
