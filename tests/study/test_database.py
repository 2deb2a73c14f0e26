"""The tables of `study.sqlite`, as SQL sees them."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from denselab.errors import CorruptStudyError, StudyInUseError, UsageError
from denselab.study import read_study
from denselab.study.database import (
    SCHEMA_VERSION,
    create_database,
    insert_trial,
    open_database,
    read_contents,
    transaction,
)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "study.sqlite"
    create_database(path, "a" * 64)
    return path


@pytest.fixture
def connection(path):
    with closing(open_database(path)) as connection:
        yield connection


def changed(folder, statement):
    """Changes a study behind its back."""
    with closing(sqlite3.connect(folder / "study.sqlite", isolation_level=None)) as connection:
        connection.execute(statement)


def test_it_keeps_a_rollback_journal_and_waits_for_the_disk(connection):
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
    assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_new_database_holds_nothing_but_the_hash_of_the_manifest(connection, path):
    contents = read_contents(connection, path)
    assert (contents.manifests, contents.trials, contents.recipes) == (("a" * 64,), (), ())


def test_anybody_can_query_it(folder):
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        rows = connection.execute(
            "SELECT recipe, seed, status, epochs_run, max(val_accuracy) FROM trials "
            "JOIN epochs ON epochs.trial = trials.id GROUP BY trials.id"
        ).fetchall()
    study = read_study(folder)
    assert rows == [
        (t.recipe, t.seed, t.status, t.epochs_run, max(t.trace["val_accuracy"]))
        for t in study.trials
    ]


def test_a_trial_cannot_be_there_twice(connection, trial):
    with transaction(connection):
        insert_trial(connection, trial())
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"), transaction(connection):
        insert_trial(connection, replace(trial(), status="stopped"))


def test_a_failed_transaction_changes_nothing(connection, path, trial):
    def interrupted():
        with transaction(connection):
            insert_trial(connection, trial())
            raise KeyboardInterrupt

    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read_contents(connection, path).trials == ()
    assert path.read_bytes() == before


def test_a_connection_for_reading_refuses_to_write(path):
    with (
        closing(open_database(path, read_only=True)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM seal")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE trials SET test_accuracy = 0.99 WHERE seed = 1", "row of plain does not match"),
        ("UPDATE trials SET test_accuracy = NULL WHERE seed = 1", "row of plain does not match"),
        ("UPDATE trials SET seed = 'one' WHERE seed = 1", "row of plain does not match"),
        ("UPDATE trials SET recipe = x'ff' WHERE seed = 1", "does not match"),
        ("UPDATE epochs SET val_loss = 0.0 WHERE epoch = 2", "row of plain does not match"),
        ("DELETE FROM epochs WHERE epoch = 2", "row of plain does not match"),
        ("UPDATE epochs SET trial = 9 WHERE trial = 2", "row of plain does not match"),
        ("INSERT INTO epochs (trial, epoch) VALUES (9, 0)", "epochs of a trial that is not there"),
        ("UPDATE recipes SET compile_seconds = 0.1", "row of plain does not match"),
        ("DELETE FROM trials WHERE seed = 1", "do not match their seal"),
        ("DELETE FROM recipes", "do not match their seal"),
        ("DELETE FROM manifests", "do not match their seal"),
        ("UPDATE trials SET id = 7 WHERE seed = 1", "do not match their seal"),
        ("UPDATE documents SET json = '[]'", "row of looks does not match"),
        ("DELETE FROM documents", "do not match their seal"),
        ("DELETE FROM seal", "do not match their seal"),
        ("INSERT INTO seal VALUES ('more')", "do not match their seal"),
        ("DROP TABLE recipes", "no such table"),
        ("PRAGMA user_version = 3", "schema version 3, this denselab reads 1 to 2; if a newer one"),
    ],
    ids=str,
)
def test_a_value_that_was_not_written_here_is_never_read(folder, statement, words):
    changed(folder, statement)
    with pytest.raises(CorruptStudyError, match=rf"study.sqlite: .*{words}.*restore the file"):
        read_study(folder)


def test_a_file_that_is_no_database_is_named(folder):
    (folder / "study.sqlite").write_bytes(b"no database at all, but long enough for one" * 9)
    with pytest.raises(CorruptStudyError, match=r"study.sqlite: .*not a database"):
        read_study(folder)


def test_a_database_another_program_holds_is_not_called_broken(folder, monkeypatch):
    monkeypatch.setattr("denselab.study.database._BUSY_SECONDS", 0.01)
    with closing(sqlite3.connect(folder / "study.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StudyInUseError, match="close that and run again"):
            read_study(folder)


def test_a_database_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone.sqlite: cannot be opened .*copy the study"):
        open_database(tmp_path / "gone.sqlite")


def test_odd_names_of_folders_are_no_trouble(tmp_path):
    folder = tmp_path / "100% a?b#c&mode=ro"
    folder.mkdir()
    create_database(folder / "study.sqlite", "a" * 64)
    open_database(folder / "study.sqlite").close()
    assert [path.name for path in folder.iterdir()] == ["study.sqlite"]
