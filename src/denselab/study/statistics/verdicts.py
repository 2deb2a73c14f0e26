"""Verdicts: what the scores of a study say about its planned contrasts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isfinite, nan

import numpy as np

from denselab.errors import UsageError
from denselab.randomness import check_seed
from denselab.study.statistics.bootstrap import two_way_bootstrap
from denselab.study.statistics.decisions import Verdict, decide, seeds_to_decide
from denselab.study.statistics.estimates import (
    Estimate,
    Interval,
    resampled_estimate,
    rows_estimate,
    seeds_estimate,
)
from denselab.study.statistics.pairs import Arm, Pairs, pair_up
from denselab.study.statistics.question import Question
from denselab.study.statistics.signflip import holm, seeds_for_a_verdict, sign_flip_p
from denselab.study.statistics.winners import WrongWinners, wrong_winners

__all__ = ["ArmFacts", "ContrastVerdict", "Verdicts", "answer"]

_MOST_FAILED = 0.2


@dataclass(frozen=True)
class ArmFacts:
    """One arm by itself, in the unit of the measure.

    Attributes:
        name: Name of the arm.
        n: Number of trials that did not fail.
        failed: Number of trials that did.
        mean: Mean score; NaN without trials.
        sd: Sample deviation over seeds; NaN below two.
    """

    name: str
    n: int
    failed: int
    mean: float
    sd: float


@dataclass(frozen=True)
class ContrastVerdict:
    """What is known of one contrast, in the unit of the measure.

    Attributes:
        arm: The arm.
        against: What it is held against; differences are arm minus this.
        n: Number of pairs.
        left_out: Seeds that are no pair, because one arm lacks them or failed.
        estimate: Mean difference and what its variance is made of.
        sd: Deviation of differences over seeds; NaN below two pairs.
        correlation: Of the two arms over seeds, what pairing bought; NaN where one has no spread.
        interval: Simultaneous t interval: all contrasts' hold together.
        bootstrap: The same by the studentised bootstrap, as a check; NaN where splits share rows or
            it was left out.
        p: Of the sign-flip test over seeds, as a check; NaN where splits share rows.
        p_holm: The same, adjusted by Holm over the family.
        verdict: Read off the interval.
        reason: Why there is no verdict; empty where there is one.
        seeds_to_decide: Seeds that would decide an undecided contrast; None if it is not undecided, or
            no number would do.
        winner: Name of the arm with the better mean; None where means are equal.
        wrong: How often single seeds name the other; None where means are equal.
    """

    arm: str
    against: str
    n: int
    left_out: int
    estimate: Estimate
    sd: float
    correlation: float
    interval: Interval
    bootstrap: Interval
    p: float
    p_holm: float
    verdict: Verdict
    reason: str
    seeds_to_decide: int | None
    winner: str | None
    wrong: WrongWinners | None

    @property
    def difference(self) -> float:
        """Mean paired difference; NaN without pairs."""
        return self.estimate.mean

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values; what is not finite is None."""
        return _plain(
            {
                "arm": self.arm,
                "against": self.against,
                "n": self.n,
                "left_out": self.left_out,
                "difference": self.difference,
                "interval": list(self.interval),
                "speaks_of": self.estimate.scope,
                "standard_error": self.estimate.standard_error,
                "degrees_of_freedom": self.estimate.degrees,
                "seed_variance": self.estimate.seed_variance,
                "fixed_variance": self.estimate.fixed_variance,
                "sd": self.sd,
                "correlation": self.correlation,
                "p": self.p,
                "p_holm": self.p_holm,
                "bootstrap": list(self.bootstrap),
                "verdict": self.verdict,
                "reason": self.reason,
                "seeds_to_decide": self.seeds_to_decide,
                "winner": self.winner,
                "wrong_winner": None
                if self.wrong is None
                else {kind: share._asdict() for kind, share in self.wrong._asdict().items()},
            }
        )


