"""Brings the database of an older study to the schema of today, in one transaction."""

import sqlite3
from collections.abc import Iterable

from denselab.study import files
from denselab.study.database import (
    DOCUMENTS_TABLE,
    SCHEMA_VERSION,
    schema_version,
    transaction,
)
from denselab.study.records import TrialRecord
from denselab.study.rows import PREDICTIONS_COLUMNS, checksum, epoch_rows, trial_row

__all__ = ["migrate"]


def migrate(connection: sqlite3.Connection, trials: Iterable[TrialRecord]) -> None:
    """Changes the tables of version 1 into those of version 2.

    After a kill at any moment the database is of the one version or the other.

    Args:
        connection: A connection that may write.
        trials: All trials that the database holds, read and checked.

    Raises:
        sqlite3.Error: If it cannot be written; nothing has changed then.
    """
    if schema_version(connection) == SCHEMA_VERSION:
        return
    with transaction(connection):
        for name, kind in PREDICTIONS_COLUMNS.items():
            files.execute(connection, f"ALTER TABLE trials ADD COLUMN {name} {kind}")
        files.execute(connection, DOCUMENTS_TABLE)
        for trial in trials:
            # The checksum now covers the new columns too.
            files.execute(
                connection,
                "UPDATE trials SET checksum = ? WHERE recipe = ? AND settings = ? AND seed = ?",
                (
                    checksum(trial_row(trial), epoch_rows(trial)),
                    trial.recipe,
                    trial.settings,
                    trial.seed,
                ),
            )
        files.execute(connection, f"PRAGMA user_version = {SCHEMA_VERSION}")
