"""A diagnosis: what was found, the worst first, and what could not be looked at."""

import html
from collections.abc import Iterable
from dataclasses import dataclass

from denselab.doctor.finding import SEVERITIES, Finding, Severity

__all__ = ["Diagnosis", "worst_first"]


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


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sorts findings: errors, warnings, notes; those of one severity keep their order."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def _summary(diagnosis: Diagnosis) -> str:
    counts = [
        (len(diagnosis.errors), "error"),
        (len(diagnosis.warnings), "warning"),
        (len(diagnosis.notes), "note"),
    ]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
