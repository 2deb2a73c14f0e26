"""`study.sqlite`: its tables, its transactions, and how every value in it is checked.

SQLite's own check lets two of three flipped bits pass, some of which change a value in silence. So
each row carries a checksum of its values, and the seal is a checksum of these: it also tells when a
row is gone.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denselab.errors import (
    CorruptStudyError,
    DenselabError,
    ExhaustedError,
    StudyInUseError,
    UsageError,
)
from denselab.study import files
from denselab.study.hashing import hashed
from denselab.study.records import RecipeRecord, TrialRecord
from denselab.study.rows import (
    EPOCH_COLUMNS,
    PREDICTIONS_COLUMNS,
    RECIPE_COLUMNS,
    TRIAL_COLUMNS,
    Row,
    checksum,
    epoch_rows,
    recipe_from,
    recipe_row,
    trial_from,
    trial_row,
)

__all__ = [
    "DATABASE_NAME",
    "DOCUMENTS_TABLE",
    "SCHEMA_VERSION",
    "Contents",
    "create_database",
    "insert_manifest",
    "insert_trial",
    "open_database",
    "put_document",
    "put_recipe",
    "read_contents",
    "schema_version",
    "transaction",
]

DATABASE_NAME = "study.sqlite"
SCHEMA_VERSION = 2
"""Version 1 knows neither predictions nor documents; it is read as it is, and migrated when written."""

DOCUMENTS_TABLE = (
    "CREATE TABLE documents (name TEXT PRIMARY KEY, json TEXT NOT NULL, checksum TEXT NOT NULL) "
    "WITHOUT ROWID"
)

_BUSY_SECONDS = 10.0
"""How long to wait for a program that happens to read the file."""


@dataclass(frozen=True)
class Contents:
    """All that a database holds, checked.

    Attributes:
        manifests: SHA-256 of every `study.toml` there has been, the latest last.
        trials: The trials, in the order in which they were added.
        recipes: What is known of recipes.
        documents: Name -> what was recorded under it, plain values.
    """

    manifests: tuple[str, ...]
    trials: tuple[TrialRecord, ...]
    recipes: tuple[RecipeRecord, ...]
    documents: Mapping[str, Any]


def create_database(path: Path, manifest: str) -> None:
    """Makes an empty database, whole or not at all.

    Args:
        path: The file; it is not there.
        manifest: SHA-256 of the study's `study.toml`.

    Raises:
        OSError: If it cannot be written.
        sqlite3.Error: Likewise.
    """

    def fill(new: Path) -> None:
        files.remove_leftovers(new, _journal(new))
        try:
            with closing(_connect(new, "rwc")) as connection, transaction(connection):
                for statement in _schema():
                    files.execute(connection, statement)
                insert_manifest(connection, manifest)
        except BaseException:
            files.remove_leftovers(_journal(new))
            raise

    files.replace_whole(path, fill)


def open_database(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Opens the database.

    A process that was killed may have left a transaction half done; SQLite takes it back when the
    file is next read.

    Args:
        path: The file.
        read_only: Whether statements that write are to be refused.

    Returns:
        A connection that waits for the disk at every commit.

    Raises:
        DenselabError: If it cannot be opened.
    """
    try:
        return _connect(path, "rw", read_only=read_only)
    except (sqlite3.Error, UnicodeError) as error:
        raise _read_error(error, path) from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Makes everything inside happen, or nothing of it, and seals what there is then.

    Args:
        connection: A connection that may write.

    Yields:
        Nothing.

    Raises:
        sqlite3.Error: If it cannot be written; nothing has changed then.
    """
    try:
        files.execute(connection, "BEGIN IMMEDIATE")
        yield
        files.execute(connection, "DELETE FROM seal")
        files.execute(connection, "INSERT INTO seal VALUES (?)", (_seal(connection),))
        files.execute(connection, "COMMIT")
    except BaseException:
        # Where the disk is full, SQLite may have taken it back already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def insert_manifest(connection: sqlite3.Connection, digest: str) -> None:
    """Puts the hash of a `study.toml` on record, before that file takes its place."""
    files.execute(connection, "INSERT INTO manifests (sha256) VALUES (?)", (digest,))


def insert_trial(connection: sqlite3.Connection, trial: TrialRecord) -> None:
    """Adds a trial and its epochs.

    Raises:
        sqlite3.IntegrityError: If it is there already.
    """
    row, epochs = trial_row(trial), epoch_rows(trial)
    columns = ", ".join(TRIAL_COLUMNS)
    cursor = files.execute(
        connection,
        f"INSERT INTO trials ({columns}, checksum) VALUES ({_marks(len(row) + 1)})",
        (*row, checksum(row, epochs)),
    )
    number = cursor.lastrowid
    for epoch in epochs:
        files.execute(
            connection, f"INSERT INTO epochs VALUES ({_marks(len(epoch) + 1)})", (number, *epoch)
        )


def put_recipe(connection: sqlite3.Connection, recipe: RecipeRecord) -> None:
    """Writes what is known of a recipe, in place of what was known before."""
    row = recipe_row(recipe)
    files.execute(
        connection,
        f"INSERT OR REPLACE INTO recipes VALUES ({_marks(len(row) + 1)})",
        (*row, checksum(row)),
    )


def put_document(connection: sqlite3.Connection, name: str, value: object) -> None:
    """Writes plain values under a name, in place of what stood there."""
    text = json.dumps(value, sort_keys=True, allow_nan=False)
    files.execute(
        connection,
        "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)",
        (name, text, checksum((name, text))),
    )


def read_contents(connection: sqlite3.Connection, path: Path) -> Contents:
    """Reads all there is, and checks every value.

    Args:
        connection: A connection to the database.
        path: Its file, for errors.

    Returns:
        What it holds.

    Raises:
        CorruptStudyError: If a value is not what was written, or a row is gone.
        DenselabError: If it cannot be read for another reason.
    """
    try:
        connection.execute("BEGIN")
        try:
            return _read(connection)
        finally:
            connection.rollback()
    except (ValueError, TypeError) as error:
        raise _corrupt(path, str(error)) from error
    except sqlite3.Error as error:
        raise _read_error(error, path) from error


def _connect(path: Path, mode: str, *, read_only: bool = False) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        # EXTRA is FULL and one more: it also waits until the rollback journal is gone from the folder,
        # or a loss of power just after a commit could bring it back, and take the commit back.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(
            "PRAGMA query_only = ON" if read_only else "PRAGMA journal_mode = DELETE"
        )
    except BaseException:
        connection.close()
        raise
    return connection


def schema_version(connection: sqlite3.Connection) -> int:
    """Reads the schema version of a database."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _read(connection: sqlite3.Connection) -> Contents:
    version = schema_version(connection)
    if not 1 <= version <= SCHEMA_VERSION:
        raise ValueError(
            f"has schema version {version}, this denselab reads 1 to {SCHEMA_VERSION}; if a newer "
            "one wrote it, use that"
        )
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise ValueError(str(verdict))
    if connection.execute("SELECT sha256 FROM seal").fetchall() != [(_seal(connection),)]:
        raise ValueError("the rows do not match their seal")
    manifests = connection.execute("SELECT sha256 FROM manifests ORDER BY id").fetchall()
    return Contents(
        manifests=tuple(str(digest) for (digest,) in manifests),
        trials=tuple(_trials(connection)),
        recipes=tuple(_recipes(connection)),
        documents=dict(_documents(connection)) if version > 1 else {},
    )


