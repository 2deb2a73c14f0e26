"""Predictions as a table: its columns, its files, and one row of it in words."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denselab.errors import UsageError

if TYPE_CHECKING:
    import polars

    from denselab.training.predicting import Calibrated
    from denselab.uncertainty import ClassificationDraws

__all__ = ["FORMATS", "Predictions", "check_row", "csv_cell", "explained", "frame", "write_frame"]

FORMATS = (".parquet", ".csv")

_FORMULA = tuple("=+-@\t\r")
_BETWEEN = " | "
_SURE = ((0.99, "almost certain"), (0.9, "sure"), (0.7, "fairly sure"), (0.0, "unsure"))


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows.

    Attributes:
        class_names: Printable names of the classes, each different.
        found: Probabilities and their uncertainty.
        labels: Classes that the rows have, shape (row,), or None where that is not known.
        calibrated: Prediction sets and tempered probabilities, or None where there are none.
        coverage: Probability with which a set holds the true class.
        members: Number of networks that the model averages.
    """

    class_names: tuple[str, ...]
    found: "ClassificationDraws"
    labels: np.ndarray | None
    calibrated: "Calibrated | None"
    coverage: float
    members: int = 1

    def set_of(self, row: int) -> list[str] | None:
        """Names the classes in the prediction set of a row, the most probable first."""
        if self.calibrated is None:
            return None
        order = np.argsort(-self.found.probabilities[row], kind="stable")
        return [self.class_names[c] for c in order if self.calibrated.sets[row, c]]


def frame(predictions: Predictions) -> "polars.DataFrame":
    """Puts predictions into a table, one line a row; docs/reference/predictions.md names the columns.

    Args:
        predictions: The predictions.

    Returns:
        The table; sets are lists.
    """
    import polars

    found, names = predictions.found, predictions.class_names
    rows, chosen = np.arange(len(found.probabilities)), found.classes
    columns: dict[str, Any] = {"row": rows}
    if predictions.labels is not None:
        columns["label"] = [names[label] for label in predictions.labels]
    columns["predicted"] = [names[number] for number in chosen]
    columns["probability"] = found.probabilities[rows, chosen]
    for number, name in enumerate(names):
        columns[f"probability_{name}"] = found.probabilities[:, number]
    columns["predictive_entropy"] = found.predictive_entropy
    columns["expected_entropy"] = found.expected_entropy
    columns["mutual_information"] = found.mutual_information
    columns["variation_ratio"] = found.variation_ratio
    columns["standard_error"] = found.standard_errors[rows, chosen]
    columns["draws_used"] = found.draws_used.astype(np.int64)
    calibrated = predictions.calibrated
    if calibrated is not None:
        if calibrated.temperature is not None:
            columns["calibrated_probability"] = calibrated.probabilities[rows, chosen]
        columns["prediction_set"] = [predictions.set_of(row) for row in range(len(rows))]
    kinds = {"prediction_set": polars.List(polars.String)} if calibrated is not None else {}
    return polars.DataFrame(columns, schema_overrides=kinds, nan_to_null=True)


def write_frame(table: "polars.DataFrame", path: Path) -> None:
    """Writes a table as Parquet or CSV, whole or not at all.

    Args:
        table: From `frame`.
        path: The file; its ending is one of `FORMATS`.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If it cannot be written to, or has another ending.
    """
    from denselab.study.files import write_whole, writing

    packed = io.BytesIO()
    if path.suffix == ".parquet":
        table.write_parquet(packed)
    elif path.suffix == ".csv":
        _as_text(table).write_csv(packed, quote_style="non_numeric")
    else:
        raise UsageError(f"{path}: ends in {path.suffix!r}; give one of {', '.join(FORMATS)}")
    with writing(path):
        write_whole(path, packed.getvalue())


def csv_cell(text: str) -> str:
    """Makes text safe for a spreadsheet, which would compute what begins like a formula.

    Args:
        text: A name.

    Returns:
        The same, with an apostrophe before it unless it is a number or begins like no formula.

    Example:
        >>> csv_cell("=1+1"), csv_cell("-1"), csv_cell("cat")
        ("'=1+1", '-1', 'cat')
    """
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def check_row(row: int, rows: int) -> None:
    """Refuses to explain a row that is not there.

    Args:
        row: Its number.
        rows: How many there are.

    Raises:
        UsageError: If there is no such row.
    """
    if not 0 <= row < rows:
        raise UsageError(f"--explain {row}: there is no such row; give one from 0 to {rows - 1}")


def explained(predictions: Predictions, row: int) -> Iterator[str]:
    """Says one row in words.

    Args:
        predictions: The predictions.
        row: Its number.

    Yields:
        Sentences.

    Raises:
        UsageError: If there is no such row.
    """
    found, names = predictions.found, predictions.class_names
    check_row(row, len(found.probabilities))
    p = found.probabilities[row]
    first, second = np.argsort(-p, kind="stable")[:2]
    yield f"Row {row} is predicted as {names[first]}{_truth(predictions, row, int(first))}."
    words = next(word for least, word in _SURE if p[first] >= least)
    error = found.standard_errors[row, first]
    about = "" if math.isnan(error) else f" (standard error {error:.2g})"
    yield (
        f"The network is {words}: {names[first]} has probability {p[first]:.3f}{about}, "
        f"{names[second]} comes second with {p[second]:.3f}."
    )
    yield from _parts(found, row)
    inside = predictions.set_of(row)
    if inside is not None:
        listed = ", ".join(inside) or "no class: none is typical enough"
        yield (
            f"Its prediction set: {listed}. Such sets hold the true class in at least "
            f"{100 * predictions.coverage:g} % of rows like those it was calibrated on."
        )


def _truth(predictions: Predictions, row: int, predicted: int) -> str:
    if predictions.labels is None:
        return ""
    label = int(predictions.labels[row])
    return (
        ", and so it is" if label == predicted else f", but it is {predictions.class_names[label]}"
    )


def _parts(found: "ClassificationDraws", row: int) -> Iterator[str]:
    total, most = found.predictive_entropy[row], math.log(found.probabilities.shape[1])
    drawn, unknown = int(found.draws_used[row]), found.mutual_information[row]
    yield f"Its uncertainty is {total:.3f} nats, where {most:.3f} would be a guess among all classes."
    if drawn == 1:
        yield "It was predicted once, so what the network does not know cannot be told apart."
        return
    share = 100 * unknown / total if total > 0 else 0.0
    yield (
        f"Of that, {found.expected_entropy[row]:.3f} nats ({100 - share:.0f} %) are ambiguity of the "
        f"data itself, as the network sees it: its {drawn:,} draws agree that the row is open. "
        f"{unknown:.3f} nats ({share:.0f} %) are what the network does not know: there the draws "
        "disagree, and more training data like this row would help."
    )
    other = round(found.variation_ratio[row] * drawn)
    yield f"{other:,} of {drawn:,} draws put another class first than most do."


def _as_text(table: "polars.DataFrame") -> "polars.DataFrame":
    import polars

    def cells(values: Sequence[str]) -> list[str]:
        return [csv_cell(value) for value in values]

    changed = [
        polars.Series(name, cells(table[name].to_list()))
        for name in ("label", "predicted")
        if name in table.columns and table[name].dtype == polars.String
    ]
    if "prediction_set" in table.columns:
        sets = [_BETWEEN.join(inside) for inside in table["prediction_set"].to_list()]
        changed.append(polars.Series("prediction_set", cells(sets)))
    return table.with_columns(changed)
