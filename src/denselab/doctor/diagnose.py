"""The front door: looks at a model and its data before anything is trained."""

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.finding import SEVERITIES, Finding, Severity
from denselab.doctor.table import CHECKS
from denselab.errors import UsageError

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the worst first, and what could not be looked at.

    Attributes:
        findings: The findings, errors first.
        not_looked_at: One line for everything that could not be looked at, with the reason.
        silenced: Ids of the checks that were left out.
    """

    findings: tuple[Finding, ...]
    not_looked_at: tuple[str, ...] = ()
    silenced: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Exact contradictions."""
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Risks."""
        return self._of("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """Soft rules, which healthy programs break too."""
        return self._of("note")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def to_json(self) -> dict[str, object]:
        """Gives the diagnosis as JSON values.

        Returns:
            `findings`, `not_looked_at` and `silenced`.
        """
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "not_looked_at": list(self.not_looked_at),
            "silenced": list(self.silenced),
        }

    def __str__(self) -> str:
        lines = [_summary(self)]
        for finding in self.findings:
            lines += [
                "",
                f"{finding.severity}  {finding.id}",
                f"  {finding.evidence} (threshold: {finding.threshold})",
                f"  why: {finding.why}",
                f"  remedy: {finding.remedy}",
            ]
        if self.not_looked_at:
            lines += ["", "not looked at:", *(f"  {reason}" for reason in self.not_looked_at)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("", "check", "evidence", "why", "remedy"))
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(text)}</td>"
                for text in (
                    finding.severity,
                    finding.id,
                    finding.evidence,
                    finding.why,
                    finding.remedy,
                )
            )
            + "</tr>"
            for finding in self.findings
        )
        table = (
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        )
        unseen = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.not_looked_at)
        listed = f"<p>Not looked at:</p><ul>{unseen}</ul>" if unseen else ""
        return f"<p>{html.escape(_summary(self))}</p>{table}{listed}"


def diagnose(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    fit_arguments: Mapping[str, Any] | None = None,
    validation_data: Any = None,
    silence: Iterable[str] = (),
) -> Diagnosis:
    """Looks at a model, its data and the arguments of `fit`, before any training.

    Nothing is trained and nothing is changed: neither weights, optimizer and compiled state nor any
    random state. Large data are looked at in evenly spaced rows (`doctor.facts.tables`), so the same
    setup always gives the same findings.

    Args:
        model: A Keras model, best compiled and built.
        x: Inputs as for `fit`; iterators are not read.
        y: Targets as for `fit`.
        fit_arguments: What `fit` will be called with, such as `{"epochs": 20, "batch_size": 32}`; `{}`
            stands for Keras' defaults, None for not known.
        validation_data: Inputs and targets, if they are not among the arguments of `fit`.
        silence: Ids of checks to leave out.

    Returns:
        The findings, and what could not be looked at.

    Raises:
        UsageError: If `model` is no Keras model, or a silenced id does not exist.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "softmax")])
        >>> model.compile("adam", "binary_crossentropy")
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> [finding.id for finding in diagnose(model, x, x[:, 0] > 0).errors]
        ['softmax-on-one-unit']
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"model is a {type(model).__name__}; give a keras.Model")
    silenced = tuple(sorted(set(silence)))
    _check_ids(silenced)
    setup, reasons = gather(Request(model, x, y, fit_arguments, validation_data))
    findings: list[Finding] = []
    unseen = list(reasons)
    for check in CHECKS:
        if check.card.id in silenced or check.card.kind != "static":
            continue
        try:
            findings += check.findings(setup)
        except Exception as error:  # never let a strange model end a diagnosis
            unseen.append(f"{check.card.id}: {type(error).__name__}: {error}")
    order = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(tuple(order), tuple(unseen), silenced)


def _check_ids(silenced: tuple[str, ...]) -> None:
    known = {check.card.id for check in CHECKS}
    for name in silenced:
        if name not in known:
            raise UsageError(
                f"there is no check {name!r} to silence; give one of {', '.join(sorted(known))}"
            )


def _summary(diagnosis: Diagnosis) -> str:
    counts = [
        (len(diagnosis.errors), "error"),
        (len(diagnosis.warnings), "warning"),
        (len(diagnosis.notes), "note"),
    ]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
