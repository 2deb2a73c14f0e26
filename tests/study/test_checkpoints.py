"""Checkpoints in a study: sound or not used, and gone when nobody needs them."""

import logging
from dataclasses import replace

import numpy as np
import pytest

from denselab.errors import ExhaustedError, InterruptedTrainingError, UsageError
from denselab.study import compare_recipes, files, open_study, read_study
from denselab.study.checkpoints import (
    INTERVAL,
    MemberCheckpoints,
    MemberName,
    forget_done,
    packed_checkpoint,
    unpacked_checkpoint,
)

MEMBER = MemberName("plain", "0" * 16, seed=3)
ARRAYS = {
    "epoch": np.int32(4),
    "model/trainable/0": np.linspace(0, 1, 6, dtype="f4").reshape(2, 3).T,
    "model/non_trainable/0": np.array([1, 2**32 - 1], np.uint32),
    "trace/loss": np.array([0.5, np.nan], "f4"),
    "clock": np.array([[0.0, 0.0], [0.1, 2.5]]),
}
HEADER = {"format": 1, "seed": 3, "training": "0" * 64, "sha256": "f" * 64}


def same(parts):
    arrays, header = parts
    assert header == HEADER
    assert arrays.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value, strict=True)
    return True


def test_what_was_packed_comes_back_to_the_last_bit():
    assert same(unpacked_checkpoint(packed_checkpoint(ARRAYS, HEADER, MEMBER), MEMBER))


def test_any_changed_bit_is_noticed():
    data = packed_checkpoint(ARRAYS, HEADER, MEMBER)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ (1 << place % 8)]) + data[place + 1 :]
        with pytest.raises(ValueError, match=r"SHA-256 differs|is no checkpoint"):
            unpacked_checkpoint(changed, MEMBER)


def test_any_missing_or_added_byte_is_noticed():
    data = packed_checkpoint(ARRAYS, HEADER, MEMBER)
    for other in (*(data[:size] for size in range(len(data))), data + b"\0"):
        with pytest.raises(ValueError, match=r"SHA-256 differs|is no checkpoint"):
            unpacked_checkpoint(other, MEMBER)


def test_the_checkpoint_of_other_settings_is_not_taken_for_this():
    data = packed_checkpoint(ARRAYS, HEADER, replace(MEMBER, settings="1" * 16))
    with pytest.raises(ValueError, match="of other hyper-parameters"):
        unpacked_checkpoint(data, MEMBER)


def test_members_have_files_of_their_own():
    assert MEMBER.file == "plain-3.safetensors"
    assert replace(MEMBER, rate=1e-05).file == "plain-rate-1e-05.safetensors"


def test_what_was_saved_last_is_loaded(tmp_path):
    kept = MemberCheckpoints(tmp_path, [MEMBER, replace(MEMBER, seed=4)])
    assert kept.load() == {}
    kept.save(1, {"epoch": np.int32(1)}, {})
    kept.save(1, ARRAYS, HEADER)
    found = kept.load()
    assert list(found) == [1]
    assert same(found[1])
    assert same(MemberCheckpoints(tmp_path, [replace(MEMBER, seed=4)]).load()[0])
    kept.forget(1)
    assert kept.load() == {}


@pytest.mark.parametrize("size", [0, 100, -1], ids=["emptied", "truncated", "last byte gone"])
def test_a_damaged_checkpoint_is_named_and_its_member_begins_anew(tmp_path, caplog, size):
    kept = MemberCheckpoints(tmp_path, [MEMBER, replace(MEMBER, seed=4)])
    kept.save(0, ARRAYS, HEADER)
    kept.save(1, ARRAYS, HEADER)
    path = tmp_path / "checkpoints" / MEMBER.file
    path.write_bytes(path.read_bytes()[:size])
    with caplog.at_level(logging.WARNING):
        assert list(kept.load()) == [1]
    assert caplog.messages[0].startswith(f"{path}: is ")
    assert caplog.messages[0].endswith("this member begins anew; nothing else is lost")
    kept.save(0, ARRAYS, HEADER)
    assert list(kept.load()) == [0, 1]


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan"])
def test_an_interval_that_is_none_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv(INTERVAL, text)
    with pytest.raises(UsageError, match=f"{INTERVAL} is '{text}'; give seconds above 0"):
        MemberCheckpoints(tmp_path, [])


def test_the_interval_is_a_minute_unless_it_is_set(tmp_path, monkeypatch):
    monkeypatch.delenv(INTERVAL, raising=False)
    assert MemberCheckpoints(tmp_path, []).seconds == 60
    monkeypatch.setenv(INTERVAL, "0.5")
    assert MemberCheckpoints(tmp_path, []).seconds == 0.5


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").glob("*"))


def stop_before(name, seed):
    def stop(*trial):
        if trial == (name, seed):
            raise KeyboardInterrupt

    return stop


@pytest.fixture
def compare(tmp_path, plan, dataset, training):
    def run():
        return compare_recipes(plan, dataset, folder=tmp_path / "study", command="again")

    return run


def test_an_interrupted_study_keeps_the_checkpoint_and_hands_it_to_the_same_member(
    tmp_path, compare, training
):
    training.before_trial = stop_before("batch_norm", 1)
    with pytest.raises(InterruptedTrainingError):
        compare()
    assert names(tmp_path / "study") == ["batch_norm-1.safetensors"]
    training.before_trial = lambda *_: None
    compare()
    assert training.asked[-1] == ("batch_norm", (1,))
    (parts,) = training.resumed["batch_norm"].values()
    assert (int(parts[0]["epoch"]), parts[1]) == (1, {"recipe": "batch_norm"})
    assert not (tmp_path / "study" / "checkpoints").exists()


def test_a_complete_study_has_no_checkpoints_and_trains_nothing(tmp_path, compare, training):
    compare()
    asked = list(training.asked)
    compare()
    assert training.asked == asked
    assert not (tmp_path / "study" / "checkpoints").exists()


def test_what_a_kill_left_is_removed_and_what_is_wanted_stays(folder, manifest):
    with open_study(folder, manifest) as store:
        assert {(trial.recipe, trial.seed) for trial in store.study.trials} == {
            ("plain", 0),
            ("plain", 1),
        }
        for name in ("plain-0", ".new-plain-1", "batch_norm-0", "batch_norm-rate-0.1", "other-1"):
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / f"{name}.safetensors").write_bytes(b"x")
        forget_done(store.study)
    assert names(folder) == ["batch_norm-0.safetensors", "batch_norm-rate-0.1.safetensors"]


def test_a_full_disk_ends_the_training_and_the_old_checkpoint_is_gone_on_from(
    tmp_path, compare, training, monkeypatch
):
    training.before_trial = stop_before("batch_norm", 1)
    with pytest.raises(InterruptedTrainingError):
        compare()
    path = tmp_path / "study" / "checkpoints" / "batch_norm-1.safetensors"
    before, original = path.read_bytes(), files.write

    def full(file, data):
        if "batch_norm-1" in file.name and "checkpoints" in file.name:
            file.write(data[:100])
            raise OSError(28, "No space left on device")
        original(file, data)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        with pytest.raises(ExhaustedError, match=r"batch_norm-1.safetensors: the disk is full"):
            compare()
    assert path.read_bytes() == before
    assert len(read_study(tmp_path / "study").trials) == 3
    training.before_trial = lambda *_: None
    assert compare().failed == 0
    assert list(training.resumed["batch_norm"]) == [0]
