"""Checks the house against its map and its rules; what imports may do is lint-imports' business."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import denselab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "denselab"
SOURCES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = [
    *SOURCES,
    *sorted(p for f in ("tests", "benchmarks", "examples") for p in (ROOT / f).rglob("*.py")),
]
BACKENDS = ["jax", "keras", "tensorflow", "torch"]


def relative(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def loaded_by(*modules: str) -> list[str]:
    lines = [f"import {module}" for module in modules]
    check = f"import sys; print([name for name in {BACKENDS} if name in sys.modules])"
    return ast.literal_eval(run("\n".join([*lines, check])))


# The front door


def test_every_public_name_opens_the_object_in_its_room():
    for name, place in denselab._DOORS.items():
        module, _, original = place.partition(":")
        room = import_module(module)
        assert getattr(denselab, name) is getattr(room, original)
        assert original in room.__all__


def test_doors_public_names_and_what_editors_see_are_the_same():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert ast.unparse(block.test) == "TYPE_CHECKING"
    assert seen == denselab._DOORS
    assert sorted([*denselab._DOORS, "__version__"]) == denselab.__all__ == dir(denselab)


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'train'; it has .*train_population"):
        denselab.__getattr__("train")


def test_importing_denselab_loads_no_backend_and_changes_nothing():
    script = """
import os, sys
before = dict(os.environ)
import denselab
heavy = {"jax", "keras", "numpy", "tensorflow", "torch"} & set(sys.modules)
print(sorted(heavy), dict(os.environ) == before)
"""
    assert run(script) == "[] True"


@pytest.mark.parametrize(
    "module",
    [
        "denselab.cli.main",
        "denselab.data",
        "denselab.recipes",
        "denselab.study",
        "denselab.study.compare",
    ],
)
def test_what_reads_studies_and_recipes_loads_no_backend(module):
    assert loaded_by(module) == []


def test_loading_the_training_room_would_be_noticed():
    assert "keras" in loaded_by("denselab.training")


# The map


def map_of_the_house() -> dict[str, str]:
    """Path -> what the README says of it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    block = next(body for language, body in fences if not language)
    found, folder = {}, ""
    for line in block.splitlines():
        indent, path, words = re.fullmatch(r"( *)(\S+) *(.*)", line).groups()
        folder = folder if indent else path
        found[folder + path if indent else path] = words
    return found


def test_the_map_names_what_is_there():
    missing = [path for path in map_of_the_house() if not (ROOT / path).exists()]

    assert missing == []


def test_every_room_is_on_the_map():
    ignored = {line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()}
    rooms = [
        path
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    tops = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in {*ignored, "src"}]
    visible = [path for path in [*rooms, *tops] if not path.name.startswith(".")]
    on_map = {path.rstrip("/") for path in map_of_the_house()}

    assert [path for path in relative(visible) if path not in on_map] == []


def test_the_map_lists_the_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()

    assert map_of_the_house()["Makefile"].split(" · ") == phony
    assert [name for name in phony if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


# The rules


def test_no_room_is_a_drawer_for_everything():
    forbidden = {"base", "common", "core", "helpers", "misc", "util", "utils"}
    names = [
        path
        for path in EVERYTHING
        if forbidden & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}
    ]

    assert relative(names) == []


def test_no_file_is_longer_than_400_lines():
    long = [path for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > 400]

    assert relative(long) == []


def lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Counts its lines without the docstring, which may be long."""
    first = function.body[0]
    described = first.end_lineno - first.lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - described


def test_no_function_is_longer_than_45_lines_without_its_docstring():
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and lines_of_code(node) > 45
    ]

    assert long == []


def test_nothing_is_left_over_and_no_check_is_switched_off():
    pattern = re.compile(
        r"\b(TODO|FIXME|XXX|NotImplementedError)\b|# *(noqa|type: *ignore|pragma: *no cover)"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def test_every_module_says_what_it_is_for():
    silent = [
        path
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert relative(silent) == []
