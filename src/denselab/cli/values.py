"""Predictions of a quantity: as a table, in words, and summed up."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denselab.cli.predictions import check_row
from denselab.cli.table import print_table

if TYPE_CHECKING:
    import polars

    from denselab.training.predicting import Values

__all__ = [
    "ValuePredictions",
    "print_first_values",
    "significant",
    "value_frame",
    "value_sentences",
    "value_summary",
    "value_words",
]

_SHOWN = 10


@dataclass(frozen=True)
class ValuePredictions:
    """What a model says of a quantity of some rows.

    Attributes:
        found: The values, and how far members or draws are apart.
        targets: What rows have, shape (row,), or None where that is not known.
        half: Half the width of intervals; None where there are none, infinite after too small a slice.
        coverage: Probability with which an interval holds the true value.
        calibration_rows: Rows that the intervals are fitted on.
    """

    found: "Values"
    targets: np.ndarray | None
    half: float | None
    coverage: float
    calibration_rows: int = 0


def value_frame(predictions: ValuePredictions) -> "polars.DataFrame":
    """Puts predictions into a table, one line a row; docs/reference/predictions.md names the columns.

    Args:
        predictions: The predictions.

    Returns:
        The table; null where a number is not known.
    """
    import polars

    found = predictions.found
    columns: dict[str, Any] = {"row": np.arange(len(found.mean))}
    if predictions.targets is not None:
        columns["target"] = predictions.targets.astype(np.float64)
    columns["predicted"] = found.mean
    columns["standard_deviation"] = found.deviation
    if predictions.half is not None:
        half = predictions.half if math.isfinite(predictions.half) else math.nan
        columns |= {"lower": found.mean - half, "upper": found.mean + half}
    return polars.DataFrame(columns, nan_to_null=True)


def value_summary(model: Path, name: str, predictions: ValuePredictions) -> dict[str, Any]:
    """Sums up what was predicted.

    Args:
        model: The file of the model.
        name: What the rows are called.
        predictions: What the model says of them.

    Returns:
        Plain values; None for what is not known.
    """
    found, targets, half = predictions.found, predictions.targets, predictions.half
    apart = None if found.draws == 1 else float(found.deviation.mean())
    about: dict[str, Any] = {
        "model": str(model),
        "data": name,
        "rows": len(found.mean),
        "draws": [found.draws, found.draws],
        "mean": float(found.mean.mean()),
        "standard_deviation": apart,
        "coverage": predictions.coverage,
        **dict.fromkeys(("rmse", "mae", "width", "covered", "calibration_rows")),
    }
    if half is not None:
        about["calibration_rows"] = predictions.calibration_rows
        about["width"] = 2 * half if math.isfinite(half) else None
    if targets is not None:
        errors = np.abs(found.mean - targets)
        about["rmse"], about["mae"] = float(np.sqrt((errors**2).mean())), float(errors.mean())
        about["covered"] = None if half is None else float((errors <= half).mean())
    return about


def significant(value: float, digits: int = 4) -> str:
    """Writes a number with some significant digits, and without a power of ten where that can be read.

    Example:
        >>> significant(12774.3), significant(0.0123456, 2), significant(3e-9)
        ('12770', '0.012', '3e-09')
    """
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    return np.format_float_positional(value, precision=digits, fractional=False, trim="-")


def print_first_values(predictions: ValuePredictions) -> None:
    """Prints the first rows as a table.

    Args:
        predictions: The predictions.
    """
    found, half = predictions.found, predictions.half
    lines = []
    for row in range(min(_SHOWN, len(found.mean))):
        mean, apart = found.mean[row], found.deviation[row]
        interval = (
            "-" if half is None else f"{significant(mean - half)} to {significant(mean + half)}"
        )
        lines.append(
            [
                str(row),
                "-"
                if predictions.targets is None
                else significant(float(predictions.targets[row])),
                significant(mean),
                "-" if math.isnan(apart) else significant(apart, 2),
                interval,
            ]
        )
    print_table(
        ("row", "target", "predicted", "networks\ndiffer by", "interval"), lines, right="r" * 5
    )


def value_sentences(about: dict[str, Any], *, first_rows: bool) -> Iterator[str]:
    """Says a summary in words.

    Args:
        about: From `value_summary`.
        first_rows: Whether the first rows stand above it.

    Yields:
        Lines.
    """
    draws = about["draws"][1]
    how = "predicted once" if draws == 1 else f"the mean of {draws:,} networks or draws each"
    cut = first_rows and about["rows"] > _SHOWN
    more = f"; the first {_SHOWN} are shown, --out FILE writes all" if cut else ""
    yield f"{about['rows']:,} rows of {about['data']}, {how}{more}"
    if about["rmse"] is not None:
        yield f"RMSE {significant(about['rmse'])}, mean absolute error {significant(about['mae'])}"
    if about["width"] is not None:
        held = (
            "" if about["covered"] is None else f" and hold {100 * about['covered']:.1f} % of them"
        )
        yield (
            f"intervals of {100 * about['coverage']:g} % are {significant(about['width'])} wide{held} (from "
            f"{about['calibration_rows']:,} calibration rows)"
        )
    elif about["calibration_rows"]:
        yield (
            f"{about['calibration_rows']:,} calibration rows are too few for intervals of "
            f"{100 * about['coverage']:g} %; give a lower --coverage"
        )


def value_words(predictions: ValuePredictions, row: int) -> Iterator[str]:
    """Says one row in words.

    Args:
        predictions: The predictions.
        row: Its number.

    Yields:
        Sentences.

    Raises:
        UsageError: If there is no such row.
    """
    found, half = predictions.found, predictions.half
    check_row(row, len(found.mean))
    mean, apart = found.mean[row], found.deviation[row]
    truth = "" if predictions.targets is None else f"; it is {predictions.targets[row]:.6g}"
    yield f"Row {row} is predicted as {mean:.6g}{truth}."
    if not math.isnan(apart):
        yield (
            f"Its {found.draws:,} networks or draws differ by a standard deviation of {significant(apart, 3)}: "
            "what they do not know, where more training data like this row would help."
        )
    if half is not None and math.isfinite(half):
        yield (
            f"Its interval: {mean - half:.6g} to {mean + half:.6g}. Such intervals hold the true value in at "
            f"least {100 * predictions.coverage:g} % of rows like those they were fitted on."
        )
