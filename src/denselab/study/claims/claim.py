"""What a claim is, and what came out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from denselab.recipes import Recipe
from denselab.study.claims.parts import Part

__all__ = ["Answer", "Claim", "Judgement", "Outcome", "claim_answer"]

Answer = Literal["confirmed", "refuted", "undecided"]
"""What the data says of a claim, or of a part of it."""


@dataclass(frozen=True)
class Claim:
    """A statement about techniques, and how it is decided; fixed before anything is trained.

    Attributes:
        name: Its name.
        statement: What it says, in a sentence.
        source: Where it comes from.
        published: What is known of the answer from elsewhere; may be empty.
        arms: Name -> recipe, as the file calls them.
        parts: What has to be decided, in order.
        follows: "all": confirmed if all parts are, refuted if one is. "any": confirmed if one part is,
            refuted if all are.
        tune: Learning rates tried for each arm first; 0 keeps those of the recipes.
        file: Where it was read.
    """

    name: str
    statement: str
    source: str
    published: str
    arms: Mapping[str, Recipe]
    parts: tuple[Part, ...]
    follows: Literal["all", "any"]
    tune: int
    file: str


@dataclass(frozen=True)
class Outcome:
    """What came out of one part of a claim.

    Attributes:
        says: What the part says.
        kind: By which kind of rule it was decided.
        answer: "confirmed", "refuted" or "undecided".
        sentence: The figures and the rule, in words.
        n: Number of seeds, or of rounds of a timing, that it rests on.
        seeds_to_decide: Seeds that would decide what is undecided; None where it is decided, or where
            no number of seeds below 10,000 would do.
        figures: The figures by name.
    """

    says: str
    kind: str
    answer: Answer
    sentence: str
    n: int
    seeds_to_decide: int | None = None
    figures: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values; what is not finite is None."""
        known = {**vars(self), "figures": _plain(dict(self.figures))}
        return known


@dataclass(frozen=True)
class Judgement:
    """What came out of a claim.

    Attributes:
        claim: The claim.
        answer: "confirmed", "refuted" or "undecided".
        outcomes: One a part, in order.
        seeds: Number of seeds that its arms have.
        level: How often its intervals may miss, all together.
        seconds: Training seconds of its arms, with members side by side.
        trainings: Number of trainings that its arms have.
        shared: Names of its arms that other claims use, too.
    """

    claim: Claim
    answer: Answer
    outcomes: tuple[Outcome, ...]
    seeds: int
    level: float
    seconds: float
    trainings: int
    shared: tuple[str, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence or more a part: what it says, the answer, the figures."""
        return tuple(f"{one.says}: {one.answer}. {one.sentence}" for one in self.outcomes)

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values, ready for `json.dumps`."""
        return {
            "name": self.claim.name,
            "statement": self.claim.statement,
            "source": self.claim.source,
            "published": self.claim.published,
            "verdict": self.answer,
            "rule": f"{self.claim.follows} of {len(self.outcomes)} parts",
            "sentences": list(self.sentences),
            "figures": list(self.sentences),
            "parts": [one.to_json() for one in self.outcomes],
            "seeds": self.seeds,
            "level": self.level,
            "tuned_rates": self.claim.tune,
            "cost": {
                "trainings": self.trainings,
                "training_seconds": _plain(self.seconds),
                "shared_arms": list(self.shared),
            },
        }


def claim_answer(answers: list[Answer], follows: Literal["all", "any"]) -> Answer:
    """Says what follows for a claim from the answers to its parts.

    Args:
        answers: One a part.
        follows: The rule of the claim.

    Returns:
        By "all": refuted if one part is, confirmed if all are. By "any": confirmed if one part is,
        refuted if all are. Undecided else.

    Example:
        >>> claim_answer(["confirmed", "undecided"], "all"), claim_answer(["confirmed", "refuted"], "any")
        ('undecided', 'confirmed')
    """
    one, every = ("refuted", "confirmed") if follows == "all" else ("confirmed", "refuted")
    if one in answers:
        return "refuted" if one == "refuted" else "confirmed"
    if all(answer == every for answer in answers):
        return "confirmed" if every == "confirmed" else "refuted"
    return "undecided"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value
