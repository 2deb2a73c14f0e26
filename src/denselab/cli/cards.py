"""Findings as cards on the screen, and the list of all checks."""

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from shutil import get_terminal_size

import typer

from denselab.cli.table import print_table, print_text
from denselab.data.arrays import clean_name
from denselab.doctor import CHECKS, SEVERITIES, Diagnosis, Finding

__all__ = ["catalogue", "counted", "remedy_words", "show_checks", "show_diagnosis"]

_MARGIN, _SHOWN = 11, 3


def show_diagnosis(diagnosis: Diagnosis, name: str, *, of_recipe: bool) -> None:
    """Prints what was found: a card a finding, what was not looked at, and how much there is.

    Args:
        diagnosis: What was found.
        name: Of what.
        of_recipe: Whether it is a recipe, whose fields remedies may change.
    """
    for alike in _alike(diagnosis.findings):
        for line in _card(alike, of_recipe=of_recipe):
            typer.echo(line)
        typer.echo()
    if diagnosis.not_looked_at:
        typer.echo("not looked at")
        for reason in diagnosis.not_looked_at:
            typer.echo(_line("-", reason, 4))
        typer.echo()
    silenced = f"; silenced: {', '.join(diagnosis.silenced)}" if diagnosis.silenced else ""
    print_text(f"{name}: {counted(diagnosis.findings)}{silenced}")


def counted(findings: Iterable[Finding]) -> str:
    """Counts findings by severity.

    Args:
        findings: The findings.

    Returns:
        Words, all severities.

    Example:
        >>> counted(())
        '0 errors, 0 warnings, 0 notes'
    """
    given = [finding.severity for finding in findings]
    counts = [(given.count(severity), severity) for severity in SEVERITIES]
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)


def remedy_words(fix: Mapping[str, object]) -> str:
    """Writes a change of a recipe as options of the command line.

    Args:
        fix: Field -> value.

    Returns:
        The options.

    Example:
        >>> remedy_words({"network.hidden_bias": False})
        '--set network.hidden_bias=false'
    """
    return " ".join(f"--set {field}={_value(value)}" for field, value in fix.items())


def show_checks() -> None:
    """Prints all checks, in the order in which they look."""
    rows = [
        [card.id, card.severity, card.kind, card.group, card.title]
        for card in (check.card for check in CHECKS)
    ]
    print_table(("check", "at worst", "kind", "group", "what it finds"), rows)
    print_text(f"\n{len(rows)} checks; docs/reference/checks.md has them in full")


def catalogue() -> list[dict[str, object]]:
    """Lists all checks in plain values.

    Returns:
        One entry a check, without what the check is made of.
    """
    return [dict(_plain(vars(check.card))) for check in CHECKS]


def _plain(card: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in card.items():
        if isinstance(value, tuple):
            yield name, list(value)
        else:
            yield name, dict(value) if isinstance(value, Mapping) else value


def _alike(findings: Iterable[Finding]) -> Iterator[list[Finding]]:
    """Puts findings together that differ in their evidence alone, such as of twenty layers."""
    found: dict[tuple[object, ...], list[Finding]] = {}
    for one in findings:
        key = (one.severity, one.id, one.threshold, one.why, one.remedy, repr(one.fix))
        found.setdefault(key, []).append(one)
    yield from found.values()


def _card(alike: list[Finding], *, of_recipe: bool) -> Iterator[str]:
    first = alike[0]
    times = f" ({len(alike)} times)" if len(alike) > 1 else ""
    yield _line(first.severity, f"{first.id}: {first.title}{times}", 0)
    for one in alike[:_SHOWN]:
        yield _line("evidence", one.evidence, 2)
    if len(alike) > _SHOWN:
        yield _line("", f"and {len(alike) - _SHOWN} more", 2)
    for label in ("threshold", "why", "remedy"):
        yield _line(label, getattr(first, label), 2)
    if first.fix and of_recipe:
        yield _line("recipe", remedy_words(first.fix), 2)


def _line(label: str, text: str, indent: int) -> str:
    """Writes a labelled line; where a terminal is too narrow, its text goes on below itself."""
    head = " " * indent + f"{label} ".ljust(_MARGIN if indent < 4 else 0)
    text = head + clean_name(text)
    if not sys.stdout.isatty():
        return text
    width = max(get_terminal_size().columns, 30)
    return textwrap.fill(
        text,
        width,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
