"""What a model is to predict: rows of a data set or a file, their labels, and the names of classes."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from denselab.cli.options import DataOptions
from denselab.cli.rows import is_file_name, read_rows
from denselab.cli.selection import selected_data
from denselab.cli.tables import ReadingOptions, csv_format
from denselab.cli.training_data import is_table
from denselab.data import Dataset, Reading, Table, is_image_folder, names, read_table
from denselab.data.arrays import clean_name
from denselab.data.images import holds_pictures, read_pictures
from denselab.data.tables import rows_fingerprint
from denselab.errors import DataError, UsageError
from denselab.training import LoadedModel
from denselab.training.saving import calibration_slice

__all__ = [
    "Input",
    "class_names",
    "class_numbers",
    "given_rows",
    "model_reading",
    "seen",
    "table_rows",
    "why_not_calibrated",
]


@dataclass(frozen=True)
class Input:
    """Rows to predict, with what is known of them.

    Attributes:
        name: What they are called.
        x: Inputs, shape (row, ...).
        y: Labels or targets as they come, shape (row,), or None.
        dataset: The data set they are of; None for a file.
        image_shape: Height, width and channels where a row is an image.
        table: The table they are of, if the model was trained on one.
        unlabelled: Why the labels of a table are left out; empty where there are none, or they are used.
    """

    name: str
    x: np.ndarray
    y: np.ndarray | None
    dataset: Dataset | None
    image_shape: tuple[int, int, int] | None
    table: Table | None = None
    unlabelled: str = ""


def given_rows(
    data: str,
    where: DataOptions,
    rows: Literal["test", "train", "all"] | None,
    loaded: LoadedModel,
    how: ReadingOptions | None = None,
) -> Input:
    """Loads what is to be predicted.

    Args:
        data: Name of a data set, or of a file.
        where: Where data sets come from.
        rows: Which rows of a data set; None for those that test.
        loaded: The model, which says which rows it set apart to calibrate on, and how it reads tables.
        how: How a table is read, where that differs from the one the model was trained on.

    Returns:
        The rows.

    Raises:
        UsageError: If some rows of a file are asked for.
        DenselabError: If the data cannot be had or used.
    """
    about = loaded.description
    file = loaded.preprocessing is not None or is_file_name(data)
    if file and rows not in (None, "all"):
        raise UsageError(f"--rows {rows}: {data} is a file, which is predicted whole")
    if loaded.preprocessing is not None:
        return table_rows(data, loaded, how or ReadingOptions())
    _check_no_table(data, how)
    if file:
        found = read_rows(Path(data))
        shape = about.image_shape if about is not None else None
        return Input(data, found.x, found.y, None, _image_shape(found.x, shape))
    if data not in names() and is_image_folder(data) and holds_pictures(data):
        if rows not in (None, "all"):
            raise UsageError(
                f"--rows {rows}: {data} holds pictures without classes, predicted whole"
            )
        x = _pictures(data, where, about.image_shape if about is not None else None)
        return Input(data, x, None, None, _image_shape(x, None))
    slice_ = about.calibration if about is not None else None
    dataset = selected_data(data, where, calibration=slice_.fraction if slice_ else 0.0)
    test = (dataset.test_x, dataset.test_y)
    parts = {
        "train": [(dataset.x, dataset.y)],
        "test": [test],
        "all": [(dataset.x, dataset.y), (dataset.calibration_x, dataset.calibration_y), test],
    }
    arrays = [part for part in parts[rows or "test"] if part[0] is not None]
    x, y = (np.concatenate([part[place] for part in arrays]) for place in (0, 1))
    return Input(dataset.name, x, y, dataset, dataset.image_shape)


def table_rows(data: str, loaded: LoadedModel, how: ReadingOptions) -> Input:
    """Reads a table for a model that was trained on one.

    Args:
        data: The file.
        loaded: The model with its preprocessing.
        how: How the file is read, where that differs from the one the model was trained on.

    Returns:
        The rows; `y` is None where the target is no column, or not one that can be used.

    Raises:
        UsageError: If it is the name of a data set.
        DenselabError: If the file cannot be read, or lacks columns.
    """
    preprocessing = loaded.preprocessing
    assert preprocessing is not None
    if not is_table(data):
        raise UsageError(
            f"{data}: the model was trained on columns of a table; give a CSV, Parquet, npz or npy file"
        )
    table = read_table(data, reading=model_reading(loaded, how))
    x = preprocessing.transform(table)
    y, unlabelled = None, ""
    if preprocessing.target.name in table.frame.columns:
        try:
            y = preprocessing.transform_target(table)
        except DataError as error:
            unlabelled = str(error)
    return Input(data, x, y, None, None, table, unlabelled)


def model_reading(loaded: LoadedModel, how: ReadingOptions) -> Reading:
    """Says how a table is read for a model: as was asked for, else as the one was that it was trained on."""
    about = loaded.description
    csv, missing = csv_format(how, None if about is None else about.table)
    return Reading(csv=csv, missing=missing)


def seen(loaded: LoadedModel, given: Input) -> bool:
    """Tells whether rows are all those of the table that a model was trained on."""
    about = None if loaded.description is None else loaded.description.table
    if about is None or given.table is None or given.y is None or loaded.preprocessing is None:
        return False
    return rows_fingerprint(given.table, loaded.preprocessing) == about.fingerprint


def _check_no_table(data: str, how: ReadingOptions | None) -> None:
    if is_table(data) and not is_file_name(data):
        raise UsageError(
            f"{data}: the model was not trained on a table; give a data set, or a .npz or .npy of its inputs"
        )
    if how not in (None, ReadingOptions()):
        raise UsageError("--delimiter and what else is said of tables needs a model of a table")


def _pictures(folder: str, where: DataOptions, known: tuple[int, int, int] | None) -> np.ndarray:
    """Reads pictures as a model takes them: of its size, and coloured where it takes colours."""
    x = read_pictures(folder, size=where.image_size)
    if known is None:
        return x
    if x.shape[1:3] != known[:2]:
        square = f"; --image-size {known[0]} resizes them" if known[0] == known[1] else ""
        raise DataError(
            f"{folder}: pictures of {x.shape[2]} x {x.shape[1]} pixels, the model takes {known[1]} x "
            f"{known[0]}{square}"
        )
    return np.repeat(x, 3, axis=3) if (x.shape[3], known[2]) == (1, 3) else x


def _image_shape(x: np.ndarray, known: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    if x.ndim == 4 and x.shape[3] in (1, 3, 4):
        return (x.shape[1], x.shape[2], x.shape[3])
    return known if known is not None and math.prod(known) == math.prod(x.shape[1:]) else None


def class_names(path: Path, loaded: LoadedModel, given: Input, classes: int) -> tuple[str, ...]:
    """Finds names for the classes of a model: those of the data, or of the model, or numbers.

    Args:
        path: The file of the model.
        loaded: The model.
        given: The rows.
        classes: How many it tells apart.

    Returns:
        Printable names, each different.

    Raises:
        DataError: If there are more or fewer names than classes.
    """
    about, dataset = loaded.description, given.dataset
    known = dataset.class_names if dataset is not None else about.class_names if about else None
    if known is None:
        known = tuple(map(str, range(classes)))
    if len(known) != classes:
        whose = given.name if dataset is not None else "its own description"
        raise DataError(
            f"{path}: gives {classes} classes, {whose} names {len(known)}; predict the data it was "
            "trained for"
        )
    names: list[str] = []
    for number, name in enumerate(known):
        printable = clean_name(name) or f"class {number}"
        names.append(printable if printable not in names else f"{printable} ({number})")
    return tuple(names)


def class_numbers(given: Input, names: tuple[str, ...]) -> np.ndarray:
    """Reads labels as numbers of classes: as they are in a data set, by name or number in a file.

    Args:
        given: The rows, with labels.
        names: Names of the classes.

    Returns:
        Whole numbers from 0, shape (row,).

    Raises:
        DataError: If a label is no class.
    """
    assert given.y is not None
    if given.dataset is not None or given.table is not None:
        return given.y
    by_name = {name: number for number, name in enumerate(names)}
    values, places = np.unique(given.y, return_inverse=True)
    numbers = given.y.dtype.kind in "biu"
    if numbers and values[0] >= 0 and values[-1] < len(names):
        return given.y.astype(np.int64)
    unknown = [clean_name(value) for value in values.tolist() if str(value) not in by_name]
    if unknown:
        worst = unknown[-1] if numbers and values[-1] >= len(names) else unknown[0]
        raise DataError(
            f"{given.name}: y holds {worst!r}; expected numbers from 0 to {len(names) - 1}, or "
            f"names such as {names[0]!r}"
        )
    return np.array([by_name[str(value)] for value in values.tolist()])[places]


def why_not_calibrated(loaded: LoadedModel, given: Input, draws: int | None) -> str:
    """Says why rows get no prediction sets or intervals.

    Args:
        loaded: The model.
        given: The rows.
        draws: Of how many draws they are predicted.

    Returns:
        The reason; nothing where they get them.
    """
    about, dataset = loaded.description, given.dataset
    if about is None:
        return "the file does not say what the model was trained on; denselab train notes it"
    if about.calibration is None:
        return "the model kept no calibration slice; denselab train --calibration 0.1 does"
    if about.conformal is not None:
        if draws == about.conformal.draws:
            return ""
        return (
            f"they are fitted on predictions of --draws {about.conformal.draws}; leave --draws out"
        )
    if not about.calibration.held_out:
        return "the model trained on its calibration slice"
    if dataset is None or dataset.name != about.dataset:
        return f"they are fitted on rows of {about.dataset}, and {given.name} is other data"
    if dataset.fingerprint != about.fingerprint or calibration_slice(dataset) != about.calibration:
        return f"this {dataset.name} is not the one that the model was trained on (fingerprint)"
    if len(given.x) != len(dataset.test_y if dataset.test_y is not None else ()):
        return "the model has seen these rows; sets are for rows it has not, as --rows test"
    return ""
