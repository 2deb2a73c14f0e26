"""`kill -9` at every step of writing, at random moments, and writers that race."""

import json
import subprocess
import sys

import pytest

from denselab.study import manifest_for, open_study, plan_study, read_file, read_study, read_weights
from denselab.study.manifest import written

WRITER = '''
"""A process whose children write to studies, and are killed."""

import json, os, signal, sys, time
from dataclasses import replace
from pathlib import Path

import numpy as np

from denselab.errors import StudyInUseError
from denselab.study import RecipeRecord, ScoresRecord, TrialRecord, files, open_study
from denselab.study.manifest import parsed
from denselab.study.records import TRACE_COLUMNS

TOP = Path(sys.argv[1])
MANIFEST = parsed((TOP / "manifest.toml").read_bytes(), TOP)
STEPS = ("write", "sync", "replace", "make_folder", "sync_folder", "execute")


def trial(seed):
    return TrialRecord("plain", "0" * 16, seed, "finished", 0, 9, 1.0, ScoresRecord(0.1, 0.9),
                       ScoresRecord(0.2, 0.8), {name: (0.5, 0.25) for name in TRACE_COLUMNS})


def work(folder, seeds, told=lambda seed: None):
    with open_study(folder, MANIFEST) as store:
        for seed in seeds:
            store.add_trial(trial(seed), {"w": np.full(3, seed, "f4")})
            told(seed)
        record = RecipeRecord("plain", "0" * 16)
        store.save_model(record, 1, lambda path: path.write_bytes(b"a model" * 999))


def kill_at(step):
    count = iter(range(10**6))
    for name in STEPS:
        def counted(*args, original=getattr(files, name)):
            if next(count) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)
        setattr(files, name, counted)


def child(act):
    number = os.fork()
    if number == 0:
        try:
            act()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return number


def each_step():
    for step in range(10**6):
        def act():
            kill_at(step)
            work(TOP / f"step{step}", [0, 1])
        status = os.waitpid(child(act), 0)[1]
        if not os.WIFSIGNALED(status):
            return {"steps": step, "exit": os.waitstatus_to_exitcode(status)}


def each_step_of_one_study():
    """Kills one study again and again, a little later each time."""
    kills = 0
    for step in range(10**6):
        def act():
            kill_at(step)
            there = set()
            if (TOP / "chain" / "study.sqlite").exists():
                from denselab.study import read_study
                there = {t.seed for t in read_study(TOP / "chain").trials}
            work(TOP / "chain", [seed for seed in range(6) if seed not in there])
        status = os.waitpid(child(act), 0)[1]
        if not os.WIFSIGNALED(status):
            return {"kills": kills, "exit": os.waitstatus_to_exitcode(status)}
        kills += 1


def any_moment():
    kills = int(os.environ.get("DENSELAB_KILLS", "8"))  # `make soak` asks for hundreds
    moments = np.random.default_rng(3).uniform(0.002, 0.1, kills)
    told = []
    for number, moment in enumerate(moments):
        reader, writer = os.pipe()
        def act():
            work(TOP / f"moment{number}", range(10**6), lambda seed: os.write(writer, b"."))
        pid = child(act)
        os.close(writer)
        os.read(reader, 1)
        time.sleep(moment)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        told.append(1 + sum(len(piece) for piece in iter(lambda: os.read(reader, 4096), b"")))
    return {"told": told}


def race():
    go, start = os.pipe()
    ends, end = os.pipe()
    won = []
    def act():
        os.close(start), os.close(end)
        os.read(go, 1)
        try:
            with open_study(TOP / "race", MANIFEST):
                os.read(ends, 1)
        except StudyInUseError as error:
            os._exit(error.exit_code)
    children = [child(act) for _ in range(8)]
    os.close(start)
    codes = [os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) for _ in children[1:]]
    os.close(end)
    return {"losers": codes, "winner": os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1])}


print(json.dumps(globals()[sys.argv[2]]()))
'''


@pytest.fixture
def killed(tmp_path, dataset, find):
    """Runs one of the functions of the writer in a process of its own."""
    plan = plan_study([find("plain")], dataset, seeds=[0, 1], preset="published")
    manifest = manifest_for(plan, dataset, command="denselab compare toy")
    (tmp_path / "manifest.toml").write_bytes(written(manifest))

    def run(name):
        command = [sys.executable, "-c", WRITER, str(tmp_path), name]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.stderr == ""
        return json.loads(found.stdout), manifest

    return run


def check_whole(study):
    """Reads everything there is of trials and model."""
    assert [trial.seed for trial in study.trials] == list(range(len(study.trials)))
    for trial in study.trials:
        assert read_weights(study, trial)["w"].tolist() == [trial.seed] * 3
    for recipe in study.recipes:
        if recipe.model is not None:
            assert read_file(study, recipe.model) == b"a model" * 999


def test_a_study_killed_at_any_step_is_whole_and_can_go_on(tmp_path, killed):
    outcome, manifest = killed("each_step")
    assert outcome["exit"] == 0
    assert outcome["steps"] > 50
    for step in range(outcome["steps"]):
        with open_study(tmp_path / f"step{step}", manifest) as store:
            check_whole(store.study)


def test_a_study_killed_again_and_again_ends_complete(tmp_path, killed):
    outcome, _ = killed("each_step_of_one_study")
    assert outcome["exit"] == 0
    assert outcome["kills"] > 20
    study = read_study(tmp_path / "chain")
    check_whole(study)
    assert len(study.trials) == 6
    assert study.recipes[0].model is not None


def test_what_was_acknowledged_survives_a_kill_at_any_moment(tmp_path, killed):
    outcome, manifest = killed("any_moment")
    for number, told in enumerate(outcome["told"]):
        with open_study(tmp_path / f"moment{number}", manifest) as store:
            check_whole(store.study)
            assert len(store.study.trials) >= told


def test_of_writers_that_race_one_wins_and_the_others_say_so(tmp_path, killed):
    outcome, _ = killed("race")
    assert outcome == {"losers": [7] * 7, "winner": 0}
    assert read_study(tmp_path / "race").trials == ()
