"""Gives each test that asks for a patient or a healthy program the rows of their tables."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _read(name: str) -> ModuleType:
    # Read by its path: with importlib mode nothing puts the tests on the import path.
    registered = f"denselab_doctor_{name}"
    if registered not in sys.modules:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(registered, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[registered] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[registered])
    return sys.modules[registered]


def _patients() -> tuple:
    return (*_read("table").PATIENTS, *_read("tried").PATIENTS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "patient" in metafunc.fixturenames:
        patients = _patients()
        metafunc.parametrize("patient", patients, ids=[patient.id for patient in patients])
    if "healthy" in metafunc.fixturenames:
        programs = _read("healthy").PROGRAMS
        metafunc.parametrize("healthy", programs.values(), ids=list(programs))


@pytest.fixture
def patients() -> tuple:
    return _patients()
