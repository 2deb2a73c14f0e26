"""Claims run with a stand-in for training, so that what is trained, kept and looked at can be counted."""

import pytest

from denselab.study import read_study
from denselab.study.claims import load_claim, plan_claims, run_claims

CLAIM = """
statement = "One is as good as the other"
source = "this test"
[arms.{first}]
extends = "tuned/plain"
[arms.{second}]
extends = "tuned/plain"
[arms.{second}.network]
depth = {depth}
[[parts]]
kind = "difference"
says = "it is"
arm = "{second}"
against = "{first}"
metric = "first_validation_loss"
expect = "equivalent"
region = 0.5
"""


@pytest.fixture
def claim(tmp_path):
    """Writes and reads a claim about two depths."""

    def make(name, *, first="a", second="b", depth=3):
        path = tmp_path / f"{name}.toml"
        path.write_text(CLAIM.format(first=first, second=second, depth=depth))
        return load_claim(path)

    return make


@pytest.fixture
def decided(dataset, tmp_path, training):
    """Runs claims in one folder, going on with the names it knows."""
    folder = tmp_path / "study"

    def run(*claims, seeds=8):
        known = read_study(folder).manifest.plan.recipes if folder.exists() else ()
        plan = plan_claims(claims, dataset, seeds=range(seeds), preset="tuned", known=known)
        return run_claims(plan, dataset, folder=folder, command="denselab claims toy")

    return run


def test_shared_arms_are_trained_once_and_nothing_twice(decided, claim, training):
    one, other = claim("one"), claim("other", first="x", second="y", depth=4)
    result = decided(one, other)
    assert [seeds for _, seeds in training.asked] == [tuple(range(8))] * 3
    assert [judgement.shared for judgement in result.judgements] == [("a",), ("x",)]
    assert [judgement.answer for judgement in result.judgements] == ["confirmed", "confirmed"]

    again = decided(one, other)
    assert len(training.asked) == 3
    assert again.to_json()["claims"] == result.to_json()["claims"]


def test_claims_and_seeds_may_be_added_and_later_looks_cost(decided, claim, training):
    one = claim("one")
    first = decided(one)
    assert (first.judgements[0].seeds, first.judgements[0].level) == (8, 0.04)

    more = decided(one, claim("other", first="x", second="y", depth=4))
    assert len(training.asked) == 3
    assert [judgement.level for judgement in more.judgements] == [0.04, 0.04]

    longer = decided(one, seeds=12)
    assert training.asked[3:] == [(name, tuple(range(8, 12))) for name, _ in training.asked[:2]]
    assert longer.judgements[0].seeds == 12
    assert longer.judgements[0].level == pytest.approx(0.005)
    assert decided(one, seeds=8).judgements[0].level == pytest.approx(0.005)

    on_record = read_study(longer.folder).documents["claims"]
    assert [one["name"] for one in on_record] == ["one", "other"]
    assert on_record[0]["seeds"] == 12


def test_what_diverged_is_no_pair_and_is_counted(decided, claim, training):
    asked = claim("one")
    plain = decided(asked, seeds=1).plan.places["one", "a"].recipe
    training.diverging = {(plain, 1), (plain, 2)}
    result = decided(asked, seeds=8)
    assert result.failed == 2
    assert "2 of 8 trials of a failed" in result.judgements[0].sentences[0]
    assert result.judgements[0].answer == "undecided"
