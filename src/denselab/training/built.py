"""Trains Keras models that the user builds and compiles, over seeds, and scores them like recipes."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from denselab.data import Dataset, split, standardization
from denselab.engine import Member, claim_cores, train_population
from denselab.engine.member import set_weights
from denselab.errors import UsageError
from denselab.training.results import Predictions, Scores, Trial
from denselab.training.train import score
from denselab.uncertainty import predicted_probabilities

__all__ = ["BuiltResult", "Fit", "Inspection", "inspect_model", "save_built", "train_built"]

BuildModel = Callable[[], keras.Model]


class Fit(NamedTuple):
    """How models are trained, the same for all that are compared.

    Attributes:
        epochs: Passes over the training rows, at most.
        batch_size: Rows of one step.
        patience: Epochs without a better validation loss before a member stops, and ends with its best
            weights; None trains to the end and keeps the last weights.
        validation_fraction: Share of the training rows that validate, another one for every seed.
        standardize: Whether every feature gets mean 0 and deviation 1 over the training rows first.
    """

    epochs: int = 30
    batch_size: int = 32
    patience: int | None = None
    validation_fraction: float = 0.2
    standardize: bool = False


class Inspection(NamedTuple):
    """What a model is.

    Attributes:
        settings: Hash of its layers, its compiled settings and how it is trained; names of layers do
            not count.
        title: What it is made of, in a line.
        parameters: Number of weights.
    """

    settings: str
    title: str
    parameters: int


@dataclasses.dataclass(frozen=True)
class BuiltResult:
    """One model trained under several seeds.

    Attributes:
        trials: One trial a seed.
        compile_seconds: Time spent on compiling, in seconds.
        notes: What the engine could not set, one line each.
    """

    trials: tuple[Trial, ...]
    compile_seconds: float
    notes: tuple[str, ...]


def inspect_model(build: BuildModel, fit: Fit) -> Inspection:
    """Builds a model once, to know it again.

    Args:
        build: Returns a compiled Keras model.
        fit: How it is to be trained.

    Returns:
        What it is.

    Raises:
        UsageError: If it is no compiled Keras model.
    """
    claim_cores()
    model = build()
    if not isinstance(model, keras.Model) or not getattr(model, "compiled", False):
        raise UsageError(
            f"a model function returned {type(model).__name__}; return a compiled keras.Model"
        )
    if not model.built:
        raise UsageError(
            f"model {model.name} does not know its inputs; begin it with keras.Input(shape)"
        )
    facts = [_layers(model), _uncounted(model.get_compile_config()), list(fit)]
    text = json.dumps(facts, sort_keys=True, default=repr)
    return Inspection(
        hashlib.sha256(text.encode()).hexdigest()[:16], _title(model), model.count_params()
    )


def train_built(
    name: str,
    build: BuildModel,
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    fit: Fit,
    on_trial: Callable[[Trial], None] | None = None,
) -> BuiltResult:
    """Trains a model under several seeds, side by side, exactly as `fit` would.

    Args:
        name: What the model is called.
        build: Returns a compiled Keras model; called once for each seed.
        dataset: The data, with its test rows.
        seeds: One whole number a member.
        fit: How to train.
        on_trial: Called with each trial as soon as it is done and scored.

    Returns:
        The trials, in the order of the seeds.

    Raises:
        UsageError: If the model cannot be trained this way, or its outputs do not fit the data.
        KeyboardInterrupt: After Ctrl-C; trials that were done have been handed to `on_trial`.
    """
    claim_cores()
    splits = [
        split(dataset.y, seed=seed, fraction=fit.validation_fraction, task=dataset.task)
        for seed in seeds
    ]
    standards = (
        [standardization(dataset.x, rows) for rows, _ in splits] if fit.standardize else None
    )
    template, trials = build(), {}
    scorer = _Scorer(name, template, dataset)

    def done(place: int, member: Member) -> None:
        trials[place] = scorer(member, splits[place][1], best=fit.patience is not None)
        if on_trial is not None:
            on_trial(trials[place])

    population = train_population(
        build,
        dataset.x,
        _targets(template, dataset),
        seeds=seeds,
        splits=splits,
        standardizations=standards,
        epochs=fit.epochs,
        batch_size=fit.batch_size,
        patience=fit.patience,
        restore_best=fit.patience is not None,
        on_member=done,
    )
    ordered = tuple(trials[place] for place in range(len(seeds)))
    return BuiltResult(ordered, population.compile_seconds, population.notes)


def save_built(build: BuildModel, weights: Mapping[str, np.ndarray], path: Path) -> None:
    """Writes a trained model as a `.keras` file; it takes inputs as the user's model does.

    Args:
        build: Builds the model.
        weights: As a trial of it holds them.
        path: The file, ending in `.keras`.
    """
    model, values = build(), [weights[name] for name in sorted(weights)]
    trainable = len(model.trainable_variables)
    set_weights(model, values[:trainable], values[trainable:])
    optimizer: Any = model.optimizer
    optimizer.build(
        model.trainable_variables
    )  # Loading misses what a fresh optimizer has not made yet.
    model.save(path)


def _numbered(values: Sequence[Any]) -> dict[str, np.ndarray]:
    """Names weights by their place: names of layers may differ each time a model is built."""
    return {f"{place:05d}": np.asarray(value) for place, value in enumerate(values)}


class _Scorer:
    """Turns members into trials: predicts their validation rows and the test rows."""

    def __init__(self, name: str, model: keras.Model, dataset: Dataset) -> None:
        self._name, self._model, self._dataset = name, model, dataset

    def __call__(self, member: Member, rows: np.ndarray, *, best: bool) -> Trial:
        data, model = self._dataset, self._model
        set_weights(model, member.trainable, member.non_trainable)
        tables = [self._predict(x, member) for x in (data.x[rows], data.test_x, data.calibration_x)]
        assert data.test_y is not None
        return Trial(
            recipe=self._name,
            seed=member.seed,
            status=member.status,
            trace=_with_accuracy(member.trace),
            best_epoch=member.best_epoch if best else member.epochs - 1,
            validation=self._score(tables[0], data.y[rows]),
            test=self._score(tables[1], data.test_y),
            weights=_numbered([*member.trainable, *member.non_trainable]),
            seconds=float(member.trace["seconds"][-1]),
            predictions=Predictions(tables[1], tables[2]),
        )

    def _predict(self, x: np.ndarray | None, member: Member) -> np.ndarray:
        """Gives probabilities of classes, or predicted values in a column."""
        data = self._dataset
        if x is None:
            return np.zeros((0, data.classes or 1), np.float32)
        if member.standardization is not None:
            mean, scale = member.standardization
            x = ((x - mean) * scale).astype(np.float32)
        found = np.asarray(self._model.predict(x, batch_size=512, verbose="0"))
        if data.classes is not None:
            found = predicted_probabilities(self._model, found)
        wanted = (len(x), data.classes or 1)
        if found.shape != wanted:
            raise UsageError(
                f"model {self._name} gives outputs of shape {found.shape}, the data needs {wanted}; "
                "end it with one output a class, or one for a value"
            )
        return found.astype(np.float32)

    def _score(self, found: np.ndarray, y: np.ndarray) -> Scores:
        if self._dataset.classes is not None:
            return score(found, y)
        if not np.isfinite(found).all():
            return Scores(math.nan, math.nan)
        return Scores(float(np.square(found[:, 0].astype(np.float64) - y).mean()), math.nan)


def _targets(model: keras.Model, dataset: Dataset) -> np.ndarray:
    """Gives targets in the form that the model's loss wants."""
    loss = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    name = getattr(loss, "name", None) or getattr(loss, "__name__", "")
    if dataset.classes is not None and name.startswith("categorical"):
        return np.eye(dataset.classes, dtype=np.float32)[dataset.y]
    return dataset.y


