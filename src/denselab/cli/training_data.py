"""What a command trains on: a data set by name, or a table of the user's own."""

from dataclasses import dataclass
from pathlib import Path

from denselab.cli.options import DataOptions, RecipeOptions
from denselab.cli.selection import calibration_share, preset_for, selected_data
from denselab.cli.tables import TableOptions, table_facts, table_from
from denselab.data import (
    Dataset,
    PreprocessingOptions,
    Table,
    is_table_file,
    names,
    table_dataset,
)
from denselab.data.tables import PreparedTable, rows_fingerprint
from denselab.errors import UsageError
from denselab.training.description import TableFacts

__all__ = [
    "TrainingData",
    "check_no_table_options",
    "compared_data",
    "is_table",
    "table_calibration",
    "training_data",
]

TEST_SHARE = 0.2
_FEWEST_TO_CALIBRATE = 100
"""Rows that do not test; a tenth of fewer could not tell where nine of ten lie."""


@dataclass(frozen=True)
class TrainingData:
    """Rows to train on, and where they come from.

    Attributes:
        dataset: The rows, those that test and calibrate apart.
        table: The table they were in; None for a data set by name.
        prepared: What made features of it.
        facts: How it was read.
    """

    dataset: Dataset
    table: Table | None = None
    prepared: PreparedTable | None = None
    facts: TableFacts | None = None


def is_table(data: str) -> bool:
    """Tells whether what was typed is a table's file, and no name of a data set or folder of images."""
    return data not in names() and is_table_file(data) and not Path(data).is_dir()


def training_data(
    data: str, where: DataOptions, how: TableOptions, changes: RecipeOptions
) -> TrainingData:
    """Loads what was named, its test rows and calibration slice set apart.

    Args:
        data: Name of a data set, or of a file.
        where: Where data sets come from.
        how: How a table is read.
        changes: What was asked for of the calibration slice.

    Returns:
        The data. Numbers of a table are scaled robustly by the rows that neither test nor calibrate.

    Raises:
        UsageError: If a table has no target, or options of tables meet a data set.
        DenselabError: If the data cannot be had or used.
    """
    if not is_table(data):
        check_no_table_options(data, how)
        kept = calibration_share(preset_for(data, changes), changes)
        return TrainingData(selected_data(data, where, calibration=kept))
    table = _labelled(data, how)
    prepared = table_dataset(
        table,
        test=TEST_SHARE,
        calibration=table_calibration(len(table), changes),
        options=PreprocessingOptions(scaling="robust"),
    )
    facts = table_facts(how, rows_fingerprint(table, prepared.preprocessing))
    return TrainingData(prepared.dataset, table, prepared, facts)


def compared_data(
    data: str, where: DataOptions, how: TableOptions, *, changes: RecipeOptions
) -> Dataset:
    """Loads what recipes are compared on, its test rows and calibration slice set apart.

    Args:
        data: Name of a data set, or of a file.
        where: Where data sets come from.
        how: How a table is read.
        changes: What was asked for of the calibration slice.

    Returns:
        The data. Numbers of a table are not scaled: each recipe standardises on its own training rows, or does not.

    Raises:
        UsageError: If a table has no target, or options of tables meet a data set.
        DenselabError: If the data cannot be had or used.
    """
    if not is_table(data):
        check_no_table_options(data, how)
        kept = calibration_share(preset_for(data, changes), changes)
        return selected_data(data, where, calibration=kept)
    table = _labelled(data, how)
    share = table_calibration(len(table), changes)
    return table_dataset(table, test=TEST_SHARE, calibration=share).dataset


def _labelled(data: str, how: TableOptions) -> Table:
    if how.target is None:
        raise UsageError(f"{data} is a table; say what to predict with --target NAME, -1: the last")
    return table_from(data, how)


def check_no_table_options(data: str, how: TableOptions) -> None:
    """Refuses to overhear options that say how a table is read.

    Args:
        data: Name of a data set.
        how: What was said of a table.

    Raises:
        UsageError: If anything was.
    """
    if how != TableOptions():
        raise UsageError(
            f"{data} is a data set; --target and what else is said of tables need a file"
        )


def table_calibration(rows: int, changes: RecipeOptions) -> float:
    """Chooses the share of a table's rows that calibrates.

    Args:
        rows: Rows of the table.
        changes: What was asked for.

    Returns:
        The share of those that do not test: what was asked for, else 0.1, or 0 of a small table.

    Raises:
        UsageError: If it is no share.

    Example:
        >>> table_calibration(1000, RecipeOptions()), table_calibration(80, RecipeOptions())
        (0.1, 0.0)
    """
    asked = calibration_share("tuned", changes)
    enough = rows * (1 - TEST_SHARE) >= _FEWEST_TO_CALIBRATE
    return asked if enough or changes.calibration is not None else 0.0
