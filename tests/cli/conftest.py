"""Runs the command line in this process, so that Keras is imported once and not once a test."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from denselab.cli.main import run


class Answer(NamedTuple):
    """What a command leaves on the screen."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def denselab(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    for variable in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(variable, "jax" if variable == "KERAS_BACKEND" else "3")
    monkeypatch.delenv("DENSELAB_TRACEBACK", raising=False)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        return Answer(code, *capsys.readouterr())

    return call
