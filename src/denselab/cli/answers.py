"""What `denselab predict` prints: the first rows, and what all of them come to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from denselab.cli.inputs import Input
from denselab.cli.predictions import Predictions
from denselab.cli.table import print_table

__all__ = ["print_first_rows", "sentences", "summary"]

_SHOWN = 10
_HEADER = ("row", "label", "predicted", "proba-\nbility", "entropy\nof data", "not\nknown", "set")


def summary(model: Path, given: Input, predictions: Predictions) -> dict[str, Any]:
    """Sums up what was predicted.

    Args:
        model: The file of the model.
        given: The rows.
        predictions: What the model says of them.

    Returns:
        Plain values; None for what is not known.
    """
    found, labels, calibrated = predictions.found, predictions.labels, predictions.calibrated
    about: dict[str, Any] = {
        "model": str(model),
        "data": given.name,
        "rows": len(found.classes),
        "members": predictions.members,
        "draws": [int(found.draws_used.min()), int(found.draws_used.max())],
        "converged": float(found.converged.mean()),
        "accuracy": None if labels is None else float((found.classes == labels).mean()),
        "predictive_entropy": float(found.predictive_entropy.mean()),
        "mutual_information": float(found.mutual_information.mean()),
        "coverage": predictions.coverage,
        **dict.fromkeys(("temperature", "calibration_rows", "set_size", "covered")),
    }
    if calibrated is not None:
        about["temperature"] = calibrated.temperature
        about["calibration_rows"] = calibrated.rows
        about["set_size"] = float(calibrated.sets.sum(axis=1).mean())
        if labels is not None:
            about["covered"] = float(calibrated.sets[range(len(labels)), labels].mean())
    return about


def print_first_rows(predictions: Predictions) -> None:
    """Prints the first rows as a table.

    Args:
        predictions: The predictions.
    """
    found, names = predictions.found, predictions.class_names
    lines = []
    for row in range(min(_SHOWN, len(found.classes))):
        chosen, inside = found.classes[row], predictions.set_of(row)
        lines.append(
            [
                str(row),
                "-" if predictions.labels is None else names[predictions.labels[row]],
                names[chosen],
                f"{found.probabilities[row, chosen]:.3f}",
                f"{found.expected_entropy[row]:.3f}",
                f"{found.mutual_information[row]:.3f}",
                "-" if inside is None else ", ".join(inside) or "none",
            ]
        )
    print_table(_HEADER, lines, right="r  rrr")


def sentences(about: dict[str, Any], *, first_rows: bool) -> Iterator[str]:
    """Says a summary in words.

    Args:
        about: From `summary`.
        first_rows: Whether the first rows stand above it.

    Yields:
        Lines.
    """
    low, high = about["draws"]
    drawn = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    what = "networks" if high == about["members"] else "draws"
    how = "predicted once" if high == 1 else f"the mean of {drawn} {what} each"
    more = f"; the first {_SHOWN} are shown, --out FILE writes all"
    yield (
        f"{about['rows']:,} rows of {about['data']}, {how}"
        f"{more if first_rows and about['rows'] > _SHOWN else ''}"
    )
    if about["converged"] < 1:
        yield f"{100 * about['converged']:.1f} % of them met the standard error of --until"
    if about["accuracy"] is not None:
        yield f"accuracy {100 * about['accuracy']:.2f} %"
    if about["set_size"] is not None:
        covered, warm = about["covered"], about["temperature"]
        held = "" if covered is None else f" and cover {100 * covered:.1f} % of these rows"
        tempered = "" if warm is None else f"; temperature {warm:.3f}"
        rows = (
            f"{'' if warm is None else 'both '}from {about['calibration_rows']:,} calibration rows"
        )
        yield (
            f"sets of {100 * about['coverage']:g} % coverage hold {about['set_size']:.2f} classes on "
            f"average{held}{tempered} ({rows})"
        )
    if first_rows and high > 1:
        yield (
            f"entropy of data: what the {what} agree is open; not known: what they disagree about; "
            "in nats"
        )
