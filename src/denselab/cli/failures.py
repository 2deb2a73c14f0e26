"""What a command says when it does not succeed: one line, and the promised exit code."""

import errno
import json
import os
import sys
import traceback
from contextlib import suppress
from typing import NamedTuple

import typer
from typer.exceptions import Abort, TyperException

from denselab.errors import DenselabError, InterruptedTrainingError

__all__ = ["Failure", "explain", "report"]

_TRACEBACK = "DENSELAB_TRACEBACK"
"""This environment variable, set to anything, shows where an error came from."""

_OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT)
_TERMINATED = 143
_READER_GONE = 141


class Failure(NamedTuple):
    """An error as the user meets it.

    Attributes:
        kind: Name of its class: one of `denselab.errors`, unless it is a bug.
        message: One line: what came, what was expected, what to do. Empty where nobody listens.
        exit_code: What the process ends with.
    """

    kind: str
    message: str
    exit_code: int


def explain(error: BaseException, *, terminated: bool = False) -> Failure:
    """Finds the words and the exit code for an error.

    Args:
        error: Whatever ended the command.
        terminated: Whether SIGTERM came before it.

    Returns:
        The failure to report.

    Example:
        >>> explain(MemoryError()).exit_code
        6
    """
    failure = _failure(error)
    if terminated and failure.kind == InterruptedTrainingError.__name__:
        failure = failure._replace(exit_code=_TERMINATED)
    return failure._replace(message=_one_line(failure.message))


def report(failure: Failure, error: BaseException, *, as_json: bool = False) -> None:
    """Tells the user.

    Args:
        failure: What to say, on stderr.
        error: The error itself, for those who asked for tracebacks.
        as_json: Whether to print the failure as an object on stdout as well.
    """
    if os.environ.get(_TRACEBACK):
        traceback.print_exception(error)
    try:
        if as_json and failure.message:
            typer.echo(json.dumps({"error": failure._asdict()}))
        sys.stdout.flush()
    except OSError:
        # Nobody reads, or the disk under the file is full. What is still in the buffer must go
        # somewhere, or Python complains about it once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if failure.message:
        with suppress(OSError):
            typer.echo(f"denselab: {failure.message}", err=True)


def _failure(error: BaseException) -> Failure:
    name = type(error).__name__
    if isinstance(error, DenselabError):
        return Failure(name, str(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt | Abort):
        interrupted = InterruptedTrainingError("interrupted")
        return Failure("InterruptedTrainingError", str(interrupted), interrupted.exit_code)
    if isinstance(error, TyperException):
        return Failure("UsageError", _usage(error), error.exit_code)
    if isinstance(error, BrokenPipeError):
        return Failure(name, "", _READER_GONE)
    # JAX says so when an array does not fit.
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        message = "out of memory; use fewer seeds or a smaller network, or close other programs"
        return Failure("ExhaustedError", message, 6)
    if isinstance(error, OSError) and error.errno is not None:
        return _file_failure(error)
    what = f"{name}: {error}" if str(error) else name
    message = (
        f"unexpected {what}; this is a bug in denselab, please report it with what the same "
        f"command prints under {_TRACEBACK}=1"
    )
    return Failure(name, message, 1)


def _file_failure(error: OSError) -> Failure:
    where = error.filename or "output"
    if error.errno in _OUT_OF_SPACE:
        return Failure("ExhaustedError", f"{where}: the disk is full; free some space", 6)
    return Failure("UsageError", f"{where}: {error.strerror}; check the path and its rights", 2)


def _usage(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    help_command = f" (see {context.command_path} --help)" if context else ""
    if possibilities := getattr(error, "possibilities", None):
        option = getattr(error, "option_name", "")
        return f"no such option: {option}; did you mean {' or '.join(possibilities)}?{help_command}"
    parameter, problems = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
    if parameter is not None and problems is not None:  # What pydantic found, with the value.
        problem = problems()[0]
        expected = problem["msg"].removeprefix("Value error, ").rstrip(".")
        expected = expected.replace("Input should be", "must be")
        name = max(parameter.opts, key=len)
        return f"{name} {str(problem['input'])[:60]}: {expected}{help_command}"
    message = error.format_message().replace(". Did you mean", "; did you mean").rstrip(".")
    return f"{message[:1].lower()}{message[1:]}{help_command}"


def _one_line(text: str) -> str:
    """Joins lines, and takes out what a terminal would obey."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
