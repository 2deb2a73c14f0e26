"""How far probabilities can be trusted: ways to predict, reliability, number of draws."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from denselab.report.contents import Figure, Section
from denselab.report.evidence import Evidence
from denselab.report.reliability import Reliability, reliability_chart
from denselab.report.tables import Cell, Column, Table, clean
from denselab.report.uncertainty import comparison_chart, draws_chart
from denselab.study import TrialRecord, read_predictions
from denselab.study.judgement import labels_of

__all__ = ["uncertainty"]

_DOCUMENT = "uncertainty"
_BINS = 15
_IN_A_ROW = 4
_METRICS = {
    "accuracy": "accuracy",
    "loss": "negative_log_likelihood",
    "calibration_error": "expected_calibration_error",
    "aurc": "aurc",
}
"""Names in the document -> names of the charts."""

_SHOWN = tuple(_METRICS.values())[:3]
"""What a page has room for; the table has the rest."""

_METHODS = {
    "deterministic": ("one pass", "the network by itself, without dropout"),
    "temperature": ("one pass, temperature", "the same, its logits divided by one number"),
    "mc": ("MC dropout", "the mean of many draws with dropout active"),
    "mc_temperature": ("MC dropout, temperature", "the same, sharpened or softened by one number"),
    "ensemble": ("ensemble", "the mean of the networks of all seeds"),
    "ensemble_temperature": (
        "ensemble, temperature",
        "the same, sharpened or softened by one number",
    ),
}
"""Method -> what it is called, and what it is. The room `study` has labels, beside all of scipy.stats."""


def uncertainty(evidence: Evidence) -> Section | None:
    """Shows how good the probabilities of a study are.

    Args:
        evidence: The study; its document "uncertainty" holds what `denselab uncertainty` measured.

    Returns:
        The section; None without that document and without predictions.
    """
    document = evidence.study.documents.get(_DOCUMENT)
    measured = document["recipes"] if document else []
    draws = int(document["draws"]) if document else 0
    figures = [*_reliability(evidence)]
    for one in measured:
        figures += _figures(one, draws)
    if not figures:
        return None
    tables = (_table(measured),) if measured else ()
    words = tuple(sentence for one in measured for sentence in _sentences(one))
    notes = _notes(measured) if measured else ()
    return Section("uncertainty", "Uncertainty", words, tuple(figures), tables, notes)


def _figures(one: Mapping[str, Any], draws: int) -> list[Figure]:
    name, n = clean(one["recipe"]), len(one["seeds"])
    scores = {_label(method): _scores(method) for method in one["methods"]}
    figures = [
        Figure(
            f"methods-{name}",
            f"{name}: ways to predict",
            f"A dot is a seed (n = {n}), the diamond their mean, the line its 95 % interval; there is one "
            f"ensemble, so it has no interval. MC dropout: {draws} draws.",
            comparison_chart(scores, measures=_SHOWN, title=f"{name}: ways to predict"),
            fixed=True,
        )
    ]
    curve = one.get("curve")
    if curve:
        quality = {
            _METRICS[metric]: dict(zip(curve["draws"], values, strict=True))
            for metric, values in curve["values"].items()
            if metric in ("loss", "calibration_error")
        }
        figures.append(
            Figure(
                f"draws-{name}",
                f"{name}: what more draws bring",
                f"Thin lines are seeds (n = {n}), the thick one their mean; shaded: ± one standard deviation.",
                draws_chart(quality, title=f"{name}: what more draws bring"),
                fixed=True,
            )
        )
    return figures


def _scores(method: Mapping[str, Any]) -> dict[str, list[float]]:
    # The values of an ensemble are those with one member left out: no sample of ensembles.
    jackknife = method["spread"] != "standard deviation"
    return {
        shown: [method["scores"][metric]["value"]]
        if jackknife
        else list(method["scores"][metric]["values"])
        for metric, shown in _METRICS.items()
    }


def _reliability(evidence: Evidence) -> list[Figure]:
    """Draws reliability from the predictions that the study keeps of every trial."""
    labels = labels_of(evidence.study)
    if labels is None or not len(labels) or evidence.regression:
        return []
    curves = {}
    for name in evidence.names:
        kept = [trial for trial in evidence.sound(name) if trial.predictions is not None]
        if kept:
            curves[clean(name)] = _curve(evidence, kept, labels)
    caption = (
        "How often predictions are right, by how sure they are: means over seeds, with 95 % intervals for as many "
        "rows as there are. Bars are shares of the test rows. Below the diagonal a network is too sure."
    )
    title = "How sure, and how often right"
    names = list(curves)
    rows = [names[place : place + _IN_A_ROW] for place in range(0, len(names), _IN_A_ROW)]
    return [
        Figure(
            f"reliability-{place + 1}",
            title if place == 0 else f"{title}, continued",
            caption if place == 0 else "As above.",
            reliability_chart({name: curves[name] for name in row}, title=title),
            fixed=True,
        )
        for place, row in enumerate(rows)
    ]


def _curve(evidence: Evidence, trials: Sequence[TrialRecord], labels: np.ndarray) -> Reliability:
    sums = np.zeros((3, _BINS))
    for trial in trials:
        probabilities = read_predictions(evidence.study, trial)["test"]
        sure = probabilities.max(axis=1).astype(float)
        right = probabilities.argmax(axis=1) == labels
        place = np.clip(np.ceil(sure * _BINS).astype(int) - 1, 0, _BINS - 1)
        for row, weights in enumerate((None, sure, right.astype(float))):
            sums[row] += np.bincount(place, weights=weights, minlength=_BINS)
    some = np.maximum(sums[0], 1)
    # The rows are the same for every seed, so pooling them would make intervals too short.
    return Reliability(sums[0] / len(trials), sums[1] / some, sums[2] / some)


def _table(measured: Sequence[Mapping[str, Any]]) -> Table:
    columns = (
        Column("recipe"),
        Column("prediction"),
        Column("passes", ".1f"),
        Column("n", "d"),
        *(
            column
            for title, form in (
                ("accuracy, %", ".2f"),
                ("log loss, nats", ".4f"),
                ("ECE, %", ".2f"),
                ("AURC, %", ".2f"),
            )
            for column in (Column(title, form), Column("±", form))
        ),
    )
    rows = tuple(_cells(one, method) for one in measured for method in one["methods"])
    title = "Ways to predict; ± is the standard deviation over seeds, of an ensemble the jackknife's standard error"
    return Table("uncertainty", title, columns, rows)


def _cells(one: Mapping[str, Any], method: Mapping[str, Any]) -> tuple[Cell, ...]:
    cells: list[Cell] = [one["recipe"], _label(method), method["passes"], len(one["seeds"])]
    for metric in _METRICS:
        scale, score = 1 if metric == "loss" else 100, method["scores"][metric]
        cells.append(scale * score["value"])
        cells.append(None if score["spread"] is None else scale * score["spread"])
    return tuple(cells)


def _sentences(one: Mapping[str, Any]) -> list[str]:
    name = clean(one["recipe"])
    words = []
    temperatures = one["temperatures"].get("temperature")
    if temperatures:
        mean = fmean(temperatures)
        sd = f" ± {stdev(temperatures):.2f}" if len(temperatures) > 1 else ""
        manner = "too sure" if mean > 1 else "not sure enough"
        words.append(
            f"{name}: a network by itself is {manner}; temperature {mean:.2f}{sd} (n = {len(temperatures)})."
        )
    if one.get("curve"):
        words.append(
            f"{name}: {one['curve']['sufficient']:,} draws are as good as {one['curve']['draws'][-1]:,}."
        )
    sets = one.get("conformal")
    if sets:
        words.append(
            f"{name}: prediction sets made for {100 * sets['nominal']:g} % hold the truth in "
            f"{100 * fmean(sets['coverage']):.1f} % of test rows, with {fmean(sets['size']):.2f} classes on "
            f"average (n = {len(sets['coverage'])}); over {len(sets['resplit'])} new splits in "
            f"{100 * min(sets['resplit']):.1f} to {100 * max(sets['resplit']):.1f} %."
        )
    return [*words, *(f"{name}: {clean(note)}." for note in one.get("notes", ()))]


def _label(method: Mapping[str, Any]) -> str:
    name = str(method["method"])
    return _METHODS[name][0] if name in _METHODS else clean(name).replace("_", " ")


def _notes(measured: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    there = {method["method"] for one in measured for method in one["methods"]}
    return (
        *(f"{label}: {what}." for name, (label, what) in _METHODS.items() if name in there),
        "passes: multiply-adds of a prediction, one pass of one network being 1. ECE: expected calibration "
        "error in 15 bins. AURC: area under the risk-coverage curve; lower is better.",
    )
