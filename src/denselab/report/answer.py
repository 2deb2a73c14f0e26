"""The answer of a study in words: what helps, by how much, at what cost, and whether it is real."""

from collections.abc import Iterator, Sequence

from denselab.report.contents import Answer, Finding
from denselab.report.evidence import Evidence
from denselab.report.tables import clean
from denselab.study import RecipeSummary
from denselab.study.statistics import ContrastVerdict, amount, reading_sentences, span
from denselab.study.statistics.times import ratio_interval

__all__ = ["LABELS", "answer_of", "cost_of"]

LABELS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "no difference that matters",
    "undecided": "undecided",
    "none": "no verdict",
}
"""Verdicts as they are shown."""


def answer_of(evidence: Evidence) -> Answer:
    """Puts what a study found into words.

    Args:
        evidence: The study.

    Returns:
        The answer.
    """
    verdicts = evidence.verdicts
    if verdicts is None:
        sentences = ("With one arm there is nothing to compare.", *_best(evidence))
        return Answer("One arm, no comparison.", sentences, ())
    unit = verdicts.question.measure.unit
    findings = tuple(
        Finding(
            one.verdict,
            LABELS[one.verdict],
            f"{clean(one.arm)} against {clean(one.against)}",
            _minus(amount(one.difference, unit)),
            _minus(span(*one.interval)),
            cost_of(evidence, one.arm, one.against),
        )
        for one in verdicts.contrasts
    )
    sentences = (*_rest(verdicts.contrasts, unit), *_best(evidence), *_chance(verdicts.contrasts))
    reading = reading_sentences(verdicts)[1:2] if evidence.judged else ()
    return Answer(_headline(verdicts.contrasts, unit), (*sentences, *reading), findings)


def cost_of(evidence: Evidence, arm: str, against: str) -> str:
    """Says what an arm costs next to another.

    Args:
        evidence: The study.
        arm: Name of the arm.
        against: Name of the other.

    Returns:
        Training time, weights and passes a prediction, as far as they differ; empty if nothing is
        known.
    """
    if not {arm, against} <= set(evidence.names):
        return ""  # An interaction: its arms are made up of several.
    return "; ".join(
        [
            *_training(evidence, arm, against),
            *_weights(evidence, arm, against),
            *_passes(evidence, arm, against),
        ]
    )


def _headline(contrasts: Sequence[ContrastVerdict], unit: str) -> str:
    by_verdict = {kind: [one for one in contrasts if one.verdict == kind] for kind in LABELS}
    helps = sorted(by_verdict["better"], key=lambda one: -abs(one.difference))
    if len(helps) == 1:
        gain = _minus(amount(helps[0].difference, unit))
        return f"{clean(helps[0].arm)} helps: {gain} against {clean(helps[0].against)}."
    if helps:
        return f"{_listed([_gain(one, unit) for one in helps])} help."
    if len(by_verdict["none"]) == len(contrasts):
        return f"No verdict: {contrasts[0].reason}."
    if by_verdict["worse"]:
        hurting = [_gain(one, unit) for one in by_verdict["worse"]]
        verb = "hurts" if len(hurting) == 1 else "hurt"
        return f"Nothing is shown to help; {_listed(hurting)} {verb}."
    if len(by_verdict["equivalent"]) == len(contrasts):
        return "Nothing makes a difference that matters."
    return "Nothing is decided yet."


def _gain(one: ContrastVerdict, unit: str) -> str:
    return f"{clean(one.arm)} ({_minus(amount(one.difference, unit))})"


