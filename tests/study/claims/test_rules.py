"""Every kind of rule, decided by hand on made-up records: confirmed, refuted and undecided."""

from dataclasses import replace
from math import exp, sin

import pytest

from denselab.study.claims import Evidence, decide_part
from denselab.study.claims.parts import KINDS
from denselab.study.claims.rules import RULES

C, R, U = "confirmed", "refuted", "undecided"
EIGHT = [0.0, 0.2, -0.2, 0.1, -0.1, 0.3, -0.3, 0.0]


def around(middle, scale=1.0):
    return [middle + scale * one for one in EIGHT]


def test_every_kind_has_a_rule():
    assert set(RULES) == set(KINDS.values())


@pytest.mark.parametrize(
    ("arm", "expect", "answer"),
    [
        (around(92.0), "better", C),
        (around(90.0), "better", R),
        (around(90.5, 10), "better", U),
        (around(90.0), "equivalent", C),
        (around(92.0), "equivalent", R),
        (around(90.0, 20), "equivalent", U),
        (around(90.0), "not_worse", C),
        (around(88.0), "not_worse", R),
        (around(89.5, 10), "not_worse", U),
    ],
)
def test_a_difference_is_decided_by_its_interval(scored, part, arm, expect, answer):
    asked = part("difference", arm="a", against="b", metric="accuracy", expect=expect, region=0.6)
    found = decide_part(asked, scored(a=arm, b=[90.0] * 8))
    assert found.answer == answer
    assert found.n == 8
    assert (found.seeds_to_decide is not None) == (answer == U)
    assert "rule:" in found.sentence


def test_too_few_seeds_are_no_answer(scored, part):
    asked = part("difference", arm="a", against="b", metric="accuracy", expect="better", region=0.5)
    found = decide_part(asked, scored(a=[99.0] * 4, b=[1.0] * 4))
    assert found.answer == U
    assert "there must be 6; there are 4 pairs" in found.sentence


@pytest.mark.parametrize(
    ("a", "answer"), [(around(94.0), C), (around(91.0), R), (around(92.0, 20), U)]
)
def test_an_interaction_is_a_difference_of_differences(scored, part, a, answer):
    # b - c is 1 point - so the lead of a on d must be more than that.
    asked = part(
        "interaction", of=["a", "d", "b", "c"], metric="accuracy", expect="better", region=0.5
    )
    evidence = scored(a=a, d=[90.0] * 8, b=[81.0] * 8, c=[80.0] * 8)
    found = decide_part(asked, evidence)
    assert found.answer == answer
    assert "(a - d) - (b - c)" in found.sentence


@pytest.mark.parametrize(
    ("b", "answer"), [(around(91.0), C), (around(95.0), R), (around(91.0, 20), U)]
)
def test_a_ranking_holds_where_each_is_better_than_the_next(scored, part, b, answer):
    asked = part("ranking", order=["a", "b", "c"], metric="accuracy", region=0.5)
    found = decide_part(asked, scored(a=around(94.0), b=b, c=around(88.0)))
    assert found.answer == answer
    assert (found.seeds_to_decide is not None) == (answer == U)


def reaching(trials, name, epochs):
    tables = [
        {"val_accuracy": [0.9 if n >= reached else 0.1 for n in range(1, 51)]} for reached in epochs
    ]
    return trials(name, *tables)


