"""Studies of the first schema: read as they are, brought up to date when they are written."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from denselab.errors import CorruptStudyError, ExhaustedError, UsageError
from denselab.study import files, open_study, read_predictions, read_study, read_weights
from denselab.study.database import SCHEMA_VERSION
from denselab.study.weights import packed_weights

OLD = Path(__file__).parent / "version_1"
"""What the first version wrote: two trials of plain, and its model."""


@pytest.fixture
def old(tmp_path, weights) -> Path:
    folder = tmp_path / "old"
    (folder / "weights").mkdir(parents=True)
    (folder / "models").mkdir()
    shutil.copy(OLD / "study.toml", folder)
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        connection.executescript((OLD / "study.sql").read_text())
    for seed in (0, 1):
        data = packed_weights(weights(seed), recipe="plain", seed=seed)
        (folder / "weights" / f"plain-{seed}.safetensors").write_bytes(data)
    (folder / "models" / "plain.keras").write_bytes(b"a model" * 100)
    return folder


def version(folder):
    with closing(sqlite3.connect(folder / "study.sqlite")) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


def test_an_old_study_is_read_and_left_as_it_is(old, trial, weights):
    before = (old / "study.sqlite").read_bytes()
    study = read_study(old)
    assert [(t.seed, t.test) for t in study.trials] == [(s, trial(seed=s).test) for s in (0, 1)]
    assert [t.trace for t in study.trials] == [trial(seed=s).trace for s in (0, 1)]
    assert study.documents == {}
    kernel = read_weights(study, study.trials[1])["dense/kernel"]
    np.testing.assert_array_equal(kernel, weights(1)["dense/kernel"])
    assert ((old / "study.sqlite").read_bytes(), version(old)) == (before, 1)


def test_an_old_study_has_no_predictions_and_says_so(old):
    study = read_study(old)
    with pytest.raises(UsageError, match="an older denselab made it"):
        read_predictions(study, study.trials[0])


def test_an_old_study_goes_on_in_the_schema_of_today(old, manifest, trial, weights, predictions):
    before = read_study(old)
    with open_study(old, manifest) as store:
        store.add_trial(trial("batch_norm"), weights(0), predictions(0))
        store.put_document("looks", [])
    after = read_study(old)
    assert version(old) == SCHEMA_VERSION
    assert after.trials[:2] == before.trials
    assert after.trials[2].predictions is not None
    assert (after.recipes, after.documents) == (before.recipes, {"looks": []})


def test_a_migration_happens_whole_or_not_at_all(old, manifest, monkeypatch):
    original, sound, steps = files.execute, read_study(old), 0
    for fail_at in range(1000):
        shutil.copytree(old, old.parent / str(fail_at))
        steps = 0

        def execute(connection, statement, values=(), *, fail_at=fail_at):
            nonlocal steps
            steps += 1
            if steps > fail_at:
                error = sqlite3.OperationalError("full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            return original(connection, statement, values)

        monkeypatch.setattr(files, "execute", execute)
        try:
            with open_study(old.parent / str(fail_at), manifest):
                break
        except ExhaustedError:
            monkeypatch.setattr(files, "execute", original)
            again = read_study(old.parent / str(fail_at))
            assert (again.trials, again.recipes) == (sound.trials, sound.recipes), fail_at
    assert fail_at > 8


@pytest.mark.parametrize("statement", ["UPDATE trials SET seconds = 1", "DELETE FROM recipes"])
def test_an_old_study_that_was_changed_is_refused_and_not_migrated(old, manifest, statement):
    with closing(sqlite3.connect(old / "study.sqlite", isolation_level=None)) as connection:
        connection.execute(statement)
    with pytest.raises(CorruptStudyError), open_study(old, manifest):
        pass
    assert version(old) == 1
