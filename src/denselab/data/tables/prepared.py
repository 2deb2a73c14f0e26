"""A data set from a table, for the rest of the house: test rows apart first, figures from the others."""

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from denselab.data.dataset import Dataset
from denselab.data.splits import hold_out_calibration, hold_out_test
from denselab.data.tables.preprocessing import Preprocessing, PreprocessingOptions
from denselab.data.tables.table import Table
from denselab.data.tables.targets import ClassTarget, QuantityTarget
from denselab.errors import DataError

__all__ = ["PreparedTable", "held_out_rows", "rows_fingerprint", "table_dataset"]


class PreparedTable(NamedTuple):
    """A data set, and how its features were made.

    Attributes:
        dataset: Features and targets; targets of a regression in their own units.
        preprocessing: What made them; it belongs into the saved model.
    """

    dataset: Dataset
    preprocessing: Preprocessing


def table_dataset(
    table: Table,
    *,
    test: float = 0.2,
    calibration: float = 0.0,
    seed: int = 0,
    options: PreprocessingOptions | None = None,
) -> PreparedTable:
    """Makes a data set of a table.

    Rows are set apart by `hold_out_test` and `hold_out_calibration`, then everything is fitted on the
    rows that are left. These train and validate: which does what differs from seed to seed, so numbers
    that must not see a validation row are left unscaled (the default here) and standardised by the
    recipe on its training rows; medians and levels come from both.

    Args:
        table: A table that was read with a target.
        test: Share of the rows that test, from 0 (none) to below 1.
        calibration: Share of the others that calibrate, from 0 (none) to below 1.
        seed: Which rows.
        options: What is made of the columns; numbers are not scaled unless it says so.

    Returns:
        The data set and the preprocessing.

    Raises:
        DataError: If a part would be empty, or the rows left cannot be fitted.

    Example:
        >>> from denselab.data.tables.table import read_table
        >>> table = read_table({"x": range(10), "y": ["a", "b"] * 5}, target="y")
        >>> data, _ = table_dataset(table)
        >>> data.x.shape, data.test_x.shape, data.class_names
        ((8, 1), (2, 1), ('a', 'b'))
    """
    if table.schema.target is None:
        raise DataError(f"{table.name} was read without a target; name the column to predict")
    parts = hold_out_calibration(
        hold_out_test(_row_numbers(table), fraction=test, seed=seed)
        if test
        else _row_numbers(table),
        fraction=calibration,
        seed=seed,
    )
    options = options or PreprocessingOptions(scaling="none")
    fitted = Preprocessing.fit(table, parts.x[:, 0], options=options)
    x = fitted.transform(table)
    dataset = replace(
        parts,
        x=x[parts.x[:, 0]],
        feature_names=fitted.feature_names,
        class_names=fitted.class_names,
        test_x=None if parts.test_x is None else x[parts.test_x[:, 0]],
        calibration_x=None if parts.calibration_x is None else x[parts.calibration_x[:, 0]],
    )
    return PreparedTable(dataset, fitted)


def held_out_rows(table: Table, *, test: float = 0.2, seed: int = 0) -> Int[np.ndarray, " test"]:
    """Tells which rows `table_dataset` sets apart to test.

    Args:
        table: A table that was read with a target.
        test: Their share.
        seed: Which rows.

    Returns:
        Row numbers.

    Raises:
        DataError: If a part would be empty.
    """
    parts = hold_out_test(_row_numbers(table), fraction=test, seed=seed)
    assert parts.test_x is not None
    return parts.test_x[:, 0]


def rows_fingerprint(table: Table, preprocessing: Preprocessing) -> str:
    """Gives a table a fingerprint, as far as a model looks at it.

    Args:
        table: A table with the columns and the target that were fitted.
        preprocessing: What makes its features.

    Returns:
        SHA-256 of features and targets in the order of the rows, 64 hexadecimal digits.

    Raises:
        DataError: If a column is missing or does not fit.
    """
    digest = hashlib.sha256(f"1 {len(table)}".encode())
    for array in (preprocessing.transform(table), preprocessing.transform_target(table)):
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _row_numbers(table: Table) -> Dataset:
    """Stands for the rows while they are divided as those of any other data."""
    series = table.frame[str(table.schema.target)]
    classes = table.schema.task == "classification"
    # Every class keeps a row outside the other parts, so its number is the same for all of them.
    target = ClassTarget.fit(series) if classes else QuantityTarget.fit(series)
    return Dataset(
        name=table.name,
        x=np.arange(len(table))[:, None],
        y=target.encode(series),
        task="classification" if isinstance(target, ClassTarget) else "regression",
        class_names=target.class_names if isinstance(target, ClassTarget) else None,
        source=table.source,
    )
