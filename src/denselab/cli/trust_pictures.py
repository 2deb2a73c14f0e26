"""Pictures of trust: what each method reaches, what draws bring, and the rows to look at."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denselab.study.trust import LABELS, MethodScores, Metric, RecipeTrust

if TYPE_CHECKING:
    import altair

    from denselab.data import Dataset
    from denselab.report import Reliability
    from denselab.study import Study
    from denselab.study.uncertainty import Settings

__all__ = ["draw_trust"]

_MEASURES: dict[str, Metric] = {
    "accuracy": "accuracy",
    "negative_log_likelihood": "loss",
    "expected_calibration_error": "calibration_error",
    "aurc": "aurc",
}
"""What the pictures call a score -> what the records call it."""

_REFERENCES = ("deterministic", "temperature", "ensemble")
"""What draws are held against; more lines would lie upon one another."""


def draw_trust(
    study: "Study",
    dataset: "Dataset",
    trusts: tuple[RecipeTrust, ...],
    settings: "Settings",
    folder: Path,
) -> list[str]:
    """Draws all pictures of a measurement as SVG, which follows a light or dark page.

    Args:
        study: The study.
        dataset: Its data.
        trusts: What was measured.
        settings: How.
        folder: Where the pictures go; made if need be.

    Returns:
        Paths of the pictures.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If the folder cannot be written to.
    """
    from denselab.report import save_chart
    from denselab.study.files import make_folders, writing

    with writing(folder):
        make_folders(folder)
    paths = []
    for name, chart in _charts(study, dataset, trusts, settings):
        save_chart(chart, folder / f"{name}.svg")
        paths.append(str(folder / f"{name}.svg"))
    return paths


def _charts(
    study: "Study", dataset: "Dataset", trusts: tuple[RecipeTrust, ...], settings: "Settings"
) -> "Iterator[tuple[str, altair.TopLevelMixin]]":
    from denselab.report import comparison_chart, draws_chart, reliability_chart

    for trust in trusts:
        scores = {LABELS[one.method]: _values(one) for one in trust.methods}
        yield f"{trust.recipe}-methods", comparison_chart(scores, title=_title(trust, "methods"))
        curves = {LABELS[one.method]: _reliability(one) for one in trust.methods}
        yield (
            f"{trust.recipe}-reliability",
            reliability_chart(curves, title=f"{trust.recipe}, seed {trust.seeds[0]}: reliability"),
        )
        if trust.curve is not None:
            yield (
                f"{trust.recipe}-draws",
                draws_chart(
                    _quality(trust), references=_references(trust), title=_title(trust, "draws")
                ),
            )
    if any(trust.curve is not None or _draws(trust) for trust in trusts):
        yield "rows", _rows(study, dataset, trusts, settings)


def _values(method: MethodScores) -> dict[str, list[float]]:
    """Lists a value a seed; an ensemble is one, so it has one value."""
    return {
        shown: [method.value(metric)] if method.whole else list(method.values[metric])
        for shown, metric in _MEASURES.items()
    }


def _reliability(method: MethodScores) -> "Reliability":
    from denselab.report import Reliability

    return Reliability(*map(np.array, method.reliability))


def _quality(trust: RecipeTrust) -> dict[str, dict[int, list[float]]]:
    curve = trust.curve
    assert curve is not None
    return {
        shown: {n: list(at) for n, at in zip(curve.draws, curve.values[metric], strict=True)}
        for shown, metric in _MEASURES.items()
        if metric in ("loss", "calibration_error")
    }


def _references(trust: RecipeTrust) -> dict[str, dict[str, float]]:
    others = [one for one in trust.methods if one.method in _REFERENCES]
    return {
        shown: {LABELS[one.method]: one.value(metric) for one in others}
        for shown, metric in _MEASURES.items()
        if metric in ("loss", "calibration_error")
    }


def _rows(
    study: "Study", dataset: "Dataset", trusts: tuple[RecipeTrust, ...], settings: "Settings"
) -> "altair.TopLevelMixin":
    from denselab.report import RowPanel, notable_rows, row_chart
    from denselab.study.extremes import drawn_rows

    name = next(trust.recipe for trust in trusts if _draws(trust))
    found = drawn_rows(study, dataset, choose=notable_rows, recipe=name, settings=settings)
    panels = [
        RowPanel(row, why, found.draws[:, place], *_about(dataset, row))
        for place, (row, why) in enumerate(found.chosen)
    ]
    title = f"{found.recipe}, seed {found.seed}: test rows, a dot a draw"
    return row_chart(panels, dataset.class_names or (), title=title)


def _about(dataset: "Dataset", row: int) -> tuple[int, np.ndarray | None]:
    assert dataset.test_x is not None
    assert dataset.test_y is not None
    image = dataset.image_shape
    pixels = None if image is None else dataset.test_x[row].reshape(image)
    return int(dataset.test_y[row]), pixels


def _draws(trust: RecipeTrust) -> bool:
    return any(one.method == "mc" for one in trust.methods)


def _title(trust: RecipeTrust, what: str) -> str:
    return f"{trust.recipe}: {what}, n = {len(trust.seeds)} seeds"
