"""Made-up studies, and a browser to read their reports with; nothing here trains."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from denselab.data import Dataset
from denselab.recipes import load_recipe
from denselab.study import (
    BuiltModel,
    Plan,
    RecipeRecord,
    ScoresRecord,
    Study,
    TrialRecord,
    arms_of,
    manifest_for,
    open_study,
    read_study,
)
from denselab.study.judgement import fix_question, judge
from denselab.study.records import TRACE_COLUMNS

SMALL = ["network.depth=1", "network.width=4", "training.epochs=6"]
LADDER = {"plain": 0.90, "batch_norm": 0.94}
"""Recipe -> mean accuracy of its made-up trials."""


@dataclass(frozen=True)
class About:
    """What a made-up study says of itself."""

    seeds: int = 8
    title: str = "a title"
    dataset: str = "toy"
    class_names: tuple[str, ...] = ("no", "yes")
    command: str = "denselab compare toy"
    folder: str = "study"
    notes: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def about() -> type[About]:
    return About


def made_dataset(name: str, class_names: Sequence[str]) -> Dataset:
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    y = np.array([0, 1] * 4, np.int32)
    return Dataset(
        name=name,
        x=x,
        y=y,
        test_x=x[:2],
        test_y=y[:2],
        task="classification",
        class_names=tuple(class_names),
        source="made up",
    )


def made_trial(
    name: str, settings: str, seed: int, accuracy: float, *, failed: bool
) -> TrialRecord:
    """Makes up a trial that trains for four to six epochs and ends near an accuracy."""
    stream = np.random.default_rng([seed, *name.encode()])
    score = float("nan") if failed else float(np.clip(accuracy + stream.normal(0, 0.004), 0, 1))
    epochs = 4 + seed % 3
    rising = [score * (1 - 0.5**epoch) for epoch in range(1, epochs + 1)]
    columns = {
        "loss": [2.0 / epoch for epoch in range(1, epochs + 1)],
        "accuracy": rising,
        "val_loss": [2.5 / epoch for epoch in range(1, epochs + 1)],
        "val_accuracy": rising,
        "learning_rate": [1e-3] * epochs,
        "seconds": [0.5 * epoch for epoch in range(1, epochs + 1)],
    }
    return TrialRecord(
        recipe=name,
        settings=settings,
        seed=seed,
        status="diverged" if failed else "stopped",
        best_epoch=epochs - 1,
        parameters=21,
        seconds=0.5 * epochs + len(name) / 10,
        validation=ScoresRecord(0.5, score),
        test=ScoresRecord(float("nan") if failed else 1 - score, score),
        trace={column: tuple(map(float, columns[column])) for column in TRACE_COLUMNS},
    )


@pytest.fixture(scope="module")
def make_study(tmp_path_factory) -> Callable[..., Study]:
    """Makes studies whose trials come from the accuracies that are asked for."""

    def make(
        accuracies: Mapping[str, float] = LADDER,
        *,
        models: Mapping[str, float] = MappingProxyType({}),
        failing: Sequence[tuple[str, int]] = (),
        missing: Sequence[tuple[str, int]] = (),
        documents: Mapping[str, Any] = MappingProxyType({}),
        about: About = About(),
    ) -> Study:
        settings = [*SMALL, f"title={json.dumps(about.title)}"]
        recipes = tuple(load_recipe(name, settings=settings) for name in accuracies)
        built = tuple(
            BuiltModel(name, about.title, f"{place:016x}") for place, name in enumerate(models)
        )
        data = made_dataset(about.dataset, about.class_names)
        plan = Plan(
            recipes,
            about.dataset,
            data.fingerprint,
            tuple(range(about.seeds)),
            "published",
            models=built,
        )
        place = tmp_path_factory.mktemp("made") / about.folder
        with open_study(place, manifest_for(plan, data, command=about.command)) as store:
            fix_question(store, None, seeds=about.seeds)
            for document, value in documents.items():
                store.put_document(document, value)
            wanted = {arm.name: arm.settings for arm in arms_of(store.study)}
            for name, hashed in wanted.items():
                accuracy = {**accuracies, **models}[name]
                for seed in range(about.seeds):
                    if (name, seed) not in missing:
                        failed = (name, seed) in failing
                        trial = made_trial(name, hashed, seed, accuracy, failed=failed)
                        store.add_trial(trial, {"w": np.zeros(3, "f4")})
                store.put_recipe(RecipeRecord(name, hashed, 1.5, about.notes))
            judge(store)
        return read_study(place)

    return make


_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads the protocol from descriptor 3 and writes it to descriptor 4."""


class Browser:
    """A headless Chromium, spoken to through two pipes in its DevTools protocol."""

    def __init__(self, program: str, profile: Path) -> None:
        to_read, self._commands = os.pipe()
        self._answers, to_write = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        flags += ["--no-first-run", "--disable-background-networking", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, str(to_read), str(to_write), program, *flags],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest, self.events = 0, b"", []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(one for one in targets if one["type"] == "page")
        attach = {"targetId": page["targetId"], "flatten": True}
        self._session = None
        self._session = self.send("Target.attachToTarget", attach)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, parameters: dict | None = None) -> dict:
        """Sends a command and waits for its answer; events that come meanwhile are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters or {}}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        while b"\0" not in self._rest:
            came = os.read(self._answers, 1 << 20)
            assert came, "the browser is gone"
            self._rest += came
        first, _, self._rest = self._rest.partition(b"\0")
        return json.loads(first)

    def open(self, path: Path) -> None:
        """Opens a page and waits until its charts are drawn."""
        self.events.clear()
        self.send("Page.navigate", {"url": path.as_uri()})
        drawn = (
            "new Promise((done) => { const look = () => document.documentElement.dataset.drawn"
            " ? done(true) : setTimeout(look, 50); look(); })"
        )
        while self.run("document.readyState") != "complete":
            pass
        self.run(drawn)

    def run(self, script: str) -> Any:
        """Runs a script on the page and gives its plain value."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = self.send("Runtime.evaluate", asked)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Presses and releases a key."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.send("Input.dispatchKeyEvent", {"type": "keyDown", **about})
        self.send("Input.dispatchKeyEvent", {"type": "keyUp", **about})

    def show(self, width: int, *, dark: bool = False, media: str = "") -> None:
        """Sets the width of the window, and what the reader prefers."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.send("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def happened(self, *methods: str) -> list[dict]:
        """Lists events of these kinds since the page was opened."""
        self.run("1")
        return [one for one in self.events if one.get("method") in methods]

    def picture(self, path: Path) -> None:
        """Saves a picture of the whole page."""
        asked = {"format": "png", "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", asked)["data"]))

    def close(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    """A browser for the tests of a module."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    started = Browser(program, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
