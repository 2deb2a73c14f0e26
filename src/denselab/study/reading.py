"""Reads a study back: every record and every file is checked before it is believed."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from denselab.errors import CorruptStudyError, UsageError
from denselab.study import files
from denselab.study.database import DATABASE_NAME, open_database, read_contents
from denselab.study.manifest import MANIFEST_NAME, Manifest, parsed
from denselab.study.records import RecipeRecord, StoredFile, TrialRecord
from denselab.study.weights import unpacked_weights

__all__ = [
    "Study",
    "check_files",
    "is_study",
    "read_file",
    "read_predictions",
    "read_records",
    "read_study",
    "read_weights",
]


@dataclass(frozen=True)
class Study:
    """All that is on record of a study, checked.

    Attributes:
        folder: The study folder.
        manifest: What it was asked to do.
        trials: The trials there are, in the order in which they were done.
        recipes: What is known of recipes whose trials are done.
        documents: Name -> what was recorded under it, plain values.
    """

    folder: Path
    manifest: Manifest
    trials: tuple[TrialRecord, ...]
    recipes: tuple[RecipeRecord, ...]
    documents: Mapping[str, Any] = field(default_factory=dict)


def is_study(folder: Path) -> bool:
    """Says whether a folder holds a study, sound or not."""
    return os.path.exists(folder / DATABASE_NAME)


def read_study(folder: Path) -> Study:
    """Reads the records of a study; another process may be adding to it.

    Args:
        folder: The study folder.

    Returns:
        All that is on record.

    Raises:
        CorruptStudyError: If a record is not as it was written.
        UsageError: If there is no study, or it may not be read.
    """
    if not is_study(folder):
        raise UsageError(f"{folder}: holds no study; give a folder that denselab compare made")
    with closing(open_database(folder / DATABASE_NAME, read_only=True)) as connection:
        return read_records(folder, connection)


def read_records(folder: Path, connection: sqlite3.Connection) -> Study:
    """Reads the records of a study through a connection that is open already.

    Args:
        folder: The study folder.
        connection: A connection to its database.

    Returns:
        All that is on record.

    Raises:
        CorruptStudyError: If a record is not as it was written.
        UsageError: If a file may not be read.
    """
    path = folder / MANIFEST_NAME
    # The manifest first: its hash is on record before it takes its place, never after.
    data = files.read_whole(path)
    contents = read_contents(connection, folder / DATABASE_NAME)
    if files.sha256(data) not in contents.manifests:
        raise _changed(path)
    return Study(folder, parsed(data, path), contents.trials, contents.recipes, contents.documents)


def check_files(study: Study) -> None:
    """Checks that weights and predictions of all trials are there and of the right size.

    Args:
        study: The study.

    Raises:
        CorruptStudyError: If a file is gone or of another size.
    """
    for trial in study.trials:
        for file in (trial.weights, trial.predictions):
            if file is not None:
                files.check_size(study.folder / file.name, file.size)


def read_file(study: Study, file: StoredFile) -> bytes:
    """Reads a file of a study.

    Args:
        study: The study.
        file: What is on record of the file.

    Returns:
        Its bytes, as they were written.

    Raises:
        CorruptStudyError: If it is gone or not as it was written.
        UsageError: If it may not be read.
    """
    path = study.folder / file.name
    files.check_size(path, file.size)
    data = files.read_whole(path)
    if files.sha256(data) != file.sha256:
        raise _changed(path)
    return data


def read_weights(study: Study, trial: TrialRecord) -> dict[str, np.ndarray]:
    """Reads the weights a trial ended with.

    Args:
        study: The study.
        trial: A trial of it.

    Returns:
        Name of a variable -> array.

    Raises:
        CorruptStudyError: If the file is gone or not as it was written.
        UsageError: If it may not be read, or the trial was never stored.
    """
    if trial.weights is None:
        raise UsageError(
            f"{study.folder}: this trial of {trial.recipe} was never stored; take one of "
            "study.trials"
        )
    return unpacked_weights(read_file(study, trial.weights), study.folder / trial.weights.name)


def read_predictions(study: Study, trial: TrialRecord) -> dict[str, np.ndarray]:
    """Reads the probabilities a trial ended with.

    Args:
        study: The study.
        trial: A trial of it.

    Returns:
        "test" and "calibration" -> probabilities, `float32`, shape (rows, classes); no rows where the
        study has no calibration slice.

    Raises:
        CorruptStudyError: If the file is gone or not as it was written.
        UsageError: If it may not be read, or predictions were not kept.
    """
    if trial.predictions is None:
        raise UsageError(
            f"{study.folder}: keeps no predictions of {trial.recipe}, seed {trial.seed}; an older "
            "denselab made it: run its comparison again in another folder"
        )
    path = study.folder / trial.predictions.name
    return unpacked_weights(read_file(study, trial.predictions), path)


def _changed(path: Path) -> CorruptStudyError:
    return CorruptStudyError(
        f"{path}: is not as it was written, its SHA-256 differs; restore the file from a copy, or "
        "start in another folder"
    )
