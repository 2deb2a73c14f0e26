"""What `fit` was asked to do: batches, epochs, split, callbacks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from denselab.doctor.facts.layers import UNKNOWN, stock_kind

__all__ = ["Callback", "Plan", "read_plan"]


@dataclass(frozen=True)
class Callback:
    """One callback of Keras.

    Attributes:
        kind: Keras' class of it.
        monitor: What it watches, None if it watches nothing.
        mode: `min`, `max` or `auto`, None if it has none.
        patience: Epochs that it waits, None if it does not.
        restores: Whether it puts the best weights back.
        path: Where it writes, None if it does not.
        exists: Whether a file is already there.
        used: Whether it has served another model.
    """

    kind: str
    monitor: str | None = None
    mode: str | None = None
    patience: int | None = None
    restores: bool = False
    path: str | None = None
    exists: bool = False
    used: bool = False


@dataclass(frozen=True)
class Plan:
    """The arguments of `fit`, with Keras' defaults filled in.

    Attributes:
        rows: Training rows, without those split off; None if it is not known.
        batch_size: Rows of one step, None if the data come in batches.
        epochs: Passes over the rows.
        batches: Steps of an epoch, None if it is not known.
        split: Share of the rows that `validation_split` takes from the end.
        validated: Whether anything validates.
        weighted: Whether classes or rows are weighted.
        shuffled: Whether rows are shuffled.
        callbacks: The callbacks.
    """

    rows: int | None
    batch_size: int | None
    epochs: int
    batches: int | None
    split: float = 0.0
    validated: bool = False
    weighted: bool = False
    shuffled: bool = True
    callbacks: tuple[Callback, ...] = ()

    @property
    def updates(self) -> int | None:
        """Steps of the whole run, None if they are not known."""
        return None if self.batches is None else self.batches * self.epochs

    @property
    def last_batch(self) -> int | None:
        """Rows of the last step of an epoch, None if it is not known."""
        if self.rows is None or self.batch_size is None or not self.rows:
            return None
        return self.rows % self.batch_size or min(self.rows, self.batch_size)


def read_plan(arguments: Mapping[str, Any], rows: int | None, model: Any) -> Plan:
    """Reads the arguments of `fit`.

    Args:
        arguments: As they would be given to `fit`.
        rows: Rows of the data, None if they are not known.
        model: The model.

    Returns:
        The facts.
    """
    split = float(arguments.get("validation_split") or 0.0)
    # Keras keeps the first floor(n (1 - split)) rows (data_adapter_utils.train_validation_split).
    kept = None if rows is None else math.floor(rows * (1 - split))
    default = None if rows is None else 32
    batch_size = arguments.get("batch_size") or default
    steps = arguments.get("steps_per_epoch")
    batches = None
    if steps is not None:
        batches = int(steps)
    elif kept is not None and batch_size:
        batches = math.ceil(kept / batch_size)
    epochs = arguments.get("epochs")
    start = int(arguments.get("initial_epoch") or 0)
    weights = (arguments.get("class_weight"), arguments.get("sample_weight"))
    validation = arguments.get("validation_data")
    return Plan(
        rows=None if steps is not None else kept,
        batch_size=None if batch_size is None else int(batch_size),
        epochs=max(0, (1 if epochs is None else int(epochs)) - start),
        batches=batches,
        split=split,
        validated=split > 0 or (validation is not None and validation is not False),
        weighted=any(weight is not None for weight in weights),
        shuffled=bool(arguments.get("shuffle", True)),
        callbacks=_callbacks(arguments.get("callbacks"), model),
    )


def _callbacks(given: Any, model: Any) -> tuple[Callback, ...]:
    if isinstance(given, keras.callbacks.CallbackList):
        given = given.callbacks
    if given is None:
        return ()
    listed: Sequence[Any] = given if isinstance(given, list | tuple) else [given]
    return tuple(_callback(callback, model) for callback in listed)


def _callback(callback: Any, model: Any) -> Callback:
    kind = stock_kind(callback) if isinstance(callback, keras.callbacks.Callback) else UNKNOWN
    path = getattr(callback, "filepath", None)
    patience = getattr(callback, "patience", None)
    monitor = getattr(callback, "monitor", None)
    saves_best = kind != "ModelCheckpoint" or bool(getattr(callback, "save_best_only", False))
    served = getattr(callback, "_model", None)
    mode = getattr(callback, "mode", None)
    return Callback(
        kind=kind,
        monitor=monitor if isinstance(monitor, str) and saves_best else None,
        mode=mode if isinstance(mode, str) else None,
        patience=int(patience) if isinstance(patience, int) else None,
        restores=bool(getattr(callback, "restore_best_weights", False)),
        path=path if isinstance(path, str) else None,
        exists=isinstance(path, str) and "{" not in path and Path(path).exists(),
        used=served is not None and served is not model,
    )