def _rest(contrasts: Sequence[ContrastVerdict], unit: str) -> Iterator[str]:
    """Says what the headline does not."""
    if any(one.verdict == "better" for one in contrasts):
        worse = [_gain(one, unit) for one in contrasts if one.verdict == "worse"]
        if worse:
            yield f"{_listed(worse)} {'hurts' if len(worse) == 1 else 'hurt'}."
    equal = [one for one in contrasts if one.verdict == "equivalent"]
    if equal and len(equal) < len(contrasts):
        pairs = [f"{one.arm} and {one.against}" for one in equal]
        yield f"No difference that matters between {', nor between '.join(map(clean, pairs))}."
    needed = [one.seeds_to_decide for one in contrasts if one.seeds_to_decide is not None]
    undecided = sum(one.verdict == "undecided" for one in contrasts)
    if undecided:
        more = f" About {_range(needed)} seeds would decide." if needed else ""
        yield f"{undecided} of {len(contrasts)} contrasts are undecided.{more}"


def _best(evidence: Evidence) -> Iterator[str]:
    """Names the arm of the best mean, which is no verdict."""
    accuracy = not evidence.regression
    known = [
        one for one in evidence.summary.recipes if _score(one, accuracy) == _score(one, accuracy)
    ]
    if not known:
        yield "No trial is done yet."
        return
    sign = 1 if accuracy else -1
    best = max(known, key=lambda one: sign * _score(one, accuracy))
    spread = best.test_accuracy if accuracy else best.test_loss
    scale, unit = (100, " %") if accuracy else (1, "")
    sd = f" ± {scale * spread.sd:.2f}" if spread.sd == spread.sd else ""
    what = "Highest mean test accuracy" if accuracy else "Lowest mean test loss"
    deviation = "mean ± standard deviation over seeds, " if sd else ""
    yield f"{what}: {clean(best.name)}, {scale * spread.mean:.2f}{sd}{unit} ({deviation}n = {best.n})."


def _chance(contrasts: Sequence[ContrastVerdict]) -> Iterator[str]:
    """Says what single seeds would have named: wrong only where it is known who is better."""
    known = [one for one in contrasts if one.wrong is not None]
    decided = [one for one in known if one.verdict in ("better", "worse")]
    shares = [
        round(100 * one.wrong.unpaired.share) for one in decided or known if one.wrong is not None
    ]
    if shares:
        named = "the wrong arm" if decided else "the arm whose mean is behind"
        yield (
            f"Had one compared a single seed of each, {_range(shares)} of 100 such comparisons would "
            f"have picked {named}."
        )


def _training(evidence: Evidence, arm: str, against: str) -> Iterator[str]:
    if evidence.trained(arm) == evidence.trained(against):
        yield "no training of its own"
        return
    own, other = evidence.training_seconds(arm), evidence.training_seconds(against)
    seeds = [seed for seed in own if seed in other]
    if not seeds:
        return
    ratio = ratio_interval([own[seed] for seed in seeds], [other[seed] for seed in seeds])
    between = f" ({ratio.low:.2g} to {ratio.high:.2g})" if ratio.low == ratio.low else ""
    yield f"{ratio.ratio:.2g} \u00d7 the training time{between}"


def _weights(evidence: Evidence, arm: str, against: str) -> Iterator[str]:
    sizes = {one.name: one.parameters for one in evidence.summary.recipes}
    own, other = sizes.get(arm), sizes.get(against)
    if own and other and own != other:
        yield _minus(f"{100 * (own - other) / other:+.2g} % weights")


def _passes(evidence: Evidence, arm: str, against: str) -> Iterator[str]:
    draws = {recipe.name: recipe.prediction.draws for recipe in evidence.recipes}
    own, other = draws.get(arm), draws.get(against)
    if own and other and own != other:
        yield f"{own} passes a prediction instead of {other}"


def _score(recipe: RecipeSummary, accuracy: bool) -> float:
    return recipe.test_accuracy.mean if accuracy else recipe.test_loss.mean


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _minus(text: str) -> str:
    return text.replace("-", "\u2212") if len(text) > 1 else text


def _listed(names: Sequence[str]) -> str:
    plain = [clean(name) for name in names]
    return plain[0] if len(plain) == 1 else f"{', '.join(plain[:-1])} and {plain[-1]}"
