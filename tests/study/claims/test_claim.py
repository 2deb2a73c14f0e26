import json
from math import nan

import pytest

from denselab.study.claims import Judgement, Outcome, load_claim
from denselab.study.claims.claim import claim_answer

C, R, U = "confirmed", "refuted", "undecided"


@pytest.mark.parametrize(
    ("answers", "by_all", "by_any"),
    [
        ([C, C], C, C),
        ([C, U], U, C),
        ([C, R], R, C),
        ([U, R], R, U),
        ([R, R], R, R),
        ([U, U], U, U),
    ],
    ids=str,
)
def test_a_claim_follows_from_its_parts_by_its_rule(answers, by_all, by_any):
    assert claim_answer(answers, "all") == by_all
    assert claim_answer(answers, "any") == by_any


def test_a_judgement_is_written_in_plain_values():
    claim = load_claim("selu_is_centred")
    outcome = Outcome("so it is", "difference", C, "By much.", 8, None, {"interval": [nan, 1.0]})
    judgement = Judgement(claim, C, (outcome,), 8, 0.04, 12.5, 16, ("selu",))
    shown = json.loads(json.dumps(judgement.to_json(), allow_nan=False))

    assert shown["verdict"] == C
    assert shown["sentences"] == shown["figures"] == ["so it is: confirmed. By much."]
    assert shown["parts"][0]["figures"] == {"interval": [None, 1.0]}
    assert shown["cost"] == {"trainings": 16, "training_seconds": 12.5, "shared_arms": ["selu"]}
    assert (shown["rule"], shown["statement"]) == ("all of 1 parts", claim.statement)
