"""Which classes are taken for which, and the test pictures that are hardest to tell."""

import base64
import io
from collections.abc import Sequence
from typing import get_args

import numpy as np

from denselab.report.contents import Gallery, Picture, Section
from denselab.report.evidence import Evidence
from denselab.report.reliability import wilson_interval
from denselab.report.tables import Column, Table, clean
from denselab.study import read_predictions
from denselab.study.judgement import DATA_DOCUMENT, labels_of
from denselab.study.pictures import KeptPicture, Why, kept_pictures, shown_arm

__all__ = ["classes"]

_MOST_PAIRS = 10
_LONGEST = 24

_HEADINGS = {
    "most uncertain": "Least sure",
    "wrong and most sure": "Wrong, and most sure of it",
}


def classes(evidence: Evidence) -> Section | None:
    """Shows what the best arm takes for what, in classes and in pictures.

    Args:
        evidence: The study, with predictions of its test rows.

    Returns:
        The section; None for a regression, without predictions, and where nothing is taken for another.
    """
    labels, arm = labels_of(evidence.study), shown_arm(evidence.study)
    if labels is None or arm is None or evidence.regression:
        return None
    names = [_short(name) for name in evidence.study.documents[DATA_DOCUMENT]["class_names"]]
    kept = [trial for trial in evidence.sound(arm.name) if trial.predictions is not None]
    found = [read_predictions(evidence.study, trial)["test"] for trial in kept]
    table, words = _pairs(np.array(found), labels, names, arm=clean(arm.name))
    chosen_by, pictures = kept_pictures(evidence.study)
    galleries = ()
    if pictures and chosen_by == arm.name:
        galleries = _galleries(pictures, np.mean(found, axis=0), labels, names)
    if table is None and not galleries:
        return None
    notes = (
        "Of the arm with the highest mean validation accuracy. Rows are counted for each seed and "
        "averaged; the 95 % interval (Wilson) is for as many rows as the class has.",
        "Pictures: test rows by the mean probability over seeds; least sure is highest entropy.",
    )
    tables = () if table is None else (table,)
    return Section(
        "classes", "What is taken for what", words, (), tables, notes, galleries=galleries
    )


def _pairs(
    probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str], *, arm: str
) -> tuple[Table | None, tuple[str, ...]]:
    """Counts how many rows of a class are taken for another: probabilities are (seed, row, class)."""
    predicted, count = probabilities.argmax(axis=2), len(names)
    taken = np.zeros((count, count))
    for one in predicted:
        np.add.at(taken, (labels, one), 1 / len(predicted))
    rows = np.bincount(labels, minlength=count)
    np.fill_diagonal(taken, 0)
    order = np.argsort(-taken, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [(int(place) // count, int(place) % count) for place in order]
    pairs = [pair for pair in pairs if taken[pair] > 0]
    if not pairs:
        return None, ()
    shares = np.array([taken[pair] / rows[pair[0]] for pair in pairs])
    low, high = wilson_interval(shares, rows[[true for true, _ in pairs]].astype(float))
    cells = tuple(
        (names[a], names[b], int(rows[a]), float(taken[a, b]), 100 * s, 100 * lo, 100 * hi)
        for (a, b), s, lo, hi in zip(
            pairs, shares.tolist(), low.tolist(), high.tolist(), strict=True
        )
    )
    columns = (
        *(Column("class"), Column("taken for"), Column("test rows of the class", "d")),
        *(Column("taken, mean over seeds", ".1f"), Column("share, %", ".1f")),
        *(Column("95 % from", ".1f"), Column("to", ".1f")),
    )
    first = cells[0]
    words = (
        f"{arm} takes {first[0]} for {first[1]} most often: {first[3]:.1f} of {first[2]:,} test rows, "
        f"{first[4]:.1f} % (95 % interval {first[5]:.1f} to {first[6]:.1f} %, n = {len(predicted)} seeds).",
    )
    return Table("confusions", f"Classes taken for others most often, {arm}", columns, cells), words


def _galleries(
    pictures: Sequence[KeptPicture],
    probabilities: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
) -> tuple[Gallery, ...]:
    found = []
    for why in get_args(Why):
        shown = tuple(
            _picture(one, probabilities[one.row], int(labels[one.row]), names)
            for one in pictures
            if one.why == why and 0 <= one.row < len(labels)
        )
        if shown:
            found.append(Gallery(_HEADINGS[why], shown))
    return tuple(found)


def _picture(
    one: KeptPicture, probabilities: np.ndarray, label: int, names: Sequence[str]
) -> Picture:
    predicted = int(probabilities.argmax())
    return Picture(
        url=_data_url(one.pixels),
        label=names[label],
        predicted=names[predicted],
        probability=f"{100 * float(probabilities[predicted]):.0f}\u00a0%",
        right=predicted == label,
        row=one.row,
    )


def _data_url(pixels: np.ndarray) -> str:
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    packed = io.BytesIO()
    picture.save(packed, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


def _short(name: object) -> str:
    text = clean(name)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