def _trials(connection: sqlite3.Connection) -> Iterator[TrialRecord]:
    epochs: dict[object, list[Row]] = {}
    columns = ", ".join(EPOCH_COLUMNS)
    rows = connection.execute(f"SELECT trial, {columns} FROM epochs ORDER BY trial, epoch")
    for trial, *epoch in rows:
        epochs.setdefault(trial, []).append(tuple(epoch))
    # A trial of version 1 has no predictions; its checksum is of the columns it has.
    old = schema_version(connection) == 1
    known = [name for name in TRIAL_COLUMNS if not (old and name in PREDICTIONS_COLUMNS)]
    rows = connection.execute(f"SELECT id, {', '.join(known)}, checksum FROM trials ORDER BY id")
    for number, *row, expected in rows.fetchall():
        own = epochs.pop(number, [])
        _check(tuple(row), own, expected=expected)
        yield trial_from((*row, *(("", 0, "") if old else ())), own)
    if epochs:
        raise ValueError("there are epochs of a trial that is not there")


def _recipes(connection: sqlite3.Connection) -> Iterator[RecipeRecord]:
    columns = ", ".join(RECIPE_COLUMNS)
    rows = connection.execute(f"SELECT {columns}, checksum FROM recipes ORDER BY recipe, settings")
    for *row, expected in rows.fetchall():
        _check(tuple(row), [], expected=expected)
        yield recipe_from(tuple(row))


