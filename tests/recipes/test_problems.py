"""What someone probably meant."""

import pytest
from pydantic import ValidationError

from denselab.recipes import Recipe
from denselab.recipes.problems import explain, suggest


@pytest.mark.parametrize(
    ("word", "options", "meant"),
    [
        ("plian", ["plain", "batch_norm"], "plain"),
        ("PLAIN", ["plain", "batch_norm"], "plain"),
        ("batch-norm", ["plain", "batch_norm"], "batch_norm"),
        ("swish", ["relu", "silu"], "silu"),
        ("1cycle", ["constant", "one_cycle"], "one_cycle"),
        ("swish", ["relu", "tanh"], None),
        ("", ["relu"], None),
    ],
)
def test_a_proposal_is_close_or_the_same_by_another_word(word, options, meant):
    assert suggest(word, options) == meant


def test_the_first_problem_is_told_and_the_others_counted():
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": "a", "network": {"depth": 0, "width": 0}, "b": 1})
    assert explain(caught.value, "x") == "x: network.depth = 0: must be at least 1 (and 2 more)"


def test_a_title_that_is_too_long_is_told_the_limit():
    with pytest.raises(ValidationError) as caught:
        Recipe(name="a", title="x" * 201)
    assert explain(caught.value, "x").endswith("must be at most 200 characters")
