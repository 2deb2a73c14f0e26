"""The one table of malformed inputs and hostile files, and the command line that meets them."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from denselab.cli.main import run

MODULES = (
    "text_tables",
    "binary_tables",
    "pictures_and_batches",
    "recipes_and_options",
    "hostile_models",
    "hostile_files",
)


class Case(NamedTuple):
    """One thing that must not happen to anybody.

    `number` is its number in the list of malformed inputs, or the words of the security case.
    """

    number: int | str
    title: str
    command: str
    code: int
    says: str
    build: Callable[[Path], None]


class Working(NamedTuple):
    """One thing that looks odd and trains."""

    number: int
    title: str
    data: str
    build: Callable[[Path], None]


class Answer(NamedTuple):
    """What a command leaves on the screen."""

    code: int
    out: str
    err: str


def _read(name: str) -> ModuleType:
    # Read by its path: with importlib mode nothing puts the tests on the import path.
    registered = f"denselab_malformed_{name}"
    if registered not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(registered, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[registered] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[registered])
    return sys.modules[registered]


def _rows(name: str) -> list[Any]:
    return [row for module in MODULES for row in getattr(_read(module), name, ())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, rows, kind in (("case", "CASES", Case), ("working", "WORKS", Working)):
        if fixture in metafunc.fixturenames:
            cases = [kind(*row) for row in _rows(rows)]
            metafunc.parametrize(fixture, cases, ids=[f"{c.number} {c.title}" for c in cases])


@pytest.fixture
def numbers() -> list[int | str]:
    """What the table covers."""
    return [row[0] for name in ("CASES", "WORKS") for row in _rows(name)]


@pytest.fixture
def elsewhere() -> tuple[tuple[str, str], ...]:
    """Security cases and tests in other files that hold them."""
    return _read("hostile_files").ELSEWHERE


@pytest.fixture
def hostile() -> ModuleType:
    """What writes hostile files."""
    return _read("hostile_files")


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


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models to evaluate bad files with: one that was trained on a table."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "good.csv").write_text(_read("text_tables").GOOD_TEXT)
    small = ["--ensemble", "1", "--epochs", "1", "--depth", "1", "--width", "4"]
    out = ["--out", str(folder / "table")]
    assert run(["train", str(folder / "good.csv"), "--target", "y", *small, *out]) == 0
    return {"table_model": folder / "table" / "model.keras"}