@dataclass(frozen=True)
class Verdicts:
    """The answer to a question.

    Attributes:
        question: The question.
        arms: The arms in their order, by themselves.
        contrasts: One entry a contrast, in the order of the question.
        least_seeds: Seeds there must be for a verdict.
        rows: Number of test rows, where they are known for every contrast.
    """

    question: Question
    arms: tuple[ArmFacts, ...]
    contrasts: tuple[ContrastVerdict, ...]
    least_seeds: int
    rows: int | None

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values, ready for `json.dumps`; None for what is not known."""
        question = self.question
        return {
            "metric": question.measure.name,
            "unit": question.measure.unit,
            "higher_is_better": question.measure.higher_is_better,
            "region": question.region,
            "level": question.level,
            "primary": question.primary,
            "least_seeds": self.least_seeds,
            "test_rows": self.rows,
            "arms": [_plain(asdict(arm)) for arm in self.arms],
            "contrasts": [contrast.to_json() for contrast in self.contrasts],
        }


def answer(
    question: Question, arms: Mapping[str, Arm], *, seed: int = 0, resamples: int = 999
) -> Verdicts:
    """Answers a question from the scores of all arms.

    Args:
        question: What is asked.
        arms: Name -> scores; all that the question names, more do not matter.
        seed: Decides the resamples of the bootstrap, and the sign flips beyond 20 seeds.
        resamples: How many the bootstrap takes; 0 leaves it out, no verdict depends on it.

    Returns:
        One verdict a contrast, or the reason why there is none.

    Raises:
        UsageError: If an arm is missing, a score is not finite, arms differ in their test rows, or the seed is out
            of range.

    Example:
        >>> from denselab.study.statistics import ACCURACY
        >>> arms = {
        ...     "plain": Arm({seed: 0.90 + 0.001 * seed for seed in range(8)}),
        ...     "batch_norm": Arm({seed: 0.92 + 0.002 * seed for seed in range(8)}),
        ... }
        >>> verdicts = answer(Question(ACCURACY, (("batch_norm", "plain"),), region=0.5), arms)
        >>> [(one.verdict, round(one.difference, 2)) for one in verdicts.contrasts]
        [('better', 2.35)]
    """
    check_seed(seed)
    _check(question, arms)
    pairs = [_scaled(pair_up(arms[a], arms[b]), question) for a, b in question.contrasts]
    p = [_p(one, question, seed) for one in pairs]
    least = seeds_for_a_verdict(len(question.contrasts), level=question.level)
    contrasts = tuple(
        replace(
            _contrast(question, names, one, least=least, p=tested),
            bootstrap=_bootstrap(one, question, seed, resamples),
        )
        for names, one, tested in zip(
            question.contrasts, pairs, zip(p, holm(p), strict=True), strict=True
        )
    )
    named = {name for contrast in question.contrasts for name in contrast}
    sizes = {None if one.rows is None else one.rows.shape[1] for one in pairs}
    return Verdicts(
        question,
        tuple(_facts(name, arm, question) for name, arm in arms.items() if name in named),
        tuple(_checked_failures(one, arms) for one in contrasts),
        least,
        sizes.pop() if len(sizes) == 1 else None,
    )


def _contrast(
    question: Question,
    names: tuple[str, str],
    pairs: Pairs,
    *,
    least: int,
    p: tuple[float, float],
) -> ContrastVerdict:
    estimate = _estimate(pairs, question)
    interval = estimate.interval(question.contrast_level)
    verdict, reason = _verdict(question, interval, n=estimate.n, least=least)
    undecided = verdict == "undecided"
    winner, wrong = _winner(names, pairs, question.measure.higher_is_better)
    return ContrastVerdict(
        *names,
        n=estimate.n,
        left_out=pairs.left_out,
        estimate=estimate,
        sd=_deviation(pairs.differences),
        correlation=_correlation(pairs),
        interval=interval,
        bootstrap=Interval(nan, nan),
        p=p[0],
        p_holm=p[1],
        verdict=verdict,
        reason=reason,
        seeds_to_decide=seeds_to_decide(
            estimate, region=question.region, level=question.contrast_level
        )
        if undecided
        else None,
        winner=winner,
        wrong=wrong,
    )


def _verdict(question: Question, interval: Interval, *, n: int, least: int) -> tuple[Verdict, str]:
    if not question.primary:
        return "none", "not the primary metric"
    if n < least:
        return "none", f"too few seeds: there must be {least}"
    higher = question.measure.higher_is_better
    return decide(interval, region=question.region, higher_is_better=higher), ""


def _checked_failures(contrast: ContrastVerdict, arms: Mapping[str, Arm]) -> ContrastVerdict:
    """Takes a verdict back where many trials failed: those that did not are no fair sample then."""
    for name in (contrast.against, contrast.arm):
        arm = arms[name]
        if contrast.reason != "not the primary metric" and arm.failed > _MOST_FAILED * len(
            arm.scores
        ):
            reason = f"{arm.failed} of {len(arm.scores)} trials of {name} failed"
            return replace(contrast, verdict="none", reason=reason, seeds_to_decide=None)
    return contrast


def _estimate(pairs: Pairs, question: Question) -> Estimate:
    if question.test_fraction is not None:
        return resampled_estimate(pairs.differences, test_fraction=question.test_fraction)
    return seeds_estimate(pairs.differences) if pairs.rows is None else rows_estimate(pairs.rows)


def _bootstrap(pairs: Pairs, question: Question, seed: int, resamples: int) -> Interval:
    if question.test_fraction is not None or resamples == 0:
        return Interval(nan, nan)
    d = pairs.differences[:, None] if pairs.rows is None else pairs.rows
    return two_way_bootstrap(d, level=question.contrast_level, seed=seed, resamples=resamples)


def _p(pairs: Pairs, question: Question, seed: int) -> float:
    # Splits of the same rows are not independent, which the test would take them for.
    return nan if question.test_fraction is not None else sign_flip_p(pairs.differences, seed=seed)


def _winner(
    names: tuple[str, str], pairs: Pairs, higher_is_better: bool
) -> tuple[str | None, WrongWinners | None]:
    sign = 1 if higher_is_better else -1
    arm, against = sign * pairs.arm, sign * pairs.against
    gain = float((arm - against).mean()) if len(arm) else 0.0
    # Sums of the same numbers in another order differ in their last bits; that makes no winner.
    if abs(gain) <= 1e-12 * float(abs(arm).max(initial=0.0)):
        return None, None
    if gain > 0:
        return names[0], wrong_winners(arm, against)
    return names[1], wrong_winners(against, arm)


def _scaled(pairs: Pairs, question: Question) -> Pairs:
    scale = question.measure.scale
    rows = None if pairs.rows is None else scale * pairs.rows
    return Pairs(scale * pairs.arm, scale * pairs.against, rows, pairs.left_out)


def _facts(name: str, arm: Arm, question: Question) -> ArmFacts:
    scores = question.measure.scale * np.array(list(arm.sound.values()), float)
    mean = float(scores.mean()) if len(scores) else nan
    return ArmFacts(name, len(scores), arm.failed, mean, _deviation(scores))


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else nan


def _correlation(pairs: Pairs) -> float:
    if len(pairs.arm) < 3 or np.ptp(pairs.arm) == 0 or np.ptp(pairs.against) == 0:
        return nan
    return float(np.corrcoef(pairs.arm, pairs.against)[0, 1])


def _check(question: Question, arms: Mapping[str, Arm]) -> None:
    for name in dict.fromkeys(name for contrast in question.contrasts for name in contrast):
        if name not in arms:
            raise UsageError(f"no arm is called {name}; there are {', '.join(arms) or 'none'}")
        for seed, score in arms[name].sound.items():
            if not isfinite(score):
                raise UsageError(
                    f"{name}, seed {seed}: score {score} is not finite; give None for a trial that failed"
                )


def _plain(values: dict[str, object]) -> dict[str, object]:
    def plain(value: object) -> object:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return None if isinstance(value, float) and not isfinite(value) else value

    return {key: plain(value) for key, value in values.items()}
