import errno

import pytest
from typer.exceptions import Abort

from denselab.cli.failures import explain
from denselab.errors import (
    CorruptStudyError,
    DataError,
    ExhaustedError,
    InterruptedTrainingError,
    StudyInUseError,
    UnsafeFileError,
    UsageError,
)

FULL = OSError(errno.ENOSPC, "No space left on device", "study.sqlite")
FORBIDDEN = PermissionError(errno.EACCES, "Permission denied", "models")


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (UsageError("x"), "UsageError", 2),
        (DataError("x"), "DataError", 2),
        (CorruptStudyError("x"), "CorruptStudyError", 4),
        (UnsafeFileError("x"), "UnsafeFileError", 5),
        (ExhaustedError("x"), "ExhaustedError", 6),
        (StudyInUseError("x"), "StudyInUseError", 7),
        (InterruptedTrainingError("x"), "InterruptedTrainingError", 130),
        (KeyboardInterrupt(), "InterruptedTrainingError", 130),
        (Abort(), "InterruptedTrainingError", 130),
        (MemoryError(), "ExhaustedError", 6),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "ExhaustedError", 6),
        (FULL, "ExhaustedError", 6),
        (FORBIDDEN, "UsageError", 2),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "BrokenPipeError", 141),
        (KeyError("x"), "KeyError", 1),
    ],
    ids=repr,
)
def test_every_error_has_its_exit_code(error, kind, code):
    failure = explain(error)

    assert (failure.kind, failure.exit_code) == (kind, code)


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 143), (InterruptedTrainingError("x"), 143), (UsageError("x"), 2)],
    ids=repr,
)
def test_after_sigterm_only_interruptions_have_another_code(error, code):
    assert explain(error, terminated=True).exit_code == code


def test_a_message_is_one_line_without_what_a_terminal_would_obey():
    failure = explain(DataError("column '\x1b[31mred\x1b[0m'\nis  empty\x07"))

    assert failure.message == "column '[31mred[0m' is empty"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FULL, "study.sqlite: the disk is full"),
        (FORBIDDEN, "models: Permission denied; check the path"),
        (KeyError("x"), "unexpected KeyError: 'x'; this is a bug"),
        (BrokenPipeError(), ""),
    ],
    ids=repr,
)
def test_a_message_says_what_happened(error, expected):
    message = explain(error).message

    assert message.startswith(expected)
    assert bool(message) == bool(expected)
