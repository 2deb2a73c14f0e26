"""One writer at a time, whatever becomes of it."""

import subprocess
import sys

import pytest

from denselab.errors import StudyInUseError
from denselab.study.lock import LOCK_NAME, locked

HOLDER = (
    "import sys, time; from pathlib import Path; from denselab.study.lock import locked\n"
    "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused(tmp_path, holder):
    with pytest.raises(StudyInUseError, match="wait until it is done"), locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path):
        assert (tmp_path / LOCK_NAME).exists()


def test_another_part_of_the_same_process_is_refused(tmp_path):
    with locked(tmp_path), pytest.raises(StudyInUseError), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_lock_file_that_lost_its_name_keeps_nobody_out_and_counts_for_nothing(
    tmp_path, monkeypatch
):
    """Between opening and locking, the process that made the file may have removed it."""
    from denselab.study import lock

    found = lock._is_at
    looks = []

    def removed_once(path, handle):
        if not looks:
            path.unlink()
        looks.append(path)
        return found(path, handle)

    monkeypatch.setattr(lock, "_is_at", removed_once)
    with locked(tmp_path), pytest.raises(StudyInUseError), locked(tmp_path):
        pass
    assert len(looks) == 2
