"""Reading a study back: damage is always noticed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from denselab.errors import CorruptStudyError, UsageError
from denselab.study import (
    is_study,
    open_study,
    read_file,
    read_predictions,
    read_study,
    read_weights,
)

FLIPS = 300


def everything(folder):
    """Reads all a study holds."""
    study = read_study(folder)
    weights = [read_weights(study, trial) for trial in study.trials]
    weights += [read_predictions(study, trial) for trial in study.trials]
    models = [read_file(study, recipe.model) for recipe in study.recipes]
    return study, [{k: v.tolist() for k, v in one.items()} for one in weights], models


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]


def damaged(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    if kind == "truncated":
        return data[: rng.integers(len(data))]
    # Most of a small database is room for more, where a flipped bit harms nobody.
    place, bit = rng.choice(np.flatnonzero(np.frombuffer(data, np.uint8))), rng.integers(8)
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_no_wrong_value_is_ever_read(folder, kind):
    sound = everything(folder)
    rng = np.random.default_rng(7)
    messages = []
    for _ in range(FLIPS):
        path = files_of(folder)[rng.integers(len(files_of(folder)))]
        data = path.read_bytes()
        path.write_bytes(damaged(data, kind, rng))
        try:
            assert everything(folder) == sound, path
        except CorruptStudyError as error:
            messages.append((f"{path}: ", str(error)))
        path.write_bytes(data)
    assert everything(folder) == sound
    assert [m for begins, m in messages if not m.startswith(begins) or not m.isprintable()] == []
    # SQLite does not use every byte of its header and of its pages.
    assert len(messages) > FLIPS / 2


@pytest.mark.parametrize("kind", ["truncated", "flipped"])
def test_a_damaged_database_is_not_written_to(folder, manifest, kind):
    path = folder / "study.sqlite"
    sound = path.read_bytes()
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(100):
        data = damaged(sound, kind, rng)
        path.write_bytes(data)
        try:
            with open_study(folder, manifest):
                pass
        except CorruptStudyError:
            refused += 1
        assert path.read_bytes() == data
    assert refused > 50


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("study.toml", "its SHA-256 differs; restore"),
        ("weights/plain-0.safetensors", "its SHA-256 differs; restore"),
        ("models/plain.keras", "its SHA-256 differs; restore"),
    ],
)
def test_a_changed_file_is_named(folder, name, words):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptStudyError, match=f"{name}: .*{words}"):
        everything(folder)


@pytest.mark.parametrize("name", ["weights/plain-0.safetensors", "models/plain.keras"])
def test_a_shortened_file_is_named_before_it_is_read(folder, name, monkeypatch):
    path, study = folder / name, read_study(folder)
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr("denselab.study.files.read_whole", lambda path: pytest.fail("was read"))
    file = study.trials[0].weights if "weights" in name else study.recipes[0].model
    with pytest.raises(CorruptStudyError, match=rf"{name}: has [\d,]+ bytes, expected [\d,]+;"):
        read_file(study, file)


def test_a_folder_without_a_study_is_refused(tmp_path):
    assert not is_study(tmp_path)
    with pytest.raises(
        UsageError, match="holds no study; give a folder that denselab compare made"
    ):
        read_study(tmp_path)


def test_a_trial_that_was_never_stored_has_no_weights(folder, trial):
    with pytest.raises(UsageError, match=r"take one of study\.trials"):
        read_weights(read_study(folder), trial())


def test_reading_needs_neither_jax_nor_keras(folder):
    code = (
        "import sys, json; from pathlib import Path\n"
        "from denselab.study import read_study, read_weights, summarize\n"
        "study = read_study(Path(sys.argv[1])); read_weights(study, study.trials[0])\n"
        "print(json.dumps([len(study.trials), summarize(study).recipes[0].n,\n"
        "                  sorted({'jax', 'keras', 'sklearn', 'polars'} & set(sys.modules))]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True
    )
    assert json.loads(found.stdout) == [2, 2, []]
