"""The study folder, as the one process that writes to it sees it.

```
study.toml       what was asked for, with what, where
study.sqlite     one row a trial, one an epoch, one a recipe; where this file is, there is a study
study.lock       held by the process that writes
weights/         <recipe>-<seed>.safetensors, of each trial
predictions/     likewise: its probabilities on test and calibration rows
models/          <recipe>.keras, the member of best validation accuracy
```

Files take their place whole, and before the row that names them. So after a kill at any moment a
trial is there with all that belongs to it, or not at all.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from denselab.errors import CorruptStudyError, UsageError
from denselab.study import files
from denselab.study.database import (
    DATABASE_NAME,
    create_database,
    insert_manifest,
    insert_trial,
    open_database,
    put_document,
    put_recipe,
    transaction,
)
from denselab.study.lock import LOCK_NAME, locked
from denselab.study.manifest import MANIFEST_NAME, Manifest, extended, written
from denselab.study.migration import migrate
from denselab.study.ownership import refuse_exchangeable
from denselab.study.reading import Study, check_files, is_study, read_records
from denselab.study.records import RecipeRecord, StoredFile, TrialRecord
from denselab.study.weights import packed_weights

__all__ = ["Store", "open_study"]

_WEIGHTS, _PREDICTIONS, _MODELS = "weights", "predictions", "models"


class Store:
    """A study held for writing; `open_study` makes it.

    Attributes:
        study: All that is on record now.
    """

    def __init__(self, study: Study, connection: sqlite3.Connection) -> None:
        self.study = study
        self._connection = connection

    def add_trial(
        self,
        trial: TrialRecord,
        weights: Mapping[str, np.ndarray],
        predictions: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        """Stores a trial: its arrays, then in one transaction its row and its epochs.

        Args:
            trial: The trial.
            weights: Name of a variable -> array.
            predictions: "test" and "calibration" -> probabilities; not kept if None.

        Raises:
            ExhaustedError: If the disk is full; nothing of the trial is on record then.
            UsageError: If the folder cannot be written to, or the trial is there already.
        """
        key = _key(trial)
        if key in map(_key, self.study.trials):
            raise UsageError(
                f"{self.study.folder}: recipe {trial.recipe} with seed {trial.seed} is there "
                "already; train only what is missing"
            )
        stored = {"weights": self._put_arrays(_WEIGHTS, trial, weights)}
        if predictions is not None:
            stored["predictions"] = self._put_arrays(_PREDICTIONS, trial, predictions)
        trial = replace(trial, **stored)
        with self._transaction():
            insert_trial(self._connection, trial)
        self.study = replace(self.study, trials=(*self.study.trials, trial))

    def put_recipe(self, recipe: RecipeRecord) -> None:
        """Records what is known of a recipe, in place of what was known before.

        Args:
            recipe: The record.

        Raises:
            ExhaustedError: If the disk is full; the former record stands then.
            UsageError: If the folder cannot be written to.
        """
        with self._transaction():
            put_recipe(self._connection, recipe)
        known = {(one.recipe, one.settings): one for one in (*self.study.recipes, recipe)}
        # In the order in which the database lists them.
        self.study = replace(self.study, recipes=tuple(known[key] for key in sorted(known)))

    def save_model(self, recipe: RecipeRecord, seed: int, save: Callable[[Path], None]) -> None:
        """Stores the model of a recipe, and then the record that names it.

        Args:
            recipe: The record, whose model is replaced.
            seed: Seed of the trial that the model is of.
            save: Writes the model to the path it is given, which ends in `.keras`.

        Raises:
            ExhaustedError: If the disk is full; the recipe has no model on record then.
            UsageError: If the folder cannot be written to.
        """
        # At no moment does a record name a file that is being replaced by another.
        self.put_recipe(replace(recipe, model_seed=-1, model=None))
        name = f"{_MODELS}/{recipe.recipe}.keras"
        path = self.study.folder / name
        with files.writing(path):
            files.make_folders(path.parent)
            files.replace_whole(path, save)
        data = files.read_whole(path)
        model = StoredFile(name, len(data), files.sha256(data))
        self.put_recipe(replace(recipe, model_seed=seed, model=model))

    def put_document(self, name: str, value: object) -> None:
        """Records plain values under a name, in place of what stood there.

        Args:
            name: The name.
            value: What `json.dumps` takes, without NaN.

        Raises:
            ExhaustedError: If the disk is full; what stood there before stands then.
            UsageError: If the folder cannot be written to.
        """
        with self._transaction():
            put_document(self._connection, name, value)
        self.study = replace(self.study, documents={**self.study.documents, name: value})

    def _put_arrays(
        self, folder: str, trial: TrialRecord, arrays: Mapping[str, np.ndarray]
    ) -> StoredFile:
        data = packed_weights(arrays, recipe=trial.recipe, seed=trial.seed)
        name = self._free_name(folder, trial)
        path = self.study.folder / name
        with files.writing(path):
            files.make_folders(path.parent)
            files.write_whole(path, data)
        return StoredFile(name, len(data), files.sha256(data))

    def _free_name(self, folder: str, trial: TrialRecord) -> str:
        """Names a file of a trial's arrays, which no other trial on record has."""
        stem = f"{folder}/{trial.recipe}-{trial.seed}"
        files_there = [file for t in self.study.trials for file in (t.weights, t.predictions)]
        name = f"{stem}.safetensors"
        if name in {file.name for file in files_there if file is not None}:
            return f"{stem}-{trial.settings}.safetensors"
        return name

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        path = self.study.folder / DATABASE_NAME
        with files.writing(path), transaction(self._connection):
            yield