def _with_accuracy(trace: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Finds accuracy among the metrics, whatever Keras calls the one the user asked for."""
    found = dict(trace)
    for prefix in ("", "val_"):
        names = [n for n in trace if n.startswith(prefix) and n.endswith("accuracy")]
        own = [n for n in names if prefix or not n.startswith("val_")]
        if own and f"{prefix}accuracy" not in found:
            found[f"{prefix}accuracy"] = trace[own[0]]
    return found


def _layers(model: keras.Model) -> list[Any]:
    """Lists layers as they are configured, without their names, and how many weights each has."""
    found: list[Any] = []
    for layer in model._flatten_layers(include_self=False, recursive=True):
        try:
            config: Any = _uncounted({k: v for k, v in layer.get_config().items() if k != "name"})
        except RuntimeError:  # A layer of the user's own need not describe itself.
            config = None
        if isinstance(layer, keras.Model):
            config = None  # Its layers follow, and its own description is full of their names.
        found.append([type(layer).__name__, config, [list(w.shape) for w in layer.weights]])
    return found


def _uncounted(config: Any) -> Any:
    """Takes the numbers off names such as adam_1, which count what Keras built before."""
    if isinstance(config, Mapping):
        return {
            key: re.sub(r"_\d+$", "", value)
            if key == "name" and isinstance(value, str)
            else _uncounted(value)
            for key, value in config.items()
        }
    return [_uncounted(one) for one in config] if isinstance(config, list | tuple) else config


def _title(model: keras.Model) -> str:
    kinds = [type(layer).__name__ for layer in model.layers if type(layer).__name__ != "InputLayer"]
    counted = [f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)]
    optimizer: Any = model.optimizer
    return f"{', '.join(counted)}; {type(optimizer).__name__}"[:200]