@pytest.mark.parametrize(
    ("epochs", "answer"),
    [
        ([9, 10, 11, 10, 9, 10, 11, 10], C),
        ([30, 31, 29, 30, 30, 30, 31, 29], R),
        ([5, 50, 40, 10, 20, 60, 8, 11], U),
    ],
)
def test_epochs_to_a_target_are_compared_as_a_ratio(scored, trials, part, epochs, answer):
    asked = part("epochs_ratio", arm="a", against="b", expect="below", target_of="b")
    evidence = replace(
        scored(a=[0] * 8, b=[0] * 8),
        trials={
            "a": reaching(trials, "a", epochs),
            "b": reaching(trials, "b", [20, 21, 19, 20, 22, 18, 20, 20]),
        },
        targets={"b": 0.9},
    )
    found = decide_part(asked, evidence)
    assert found.answer == answer
    assert found.figures["target"] == pytest.approx(0.97 * 0.9)
    assert found.figures["missed"] == [sum(one > 50 for one in epochs), 0]
    few = replace(evidence, trials={arm: {0: one[0]} for arm, one in evidence.trials.items()})
    assert "too few seeds: there must be 6" in decide_part(asked, few).sentence


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [([0.5, 0.51, 0.49], C), ([2.0, 2.1, 1.9], R), ([0.5, 1.4, 1.0], U)],
    ids=str,
)
@pytest.mark.parametrize("of", ["epoch", "predict"])
def test_solo_times_are_compared_as_a_ratio(scored, part, of, seconds, answer):
    asked = part("time_ratio", arm="a", against="b", of=of, expect="below")
    evidence = replace(
        scored(a=[0] * 3, b=[0] * 3), seconds={of: {"a": seconds, "b": [1.0, 1.0, 1.0]}}
    )
    assert decide_part(asked, evidence).answer == answer


def training(scored, trials, epochs, others):
    evidence = replace(
        scored(a=[0], b=[0]), seconds={"epoch": {"a": [1.0, 1.1, 0.9], "b": [1.0] * 3}}
    )
    made = {"a": epochs, "b": others}
    tables = {arm: [{"loss": [1.0] * n} for n in counts] for arm, counts in made.items()}
    return replace(evidence, trials={arm: trials(arm, *one) for arm, one in tables.items()})


@pytest.mark.parametrize(
    ("epochs", "answer"),
    [([5, 6, 5, 6, 5], C), ([50, 60, 50, 60, 50], R), ([5, 60, 30, 10, 40], U)],
    ids=str,
)
def test_a_whole_training_counts_its_epochs(scored, trials, part, epochs, answer):
    asked = part("time_ratio", arm="a", against="b", of="training", expect="below")
    found = decide_part(asked, training(scored, trials, epochs, [20] * 5))
    assert (found.answer, found.n) == (answer, 5)
    product = 1.0
    for count in epochs:
        product *= count / 20
    assert found.figures["ratio"] == pytest.approx(product**0.2 * 0.99 ** (1 / 3), rel=1e-6)
    mean = sum(epochs) / 5
    assert found.figures["seconds"] == pytest.approx([mean, 20.0])


@pytest.mark.parametrize(
    ("seconds", "answer"), [([10.0, 11.0, 9.9], C), ([1.0, 1.1, 1.0], R), ([4.0, 9.0, 15.0], U)]
)
def test_draws_are_counted_in_predictions(scored, part, seconds, answer):
    asked = part("draw_cost", arm="a", way="loop", low=0.7, high=1.5)
    known = {"draws": {"a once": [0.1] * 3, "a loop": seconds}}
    found = decide_part(asked, replace(scored(a=[0] * 3), seconds=known))
    assert found.answer == answer


def layered(means, spreads=(0.0,)):
    table = {"mean": means, "variance": [1.0] * len(means), "spread": list(spreads)}
    return {"start": table, "end": table}


@pytest.mark.parametrize(
    ("broken", "kept", "other"), [(0, C, R), (1, U, R), (4, R, R), (8, R, C), (7, R, U)]
)
def test_a_share_of_seeds_keeps_its_bounds(scored, part, broken, kept, other):
    layers = {"a": {s: layered([0.0, 0.2 if s < broken else 0.05]) for s in range(8)}}
    evidence = replace(scored(a=[0] * 8), layers=layers)
    for expect, answer in (("kept", kept), ("broken", other)):
        asked = part(
            "seed_share", arm="a", quantity="activation_moments", expect=expect, low=0.8, high=1.5
        )
        assert decide_part(asked, evidence).answer == answer


def test_the_last_layer_may_be_let_off(scored, part):
    layers = {"a": {seed: layered([0.0], spreads=[1e-6, 0.7]) for seed in range(8)}}
    evidence = replace(scored(a=[0] * 8), layers=layers)
    asked = {"arm": "a", "quantity": "column_spread", "high": 1e-5}
    assert decide_part(part("seed_share", **asked), evidence).answer == R
    assert decide_part(part("seed_share", last_layer=False, **asked), evidence).answer == C


