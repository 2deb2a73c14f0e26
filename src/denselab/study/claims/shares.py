"""Decides parts about single networks: in how many seeds something holds, and what is simply so."""

from collections.abc import Sequence
from math import isfinite, isnan
from statistics import fmean

from denselab.study.claims.claim import Answer, Outcome
from denselab.study.claims.evidence import Evidence, swings
from denselab.study.claims.intervals import share_interval
from denselab.study.claims.parts import Oscillation, Part, SameProgram, SeedShare
from denselab.study.records import TrialRecord

__all__ = ["decide_oscillation", "decide_program", "decide_share"]

_COLUMNS = {
    "zero_derivatives": "zero",
    "column_spread": "spread",
    "distinct_units": "distinct",
}
_WORDS = {
    "activation_moments": "activation means and variances",
    "zero_derivatives": "share of derivatives that are exactly 0",
    "column_spread": "relative spread of a layer's units",
    "distinct_units": "distinct units of a layer",
    "rate_range": "highest over lowest learning rate",
}


def decide_share(part: SeedShare, evidence: Evidence) -> Outcome:
    """Decides in how many seeds a quantity keeps its bounds, in every layer where it has layers.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome.
    """
    kept, values = [], []
    for seed, trial in evidence.sound(part.arm).items():
        found = _values(part, evidence, seed, trial)
        kept.append(bool(found) and all(_inside(part, *one) for one in found))
        values += found
    wanted = kept if part.expect == "kept" else [not one for one in kept]
    where = "" if part.quantity == "rate_range" else f" at {' and '.join(part.when)}, every layer"
    layers = "" if part.last_layer or not where else " but the last"
    words = f"{_WORDS[part.quantity].capitalize()} of {part.arm}{where}{layers}: {_range(part, values)}; bounds"
    bounds = f"{part.low:g} to {part.high:g}"
    if part.quantity == "activation_moments":
        bounds = f"{part.mean_low:g} to {part.mean_high:g} and {bounds}"
    return _share_outcome(part, wanted, part.share, f"{words} {bounds} {part.expect}")


def decide_oscillation(part: Oscillation, evidence: Evidence) -> Outcome:
    """Decides whether the loss of an arm swings, and more than that of its control.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome; a seed counts where the arm's lobe is below the bound and below the control's, with
        enough cycles.
    """
    swinging, lobes = [], []
    for seed, trial in evidence.sound(part.arm).items():
        control = evidence.sound(part.control).get(seed)
        if control is None:
            continue
        (lobe, cycles), (other, _) = (swings(one.trace["loss"]) for one in (trial, control))
        swinging.append(
            lobe < part.lobe and cycles >= part.cycles and (isnan(other) or lobe < other)
        )
        lobes.append((lobe, cycles, other))
    means = [_mean([one[place] for one in lobes]) for place in range(3)]
    words = (
        f"Autocorrelation of the detrended log loss: least {means[0]:.2f} with {means[1]:.1f} cycles "
        f"({part.arm}), {means[2]:.2f} ({part.control}), mean over seeds; below {part.lobe:g} with "
        f"{part.cycles:g} cycles and below the control"
    )
    return _share_outcome(part, swinging, part.share, words)


def decide_program(part: SameProgram, evidence: Evidence) -> Outcome:
    """Decides whether two arms predict with the very same compiled program.

    Args:
        part: The part.
        evidence: What is known.

    Returns:
        The outcome, which no seed changes.
    """
    first, second = (evidence.programs[name] for name in (part.arm, part.against))
    same = first == second
    sentence = (
        f"The lowered prediction programs of {part.arm} and {part.against} are "
        f"{'equal' if same else 'different'} ({first[:8]}, {second[:8]}); rule: they are equal."
    )
    answer: Answer = "confirmed" if same else "refuted"
    return Outcome(part.says, part.kind, answer, sentence, 1, None, {"programs": [first, second]})


def _share_outcome(part: Part, kept: Sequence[bool], least: float, words: str) -> Outcome:
    n, yes = len(kept), sum(kept)
    if n == 0:
        sentence = "No answer: no seed came through."
        return Outcome(part.says, part.kind, "undecided", sentence, 0)
    low, high = share_interval(yes, n)
    answer: Answer = "confirmed" if yes / n >= least else "refuted" if high < least else "undecided"
    sentence = (
        f"{words} in {yes} of {n} seeds ({100 * low:.0f} to {100 * high:.0f} %); rule: in at least "
        f"{100 * least:g} %."
    )
    # With as few misses as there are, so many seeds would bring the share to where it is claimed.
    needed = int(-(-(n - yes) // (1 - least))) if answer == "undecided" and least < 1 else None
    figures = {"kept": yes, "share": yes / n, "interval": [low, high], "rule": least}
    return Outcome(part.says, part.kind, answer, sentence, n, needed, figures)


def _values(
    part: SeedShare, evidence: Evidence, seed: int, trial: TrialRecord
) -> list[tuple[float, ...]]:
    """Lists what must keep its bounds: mean and variance of each layer, or one value."""
    if part.quantity == "rate_range":
        rates = [rate for rate in trial.trace["learning_rate"] if isfinite(rate) and rate > 0]
        return [(max(rates) / min(rates),)] if rates else []
    found: list[tuple[float, ...]] = []
    for when in part.when:
        table = evidence.layers[part.arm][seed][when]
        if part.quantity == "activation_moments":
            rows = list(zip(table["mean"], table["variance"], strict=True))
        else:
            rows = [(value,) for value in table[_COLUMNS[part.quantity]]]
        found += rows if part.last_layer else rows[:-1]
    return found


def _inside(part: SeedShare, *values: float) -> bool:
    if len(values) == 2:
        mean, variance = values
        return part.mean_low <= mean <= part.mean_high and part.low <= variance <= part.high
    return part.low <= values[0] <= part.high


def _range(part: SeedShare, values: Sequence[tuple[float, ...]]) -> str:
    columns = list(zip(*values, strict=True))
    spans = [f"{min(one):.3g} to {max(one):.3g}" for one in columns]
    return " and ".join(spans) or "none"


def _mean(values: Sequence[float]) -> float:
    sound = [value for value in values if isfinite(value)]
    return fmean(sound) if sound else float("nan")
