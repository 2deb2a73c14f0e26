"""The study folder: made, filled, opened again, refused."""

import os
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from denselab.errors import CorruptStudyError, ExhaustedError, StudyInUseError, UsageError
from denselab.recipes import apply_settings
from denselab.study import (
    RecipeRecord,
    manifest_for,
    open_study,
    plan_study,
    read_file,
    read_predictions,
    read_study,
    read_weights,
)
from denselab.study.database import transaction
from denselab.study.store import Store


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_study_is_a_folder_of_these_files(folder):
    assert names(folder) == [
        "models",
        "models/plain.keras",
        "predictions",
        "predictions/plain-0.safetensors",
        "predictions/plain-1.safetensors",
        "study.lock",
        "study.sqlite",
        "study.toml",
        "weights",
        "weights/plain-0.safetensors",
        "weights/plain-1.safetensors",
    ]


def test_what_was_stored_is_there_when_it_is_opened_again(
    folder, manifest, trial, weights, predictions
):
    with open_study(folder, manifest) as store:
        study = store.study
    bare = [replace(t, weights=None, predictions=None) for t in study.trials]
    assert bare == [trial(seed=0), trial(seed=1)]
    assert study.documents == {"looks": [{"n": 2, "level": 0.05}]}
    assert study.manifest == manifest
    for seed, record in enumerate(study.trials):
        back = read_weights(study, record)
        assert set(back) == set(weights(seed))
        for name, value in weights(seed).items():
            np.testing.assert_array_equal(back[name], value, strict=True)
        for name, value in read_predictions(study, record).items():
            np.testing.assert_array_equal(predictions(seed)[name], value, strict=True)
    (recipe,) = study.recipes
    assert (recipe.compile_seconds, recipe.notes, recipe.model_seed) == (1.5, ("a", "b"), 1)
    assert read_file(study, recipe.model) == b"a model" * 100


def test_what_is_on_record_in_the_store_is_on_record_on_the_disk(
    tmp_path, manifest, trial, weights
):
    with open_study(tmp_path / "study", manifest) as store:
        store.add_trial(trial(), weights(0))
        store.put_recipe(RecipeRecord("plain", trial().settings, compile_seconds=2.0))
        assert read_study(tmp_path / "study") == store.study
        assert len(store.study.trials) == len(store.study.recipes) == 1


def test_opening_it_again_for_the_same_changes_nothing(folder, manifest):
    before = contents(folder)
    with open_study(folder, manifest):
        pass
    assert contents(folder) == before


def test_a_trial_is_stored_once(folder, manifest, trial, weights):
    before = contents(folder)
    with (
        open_study(folder, manifest) as store,
        pytest.raises(UsageError, match="recipe plain with seed 1 is there already"),
    ):
        store.add_trial(replace(trial(seed=1), status="stopped"), weights(9))
    assert contents(folder) == before


def test_trials_of_other_hyper_parameters_have_weights_of_their_own(
    folder, manifest, trial, weights
):
    with open_study(folder, manifest) as store:
        store.add_trial(replace(trial(seed=1), settings="f" * 16), weights(9))
    study = read_study(folder)
    assert [t.weights.name for t in study.trials[1:]] == [
        "weights/plain-1.safetensors",
        f"weights/plain-1-{'f' * 16}.safetensors",
    ]
    for record, seed in zip(study.trials[1:], (1, 9), strict=True):
        kernel = read_weights(study, record)["dense/kernel"]
        np.testing.assert_array_equal(kernel, weights(seed)["dense/kernel"])


def test_a_model_takes_the_place_of_another(folder, manifest, trial):
    with open_study(folder, manifest) as store:
        (known,) = store.study.recipes
        store.save_model(known, 0, lambda path: path.write_bytes(b"a better one"))
    (known,) = read_study(folder).recipes
    assert (known.model_seed, read_file(read_study(folder), known.model)) == (0, b"a better one")
    assert known.compile_seconds == 1.5


def test_a_model_that_cannot_be_made_leaves_none_on_record(folder, manifest):
    def fails(path):
        path.write_bytes(b"half a mo")
        raise UsageError("no; do something else")

    with open_study(folder, manifest) as store:
        with pytest.raises(UsageError, match="something else"):
            store.save_model(store.study.recipes[0], 0, fails)
        assert store.study.recipes[0].model is None
    assert read_study(folder).recipes[0].model is None
    assert (folder / "models/plain.keras").read_bytes() == b"a model" * 100
    assert len(list((folder / "models").iterdir())) == 1


def test_folders_above_are_made(tmp_path, manifest):
    with open_study(tmp_path / "studies" / "a" / "toy", manifest) as store:
        assert store.study.trials == ()


def test_an_empty_folder_is_taken_as_it_is(tmp_path, manifest):
    (tmp_path / "mine").mkdir(mode=0o750)
    with open_study(tmp_path / "mine", manifest):
        pass
    assert (tmp_path / "mine").stat().st_mode & 0o777 == 0o750


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path, manifest):
    (tmp_path / "thesis.tex").write_text("dear to me")
    with (
        pytest.raises(UsageError, match=r"other files \(thesis.tex\); choose a new folder"),
        open_study(tmp_path, manifest),
    ):
        pass
    assert names(tmp_path) == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, manifest):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "study"):
        with pytest.raises(UsageError, match="choose a folder"), open_study(folder, manifest):
            pass
    assert names(tmp_path) == ["file"]


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path, manifest):
    with (
        pytest.raises(UsageError, match=r"name too long.*choose a folder"),
        open_study(tmp_path / ("n" * 300), manifest),
    ):
        pass


