"""Small studies of made-up trials; nothing here trains, so nothing here needs JAX."""

import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from denselab.data import Dataset
from denselab.recipes import Recipe, load_recipe
from denselab.study import (
    Manifest,
    Plan,
    RecipeRecord,
    ScoresRecord,
    TrialRecord,
    manifest_for,
    open_study,
    plan_study,
)
from denselab.study.hashing import settings_hash
from denselab.study.records import TRACE_COLUMNS

SMALL = ["network.depth=1", "network.width=4", "training.epochs=3"]


@pytest.fixture
def find() -> Callable[[str], Recipe]:
    """Reads a rung, made small."""
    return lambda name: load_recipe(name, settings=SMALL)


@pytest.fixture
def dataset() -> Dataset:
    return toy_dataset()


def toy_dataset(shift: float = 0.0) -> Dataset:
    x = np.arange(24, dtype=np.float32).reshape(8, 3) + shift
    y = np.array([0, 1] * 4, np.int32)
    return Dataset(
        name="toy",
        x=x,
        y=y,
        test_x=x[:2],
        test_y=y[:2],
        task="classification",
        class_names=("no", "yes"),
        source="made up",
    )


@pytest.fixture
def other_dataset() -> Dataset:
    """Data of the same name and shape with other values."""
    return toy_dataset(shift=1.0)


@pytest.fixture
def plan(dataset, find) -> Plan:
    recipes = [find("plain"), find("batch_norm")]
    return plan_study(recipes, dataset, seeds=[0, 1], preset="published")


@pytest.fixture
def manifest(plan, dataset) -> Manifest:
    return manifest_for(plan, dataset, command="denselab compare toy")


def made_trial(recipe: Recipe, seed: int, epochs: int = 3) -> TrialRecord:
    """Makes up a trial whose values differ from those of any other."""
    stream = np.random.default_rng([seed, len(recipe.name)])
    return TrialRecord(
        recipe=recipe.name,
        settings=settings_hash(recipe),
        seed=seed,
        status="finished",
        best_epoch=epochs - 1,
        parameters=21,
        seconds=float(epochs),
        validation=ScoresRecord(*stream.random(2).tolist()),
        test=ScoresRecord(*stream.random(2).tolist()),
        trace={name: tuple(stream.random(epochs).tolist()) for name in TRACE_COLUMNS},
    )


def made_weights(seed: int) -> dict[str, np.ndarray]:
    stream = np.random.default_rng(seed)
    return {"dense/kernel": stream.random((3, 4), np.float32), "dense/bias": np.zeros(4, "f4")}


@pytest.fixture
def trial(find) -> Callable[..., TrialRecord]:
    """Makes up the trial of a rung and a seed."""
    return lambda name="plain", seed=0, **options: made_trial(find(name), seed, **options)


@pytest.fixture
def weights() -> Callable[[int], dict[str, np.ndarray]]:
    return made_weights


def made_predictions(seed: int) -> dict[str, np.ndarray]:
    stream = np.random.default_rng([seed, 1])
    first = stream.random((5, 1), np.float32)
    both = np.concatenate([first, 1 - first], axis=1)
    return {"test": both[:2], "calibration": both[2:]}


@pytest.fixture
def predictions() -> Callable[[int], dict[str, np.ndarray]]:
    return made_predictions


@pytest.fixture
def folder(tmp_path, manifest, trial, weights, predictions) -> Path:
    """A study with two trials and a model."""
    folder = tmp_path / "study"
    with open_study(folder, manifest) as store:
        for seed in (0, 1):
            store.add_trial(trial(seed=seed), weights(seed), predictions(seed))
        store.put_document("looks", [{"n": 2, "level": 0.05}])
        record = RecipeRecord("plain", trial().settings, compile_seconds=1.5, notes=("a", "b"))
        store.save_model(record, 1, lambda path: path.write_bytes(b"a model" * 100))
    return folder


class Scores(NamedTuple):
    loss: float
    accuracy: float


class Progress(NamedTuple):
    recipe: str
    place: int


class Predictions(NamedTuple):
    test: np.ndarray
    calibration: np.ndarray


@dataclass(frozen=True)
class Trial:
    recipe: str
    seed: int
    status: str
    trace: dict[str, np.ndarray]
    best_epoch: int
    validation: Scores
    test: Scores
    weights: dict[str, np.ndarray]
    seconds: float
    predictions: Predictions | None = None


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    trials: tuple[Trial, ...]
    compile_seconds: float = 0.5
    notes: tuple[str, ...] = ()

    def save_model(self, place: int, path: Path) -> None:
        trial = self.trials[place]
        path.write_bytes(f"{trial.recipe} {trial.seed}".encode() + trial.weights["w"].tobytes())


@dataclass
class FakeTraining:
    """Stands in for `denselab.training`: it makes up trials, and notes what it was asked for.

    Attributes:
        asked: Name of the recipe and seeds of each training.
        sources: Name of the recipe -> seeds of the trials whose weights it was given.
        resumed: Name of a recipe -> the checkpoints that its last training was given.
        diverging: Name of a recipe and seeds whose loss is not finite.
        before_trial: Called before each trial is handed over.
    """

    asked: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    sources: dict[str, list[int]] = field(default_factory=dict)
    resumed: dict[str, dict[int, tuple]] = field(default_factory=dict)
    diverging: set[tuple[str, int]] = field(default_factory=set)
    before_trial: Callable[[str, int], None] = lambda name, seed: None

    def train_recipe(
        self, recipe, dataset, *, seeds: Sequence[int], source=None, on_trial=None, **following
    ) -> Result:
        on_progress, checkpoints = following.get("on_progress"), following["checkpoints"]
        self.resumed[recipe.name] = checkpoints.load()
        self.asked.append((recipe.name, tuple(seeds)))
        if source is not None:
            self.sources[recipe.name] = [trial.seed for trial in source.trials]
        trials = []
        for place, seed in enumerate(seeds):
            checkpoints.save(place, {"epoch": np.int32(seed)}, {"recipe": recipe.name})
            self.before_trial(recipe.name, seed)
            shared = None if source is None else source.trials[place].weights
            trials.append(self.trial(recipe.name, seed, shared))
            on_trial(trials[-1])
            if on_progress is not None:
                on_progress(Progress(recipe.name, place))
        return Result(recipe, tuple(trials), notes=("one core",))

    def trial(self, name: str, seed: int, shared: dict[str, np.ndarray] | None) -> Trial:
        failed = (name, seed) in self.diverging
        epochs = 0 if shared is not None else 2
        accuracy = float("nan") if failed else 0.5 + seed / 100
        return Trial(
            recipe=name,
            seed=seed,
            status="diverged" if failed else "finished",
            trace={column: np.full(epochs, accuracy, "f4") for column in TRACE_COLUMNS}
            if epochs
            else {},
            best_epoch=epochs - 1,
            validation=Scores(1.0, accuracy),
            test=Scores(1.0, accuracy),
            weights={"w": np.full(3, seed, "f4")} if shared is None else shared,
            seconds=float(epochs),
        )


@pytest.fixture
def training(monkeypatch) -> FakeTraining:
    """Takes the place of `denselab.training` for the time of a test."""
    fake = FakeTraining()
    module = types.ModuleType("denselab.training")
    module.Scores, module.Trial = Scores, Trial
    module.train_recipe = fake.train_recipe
    module.restore_recipe = lambda recipe, dataset, trials: Result(recipe, tuple(trials))
    monkeypatch.setitem(sys.modules, "denselab.training", module)
    return fake
