import re
from pathlib import Path

import pytest

from denselab.errors import UsageError
from denselab.study.claims import Values, claim_names, load_claim, load_claims
from denselab.study.claims.parts import KINDS

GOOD = """
statement = "Deeper is better"
source = "somebody"
[arms.deep]
extends = "tuned/plain"
[arms.deep.network]
depth = 3
[arms.flat]
extends = "tuned/plain"
[[parts]]
kind = "difference"
says = "deep is better"
arm = "deep"
against = "flat"
metric = "accuracy"
expect = "better"
region = 0.5
"""


@pytest.mark.parametrize("name", claim_names())
def test_every_claim_that_comes_along_is_whole(name):
    claim = load_claim(name)
    used = {arm for part in claim.parts for arm in part.arms()}
    used |= {recipe.source for recipe in claim.arms.values() if recipe.source}

    assert claim.name == name
    assert claim.statement
    assert claim.source
    assert used == set(claim.arms)
    assert all(
        need.arm in {*claim.arms, "accuracy", "loss"} for p in claim.parts for need in p.needs()
    )


def test_the_fields_of_an_arm_outrank_the_values_of_all(tmp_path):
    path = tmp_path / "deeper.toml"
    path.write_text(GOOD)
    claim = load_claim(path, Values("tuned", ("network.depth=2", "network.width=7")))

    assert [recipe.network.depth for recipe in claim.arms.values()] == [3, 2]
    assert {recipe.network.width for recipe in claim.arms.values()} == {7}
    assert (claim.follows, claim.tune, claim.published) == ("all", 0, "")


def test_bounds_must_leave_something(tmp_path):
    path = tmp_path / "faster.toml"
    fields = 'of = "epoch"\nexpect = "within"\nlow = 1.1\nhigh = 0.9'
    head, _, _ = GOOD.partition("metric =")
    path.write_text(head.replace('"difference"', '"time_ratio"') + fields)
    with pytest.raises(UsageError, match=r"number 1: low = 1.1: must not be above high = 0.9"):
        load_claim(path)


def test_claims_are_chosen_by_name_and_own_ones_come_last(tmp_path):
    path = tmp_path / "deeper.toml"
    path.write_text(GOOD)
    names = [claim.name for claim in load_claims(own=[path])]
    assert names == [*claim_names(), "deeper"]
    (only,) = load_claims(["deeper"], own=[path])
    assert only.statement == "Deeper is better"


def test_an_arm_may_extend_a_file_beside_its_claim(tmp_path):
    (tmp_path / "base.toml").write_text('extends = "tuned/plain"\n[network]\nwidth = 9\n')
    path = tmp_path / "deeper.toml"
    path.write_text(GOOD.replace('"tuned/plain"', '"base.toml"'))
    assert {one.network.width for one in load_claim(path).arms.values()} == {9}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'kind = "difference"',
            'kind = "diference"',
            r"kind = .diference. is no kind of rule; did you mean difference\?",
        ),
        (
            'kind = "difference"',
            "",
            r"number 1: kind is missing; there are difference, interaction",
        ),
        (
            'against = "flat"',
            'against = "flot"',
            r"number 1: no arm is called 'flot'; there are deep, flat",
        ),
        (
            "region = 0.5",
            "regoin = 0.5",
            r"number 1: 'regoin' is no field of this kind; did you mean",
        ),
        ("region = 0.5", "", r"number 1: region is missing; give it"),
        (
            'expect = "better"',
            'expect = "good"',
            r"expect = .good.: must be one of better, worse, equivalent, not_worse",
        ),
        ("region = 0.5", "region = -1", r"region = -1: input should be greater than or equal to 0"),
        (
            "depth = 3",
            "dept = 3",
            r"arms\.deep: network\.dept is no field of a recipe; did you mean",
        ),
        (
            'extends = "tuned/plain"',
            'extends = "tuned/plane"',
            r"arms\.deep: .* no recipe of the ladder; did you mean plain",
        ),
        (
            'extends = "tuned/plain"',
            "extends = 3",
            r"arms\.deep\.extends = 3: must name a rung or a \.toml file",
        ),
        ('source = "somebody"', "", r"source is missing; give a sentence"),
        ('source = "somebody"', "source = 3", r"source = 3: must be one line"),
        (
            'source = "somebody"',
            'source = ""\nfolows = "any"',
            r"folows is no field of a claim; did you mean follows",
        ),
        (
            'source = "somebody"',
            'source = ""\nfollows = "most"',
            r"follows = .most.: must be all or any",
        ),
        ('source = "somebody"', 'source = ""\ntune = 1', r"tune = 1: must be 0, or from 2 to 100"),
        ("[[parts]]", "[parts]", r"has no parts; give at least one"),
        ("depth = 3", "depth = = 3", r"not valid TOML: .*line 7"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else value,
)
def test_what_is_wrong_is_said_in_a_line_with_its_file_and_field(tmp_path, old, new, words):
    path = tmp_path / "deeper.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(UsageError, match=words) as caught:
        load_claim(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('statement = ""\nsource = ""', "has no arms; give at least one"),
        ('statement = ""\nsource = ""\narms = {a = 3}', r"arms.a: must be a table"),
        ('statement = ""\nsource = ""\nparts = [3]\n[arms.a]', r"number 1: must be a table"),
    ],
)
def test_tables_must_be_tables(tmp_path, text, words):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        load_claim(path)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="no such file; check the path"):
        load_claim(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match="not a file; give the file of a claim"):
        load_claim(Path(tmp_path))
    with pytest.raises(UsageError, match=r"did you mean selu_is_centred\?"):
        load_claims(["selu_is_centered"])
    path = tmp_path / "selu_is_centred.toml"
    path.write_text(GOOD)
    with pytest.raises(UsageError, match="a claim is called selu_is_centred already"):
        load_claims(own=[path])


def test_the_claim_in_the_documents_is_one(tmp_path):
    text = (Path(__file__).parents[3] / "docs" / "claims.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(block)
    assert load_claim(path).arms["flat"].network.depth == 3
    _, table = text.split("| kind | decides | fields |")
    table, _, _ = table.partition("\n\n")
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert named == list(KINDS)
