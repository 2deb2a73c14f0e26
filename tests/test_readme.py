import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from denselab.cli.main import run
from denselab.recipes import load_recipe

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/doctor.md",
    "docs/images.md",
    "docs/reference/estimators.md",
    "docs/sparsity.md",
    "docs/reference/sparsity.md",
    "docs/tables.md",
    "docs/uncertainty.md",
    "docs/concepts/verdicts.md",
]


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PYTHON = [pytest.param(code, id=name) for name in DOCUMENTS for code in blocks(name, "python")]
COMMANDS = [
    pytest.param(line, id=line)
    for name in DOCUMENTS
    for block in blocks(name, "sh")
    for line in (
        line.partition("  #")[0].strip() for line in block.replace("\\\n", " ").splitlines()
    )
]


def test_there_are_blocks_to_run():
    assert PYTHON
    assert COMMANDS


@pytest.mark.parametrize("code", PYTHON)
def test_python_in_the_documents_runs(code, tmp_path):
    environment = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("recipe", blocks("README.md", "toml"))
def test_recipes_in_the_readme_are_recipes(recipe, tmp_path):
    (tmp_path / "mine.toml").write_text(recipe)

    assert load_recipe(tmp_path / "mine.toml").network.activation == "gelu"


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_in_the_documents_exist_with_their_options(line, capsys):
    program, *arguments = line.split()
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{arguments[0]}:", makefile, re.MULTILINE)
    elif Path(program).name == "denselab":
        assert run([arguments[0], "--help"]) == 0
        known = capsys.readouterr().out.split()
        assert [word for word in arguments if word.startswith("--") and word not in known] == []
    elif program == "python":
        assert (ROOT / arguments[0]).is_file()
    else:
        assert (ROOT / program).is_file()
