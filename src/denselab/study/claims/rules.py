"""Decides the parts of a claim: one pure function a kind of rule."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from denselab.study.claims.claim import Outcome
from denselab.study.claims.evidence import MEASURES, Evidence, difference_arm, metric_arm
from denselab.study.claims.intervals import against_expectation, seeds_until
from denselab.study.claims.parts import (
    Difference,
    DrawCost,
    EnoughDraws,
    EpochsRatio,
    Interaction,
    Oscillation,
    Part,
    Prediction,
    Ranking,
    SameProgram,
    SeedShare,
    TimeRatio,
)
from denselab.study.claims.ratios import decide_draw_cost, decide_epochs, decide_time
from denselab.study.claims.shares import decide_oscillation, decide_program, decide_share
from denselab.study.statistics import (
    Arm,
    Estimate,
    Measure,
    Question,
    amount,
    answer,
    seeds_estimate,
    seeds_for_a_verdict,
    span,
)

__all__ = ["RULES", "decide_part"]


def decide_part(part: Part, evidence: Evidence) -> Outcome:
    """Decides a part of a claim.

    Args:
        part: The part.
        evidence: What is known of the claim's arms.

    Returns:
        The outcome.
    """
    return RULES[type(part)](part, evidence)


def _difference(part: Difference, evidence: Evidence) -> Outcome:
    arms = {name: metric_arm(evidence, name, part.metric) for name in part.arms()}
    return _contrast(part, (part.arm, part.against), arms, evidence)


def _interaction(part: Interaction, evidence: Evidence) -> Outcome:
    a, b, c, d = (metric_arm(evidence, name, part.metric) for name in part.of)
    first, second, third, fourth = part.of
    names = (f"({first} - {second})", f"({third} - {fourth})")
    arms = dict(zip(names, (difference_arm(a, b), difference_arm(c, d)), strict=True))
    return _contrast(part, names, arms, evidence)


def _contrast(
    part: Difference | Interaction,
    names: tuple[str, str],
    arms: Mapping[str, Arm],
    evidence: Evidence,
) -> Outcome:
    measure = MEASURES[part.metric]
    question = Question(measure, (names,), part.region, level=evidence.level)
    one = answer(question, arms, resamples=0).contrasts[0]
    if one.reason:
        return _open(part, one.n, f"No answer: {one.reason}; there are {one.n} pairs.")
    return _read(part, names, one.estimate, evidence.level, measure)


def _read(
    part: Difference | Interaction | Prediction,
    names: tuple[str, str],
    estimate: Estimate,
    level: float,
    measure: Measure,
) -> Outcome:
    interval = estimate.interval(level)

    def decide(ends: Any) -> Any:
        better = measure.higher_is_better
        return against_expectation(ends, part.expect, region=part.region, higher_is_better=better)

    found = decide(interval)
    needed = seeds_until(estimate, level, decide) if found == "undecided" else None
    sentence = (
        f"{measure.name.capitalize()}, {names[0]} - {names[1]}: {amount(estimate.mean, measure.unit)} "
        f"({span(*interval)}), n = {estimate.n}; rule: {_rule(part.expect, part.region, measure)}."
    )
    figures = {
        "metric": part.metric,
        "difference": estimate.mean,
        "interval": list(interval),
        "unit": measure.unit,
        "region": part.region,
        "expect": part.expect,
        "speaks_of": estimate.scope,
    }
    return Outcome(part.says, part.kind, found, sentence, estimate.n, needed, figures)


def _rule(expect: str, region: float, measure: Measure) -> str:
    within = f"±{region:g} {measure.unit}".rstrip()
    side = "above" if measure.higher_is_better == (expect != "worse") else "below"
    return {
        "better": f"the interval is {side} 0 and not within {within}",
        "worse": f"the interval is {side} 0 and not within {within}",
        "equivalent": f"the interval is within {within}",
        "not_worse": f"at most {region:g} {measure.unit} worse".replace("  ", " "),
    }[expect]


def _ranking(part: Ranking, evidence: Evidence) -> Outcome:
    measure = MEASURES[part.metric]
    arms = {name: metric_arm(evidence, name, part.metric) for name in part.order}
    pairs = tuple(zip(part.order[:-1], part.order[1:], strict=True))
    verdicts = answer(
        Question(measure, pairs, part.region, level=evidence.level), arms, resamples=0
    )
    steps = [
        f"{one.arm} - {one.against} {amount(one.difference)} ({span(*one.interval)}) {one.verdict}"
        for one in verdicts.contrasts
    ]
    n = min(one.n for one in verdicts.contrasts)
    found = [one.verdict for one in verdicts.contrasts]
    means = sorted(
        verdicts.arms, key=lambda one: -one.mean if measure.higher_is_better else one.mean
    )
    order = ", ".join(f"{one.name} {one.mean:.4g} ± {one.sd:.2g}" for one in means)
    sentence = (
        f"{measure.name.capitalize()}{f' in {measure.unit}' if measure.unit else ''}, n = {n}, mean ± "
        f"deviation: {order}. In the claimed order: {'; '.join(steps)}. Rule: each is better than the next."
    )
    open_ones = [one.seeds_to_decide for one in verdicts.contrasts if one.verdict == "undecided"]
    needed = None if None in open_ones else max(filter(None, open_ones), default=None)
    wrong = any(verdict in ("worse", "equivalent") for verdict in found)
    right = all(verdict == "better" for verdict in found)
    outcome = Outcome(
        part.says,
        part.kind,
        "refuted" if wrong else "confirmed" if right else "undecided",
        sentence,
        n,
        None if wrong or right else needed,
    )
    return replace(outcome, figures=verdicts.to_json())


def _prediction(part: Prediction, evidence: Evidence) -> Outcome:
    trust = evidence.trusts[part.arm]
    methods = {one["method"]: one["scores"] for one in trust["methods"]}
    for method in (part.method, part.than):
        if method not in methods:
            notes = "; ".join(trust["notes"]) or "it was not measured"
            return _open(part, 0, f"No answer: there is no {method} ({notes}).")
    measure = MEASURES[part.metric]
    values, others = (methods[name][part.metric]["values"] for name in (part.method, part.than))
    # Accuracies are float32; what lies below 1e-6 is their rounding.
    differences = [round(measure.scale * (a - b), 6) for a, b in zip(values, others, strict=True)]
    least = seeds_for_a_verdict(1, level=evidence.level)
    if len(differences) < least:
        return _open(part, len(differences), _too_few(least, len(differences)))
    estimate = seeds_estimate(differences)
    return _read(part, (part.method, part.than), estimate, evidence.level, measure)


def _enough_draws(part: EnoughDraws, evidence: Evidence) -> Outcome:
    curve = evidence.trusts[part.arm]["curve"]
    if curve is None:
        return _open(part, 0, "No answer: there is nothing to draw.")
    measure = MEASURES[part.metric]
    tables = dict(zip(curve["draws"], curve["values"][part.metric], strict=True))
    most = curve["draws"][-1]
    pairs = zip(tables[part.draws], tables[most], strict=True)
    estimate = seeds_estimate([measure.scale * (a - b) for a, b in pairs])
    least = seeds_for_a_verdict(1, level=evidence.level)
    if estimate.n < least:
        return _open(part, estimate.n, _too_few(least, estimate.n))
    asked = Prediction(
        kind=part.kind,
        says=part.says,
        arm=part.arm,
        method="mc",
        than="mc",
        metric=part.metric,
        expect="not_worse",
        region=part.region,
    )
    names = (f"{part.draws} draws", f"{most} draws")
    outcome = _read(asked, names, estimate, evidence.level, measure)
    smallest = curve["sufficient"]
    return replace(
        outcome,
        sentence=f"{outcome.sentence} Smallest number as good as {most}: {smallest}.",
        figures={**outcome.figures, "smallest_sufficient": smallest},
    )


def _too_few(least: int, there: int) -> str:
    return f"No answer: too few seeds: there must be {least}; there are {there}."


def _open(part: Part, n: int, sentence: str) -> Outcome:
    return Outcome(part.says, part.kind, "undecided", sentence, n)


RULES: dict[type[Part], Callable[[Any, Evidence], Outcome]] = {
    Difference: _difference,
    Interaction: _interaction,
    Ranking: _ranking,
    Prediction: _prediction,
    EnoughDraws: _enough_draws,
    EpochsRatio: decide_epochs,
    TimeRatio: decide_time,
    DrawCost: decide_draw_cost,
    SeedShare: decide_share,
    Oscillation: decide_oscillation,
    SameProgram: decide_program,
}
"""Kind of part -> the function that decides it."""
