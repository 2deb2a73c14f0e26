import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from denselab import __version__
from denselab.cli.main import COMMANDS

HEAVY = ["jax", "keras", "numpy", "polars", "pydantic", "rich", "sklearn", "tensorflow", "torch"]


def fails(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def run_process(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from denselab.cli.main import main; main()", *arguments]
    return subprocess.run(command, text=True, stderr=subprocess.PIPE, check=False, **options)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]], ids=["nothing", "--help", "-h"])
def test_help_lists_every_command(denselab, arguments):
    answer = denselab(*arguments)

    assert answer.code == 0
    assert answer.err == ""
    for name, text in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", answer.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_of_itself_what_the_list_says_of_it(denselab, name):
    answer = denselab(name, "--help")

    assert answer.code == 0
    assert f"Usage: denselab {name}" in answer.out
    assert COMMANDS[name] in answer.out


def imported_by(*commands: list[str]) -> list[str]:
    script = f"""
import sys
from denselab.cli.main import run
codes = [run(arguments) for arguments in {commands}]
assert codes == [0] * len(codes)
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return ast.literal_eval(done.stderr)


def test_help_imports_nothing_heavy():
    assert imported_by(["--help"]) == []


def test_the_help_of_commands_imports_nothing_heavy_but_what_typer_does():
    commands = [*COMMANDS, "data list", "data get", "data info"]

    assert imported_by(*([*name.split(), "--help"] for name in commands)) == ["pydantic"]


def test_the_version_is_the_package_s(denselab):
    assert denselab("--version") == (0, f"denselab {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["comapre"], "no such command 'comapre'; did you mean 'compare'?"),
        (["xyz"], "no such command 'xyz'"),
        (["compare", "--seds", "3"], "no such option: --seds; did you mean --seeds or --seed"),
        (["compare", "--seeds"], "'--seeds' requires an argument"),
        (["compare", "--seeds", "many"], "--seeds many: must be a valid integer"),
        (["compare", "--preset", "tund"], "--preset tund: 'tund' is not one of"),
        (["compare", "digits", "wine"], "unexpected extra argument(s) (wine)"),
        (["find-lr", "digits"], "missing option '--recipe'"),
        (["evaluate"], "missing argument"),
        (["data", "lst"], "no such command 'lst'; did you mean 'list'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_and_exit_code_2(denselab, folder, arguments, expected):
    answer = denselab(*arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("denselab: ")
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_with_json_an_error_is_an_object_too(denselab):
    answer = denselab("recipes", "plian", "--json")

    error = json.loads(answer.out)["error"]
    assert answer.code == error["exit_code"] == 2
    assert error["kind"] == "UsageError"
    assert "did you mean plain?" in error["message"]
    assert answer.err == f"denselab: {error['message']}\n"


def test_a_bug_is_one_line_that_says_how_to_report_it(denselab, monkeypatch):
    monkeypatch.setattr("denselab.data.names", fails(ZeroDivisionError("by zero")))

    answer = denselab("data", "list")

    assert answer.code == 1
    assert answer.err.count("\n") == 1
    assert "unexpected ZeroDivisionError: by zero" in answer.err
    assert "DENSELAB_TRACEBACK=1" in answer.err


def test_a_bug_shows_its_traceback_to_those_who_ask(denselab, monkeypatch):
    monkeypatch.setattr("denselab.data.names", fails(ZeroDivisionError("by zero")))
    monkeypatch.setenv("DENSELAB_TRACEBACK", "1")

    assert "Traceback (most recent call last)" in denselab("data", "list").err


def test_sigterm_ends_with_143_and_what_was_there_before_handles_it_again(denselab, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("denselab.data.names", lambda: os.kill(os.getpid(), signal.SIGTERM))

    answer = denselab("data", "list")

    assert (answer.code, answer.err) == (143, "denselab: interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_ctrl_c_ends_with_130(denselab, monkeypatch):
    monkeypatch.setattr("denselab.data.names", fails(KeyboardInterrupt()))

    answer = denselab("data", "list")

    assert (answer.code, answer.err) == (130, "denselab: interrupted\n")


def test_a_reader_who_leaves_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)

    done = run_process("data", "list", stdout=writing)

    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_to_a_full_disk_ends_with_6():
    with Path("/dev/full").open("w") as full:
        done = run_process("data", "list", stdout=full)

    assert (done.returncode, done.stderr) == (
        6,
        "denselab: output: the disk is full; free some space\n",
    )


def test_the_environment_is_set_for_jax_unless_the_user_did(denselab, monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")

    denselab("--version")

    assert os.environ["KERAS_BACKEND"] == "jax"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_importing_the_command_line_changes_no_environment():
    script = """
import os
before = dict(os.environ)
import denselab.cli.main
print(dict(os.environ) == before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"
