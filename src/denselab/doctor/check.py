"""What a check is: a card that describes it, and a pure function of the facts that looks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from denselab.doctor.finding import Finding, Severity

__all__ = ["Card", "Check", "Found", "Group", "Kind"]

Group = Literal[
    "head and loss",
    "data",
    "splits",
    "architecture",
    "start of the weights",
    "self-normalization",
    "optimizer and schedule",
    "length of the run",
    "callbacks",
    "probes",
    "while training",
    "course of the run",
]
Kind = Literal["static", "probe", "dynamic"]
"""static: looks at what is there; probe: tries a few steps; dynamic: watches a training."""


@dataclass(frozen=True)
class Found:
    """What one look of a check found.

    Attributes:
        evidence: What was measured, in words.
        layer: Name of the layer, if it is about one.
        severity: Where it differs from the card's.
        remedy: Where it differs from the card's.
        fix: Fields of a recipe and their values, where it differs from the card's.
        step: Step or epoch after which it was seen.
        value: The measured number.
    """

    evidence: str
    layer: str | None = None
    severity: Severity | None = None
    remedy: str | None = None
    fix: Mapping[str, object] | None = None
    step: int | None = None
    value: float | None = None


Look = Callable[[Any], Iterable[Found]]
"""Static checks look at a `Setup`, probes at a `Trial`, dynamic ones at a `Watch` or a `History`."""


@dataclass(frozen=True)
class Card:
    """Describes a check; as a decorator it makes one of a function that looks.

    Attributes:
        id: Stable name in words and hyphens.
        title: The fault in a few words.
        group: Where it belongs.
        rows: Rows of the catalogue of checks that it covers.
        severity: The worst that it reports.
        threshold: What is measured, against what.
        source: Where check and threshold come from; `own` is proposed here.
        labels: Fault codes. A mismatch of two parts has the codes of both, since either may be mended.
        why: Why it hurts, in one line.
        remedy: What to do, in one line.
        fix: Fields of a recipe and their values that mend it.
        kind: static, probe or dynamic.

    Example:
        >>> @Card(
        ...     id="no-layers", title="A model without layers", group="architecture", rows=(),
        ...     severity="error", threshold="exact", source="own", labels=(),
        ...     why="Nothing can be learned.", remedy="Add layers.",
        ... )
        ... def no_layers(setup):
        ...     return () if setup.network.layers else (Found("the model has no layer"),)
        >>> no_layers.card.id
        'no-layers'
    """

    id: str
    title: str
    group: Group
    rows: tuple[int, ...]
    severity: Severity
    threshold: str
    source: str
    labels: tuple[str, ...]
    why: str
    remedy: str
    fix: Mapping[str, object] | None = None
    kind: Kind = "static"

    def __call__(self, look: Look) -> "Check":
        """Makes a check of the function that looks."""
        return Check(self, look)


@dataclass(frozen=True)
class Check:
    """A card and its function.

    Attributes:
        card: What it is.
        look: Facts to what was found.
    """

    card: Card
    look: Look = field(repr=False)

    def findings(self, facts: Any) -> list[Finding]:
        """Looks at the facts.

        Args:
            facts: A setup, or what a probe or a training gave.

        Returns:
            What was found, described by the card.
        """
        card = self.card
        return [
            Finding(
                id=card.id,
                severity=found.severity or card.severity,
                title=card.title,
                evidence=found.evidence,
                layer=found.layer,
                threshold=card.threshold,
                source=card.source,
                labels=_with_families(card.labels),
                why=card.why,
                remedy=found.remedy or card.remedy,
                fix=card.fix if found.fix is None else found.fix,
                step=found.step,
                value=found.value,
            )
            for found in self.look(facts)
        ]


def _with_families(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Adds `ACH` to `ACH(out)` and the like: some tables of faults do not say where."""
    families = (label.split("(")[0] for label in labels)
    return tuple(dict.fromkeys([*labels, *families]))
