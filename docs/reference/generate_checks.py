"""Writes checks.md beside it from the cards of the doctor's checks; run it after changing one of them."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

from denselab.doctor import CHECKS, SEVERITIES, Card

__all__ = ["page"]

_OPENING = """# Checks

What `denselab.diagnose` and `denselab diagnose` look for, in the order in which they look. An error is an exact
contradiction, a warning a risk, a note a soft rule that healthy programs break, too; a check reports nothing worse
than its severity here. Rows are those of the catalogue that the doctor was built to; labels are fault codes of
Humbatova et al. and DeepCrime, which a finding carries. `silence=["id"]` and `--silence id` leave a check out.

This page is written by `python docs/reference/generate_checks.py` from the cards of the checks.
How to use the doctor, and how often it is right: [docs/doctor.md](../doctor.md).
"""

_KINDS = {
    "static": "looks at what is there, before any training",
    "probe": "tries a few steps on a copy",
    "dynamic": "watches a training",
}


def page() -> str:
    """Writes the page.

    Returns:
        Markdown, one section a check, in groups.
    """
    cards = [check.card for check in CHECKS]
    lines = [_OPENING, *_counts(cards), ""]
    for group, members in groupby(cards, key=lambda card: card.group):
        lines += [f"## {group[:1].upper()}{group[1:]}", ""]
        for card in members:
            lines += [*_entry(card), ""]
    return "\n".join(lines).rstrip() + "\n"


def _counts(cards: list[Card]) -> Iterator[str]:
    yield "| kind | " + " | ".join(f"{severity}s" for severity in SEVERITIES) + " | what it does |"
    yield "| --- |" + " --- |" * (len(SEVERITIES) + 1)
    for kind, words in _KINDS.items():
        given = [card.severity for card in cards if card.kind == kind]
        if given:
            counts = (str(given.count(severity)) for severity in SEVERITIES)
            yield f"| {kind} | {' | '.join(counts)} | {words} |"


def _entry(card: Card) -> Iterator[str]:
    rows = ", ".join(str(row) for row in card.rows)
    labels = ", ".join(card.labels)
    yield f"### {card.id}"
    yield ""
    yield f"{card.title}: {card.severity}, {card.kind}{f', row {rows}' if rows else ''}."
    yield ""
    yield f"- threshold: {card.threshold}"
    yield f"- source: {card.source}"
    yield f"- why: {card.why}"
    yield f"- remedy: {card.remedy}"
    if card.fix:
        changes = ", ".join(f"`{field} = {_toml(value)}`" for field, value in card.fix.items())
        yield f"- in a recipe: {changes}"
    if labels:
        yield f"- labels: {labels}"


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    Path(__file__).with_name("checks.md").write_text(page(), encoding="utf-8")
