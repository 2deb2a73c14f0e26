"""The rows worth looking at: those a network is most sure of, least sure of, and wrong about."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int, Num

from denselab.errors import UsageError
from denselab.report.drawing import GREY, PALETTE

if TYPE_CHECKING:
    import altair

__all__ = ["Reason", "RowPanel", "notable_rows", "row_chart"]

Reason = Literal["most certain", "most uncertain", "most surprising"]
"""Why a row is shown; surprising is one that is wrong and sure of it."""

_MOST_CLASSES, _MOST_DRAWS = 5, 200
_INK = "#1f2328"
_PREDICTED, _TRUE = PALETTE[2], PALETTE[1]
_IMAGE_SIZE, _STRIP, _LONGEST = 84, 26, 16


@dataclass(frozen=True)
class RowPanel:
    """One row with its predictive distribution over the draws.

    Attributes:
        row: Its number.
        why: Why it is shown.
        draws: Class probabilities of each draw, shape (draw, class).
        label: Its true class, or None where that is not known.
        pixels: Its image, shape (height, width, channel), or None where rows are no images.
    """

    row: int
    why: Reason
    draws: Float[np.ndarray, "draw class"]
    label: int | None = None
    pixels: Num[np.ndarray, "height width channel"] | None = None


def notable_rows(
    probabilities: Float[np.ndarray, "row class"],
    entropy: Float[np.ndarray, " row"],
    labels: Int[np.ndarray, " row"] | None,
    *,
    count: int = 3,
) -> list[tuple[int, Reason]]:
    """Chooses the rows worth looking at, none twice.

    Args:
        probabilities: Mean class probabilities.
        entropy: Predictive entropy of each row.
        labels: True classes, or None: then nothing can surprise.
        count: How many of each kind.

    Returns:
        Row and reason: certain ones by rising entropy, uncertain ones by falling entropy, and those
        that are wrong by falling probability of the predicted class.

    Example:
        >>> probabilities = np.array([[0.99, 0.01], [0.5, 0.5], [0.9, 0.1]])
        >>> notable_rows(probabilities, np.array([0.1, 0.7, 0.3]), np.array([0, 0, 1]), count=1)
        [(0, 'most certain'), (1, 'most uncertain'), (2, 'most surprising')]
    """
    sure = np.argsort(entropy, kind="stable")
    orders: dict[Reason, np.ndarray] = {"most certain": sure, "most uncertain": sure[::-1]}
    surprising = np.zeros(0, int)
    if labels is not None:
        confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
        by_confidence = np.argsort(-confidence, kind="stable")
        surprising = by_confidence[wrong[by_confidence]][:count]
    taken = set(surprising.tolist())
    chosen: list[tuple[int, Reason]] = []
    for why, order in orders.items():
        fresh = [int(row) for row in order if int(row) not in taken][:count]
        taken.update(fresh)
        for row in fresh:
            chosen.append((row, why))
    for row in surprising.tolist():
        chosen.append((row, "most surprising"))
    return chosen


def row_chart(
    panels: Sequence[RowPanel], class_names: Sequence[str], *, title: str
) -> "altair.HConcatChart":
    """Shows rows with every draw as a dot, in a column for each reason.

    Args:
        panels: The rows.
        class_names: Names of the classes.
        title: What stands above.

    Returns:
        The chart.

    Raises:
        UsageError: If there is no row.
    """
    import altair as alt

    if not panels:
        raise UsageError("there is no row to draw; give at least one")
    columns = []
    ends = _ends(panels)
    for why in get_args(Reason):
        chosen = [panel for panel in panels if panel.why == why]
        if chosen:
            drawn = [_panel(panel, class_names, ends) for panel in chosen]
            heading = alt.Title(why, fontSize=13, offset=14)
            columns.append(alt.vconcat(*drawn, spacing=22).properties(title=heading))
    subtitle = _subtitle(panels, len(class_names))
    return alt.hconcat(*columns, spacing=44).properties(
        title=alt.Title(title, subtitle=subtitle, fontSize=15, offset=22)
    )


def _subtitle(panels: Sequence[RowPanel], classes: int) -> list[str]:
    draws = max(len(panel.draws) for panel in panels)
    dots = "each dot is one draw, the bar their mean" if draws > 1 else "one prediction, no draws"
    shown = f"; the {_MOST_CLASSES} most probable of {classes} classes" if classes > 5 else ""
    known = any(panel.label is not None for panel in panels)
    truth = "; orange: the true class where it is another" if known else ""
    return [f"Probability of each class: {dots}{shown}.", f"Blue: the predicted class{truth}."]


def _panel(panel: RowPanel, class_names: Sequence[str], ends: tuple[float, float]) -> Any:
    import altair as alt

    mean = panel.draws.mean(axis=0)
    shown = _shown_classes(mean, panel.label)
    strips = _strips(panel, mean, [(number, class_names[number]) for number in shown])
    predicted = int(mean.argmax())
    words = f"row {panel.row}: {_short(class_names[predicted])} ({mean[predicted]:.2f})"
    if panel.label is not None and panel.label != predicted:
        words += f", but it is {_short(class_names[panel.label])}"
    strips = strips.properties(title=alt.Title(words, fontSize=11, fontWeight="normal", offset=6))
    if panel.pixels is None:
        return strips
    return alt.hconcat(_image(panel.pixels, ends, _STRIP * len(shown)), strips, spacing=12)


def _shown_classes(mean: np.ndarray, label: int | None) -> list[int]:
    order = [int(number) for number in np.argsort(-mean, kind="stable")]
    shown = order[:_MOST_CLASSES]
    if label is not None and label not in shown:
        shown = [*shown[:-1], label]
    return shown


def _strips(panel: RowPanel, mean: np.ndarray, classes: Sequence[tuple[int, str]]) -> Any:
    import altair as alt

    dots, means = _dots(panel, mean, classes)
    x = alt.X(
        "p:Q",
        scale=alt.Scale(domain=[0, 1], nice=False),
        axis=alt.Axis(values=[0, 0.5, 1], format="~g", title=None, domain=False, ticks=False),
    )
    lanes = alt.Scale(domain=[-0.5, len(classes) - 0.5], reverse=True, nice=False)
    y = alt.Y("at:Q", scale=lanes, axis=None)
    colour = alt.Color("colour:N", scale=None)
    cloud = alt.Chart(_data(dots)).mark_circle(size=16, opacity=0.4).encode(x=x, y=y, color=colour)
    base = alt.Chart(_data(means))
    bar = base.mark_tick(thickness=2.5, size=_STRIP * 0.8, opacity=1)
    named = base.mark_text(align="right", dx=-8, color=_INK, fontSize=11)
    layers = [
        *([cloud] if len(panel.draws) > 1 else []),
        bar.encode(x=x, y=y, color=colour),
        named.encode(x=alt.value(0), y=y, text="name:N"),
    ]
    return alt.layer(*layers).properties(width=210, height=_STRIP * len(classes))


def _dots(
    panel: RowPanel, mean: np.ndarray, classes: Sequence[tuple[int, str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Places the draws, and their means, in the lanes of the classes."""
    draws, predicted = panel.draws[:_MOST_DRAWS], int(mean.argmax())
    spread = _scatter(draws)
    dots, means = [], []
    for lane, (number, name) in enumerate(classes):
        others = _TRUE if number == panel.label else GREY
        key = {"name": _short(name), "colour": _PREDICTED if number == predicted else others}
        means.append({**key, "p": float(mean[number]), "at": lane})
        dots += [
            {**key, "p": float(p), "at": lane + 0.62 * float(off)}
            for p, off in zip(draws[:, number], spread[:, number], strict=True)
        ]
    return dots, means


