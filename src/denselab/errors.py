"""Errors that a caller can act on, each with the exit code the command line promises for it."""

__all__ = [
    "CorruptStudyError",
    "DataError",
    "DenselabError",
    "ExhaustedError",
    "InterruptedTrainingError",
    "StudyInUseError",
    "UnsafeFileError",
    "UsageError",
]


class DenselabError(Exception):
    """Something the caller can mend.

    The message is one line: what came, what was expected, what to do. The command line prints it and
    exits with `exit_code`; no traceback is shown.
    """

    exit_code = 2


class UsageError(DenselabError, ValueError):
    """An argument, option or recipe that makes no sense (exit code 2)."""


class DataError(DenselabError, ValueError):
    """Data that cannot be used as it is (exit code 2)."""


class CorruptStudyError(DenselabError):
    """A study whose files do not match their checksums; nothing was touched (exit code 4)."""

    exit_code = 4


class UnsafeFileError(DenselabError):
    """A file that could run code or exhaust the machine if it were read (exit code 5)."""

    exit_code = 5


class ExhaustedError(DenselabError):
    """The disk or the memory ran out; what was finished is kept (exit code 6)."""

    exit_code = 6


class StudyInUseError(DenselabError):
    """Another process works on the same study (exit code 7)."""

    exit_code = 7


class InterruptedTrainingError(DenselabError):
    """The user stopped the work; what was finished is kept (exit code 130)."""

    exit_code = 130
