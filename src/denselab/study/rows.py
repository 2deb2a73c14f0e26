"""Records as rows of tables, and back; each row has a checksum of all it says."""

from collections.abc import Iterable, Mapping
from math import isnan, nan

from denselab.study.hashing import hashed
from denselab.study.records import (
    TRACE_COLUMNS,
    RecipeRecord,
    ScoresRecord,
    StoredFile,
    TrialRecord,
)

__all__ = [
    "EPOCH_COLUMNS",
    "PREDICTIONS_COLUMNS",
    "RECIPE_COLUMNS",
    "TRIAL_COLUMNS",
    "Row",
    "checksum",
    "epoch_rows",
    "recipe_from",
    "recipe_row",
    "trial_from",
    "trial_row",
]

Row = tuple[str | int | float | None, ...]
"""The values of a row as SQLite keeps them; a number that is not one is None."""

PREDICTIONS_COLUMNS = {
    "predictions_file": "TEXT NOT NULL DEFAULT ''",
    "predictions_bytes": "INTEGER NOT NULL DEFAULT 0",
    "predictions_sha256": "TEXT NOT NULL DEFAULT ''",
}
"""What schema version 2 knows of a trial beside version 1."""

TRIAL_COLUMNS = {
    "recipe": "TEXT NOT NULL",
    "settings": "TEXT NOT NULL",
    "seed": "INTEGER NOT NULL",
    "status": "TEXT NOT NULL",
    "best_epoch": "INTEGER NOT NULL",
    "epochs_run": "INTEGER NOT NULL",
    "validation_loss": "REAL",
    "validation_accuracy": "REAL",
    "test_loss": "REAL",
    "test_accuracy": "REAL",
    "seconds": "REAL",
    "parameters": "INTEGER NOT NULL",
    "weights_file": "TEXT NOT NULL",
    "weights_bytes": "INTEGER NOT NULL",
    "weights_sha256": "TEXT NOT NULL",
    **PREDICTIONS_COLUMNS,
}
EPOCH_COLUMNS = {"epoch": "INTEGER NOT NULL", **dict.fromkeys(TRACE_COLUMNS, "REAL")}
RECIPE_COLUMNS = {
    "recipe": "TEXT NOT NULL",
    "settings": "TEXT NOT NULL",
    "compile_seconds": "REAL",
    "notes": "TEXT NOT NULL",
    "model_seed": "INTEGER NOT NULL",
    "model_file": "TEXT NOT NULL",
    "model_bytes": "INTEGER NOT NULL",
    "model_sha256": "TEXT NOT NULL",
}


def checksum(row: Row, epochs: Iterable[Row] = ()) -> str:
    """Hashes a row, and the rows of epochs that belong to it.

    Args:
        row: The values, without the checksum.
        epochs: One row an epoch.

    Returns:
        64 hexadecimal digits.
    """
    return hashed([row, *epochs])


def trial_row(trial: TrialRecord) -> Row:
    """Lists a trial's values in the order of `TRIAL_COLUMNS`."""
    return (
        trial.recipe,
        trial.settings,
        trial.seed,
        trial.status,
        trial.best_epoch,
        trial.epochs_run,
        _real(trial.validation.loss),
        _real(trial.validation.accuracy),
        _real(trial.test.loss),
        _real(trial.test.accuracy),
        _real(trial.seconds),
        trial.parameters,
        *_file_values(trial.weights),
        *_file_values(trial.predictions),
    )


def epoch_rows(trial: TrialRecord) -> list[Row]:
    """Lists one row an epoch, each in the order of `EPOCH_COLUMNS`."""
    columns = [trial.trace[name] for name in TRACE_COLUMNS]
    return [(n, *map(_real, values)) for n, values in enumerate(zip(*columns, strict=True))]


def trial_from(row: Row, epochs: Iterable[Row]) -> TrialRecord:
    """Makes a trial of its rows.

    Args:
        row: What `trial_row` returned.
        epochs: What `epoch_rows` returned.

    Returns:
        The trial.

    Raises:
        TypeError: If a value cannot be what its column says.
        ValueError: Likewise.
    """
    value = dict(zip(TRIAL_COLUMNS, row, strict=True))
    columns = list(zip(*epochs, strict=True))[1:] or [()] * len(TRACE_COLUMNS)
    return TrialRecord(
        recipe=_text(value["recipe"]),
        settings=_text(value["settings"]),
        seed=_whole(value["seed"]),
        status=_text(value["status"]),
        best_epoch=_whole(value["best_epoch"]),
        parameters=_whole(value["parameters"]),
        seconds=_number(value["seconds"]),
        validation=ScoresRecord(
            _number(value["validation_loss"]), _number(value["validation_accuracy"])
        ),
        test=ScoresRecord(_number(value["test_loss"]), _number(value["test_accuracy"])),
        trace={
            name: tuple(map(_number, column))
            for name, column in zip(TRACE_COLUMNS, columns, strict=True)
        },
        weights=_file(value, "weights"),
        predictions=_file(value, "predictions"),
    )


def recipe_row(recipe: RecipeRecord) -> Row:
    """Lists what is known of a recipe in the order of `RECIPE_COLUMNS`."""
    return (
        recipe.recipe,
        recipe.settings,
        _real(recipe.compile_seconds),
        "\n".join(recipe.notes),
        recipe.model_seed,
        *_file_values(recipe.model),
    )


def recipe_from(row: Row) -> RecipeRecord:
    """Makes the record of a recipe of its row.

    Args:
        row: What `recipe_row` returned.

    Returns:
        The record.

    Raises:
        TypeError: If a value cannot be what its column says.
        ValueError: Likewise.
    """
    value = dict(zip(RECIPE_COLUMNS, row, strict=True))
    return RecipeRecord(
        recipe=_text(value["recipe"]),
        settings=_text(value["settings"]),
        compile_seconds=_number(value["compile_seconds"]),
        notes=tuple(_text(value["notes"]).splitlines()),
        model_seed=_whole(value["model_seed"]),
        model=_file(value, "model"),
    )


def _real(value: float) -> float | None:
    # SQLite keeps no NaN, and may keep -0.0 as 0; adding 0 makes it that before it is hashed.
    return None if isnan(value) else float(value) + 0.0


def _number(value: object) -> float:
    if value is None:
        return nan
    if not isinstance(value, float):
        raise TypeError(f"{value!r} is not a real number")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _file_values(file: StoredFile | None) -> tuple[str, int, str]:
    return ("", 0, "") if file is None else (file.name, file.size, file.sha256)


def _file(value: Mapping[str, object], what: str) -> StoredFile | None:
    name, size, digest = (value[f"{what}_{part}"] for part in ("file", "bytes", "sha256"))
    return StoredFile(_text(name), _whole(size), _text(digest)) if name else None
