"""Every check stands in the reference as its card has it, and the docs name checks that are there."""

import importlib.util
import re
from pathlib import Path

import pytest

from denselab.doctor import CHECKS
from denselab.recipes import fields

DOCS = Path(__file__).parents[2] / "docs"
IDS = [check.card.id for check in CHECKS]


@pytest.fixture(scope="module")
def generator():
    path = DOCS / "reference" / "generate_checks.py"
    spec = importlib.util.spec_from_file_location("checks_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text():
    return (DOCS / "reference" / "checks.md").read_text(encoding="utf-8")


def test_the_page_is_the_one_the_cards_make(generator, text):
    # Where this fails: python docs/reference/generate_checks.py
    assert text == generator.page()


def test_every_check_has_an_entry_in_a_group_of_its_own_name(text):
    headings = re.findall(r"^(#{2,3}) (.+)$", text, re.MULTILINE)
    groups = [name for level, name in headings if level == "##"]

    assert [name for level, name in headings if level == "###"] == IDS
    assert len(groups) == len(set(groups))


def test_every_entry_says_threshold_source_reason_and_remedy(text):
    for entry in text.split("\n### ")[1:]:
        for word in ("threshold", "source", "why", "remedy"):
            assert re.search(rf"^- {word}: \S", entry, re.MULTILINE), entry.splitlines()[0]


def test_remedies_are_fields_of_a_recipe():
    named = {field for check in CHECKS for field in check.card.fix or {}}

    assert len(named) > 5
    assert named <= set(fields())


def test_the_doctors_page_has_the_figures_of_every_check_for_errors_and_warnings():
    page = (DOCS / "doctor.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    cards = [check.card for check in CHECKS]
    loud = [card.id for card in cards if card.severity != "note"]

    assert rows == loud
