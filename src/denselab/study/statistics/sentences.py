"""Verdicts in words: one paragraph a contrast, and how to read them."""

from collections.abc import Iterator
from math import isnan

from denselab.study.statistics.looks import LEVEL
from denselab.study.statistics.verdicts import ContrastVerdict, Verdicts
from denselab.study.statistics.winners import Share

__all__ = ["amount", "contrast_sentences", "reading_sentences", "span"]


def contrast_sentences(verdicts: Verdicts, contrast: ContrastVerdict) -> tuple[str, ...]:
    """Says what is known of a contrast.

    Args:
        verdicts: The answer it is part of.
        contrast: The contrast.

    Returns:
        A sentence or more: the verdict, what its checks say, the wrong winners, what was left out.
    """
    return tuple(
        sentence
        for sentence in (
            _verdict(verdicts, contrast),
            _checks(verdicts, contrast),
            _winners(contrast),
            _left_out(verdicts, contrast),
        )
        if sentence
    )


def reading_sentences(verdicts: Verdicts) -> tuple[str, ...]:
    """Says how the figures are to be read.

    Args:
        verdicts: The answer.

    Returns:
        A sentence or more.
    """
    return tuple(_reading(verdicts))


def amount(value: float, unit: str = "") -> str:
    """Writes a difference with its sign.

    Args:
        value: The difference; NaN becomes "-".
        unit: Its unit, told after it.

    Returns:
        Two decimals; three significant digits where it is small.

    Example:
        >>> amount(4.686, "points"), amount(-0.00123)
        ('+4.69 points', '-0.00123')
    """
    if isnan(value):
        return "-"
    # Sums of the same numbers in another order differ in their last bits.
    value = 0.0 if abs(value) < 1e-9 else value
    text = f"{value:+.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:+.3g}"
    return f"{text} {unit}".rstrip()


def span(low: float, high: float) -> str:
    """Writes an interval; "-" where there is none.

    Args:
        low: Lower end.
        high: Upper end.

    Returns:
        Both ends with their signs.

    Example:
        >>> span(-0.25, 1.5)
        '-0.25 to +1.50'
    """
    return "-" if isnan(low) or isnan(high) else f"{amount(low)} to {amount(high)}"


def _verdict(verdicts: Verdicts, one: ContrastVerdict) -> str:
    unit, region = verdicts.question.measure.unit, verdicts.question.region
    known = f"{amount(one.difference, unit)} ({span(*one.interval)})"
    within = f"±{region:g} {unit}".rstrip()
    if one.verdict == "equivalent":
        real = one.interval.low > 0 or one.interval.high < 0
        small = " The difference is real, but too small to matter." if real else ""
        return f"{one.arm} and {one.against} are equivalent: {known} is within {within}.{small}"
    if one.verdict in ("better", "worse"):
        return f"{one.arm} is {one.verdict} than {one.against}: {known}."
    if one.verdict == "none":
        pairs = f"; there are {one.n}" if one.n < verdicts.least_seeds else ""
        return f"No verdict on {one.arm} against {one.against}: {one.reason}{pairs}."
    return f"Undecided between {one.arm} and {one.against}: {known}. {_more(one)}"


def _more(one: ContrastVerdict) -> str:
    if one.seeds_to_decide is not None:
        return f"About {one.seeds_to_decide:,} seeds would decide, were mean and deviation to stay as they are."
    if one.estimate.fixed_variance > 0:
        return "No number of seeds would decide: it takes more test rows."
    return "Not even 10,000 seeds would decide, were mean and deviation to stay as they are."


def _checks(verdicts: Verdicts, one: ContrastVerdict) -> str:
    if one.verdict not in ("better", "worse"):
        return ""
    doubts = []
    if one.p_holm > verdicts.question.level:
        doubts.append(f"the sign-flip test over seeds gives p = {one.p_holm:.2g} by Holm")
    if one.bootstrap.low <= 0 <= one.bootstrap.high:
        doubts.append(f"the bootstrap gives {span(*one.bootstrap)}")
    return f"A check does not confirm it: {' and '.join(doubts)}." if doubts else ""


def _winners(one: ContrastVerdict) -> str:
    if one.wrong is None:
        return "The means are equal." if one.n else ""
    loser = one.against if one.winner == one.arm else one.arm
    named = f"Of 100 comparisons of one seed each, {_of_100(one.wrong.unpaired)} would have named {loser}"
    paired = f"; with the same seed for both, {_of_100(one.wrong.paired)}."
    if one.verdict in ("better", "worse"):
        return f"{named}, the worse arm{paired}"
    if one.verdict == "equivalent":
        return f"{named}{paired} Between equals the winner is chance."
    return f"{named}, whose mean is behind{paired}"


def _of_100(share: Share) -> str:
    middle, low, high = (round(100 * one) for one in share)
    return f"{middle} ({low} to {high})"


def _left_out(verdicts: Verdicts, one: ContrastVerdict) -> str:
    failed = {arm.name: arm.failed for arm in verdicts.arms if arm.failed}
    words = [f"{failed[name]} of {name}" for name in (one.arm, one.against) if name in failed]
    parts = []
    if one.left_out:
        seeds = "1 seed is" if one.left_out == 1 else f"{one.left_out} seeds are"
        parts.append(f"{seeds} no pair and left out")
    if words:
        parts.append(f"trials that failed: {', '.join(words)}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _reading(verdicts: Verdicts) -> Iterator[str]:
    question = verdicts.question
    measure, several = question.measure, len(question.contrasts) > 1
    direction = "higher" if measure.higher_is_better else "lower"
    yield (
        f"Differences are of {measure.name}{f' in {measure.unit}' if measure.unit else ''}, arm minus the other; "
        f"{direction} is better."
    )
    sure = f"{100 * (1 - question.level):.4g}"
    yield (
        f"Intervals {f'of all {len(question.contrasts)} contrasts hold together' if several else 'hold'} in {sure} % "
        f"of studies; they speak of {_scope(verdicts)}."
    )
    if question.level < LEVEL and question.primary:
        yield f"Of the {100 * LEVEL:g} % of errors that are allowed, the rest is for other looks at the same study."
    if question.primary:
        within = f"±{question.region:g} {measure.unit}".rstrip()
        yield (
            f"better, worse: the interval leaves out 0. equivalent: it lies within {within}. p: sign-flip test over "
            "seeds, adjusted by Holm, a check. In brackets: intervals."
        )
    yield (
        "wrong winner: how often one seed an arm names the arm whose mean is behind. correlation: of the arms "
        "over seeds; what pairing by seed brought."
    )


def _scope(verdicts: Verdicts) -> str:
    scopes = {one.estimate.scope for one in verdicts.contrasts}
    if scopes == {"seeds and rows"}:
        return (
            f"new seeds and new test rows ({verdicts.rows:,} are known)"
            if verdicts.rows
            else "new seeds and new test rows"
        )
    if scopes == {"splits"}:
        return (
            "new splits of such data, with the Nadeau-Bengio correction for rows that splits share"
        )
    return "new seeds on these test rows, since scores of single rows are not known"
