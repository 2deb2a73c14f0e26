"""What the doctor reports: findings, each with its evidence, its threshold, its source and a remedy."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity = Literal["error", "warning", "note"]
"""error: an exact contradiction; warning: a risk; note: a soft rule that healthy programs break too."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the worst down."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or may be.

    Attributes:
        id: Name of the check; `silence` takes it.
        severity: How bad it is.
        title: The fault in a few words.
        evidence: What was measured, in words, with layer and value.
        layer: Name of the layer, or None where it is not about one.
        threshold: What the measured value is held against.
        source: Where check and threshold come from.
        labels: Codes of the fault in the vocabulary of DeepCrime and defect4ML.
        why: Why it hurts, in one line.
        remedy: What to do, in one line.
        fix: Fields of a recipe and their values that mend it, or None.
        step: Step of the training after which it was seen, or epoch where only epochs are known (from 1).
        value: The measured number, where it is one.
    """

    id: str
    severity: Severity
    title: str
    evidence: str
    layer: str | None
    threshold: str
    source: str
    labels: tuple[str, ...]
    why: str
    remedy: str
    fix: Mapping[str, object] | None = None
    step: int | None = None
    value: float | None = None

    def to_json(self) -> dict[str, object]:
        """Gives the finding as JSON values.

        Returns:
            One entry an attribute.
        """
        fix = None if self.fix is None else dict(self.fix)
        return asdict(self) | {"labels": list(self.labels), "fix": fix}

    def __str__(self) -> str:
        return f"{self.severity}: {self.id}: {self.evidence}. {self.remedy}"
