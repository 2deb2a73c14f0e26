"""The statistics of a study: intervals, tests and verdicts, on NumPy and SciPy alone.

`answer` takes a `Question` and the scores of the arms; everything else is a step of it, or what is
needed before (power, levels of looks) and beside it (ratios of times).
"""

from denselab.study.statistics.bootstrap import two_way_bootstrap
from denselab.study.statistics.decisions import (
    Power,
    Verdict,
    decide,
    planned_power,
    planned_seeds,
    seeds_to_decide,
)
from denselab.study.statistics.estimates import (
    Estimate,
    Interval,
    resampled_estimate,
    rows_estimate,
    seeds_estimate,
)
from denselab.study.statistics.interactions import Interaction, with_interactions
from denselab.study.statistics.looks import FIRST_LOOK, LEVEL, look_level
from denselab.study.statistics.pairs import Arm, Pairs, pair_up, planned_contrasts
from denselab.study.statistics.question import ACCURACY, LOG_LOSS, Measure, Question
from denselab.study.statistics.scores import DEFAULT_METRIC, read_scores
from denselab.study.statistics.sentences import (
    amount,
    contrast_sentences,
    reading_sentences,
    span,
)
from denselab.study.statistics.signflip import holm, seeds_for_a_verdict, sign_flip_p
from denselab.study.statistics.times import (
    Ratio,
    ratio_interval,
    restricted_mean,
    restricted_ratio,
)
from denselab.study.statistics.verdicts import ArmFacts, ContrastVerdict, Verdicts, answer
from denselab.study.statistics.winners import Share, WrongWinners, wrong_winners

__all__ = [
    "ACCURACY",
    "DEFAULT_METRIC",
    "FIRST_LOOK",
    "LEVEL",
    "LOG_LOSS",
    "Arm",
    "ArmFacts",
    "ContrastVerdict",
    "Estimate",
    "Interaction",
    "Interval",
    "Measure",
    "Pairs",
    "Power",
    "Question",
    "Ratio",
    "Share",
    "Verdict",
    "Verdicts",
    "WrongWinners",
    "amount",
    "answer",
    "contrast_sentences",
    "decide",
    "holm",
    "look_level",
    "pair_up",
    "planned_contrasts",
    "planned_power",
    "planned_seeds",
    "ratio_interval",
    "read_scores",
    "reading_sentences",
    "resampled_estimate",
    "restricted_mean",
    "restricted_ratio",
    "rows_estimate",
    "seeds_estimate",
    "seeds_for_a_verdict",
    "seeds_to_decide",
    "sign_flip_p",
    "span",
    "two_way_bootstrap",
    "with_interactions",
    "wrong_winners",
]