def test_what_a_killed_creation_left_is_taken_up(tmp_path, manifest):
    for name in ("study.lock", "study.toml", ".new-study.toml", ".new-study.sqlite"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".new-study.sqlite-journal").write_bytes(b"half")
    with open_study(tmp_path, manifest):
        pass
    assert read_study(tmp_path).trials == ()
    assert names(tmp_path) == ["study.lock", "study.sqlite", "study.toml"]


def test_a_study_without_its_database_is_named_and_left_alone(folder, manifest):
    (folder / "study.sqlite").unlink()
    before = contents(folder)
    with (
        pytest.raises(CorruptStudyError, match=r"study.sqlite: is gone; restore"),
        open_study(folder, manifest),
    ):
        pass
    assert contents(folder) == before


def test_a_second_writer_is_refused_and_a_reader_is_not(folder, manifest):
    with open_study(folder, manifest):
        with pytest.raises(StudyInUseError), open_study(folder, manifest):
            pass
        assert len(read_study(folder).trials) == 2


def test_a_study_of_other_data_is_refused_and_left_alone(folder, plan, other_dataset):
    before = contents(folder)
    other = replace(plan, fingerprint=other_dataset.fingerprint)
    with (
        pytest.raises(UsageError, match="choose another folder"),
        open_study(folder, manifest_for(other, other_dataset, command="")),
    ):
        pass
    assert contents(folder) == before


def test_a_study_with_another_recipe_of_that_name_is_refused_and_left_alone(folder, plan, dataset):
    before = contents(folder)
    changed = apply_settings(plan.recipes[0], ["network.width=5"])
    wanted = manifest_for(replace(plan, recipes=(changed,)), dataset, command="")
    with (
        pytest.raises(UsageError, match=r"network\.width = 4 there and 5 here"),
        open_study(folder, wanted),
    ):
        pass
    assert contents(folder) == before


def test_a_study_grows_by_recipes_and_seeds(folder, dataset, find):
    plan = plan_study([find("one_cycle")], dataset, seeds=[2], preset="published")
    with open_study(folder, manifest_for(plan, dataset, command="more")):
        pass
    study = read_study(folder)
    assert [r.name for r in study.manifest.plan.recipes] == ["plain", "batch_norm", "one_cycle"]
    assert study.manifest.plan.seeds == (0, 1, 2)
    assert len(study.trials) == 2


def test_a_study_whose_growth_was_cut_off_is_still_whole(folder, dataset, find, monkeypatch):
    """The hash of the new manifest is on record, the old manifest still in its place."""
    plan = plan_study([find("one_cycle")], dataset, seeds=[2], preset="published")
    wanted = manifest_for(plan, dataset, command="more")

    def cut_off(old, new):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("denselab.study.files.replace", cut_off)
        with pytest.raises(KeyboardInterrupt), open_study(folder, wanted):
            pass
    assert [r.name for r in read_study(folder).manifest.plan.recipes] == ["plain", "batch_norm"]
    with open_study(folder, wanted):
        pass
    assert len(read_study(folder).manifest.plan.recipes) == 3


@pytest.mark.parametrize("name", ["study.toml", "weights/plain-1.safetensors"])
def test_a_study_that_lost_a_file_is_refused_and_left_alone(folder, manifest, name):
    (folder / name).unlink()
    before = contents(folder)
    with pytest.raises(CorruptStudyError, match=f"{name}: is gone"), open_study(folder, manifest):
        pass
    assert contents(folder) == before


def test_a_full_disk_under_sqlite_is_named_and_the_study_is_as_before(
    folder, manifest, trial, weights
):
    """SQLite's own words for a full disk, which it says when the file may not grow."""
    with open_study(folder, manifest) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages[0]}")
        before = (folder / "study.sqlite").read_bytes()
        with pytest.raises(ExhaustedError, match=r"study.sqlite: the disk is full; make room"):
            store.add_trial(trial(seed=2, epochs=2000), weights(2))
        assert (folder / "study.sqlite").read_bytes() == before
        assert len(store.study.trials) == 2
        store.add_trial(trial(seed=3, epochs=1), weights(3))
    assert [t.seed for t in read_study(folder).trials] == [0, 1, 3]


def test_a_folder_that_may_not_be_written_to_can_be_read(folder, manifest, monkeypatch):
    """Root may write anywhere, so the refusal is played."""
    opened = os.open

    def read_only(path, flags, *rest, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(30, "Read-only file system", str(path))
        return opened(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", read_only)
    with (
        pytest.raises(
            UsageError, match=r"\(Read-only file system\); choose a folder you may write"
        ),
        open_study(folder, manifest),
    ):
        pass
    assert len(read_study(folder).trials) == 2


def test_an_interrupted_commit_leaves_the_store_usable(folder, manifest, trial, weights):
    def interrupted(store: Store):
        with transaction(store._connection):
            raise KeyboardInterrupt

    with open_study(folder, manifest) as store:
        with suppress(KeyboardInterrupt):
            interrupted(store)
        store.add_trial(trial(seed=2), weights(2))
    assert len(read_study(folder).trials) == 3


def test_a_document_takes_the_place_of_the_one_before(folder, manifest):
    with open_study(folder, manifest) as store:
        store.put_document("looks", {"n": 3})
        store.put_document("tuning", [1.5, "é", None])
        now = store.study.documents
    assert read_study(folder).documents == now == {"looks": {"n": 3}, "tuning": [1.5, "é", None]}


def test_predictions_that_were_not_kept_are_missed_with_advice(folder, manifest, trial, weights):
    with open_study(folder, manifest) as store:
        store.add_trial(trial("batch_norm"), weights(0))
        with pytest.raises(UsageError, match="keeps no predictions of batch_norm, seed 0"):
            read_predictions(store.study, store.study.trials[-1])
