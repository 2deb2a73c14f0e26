"""Every component stands in the reference, with formula and paper, as its docstring has it."""

import importlib.util
from pathlib import Path

import pytest

from denselab import components
from denselab.recipes import fields

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.fixture(scope="module")
def generator():
    spec = importlib.util.spec_from_file_location(
        "components_reference", FOLDER / "generate_components.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def entries():
    text = (FOLDER / "components.md").read_text(encoding="utf-8")
    _, *parts = text.split("\n## ")
    return {part.partition("\n")[0]: part for part in parts}


def test_the_page_is_the_one_the_docstrings_make(generator):
    # Where this fails: python docs/reference/generate_components.py
    assert (FOLDER / "components.md").read_text(encoding="utf-8") == generator.page()


def test_every_component_has_an_entry(entries):
    assert list(entries) == components.__all__


@pytest.mark.parametrize("name", components.__all__)
def test_an_entry_has_formula_paper_and_the_way_to_it(name, entries):
    entry = entries[name]
    assert entry.count("$$") >= 2
    references = entry.partition("\nReferences: ")[2]
    assert any(f", {year}" in references or f" {year}" in references for year in range(1940, 2030))
    assert "\nIn a recipe: " in entry


def test_the_fields_that_lead_to_components_are_there(generator):
    assert sorted(generator.REACHED) == components.__all__
    named = {field for reached in generator.REACHED.values() for field in reached}
    assert named <= set(fields())
