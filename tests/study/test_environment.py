"""Versions and hardware."""

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from denselab.study import environment


def test_versions_are_found_without_importing_anything():
    code = (
        "import sys; from denselab.study.environment import versions; found = versions(); "
        "assert not {'jax', 'keras'} & set(sys.modules); import jax; "
        "assert found['jax'] == jax.__version__, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_package_that_is_not_installed_is_said_to_be_so(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", missing)
    assert environment.versions()["jax"] == "not installed"


def test_the_hardware_is_plain_values():
    about = environment.hardware()
    assert json.loads(json.dumps(about)) == about
    assert about["memory_gib"] > 0


@pytest.mark.parametrize(
    ("text", "model"),
    [("processor : 0\nmodel name\t: A CPU: fast\nmodel name : B\n", "A CPU: fast"), ("", "")],
    ids=["first of several", "none"],
)
def test_the_model_is_read_out_of_cpuinfo(tmp_path, text, model):
    (tmp_path / "cpuinfo").write_text(text)
    assert environment._field(tmp_path / "cpuinfo", "model name") == model


def test_a_system_without_cpuinfo_is_none_the_worse(tmp_path):
    assert environment._field(tmp_path / "nothing", "model name") == ""
