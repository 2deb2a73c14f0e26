"""The command `denselab`: finds the command that was asked for, runs it, answers with an exit code."""

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from denselab import __version__
from denselab.cli.failures import explain, report
from denselab.cli.options import command_app, show_help

__all__ = ["COMMANDS", "main", "run"]

COMMANDS = {
    "demo": "Show in two minutes what denselab does, on digits.",
    "compare": "Train recipes over several seeds and show them side by side.",
    "train": "Train one recipe and save it as a Keras model.",
    "evaluate": "Measure a saved model on rows it has not seen.",
    "predict": "Predict rows, with the uncertainty of every prediction.",
    "uncertainty": "Compare one pass, temperature, draws and ensemble on a study.",
    "diagnose": "Find what is wrong with a network and its data, and a remedy.",
    "find-lr": "Find a learning rate for a recipe, before it is trained.",
    "report": "Write a study as one page to read, as pictures, and as text.",
    "sparsity": "Train sparse networks and show what accuracy they keep.",
    "prune": "Make a trained model sparse or smaller, and measure it.",
    "export": "Write a trained model as an ONNX file, and check it.",
    "recipes": "List the recipes, or show what one of them is made of.",
    "study": "List studies, show what came out of one, export it.",
    "data": "List, fetch and describe data sets.",
    "claims": "Decide claims about techniques by experiments on a data set.",
    "verdict": "Say which arms differ, by scores of any framework.",
}
"""Command -> what `denselab --help` says of it; it lives in the module
`denselab.cli.<command>`, with _ for -."""


class _LazyCommand(TyperCommand):
    """Stands for a command whose module is imported when it is called, or asked for its help."""

    def make_context(self, info_name: Any, args: Any, parent: Any = None, **extra: Any) -> Any:
        module = import_module(f"denselab.cli.{str(self.name).replace('-', '_')}")
        command = typer.main.get_command(module.app)
        return command.make_context(info_name, args, parent, **extra)


def main() -> None:
    """Runs the command line of this process and ends it with the promised exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Runs one command.

    Results go to stdout, everything else to stderr. What goes wrong is said in one line, and with
    `--json` in an object on stdout as well.

    Args:
        arguments: What stands after `denselab`.

    Returns:
        The exit code.
    """
    _prepare_environment()
    with _sigterm_interrupts() as terminations:
        try:
            code = _invoke(arguments)
            sys.stdout.flush()
        except BaseException as error:  # Whatever it is, the user gets one line.
            failure = explain(error, terminated=bool(terminations))
            report(failure, error, as_json="--json" in arguments)
            code = failure.exit_code
    return code


def _prepare_environment() -> None:
    """Sets what must be set before Keras and JAX are imported, where the user has not set it."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Keras imports TensorFlow, where it is installed, when it saves a model; with its oneDNN
    # kernels it logs two lines that the level above does not hold back.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def _invoke(arguments: Sequence[str]) -> int:
    group = _group()
    try:
        command = shlex.join(["denselab", *arguments])
        with group.make_context("denselab", list(arguments), obj=command) as context:
            group.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    return 0


def _group() -> TyperGroup:
    commands = [_LazyCommand(name, help=text) for name, text in COMMANDS.items()]
    app = command_app()
    app.callback(invoke_without_command=True)(_denselab)
    group = typer.main.get_group(app)
    for command in commands:
        group.add_command(command)
    return group


def _denselab(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """Train deep dense networks with the techniques of the field, side by side.

    `denselab compare` is the main job; try it as it stands, it needs no data of yours.
    """
    if version:
        typer.echo(f"denselab {__version__}")
        raise typer.Exit
    show_help(context)


@contextmanager
def _sigterm_interrupts() -> Iterator[list[int]]:
    """Makes SIGTERM do what Ctrl-C does, so that the same code keeps what is finished.

    Yields:
        The signals that came; empty unless the process was asked to end.
    """
    came: list[int] = []

    def interrupt(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, previous)