def _scatter(draws: np.ndarray) -> np.ndarray:
    """Spreads dots across their strip where many lie close, as a violin does, without randomness."""
    count = len(draws)
    # Van der Corput's sequence fills an interval evenly; the denser a place, the wider.
    even = np.array([int(f"{place:016b}"[::-1], 2) / 2**16 - 0.5 for place in range(count)])
    widths = np.empty(draws.shape)
    for number in range(draws.shape[1]):
        p = draws[:, number]
        near = (np.abs(p[:, None] - p[None, :]) < 0.03).mean(axis=1)
        widths[:, number] = near / near.max()
    return even[:, None] * widths


def _ends(panels: Sequence[RowPanel]) -> tuple[float, float]:
    """Gives the darkest and brightest value of all images, so that they can be compared."""
    pixels = [panel.pixels for panel in panels if panel.pixels is not None]
    if not pixels:
        return 0.0, 1.0
    if pixels[0].dtype == np.uint8 and max(int(image.max()) for image in pixels) > 1:
        return 0.0, 255.0
    return min(float(image.min()) for image in pixels), max(float(i.max()) for i in pixels)


def _image(pixels: np.ndarray, ends: tuple[float, float], height: int) -> Any:
    import altair as alt

    size = min(_IMAGE_SIZE, height)
    base = alt.Chart(_data([{"url": _data_url(pixels, ends), "a": 0, "b": 0}]))
    image = base.mark_image(width=size, height=size).encode(
        x=alt.value(size / 2), y=alt.value(height / 2), url="url:N"
    )
    return alt.layer(image).properties(width=size, height=height)


def _data_url(pixels: np.ndarray, ends: tuple[float, float]) -> str:
    from PIL import Image

    low, high = ends
    scaled = (pixels.astype(np.float64) - low) / max(high - low, 1e-12)
    grey = np.clip(255 * scaled, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey[..., 0] if grey.shape[2] == 1 else grey)
    times = max(1, 192 // max(picture.size))
    larger = picture.resize(
        (picture.width * times, picture.height * times), Image.Resampling.NEAREST
    )
    packed = io.BytesIO()
    larger.save(packed, "PNG")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _data(rows: Sequence[dict[str, Any]]) -> "altair.Data":
    import altair as alt

    return alt.Data(values=list(rows))