@contextmanager
def open_study(folder: Path, wanted: Manifest) -> Iterator[Store]:
    """Holds a study for writing; makes it if there is none, adds to it what is wanted else.

    Args:
        folder: The study folder; those above it are made.
        wanted: The manifest of the command.

    Yields:
        The store, with all trials that are there already.

    Raises:
        StudyInUseError: If another process holds it.
        CorruptStudyError: If a file of it is not as it was written; nothing was touched.
        UnsafeFileError: If it is a link, or anybody on the machine may write to it.
        UsageError: If it holds another study or other files, or cannot be written to.
        ExhaustedError: If the disk is full; nothing half-made is left.
    """
    path = folder / DATABASE_NAME
    with ExitStack() as stack:
        with files.writing(folder):
            refuse_exchangeable(folder)
            if is_study(folder):
                stack.enter_context(locked(folder))
            else:
                _create(folder, wanted, stack)
        connection = stack.enter_context(closing(open_database(path)))
        study = read_records(folder, connection)
        check_files(study)
        with files.writing(path):
            migrate(connection, study.trials)
        manifest = extended(study.manifest, wanted, folder)
        if manifest is not study.manifest:
            with files.writing(folder):
                _write_manifest(folder, manifest, connection)
        yield Store(replace(study, manifest=manifest), connection)


def _create(folder: Path, manifest: Manifest, stack: ExitStack) -> None:
    """Makes an empty study and enters its lock; leaves nothing behind if that fails."""
    _check_free(folder)
    made = files.make_folders(folder)
    try:
        stack.enter_context(locked(folder))
        # Another process may have made it since.
        if not is_study(folder):
            _write_new(folder, manifest)
    except BaseException:
        files.remove_folders(made)
        raise


def _write_new(folder: Path, manifest: Manifest) -> None:
    toml, database = folder / MANIFEST_NAME, folder / DATABASE_NAME
    data = written(manifest)
    try:
        files.write_whole(toml, data)
        create_database(database, files.sha256(data))
    except BaseException:
        files.remove_leftovers(database, toml, folder / LOCK_NAME)
        raise


def _write_manifest(folder: Path, manifest: Manifest, connection: sqlite3.Connection) -> None:
    data = written(manifest)
    # Its hash is on record first: after a kill in between, the old one is still known.
    with transaction(connection):
        insert_manifest(connection, files.sha256(data))
    files.write_whole(folder / MANIFEST_NAME, data)


def _check_free(folder: Path) -> None:
    """Refuses a folder with anything in it but what a killed creation leaves."""
    if not folder.exists():
        return
    toml, database = folder / MANIFEST_NAME, folder / DATABASE_NAME
    new = files.temporary(database)
    journal = new.with_name(f"{new.name}-journal")
    ours = {folder / LOCK_NAME, toml, files.temporary(toml), new, journal}
    others = sorted(path.name for path in set(folder.iterdir()) - ours)
    # Another process may have made the study, and begun to fill it, while we looked.
    if is_study(folder):
        return
    if others and toml.exists():
        raise CorruptStudyError(
            f"{database}: is gone; restore the file from a copy, or start in another folder"
        )
    if others:
        raise UsageError(
            f"{folder}: holds no study but other files ({others[0]}); choose a new folder"
        )


def _key(trial: TrialRecord) -> tuple[str, str, int]:
    return trial.recipe, trial.settings, trial.seed
