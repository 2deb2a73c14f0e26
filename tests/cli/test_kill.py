"""`denselab compare` is killed, interrupted and asked to end; the study ends with the bytes of one left alone."""

import json
import subprocess
import sys

import numpy as np
import pytest

from denselab.study import read_predictions, read_study, read_weights
from denselab.study.tuning import tuning_records

LIVES = '''
"""A process whose children run `denselab compare`; what is slow to import is imported once."""

import json, os, signal, sys, time
from pathlib import Path

TOP, WHAT = Path(sys.argv[1]), sys.argv[2]
os.environ["KERAS_BACKEND"] = "jax"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
# The first life compiles for all of them.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(TOP / "compiled")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import numpy as np
import safetensors.numpy, sklearn.datasets
import denselab.training
from denselab.cli.main import run

NETWORK = ["--depth", "2", "--width", "8", "--epochs", "40", "--set", "training.batch_size=8", "--no-timing"]
COMPARE = ["compare", "digits", "--recipes", "alpha_dropout,one_cycle", "--seeds", "2", "--tune", "2", *NETWORK]
OFTEN = "0.05"


def begin(name, seconds=OFTEN, prepare=lambda: None):
    """Starts a child; what it prints goes to a file."""
    number = os.fork()
    if number:
        return number
    os.environ["DENSELAB_CHECKPOINT_SECONDS"] = seconds
    for stream, handle in (("out", 1), ("err", 2)):
        os.dup2(os.open(TOP / f"{name}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), handle)
    prepare()
    os._exit(run([*COMPARE, "--out", str(TOP / name)]))


def ended(number, block=True):
    """Gives the exit code, negative for a signal; None if it still runs."""
    found, status = os.waitpid(number, 0 if block else os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def checkpoints(name):
    found = set()
    for path in (TOP / name / "checkpoints").glob("*.safetensors"):
        try:
            found.add((path.name, path.stat().st_mtime_ns))
        except FileNotFoundError:
            pass
    return found


def wait_for_writes(number, name, writes, delay):
    """Waits until so many checkpoints were written, or the child has ended."""
    seen, old, code = 0, checkpoints(name), None
    while seen < writes and code is None:
        time.sleep(0.002)
        new = checkpoints(name)
        seen, old, code = seen + len(new - old), new, ended(number, block=False)
    until = time.monotonic() + delay
    while code is None and time.monotonic() < until:
        time.sleep(0.002)
        code = ended(number, block=False)
    return code


def no_training():
    def refuse(*_, **__):
        raise AssertionError("there is nothing to train")

    denselab.training.train_recipe = denselab.training.train_rates = refuse


def kills():
    rng = np.random.default_rng(5)
    wanted = int(os.environ.get("DENSELAB_TRAINING_KILLS", "20"))
    straight = ended(begin("straight", "60"))
    done, gone_on, names, others = 0, 0, ["chain0"], []
    while done < wanted:
        gone_on += bool(checkpoints(names[-1]))
        number = begin(names[-1])
        # One in four anywhere, from the first import on; the others while members train.
        anywhere = rng.random() < 0.25
        writes, delay = (0, rng.uniform(0, 4)) if anywhere else (rng.integers(1, 12), rng.uniform(0, 0.1))
        code = wait_for_writes(number, names[-1], writes, delay)
        if code is None:
            os.kill(number, signal.SIGKILL)
            assert ended(number) == -signal.SIGKILL
            done += 1
        else:
            others.append(code)
            names.append(f"chain{len(names)}")
    others.append(ended(begin(names[-1])))
    again = ended(begin(names[-1], prepare=no_training))
    return {"straight": straight, "chains": names, "codes": others, "again": again, "gone_on": gone_on}


def signal_at_the_first_segment(sent):
    """Sends signals while the main thread waits for members in the middle of their training."""
    # A shell starts what runs in its background with SIGINT ignored, and Python leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from denselab.engine.recorder import Recorder

    original = Recorder.after

    def after(self, place, segment):
        while sent:
            os.kill(os.getpid(), sent.pop())
            time.sleep(0.01)
        return original(self, place, segment)

    Recorder.after = after


def signals():
    """Interrupts once, asks to end, and interrupts twice, in one study."""
    codes, left = [], []
    for sent in ([signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 2):
        # No interval ever ends, so that what is there was written at the signal.
        codes.append(ended(begin("signalled", "1e9", lambda: signal_at_the_first_segment(sent))))
        left.append(len(checkpoints("signalled")))
    codes.append(ended(begin("signalled")))
    if not (TOP / "straight").exists():
        ended(begin("straight", "60"))
    return {"codes": codes, "left": left}


print(json.dumps(globals()[WHAT]()))
'''


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    return tmp_path_factory.mktemp("lives")


def lives(top, what):
    """Runs one of the functions above in a process of its own."""
    command = [sys.executable, "-c", LIVES, str(top), what]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    return json.loads(found.stdout.splitlines()[-1])


def content(folder):
    """All that a study ended with but the seconds it took, in an order of its own."""
    study = read_study(folder)
    keys = [(trial.recipe, trial.seed) for trial in study.trials]
    assert len(set(keys)) == len(keys) == 4
    assert not (folder / "checkpoints").exists()
    trials = {}
    for key, trial in sorted(zip(keys, study.trials, strict=True), key=lambda pair: pair[0]):
        trace = {name: values for name, values in trial.trace.items() if name != "seconds"}
        arrays = {**read_weights(study, trial), **read_predictions(study, trial)}
        trials[key] = (
            (trial.settings, trial.status, trial.best_epoch, trial.validation, trial.test),
            {name: np.array(values).tobytes() for name, values in trace.items()},
            {name: value.tobytes() for name, value in sorted(arrays.items())},
        )
    models = {record.recipe: record.model_seed for record in study.recipes}
    return trials, tuning_records(study), models


def test_a_study_killed_anywhere_ends_with_the_bytes_of_one_left_alone(top):
    outcome = lives(top, "kills")
    assert outcome["straight"] == outcome["again"] == 0
    assert set(outcome["codes"]) == {0}
    # Some lives began where another had been killed in the middle of a training.
    assert outcome["gone_on"] > 0
    straight = content(top / "straight")
    for name in outcome["chains"]:
        assert content(top / name) == straight, name
    assert "begins anew" not in "".join(path.read_text() for path in top.glob("*.err"))


def test_signals_leave_checkpoints_and_the_command_to_go_on_with(top):
    outcome = lives(top, "signals")
    assert outcome["codes"] == [130, 143, 130, 0]
    assert min(outcome["left"][:2]) > 0
    assert content(top / "signalled") == content(top / "straight")
    said = (top / "signalled.err").read_text()
    assert said.count("denselab: interrupted; ") == 3
    assert said.count("go on with: denselab compare digits --recipes alpha_dropout,one_cycle") == 3
