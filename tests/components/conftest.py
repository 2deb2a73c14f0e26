"""Gives each test that asks for a case the rows of the one table."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import pytest


def _table() -> ModuleType:
    # Read by its path: with importlib mode nothing puts the repository on the import path.
    name = "denselab_component_cases"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "cases.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = _table().CASES
    fixtures = {
        "case": cases,
        "saved_case": [case for case in cases if case.kind != "callback"],
        "layer_case": [case for case in cases if case.kind == "layer"],
    }
    for fixture, rows in fixtures.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, rows, ids=[row.name for row in rows])


@pytest.fixture
def cases() -> tuple[Any, ...]:
    return _table().CASES


@pytest.fixture
def compiled() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compiles a function of tensors as `fit` does; on torch, where it does not, traces it."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return tensorflow.function(jit_compile=True)
    import torch

    return lambda function: torch.compile(function, backend="eager")
