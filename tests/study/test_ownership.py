"""Study folders that others could exchange are refused before anything is written to them."""

import os

import pytest

from denselab.errors import UnsafeFileError
from denselab.study.ownership import refuse_exchangeable
from denselab.study.store import open_study


@pytest.mark.skipif(os.name != "posix", reason="rights are of POSIX")
def test_a_folder_that_anybody_may_write_to_is_refused_and_left_alone(tmp_path, manifest):
    (tmp_path / "study").mkdir()
    (tmp_path / "study").chmod(0o777)

    with (
        pytest.raises(
            UnsafeFileError, match=r"anybody on this machine may write to it; .*chmod o-w"
        ),
        open_study(tmp_path / "study", manifest),
    ):
        pass
    assert list((tmp_path / "study").iterdir()) == []


def test_a_study_that_was_opened_to_anybody_later_is_refused(tmp_path, manifest):
    with open_study(tmp_path / "study", manifest):
        pass
    (tmp_path / "study").chmod(0o777)

    with (
        pytest.raises(UnsafeFileError, match="chmod o-w"),
        open_study(tmp_path / "study", manifest),
    ):
        pass


def test_a_link_to_a_study_is_refused_with_the_folder_itself(tmp_path, manifest):
    with open_study(tmp_path / "study", manifest):
        pass
    (tmp_path / "link").symlink_to("study")

    with (
        pytest.raises(UnsafeFileError, match=r"is a link.* name the folder itself \(.*/study\)"),
        open_study(tmp_path / "link", manifest),
    ):
        pass


def test_a_study_is_never_made_for_anybody_to_write_to(tmp_path, manifest):
    before = os.umask(0)
    try:
        with open_study(tmp_path / "a" / "study", manifest):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "a" / "study").stat().st_mode & 0o777 == 0o775


def test_a_shared_folder_whose_files_are_their_owners_is_fine(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "study").chmod(0o1777)

    refuse_exchangeable(tmp_path / "study")


def test_a_drive_that_keeps_no_rights_is_no_reason(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    (tmp_path / "study").chmod(0o777)
    monkeypatch.setattr("os.fstat", lambda _: os.stat(tmp_path / "study"))

    refuse_exchangeable(tmp_path / "study")
