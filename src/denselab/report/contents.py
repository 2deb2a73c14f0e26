"""What a report is made of: sections with sentences, figures and tables, whatever they become."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import altair

    from denselab.report.tables import Table

__all__ = ["Alert", "Answer", "Contents", "Figure", "Finding", "Gallery", "Picture", "Section"]


@dataclass(frozen=True)
class Finding:
    """What is known of one contrast, for the first screen.

    Attributes:
        verdict: "better", "worse", "equivalent", "undecided" or "none".
        label: The verdict in a word or two.
        contrast: What is held against what.
        difference: By how much, with its unit; "-" if that is not known.
        interval: The interval of that, in words.
        cost: What it costs, in words; empty if that is not known.
    """

    verdict: str
    label: str
    contrast: str
    difference: str
    interval: str
    cost: str


@dataclass(frozen=True)
class Answer:
    """The answer in words.

    Attributes:
        headline: The one sentence to remember.
        sentences: What stands below it: how sure it is, and of what it speaks.
        findings: One entry a contrast.
    """

    headline: str
    sentences: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Alert:
    """Something that a reader must know before believing a figure.

    Attributes:
        kind: "warning" if it weakens the answer, "note" if it explains it.
        text: What it is, and what to do about it.
    """

    kind: Literal["warning", "note"]
    text: str


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes:
        name: Its name, for files and anchors; no other figure has it.
        title: What it shows, in a few words.
        caption: How it is to be read, with n and spread.
        chart: The chart.
        fixed: Whether it has a width of its own and does not follow the page.
    """

    name: str
    title: str
    caption: str
    chart: "altair.TopLevelMixin"
    fixed: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture of the data that was predicted.

    Attributes:
        url: Its pixels, as an address that holds them.
        label: Its true class.
        predicted: The class it is taken for.
        probability: How sure of that, in words.
        right: Whether that is its true class.
        row: Its place among the test rows.
    """

    url: str
    label: str
    predicted: str
    probability: str
    right: bool
    row: int


@dataclass(frozen=True)
class Gallery:
    """Pictures that stand together.

    Attributes:
        title: What they have in common.
        pictures: The pictures.
    """

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        name: Its anchor.
        title: Its heading.
        sentences: What it says.
        figures: Its figures.
        tables: Its tables.
        notes: How it is to be read, for those who want to know.
        paired: Whether its figures stand two in a row where there is room.
        galleries: Pictures of the data.
    """

    name: str
    title: str
    sentences: tuple[str, ...] = ()
    figures: "tuple[Figure, ...]" = ()
    tables: "tuple[Table, ...]" = ()
    notes: tuple[str, ...] = ()
    paired: bool = False
    galleries: tuple[Gallery, ...] = ()


@dataclass(frozen=True)
class Contents:
    """A report.

    Attributes:
        title: Of what it is.
        about: How much there is: data, arms, seeds, date.
        answer: The answer in words.
        alerts: What to know before believing it.
        sections: The rest, in their order.
    """

    title: str
    about: tuple[str, ...]
    answer: Answer
    alerts: tuple[Alert, ...]
    sections: tuple[Section, ...]
