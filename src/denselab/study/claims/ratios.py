"""Decides parts about ratios: epochs to a target, solo times, the cost of draws."""

from math import exp, log, nan
from statistics import fmean

from denselab.study.claims.claim import Answer, Outcome
from denselab.study.claims.evidence import Evidence
from denselab.study.claims.intervals import against_bounds, seeds_by_ratio
from denselab.study.claims.parts import MC_DRAWS, DrawCost, EpochsRatio, Part, TimeRatio
from denselab.study.records import epochs_to
from denselab.study.statistics import (
    Estimate,
    Interval,
    Ratio,
    ratio_interval,
    restricted_mean,
    restricted_ratio,
    seeds_estimate,
    seeds_for_a_verdict,
)

__all__ = ["decide_draw_cost", "decide_epochs", "decide_time"]


def decide_epochs(part: EpochsRatio, evidence: Evidence) -> Outcome:
    """Decides a ratio of restricted mean epochs to a target.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome; runs that miss the target, or fail, count as the longest that any arm may train.
    """
    target = part.target_share * evidence.targets[part.target_of]
    arm, against = evidence.trials[part.arm], evidence.trials[part.against]
    seeds = sorted(arm.keys() & against.keys())
    least = seeds_for_a_verdict(1, level=evidence.level)
    if len(seeds) < least:
        sentence = f"No answer: too few seeds: there must be {least}; there are {len(seeds)}."
        return Outcome(part.says, part.kind, "undecided", sentence, len(seeds))
    horizon = float(
        max(evidence.recipes[name].training.epochs for name in (part.arm, part.against))
    )
    times = [[epochs_to(trials[seed], target) for seed in seeds] for trials in (arm, against)]
    ratio = restricted_ratio(*times, horizon=horizon, level=evidence.level)
    means = [restricted_mean(one, horizon=horizon) for one in times]
    missed = [sum(time > horizon for time in one) for one in times]
    words = (
        f"Epochs to a validation accuracy of {100 * target:.2f} % ({100 * part.target_share:g} % of what "
        f"pilot seeds of {part.target_of} reach): {part.arm} {means[0]:.1f} ({missed[0]} missed it), "
        f"{part.against} {means[1]:.1f} ({missed[1]} missed it); ratio"
    )
    figures = {"target": target, "epochs": means, "missed": missed, "horizon": horizon}
    bounds = (part.bound, part.bound)
    return _ratio_outcome(part, ratio, (part.expect, *bounds), (words, figures))


def decide_time(part: TimeRatio, evidence: Evidence) -> Outcome:
    """Decides a ratio of solo times.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome. The time of a training is the solo time of an epoch times the epochs it took; its
        interval speaks of new seeds and of new timings.
    """
    what = "predict" if part.of == "predict" else "epoch"
    times = [list(evidence.seconds[what][name]) for name in (part.arm, part.against)]
    words = {
        "epoch": "Solo seconds an epoch",
        "training": "Solo seconds a training",
        "predict": "Solo seconds a prediction of all test rows",
    }[part.of]
    ratio, factors = ratio_interval(*times, level=evidence.level), [1.0, 1.0]
    if part.of == "training":
        ratio, factors = _training_ratio(part, evidence, times)
    means = [factor * fmean(one) for factor, one in zip(factors, times, strict=True)]
    sentence = (
        f"{words}, rounds interleaved, compiling apart: {part.arm} {means[0]:.3g}, {part.against} "
        f"{means[1]:.3g}; ratio"
    )
    rule = (part.expect, part.low, part.high)
    return _ratio_outcome(part, ratio, rule, (sentence, {"seconds": means}))


def _training_ratio(
    part: TimeRatio, evidence: Evidence, times: list[list[float]]
) -> tuple[Ratio, list[float]]:
    """Joins epochs, which vary over seeds, and seconds an epoch, which vary over rounds."""
    arm, against = evidence.sound(part.arm), evidence.sound(part.against)
    seeds = sorted(arm.keys() & against.keys())
    epochs = [[float(trials[seed].epochs_run) for seed in seeds] for trials in (arm, against)]
    if not seeds:
        return Ratio(nan, nan, nan, 0), [nan, nan]
    over_seeds = seeds_estimate([log(a / b) for a, b in zip(*epochs, strict=True)])
    over_rounds = seeds_estimate([log(a / b) for a, b in zip(*times, strict=True)])
    both = Estimate(
        over_seeds.mean + over_rounds.mean,
        len(seeds),
        over_seeds.seed_variance,
        over_rounds.standard_error**2,
        min(over_seeds.degrees, over_rounds.degrees),
    )
    low, high = both.interval(evidence.level)
    return Ratio(exp(both.mean), exp(low), exp(high), len(seeds)), list(map(fmean, epochs))


def decide_draw_cost(part: DrawCost, evidence: Evidence) -> Outcome:
    """Decides what draws cost against one prediction.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome.
    """
    known = evidence.seconds["draws"]
    ratio = ratio_interval(
        known[f"{part.arm} {part.way}"], known[f"{part.arm} once"], level=evidence.level
    )
    ratio = Ratio(ratio.ratio / MC_DRAWS, ratio.low / MC_DRAWS, ratio.high / MC_DRAWS, ratio.n)
    words = (
        f"{MC_DRAWS} draws ({_WAYS[part.way]}) cost {MC_DRAWS * ratio.ratio:.3g} solo predictions; "
        "per draw"
    )
    return _ratio_outcome(part, ratio, ("within", part.low, part.high), (words, {}))


_WAYS = {"compiled": "denselab's predict_draws", "loop": "a plain loop over the whole network"}


def _ratio_outcome(
    part: Part,
    ratio: Ratio,
    rule: tuple[str, float, float],
    told: tuple[str, dict[str, object]],
) -> Outcome:
    expect, low, high = rule
    words, figures = told
    interval = Interval(ratio.low, ratio.high)

    def decide(ends: Interval) -> Answer:
        return against_bounds(ends, expect, low=low, high=high)

    found = decide(interval)
    bounds = (
        f"{low:g} to {high:g}" if expect == "within" else f"{low if expect == 'above' else high:g}"
    )
    there = "-" if ratio.low != ratio.low else f"{ratio.low:.3g} to {ratio.high:.3g}"
    return Outcome(
        part.says,
        part.kind,
        found,
        f"{words} {ratio.ratio:.3g} ({there}), n = {ratio.n}; rule: the interval is {expect} {bounds}.",
        ratio.n,
        seeds_by_ratio(ratio.ratio, interval, ratio.n, decide) if found == "undecided" else None,
        {**figures, "ratio": ratio.ratio, "interval": list(interval), "rule": list(rule)},
    )
