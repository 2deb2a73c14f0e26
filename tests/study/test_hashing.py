"""Hashes of values and of hyper-parameters."""

import subprocess
import sys

import pytest

from denselab.recipes import Recipe, apply_settings, load_recipe
from denselab.study.hashing import hashed, settings_hash

PLAIN = load_recipe("plain")


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.1, 0.1 + 2**-56), (1, 1.0), (None, "None"), ([1, 2], [2, 1]), (["ab"], ["a", "b"])],
    ids=str,
)
def test_different_values_have_different_hashes(one, other):
    assert hashed(one) != hashed(other)


def test_the_hash_of_settings_is_the_same_in_every_process():
    code = (
        "from denselab.recipes import load_recipe; from denselab.study.hashing import settings_hash;"
        "print(settings_hash(load_recipe('one_cycle')), end='')"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == settings_hash(load_recipe("one_cycle"))


@pytest.mark.parametrize("settings", [["name=other"], ["title=Other"], []], ids=str)
def test_labels_do_not_count(settings):
    assert settings_hash(apply_settings(PLAIN, settings)) == settings_hash(PLAIN)


@pytest.mark.parametrize(
    "settings",
    [
        ["optimizer.learning_rate=6e-5"],
        ["network.depth=19"],
        ["training.early_stopping=false"],
        ["network.dropout.kind=dropout", "network.dropout.rate=0.1"],
        ["weights_from=other"],
        ["optimizer.beta_1=0.9"],
    ],
    ids=str,
)
def test_every_hyper_parameter_counts(settings):
    assert settings_hash(apply_settings(PLAIN, settings)) != settings_hash(PLAIN)


def test_a_field_at_its_default_does_not_count():
    """So a later version, whose recipes have more fields, still knows the trials of this one."""
    assert settings_hash(Recipe(name="any")) == hashed({})[:16]