def _documents(connection: sqlite3.Connection) -> Iterator[tuple[str, Any]]:
    for name, text, expected in connection.execute("SELECT * FROM documents ORDER BY name"):
        _check((name, text), [], expected=expected)
        yield name, json.loads(text)


def _check(row: Row, epochs: Iterable[Row], *, expected: object) -> None:
    if checksum(row, epochs) != expected:
        raise ValueError(f"the row of {row[0]!s:.64} does not match its checksum")


def _seal(connection: sqlite3.Connection) -> str:
    """Hashes the checksums of all rows, in an order that does not depend on chance."""
    version = schema_version(connection)
    queries = [
        "SELECT id, sha256 FROM manifests ORDER BY id",
        "SELECT id, checksum FROM trials ORDER BY id",
        "SELECT recipe, settings, checksum FROM recipes ORDER BY recipe, settings",
        "SELECT name, checksum FROM documents ORDER BY name",
    ][: 3 if version == 1 else None]
    return hashed([version, *(connection.execute(query).fetchall() for query in queries)])


def _schema() -> tuple[str, ...]:
    """Lists the statements that make the tables of `SCHEMA_VERSION`."""
    return (
        f"PRAGMA user_version = {SCHEMA_VERSION}",
        "CREATE TABLE manifests (id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL)",
        f"CREATE TABLE trials (id INTEGER PRIMARY KEY, {_columns(TRIAL_COLUMNS)}, "
        "checksum TEXT NOT NULL, UNIQUE (recipe, settings, seed))",
        f"CREATE TABLE epochs (trial INTEGER NOT NULL REFERENCES trials (id), "
        f"{_columns(EPOCH_COLUMNS)}, PRIMARY KEY (trial, epoch)) WITHOUT ROWID",
        f"CREATE TABLE recipes ({_columns(RECIPE_COLUMNS)}, checksum TEXT NOT NULL, "
        "PRIMARY KEY (recipe, settings)) WITHOUT ROWID",
        DOCUMENTS_TABLE,
        "CREATE TABLE seal (sha256 TEXT NOT NULL)",
    )


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _read_error(error: sqlite3.Error | UnicodeError, path: Path) -> DenselabError:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StudyInUseError(f"{path}: another program has it open; close that and run again")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        # A reader, too, takes back what a killed writer left half done.
        return UsageError(
            f"{path}: cannot be opened ({error}); copy the study to a folder you may write to"
        )
    if primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        return ExhaustedError(f"{path}: cannot be read ({error}); check disk and memory")
    return _corrupt(path, str(error))


def _corrupt(path: Path, reason: str) -> CorruptStudyError:
    # SQLite quotes what it found, whatever that is, on several lines.
    line = "".join(c if c.isprintable() else "?" for c in " ".join(reason.split()))
    return CorruptStudyError(
        f"{path}: {line}; restore the file from a copy, or start in another folder"
    )