def test_the_range_of_learning_rates_is_read_off_the_trace(trials, part):
    asked = part("seed_share", arm="a", quantity="rate_range", low=1.0, high=1.01)
    flat, falling = {"learning_rate": [0.1] * 3}, {"learning_rate": [0.1, 0.05, 0.01]}
    assert decide_part(asked, Evidence({"a": trials("a", flat)})).answer == C
    found = decide_part(asked, Evidence({"a": trials("a", *[falling] * 8)}))
    assert (found.answer, found.figures["kept"]) == (R, 0)
    nothing = Evidence({"a": trials("a", flat, failed=[0])})
    assert decide_part(asked, nothing).sentence == "No answer: no seed came through."


@pytest.mark.parametrize(("swinging", "answer"), [(8, C), (7, U), (0, R)])
def test_a_loss_that_swings_more_than_its_control_oscillates(trials, part, swinging, answer):
    smooth = {"loss": [exp(-n / 30) * (1 + 0.01 * (n % 7 == 0)) for n in range(100)]}
    wild = {"loss": [exp(-n / 30 + 0.3 * sin(n / 3)) for n in range(100)]}
    tables = [wild if seed < swinging else smooth for seed in range(8)]
    evidence = Evidence({"a": trials("a", *tables), "b": trials("b", *[smooth] * 8)})
    found = decide_part(part("oscillation", arm="a", control="b"), evidence)
    assert (found.answer, found.figures["kept"]) == (answer, swinging)


@pytest.mark.parametrize(("other", "answer"), [("12ab", C), ("34cd", R)])
def test_programs_are_the_same_or_not(scored, part, other, answer):
    evidence = replace(scored(a=[0], b=[0]), programs={"a": "12ab", "b": other})
    assert decide_part(part("same_program", arm="a", against="b"), evidence).answer == answer


def trusting(mc, curve=None):
    def scores(values):
        return {"loss": {"values": values}}

    methods = [
        {"method": "deterministic", "scores": scores([0.5] * len(mc))},
        {"method": "mc", "scores": scores(mc)},
    ]
    return {"methods": methods, "curve": curve, "notes": ["no slice"]}


@pytest.mark.parametrize(
    ("middle", "scale", "answer"), [(0.4, 0.1, C), (0.6, 0.1, R), (0.5, 1.0, U)]
)
def test_two_ways_to_predict_are_compared_by_seed(scored, part, middle, scale, answer):
    fields = {"arm": "a", "method": "mc", "metric": "loss", "expect": "better", "region": 0.005}
    evidence = replace(scored(a=[0] * 8), trusts={"a": trusting(around(middle, scale))})
    asked = part("prediction", than="deterministic", **fields)
    assert decide_part(asked, evidence).answer == answer
    few = replace(evidence, trusts={"a": trusting([0.1])})
    assert "there must be 6; there are 1" in decide_part(asked, few).sentence
    missing = part("prediction", than="temperature", **fields)
    assert "there is no temperature (no slice)" in decide_part(missing, evidence).sentence


@pytest.mark.parametrize(
    ("middle", "scale", "answer"), [(0.3, 0.001, C), (0.5, 0.01, R), (0.305, 0.1, U)]
)
def test_draws_are_enough_where_they_lose_little_to_the_most(scored, part, middle, scale, answer):
    curve = {
        "draws": [10, 1000],
        "values": {"loss": [around(middle, scale), [0.3] * 8]},
        "sufficient": 10,
    }
    evidence = replace(scored(a=[0] * 8), trusts={"a": trusting([0.1], curve)})
    asked = part("enough_draws", arm="a", draws=10, metric="loss", region=0.005)
    found = decide_part(asked, evidence)
    assert found.answer == answer
    assert found.sentence.endswith("Smallest number as good as 1000: 10.")
    nothing = replace(evidence, trusts={"a": trusting([0.1])})
    assert "nothing to draw" in decide_part(asked, nothing).sentence
