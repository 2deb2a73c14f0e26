"""Every write fails once, before and after it is done; the study is whole each time."""

import errno
import os
import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pytest

from denselab.errors import DenselabError, ExhaustedError, UsageError
from denselab.study import (
    RecipeRecord,
    files,
    manifest_for,
    open_study,
    plan_study,
    read_file,
    read_study,
    read_weights,
)
from denselab.study.checkpoints import MemberCheckpoints, MemberName

STEPS = ("write", "sync", "replace", "make_folder", "sync_folder", "execute")
KINDS = {
    "disk full": (errno.ENOSPC, sqlite3.SQLITE_FULL, ExhaustedError),
    "disk failing": (errno.EIO, sqlite3.SQLITE_IOERR, ExhaustedError),
    "read-only": (errno.EROFS, sqlite3.SQLITE_READONLY, UsageError),
}


@dataclass
class Faults:
    """Lets one step of writing fail.

    Attributes:
        kind: Which fault.
        late: Whether the step is done all the same, before it says that it failed.
        at: Number of the step that fails; -1 lets none fail.
        done: The steps so far.
    """

    kind: str
    late: bool
    at: int = -1
    done: list[str] = field(default_factory=list)

    def arm(self, at: int) -> None:
        self.at, self.done = at, []

    def step(self, name, original, *args):
        self.done.append(name)
        if len(self.done) - 1 != self.at:
            return original(*args)
        if self.late:
            original(*args)
        elif name == "write":
            args[0].write(args[1][: len(args[1]) // 2])
        raise self.error(name)

    def error(self, name) -> Exception:
        number, code, _ = KINDS[self.kind]
        if name != "execute":
            return OSError(number, os.strerror(number))
        error = sqlite3.OperationalError(self.kind)
        error.sqlite_errorcode = code
        return error


@pytest.fixture(params=[False, True], ids=["before", "after"])
def late(request):
    return request.param


@pytest.fixture(params=KINDS)
def faults(request, late, monkeypatch):
    faults = Faults(request.param, late)
    for name in STEPS:
        original = getattr(files, name)

        def step(*args, name=name, original=original):
            return faults.step(name, original, *args)

        monkeypatch.setattr(files, name, step)
    return faults


def fail_at_each(faults, act, check):
    """Does something as often as it has steps, and lets another step fail each time.

    Args:
        faults: The faults.
        act: Does it on the folder that belongs to a number, all in order first.
        check: Looks at that folder afterwards.
    """
    faults.arm(-1)
    act(-1)
    steps = len(faults.done)
    for at in range(steps):
        faults.arm(at)
        with pytest.raises(KINDS[faults.kind][2]) as raised:
            act(at)
        failed = faults.done[at]
        assert str(raised.value).isprintable()
        faults.arm(-1)
        check(at, f"step {at} of {steps}, {failed}")
    return steps


def leftovers(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(".new")]


def test_a_study_is_made_whole_or_not_at_all(tmp_path, manifest, faults):
    def folder(at):
        return tmp_path / f"a{at}" / "studies" / "toy"

    def make(at):
        with open_study(folder(at), manifest):
            pass

    def check(at, step):
        assert not (tmp_path / f"a{at}").exists(), step
        make(at)
        assert read_study(folder(at)).trials == ()

    assert fail_at_each(faults, make, check) > 20


def test_an_empty_folder_stays_empty(tmp_path, manifest, faults):
    for at in range(1000):
        (tmp_path / f"a{at}").mkdir()
        faults.arm(at)
        with suppress(DenselabError), open_study(tmp_path / f"a{at}", manifest):
            break
        assert list((tmp_path / f"a{at}").iterdir()) == []
    assert at > 15


def test_a_trial_is_there_whole_or_not_at_all(
    tmp_path, manifest, trial, weights, predictions, faults
):
    def add(at):
        folder = tmp_path / f"a{at}"
        armed = faults.at
        faults.arm(-1)
        with open_study(folder, manifest) as store:
            if not store.study.trials:
                store.add_trial(trial("batch_norm", 0), weights(5))
            faults.arm(armed)
            store.add_trial(trial(), weights(0), predictions(0))

    def check(at, step):
        study = read_study(tmp_path / f"a{at}")
        assert leftovers(study.folder) == [], step
        names = [record.recipe for record in study.trials]
        assert names in (["batch_norm"], ["batch_norm", "plain"]), step
        if len(names) == 1:
            add(at)
        study = read_study(study.folder)
        for record, seed in zip(study.trials, (5, 0), strict=True):
            kernel = read_weights(study, record)["dense/kernel"]
            np.testing.assert_array_equal(kernel, weights(seed)["dense/kernel"])

    assert fail_at_each(faults, add, check) > 10


def test_the_store_goes_on_after_a_fault(tmp_path, manifest, trial, weights, faults):
    """The same process may make room and try again."""
    with open_study(tmp_path / "study", manifest) as store:
        for seed in range(100):
            faults.arm(seed)
            try:
                store.add_trial(trial(seed=seed), weights(seed))
            except DenselabError:
                faults.arm(-1)
                if seed not in {t.seed for t in read_study(tmp_path / "study").trials}:
                    store.add_trial(trial(seed=seed), weights(seed))
            else:
                break
    assert seed > 8
    assert [t.seed for t in read_study(tmp_path / "study").trials] == list(range(seed + 1))


def test_a_model_on_record_is_always_the_one_in_the_folder(tmp_path, manifest, trial, faults):
    record = RecipeRecord("plain", trial().settings, compile_seconds=1.0)

    def save(at):
        folder = tmp_path / f"a{at}"
        armed = faults.at
        faults.arm(-1)
        with open_study(folder, manifest) as store:
            store.save_model(record, 0, lambda path: path.write_bytes(b"old"))
            faults.arm(armed)
            store.save_model(record, 1, lambda path: path.write_bytes(b"newer"))

    def check(at, step):
        study = read_study(tmp_path / f"a{at}")
        assert leftovers(study.folder) == [], step
        (known,) = study.recipes
        assert known.compile_seconds == 1.0
        if known.model is not None:
            expected = {0: b"old", 1: b"newer"}[known.model_seed]
            assert read_file(study, known.model) == expected, step

    assert fail_at_each(faults, save, check) > 10


def test_a_study_grows_whole_or_stays_as_it_was(tmp_path, manifest, dataset, find, faults):
    plan = plan_study([find("one_cycle")], dataset, seeds=[2], preset="published")
    wanted = manifest_for(plan, dataset, command="more")

    def grow(at):
        folder = tmp_path / f"a{at}"
        armed = faults.at
        faults.arm(-1)
        with open_study(folder, manifest):
            pass
        faults.arm(armed)
        with open_study(folder, wanted):
            pass

    def check(at, step):
        study = read_study(tmp_path / f"a{at}")
        assert leftovers(study.folder) == [], step
        assert len(study.manifest.plan.recipes) in (2, 3), step
        grow(at)
        assert len(read_study(study.folder).manifest.plan.recipes) == 3

    assert fail_at_each(faults, grow, check) > 7


def test_a_checkpoint_is_the_old_or_the_new_one(tmp_path, faults):
    member = MemberName("plain", "0" * 16, seed=0)

    def kept(at):
        return MemberCheckpoints(tmp_path / f"a{at}", [member])

    def save(at):
        armed = faults.at
        faults.arm(-1)
        (tmp_path / f"a{at}").mkdir(exist_ok=True)
        kept(at).save(0, {"epoch": np.int32(1)}, {})
        faults.arm(armed)
        kept(at).save(0, {"epoch": np.int32(2)}, {})

    def check(at, step):
        assert leftovers(tmp_path / f"a{at}") == [], step
        ((arrays, _),) = kept(at).load().values()
        assert arrays["epoch"] in (1, 2), step
        kept(at).save(0, {"epoch": np.int32(3)}, {})
        assert kept(at).load()[0][0]["epoch"] == 3

    assert fail_at_each(faults, save, check) == 4


def test_a_first_checkpoint_is_there_or_not(tmp_path, faults):
    member = MemberName("plain", "0" * 16, seed=0)

    def kept(at):
        return MemberCheckpoints(tmp_path / f"a{at}", [member])

    def save(at):
        (tmp_path / f"a{at}").mkdir(exist_ok=True)
        kept(at).save(0, {"epoch": np.int32(1)}, {})

    def check(at, step):
        assert leftovers(tmp_path / f"a{at}") == [], step
        assert [arrays["epoch"] for arrays, _ in kept(at).load().values()] in ([], [1]), step

    assert fail_at_each(faults, save, check) == 6
