"""A study's records as tables: one line a trial, an epoch or a contrast."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from denselab.cli.predictions import FORMATS, csv_cell, write_frame
from denselab.cli.selection import check_writable
from denselab.data.arrays import clean_name
from denselab.errors import UsageError
from denselab.study import Study, arms_of, judged, missing_seeds
from denselab.study.records import ArmRecord, TrialRecord, trials_of

if TYPE_CHECKING:
    import polars

    from denselab.study.statistics import ContrastVerdict, Verdicts

__all__ = [
    "CONTRASTS",
    "EPOCHS",
    "TRIALS",
    "Column",
    "check_export",
    "contrast_rows",
    "epoch_rows",
    "trial_rows",
    "write_rows",
]


class Column(NamedTuple):
    """A column of an export.

    Attributes:
        kind: "text", "integer" or "number".
        about: What it holds; docs/reference/exports.md says the same.
    """

    kind: str
    about: str


Row = dict[str, str | int | float | None]

TRIALS: Mapping[str, Column] = {
    "arm": Column("text", "name of the arm"),
    "seed": Column("integer", "its seed"),
    "status": Column("text", "finished, stopped (early) or diverged (its loss was not finite)"),
    "epochs": Column("integer", "epochs it trained; 0 where it takes its weights from another arm"),
    "best_epoch": Column("integer", "epoch of the weights it ends with, the first being 1"),
    "learning_rate": Column("number", "learning rate, with a schedule its highest value"),
    "parameters": Column("integer", "weights of the network"),
    "seconds": Column("number", "training time beside other members, without compiling"),
    "validation_loss": Column("number", "cross-entropy in nats on its own validation rows"),
    "validation_accuracy": Column("number", "share of them predicted right, from 0 to 1"),
    "test_loss": Column("number", "cross-entropy in nats on the test rows"),
    "test_accuracy": Column("number", "share of them predicted right, from 0 to 1"),
    "weights": Column("text", "file of its weights in the study folder"),
}
"""Columns of one line a trial."""

EPOCHS: Mapping[str, Column] = {
    "arm": Column("text", "name of the arm"),
    "seed": Column("integer", "seed of the trial"),
    "epoch": Column("integer", "the epoch, the first being 1"),
    "loss": Column("number", "mean loss on the training rows, as it was trained on"),
    "accuracy": Column("number", "share of the training rows predicted right while it trained"),
    "val_loss": Column("number", "cross-entropy in nats on the validation rows"),
    "val_accuracy": Column("number", "share of them predicted right"),
    "learning_rate": Column("number", "learning rate at the end of the epoch"),
    "seconds": Column("number", "seconds since the training began, without compiling"),
}
"""Columns of one line an epoch."""

CONTRASTS: Mapping[str, Column] = {
    "arm": Column("text", "name of the arm"),
    "against": Column("text", "what it is held against; differences are arm minus this"),
    "metric": Column("text", "what is scored: accuracy or loss"),
    "unit": Column("text", "unit of differences: points or nats"),
    "region": Column("number", "differences up to this size do not matter"),
    "level": Column("number", "family-wise error of the look"),
    "verdict": Column("text", "better, worse, equivalent, undecided or none"),
    "reason": Column("text", "why there is no verdict"),
    "n": Column("integer", "pairs of seeds"),
    "left_out": Column("integer", "seeds that are no pair"),
    "difference": Column("number", "mean paired difference"),
    "low": Column("number", "lower end of its simultaneous interval"),
    "high": Column("number", "upper end of it"),
    "standard_error": Column("number", "standard error of the difference"),
    "sd": Column("number", "deviation of the differences over seeds"),
    "correlation": Column("number", "of the two arms over seeds"),
    "p": Column("number", "of the sign-flip test over seeds"),
    "p_holm": Column("number", "the same, adjusted by Holm over the family"),
    "seeds_to_decide": Column("integer", "seeds that would decide an undecided contrast"),
    "wrong_winner": Column("number", "share of single seeds that name the arm behind, from 0 to 1"),
}
"""Columns of one line a contrast."""


def trial_rows(study: Study) -> list[Row]:
    """Lists the trials of a study, arm by arm, in the order of its seeds.

    Args:
        study: The study.

    Returns:
        One row a trial.
    """
    return [_trial(arm, trial) for arm in arms_of(study) for trial in _trials(study, arm)]


def epoch_rows(study: Study) -> list[Row]:
    """Lists what was recorded after each epoch.

    Args:
        study: The study.

    Returns:
        One row an epoch of a trial; none for trials that trained nothing.
    """
    names = [name for name in EPOCHS if name not in ("arm", "seed", "epoch")]
    return [
        {
            "arm": arm.name,
            "seed": trial.seed,
            "epoch": epoch + 1,
            **{name: trial.trace[name][epoch] for name in names},
        }
        for arm in arms_of(study)
        for trial in _trials(study, arm)
        for epoch in range(trial.epochs_run)
    ]


def contrast_rows(study: Study) -> list[Row]:
    """Lists the contrasts of a study with their verdicts.

    Args:
        study: The study.

    Returns:
        One row a contrast.

    Raises:
        UsageError: If nobody has looked at the study as it stands.
    """
    verdicts = judged(study)
    if verdicts is None:
        missing = sum(map(len, missing_seeds(study).values()))
        todo = (
            f"{missing} trials are to be done" if missing else "there is one arm, or an older look"
        )
        raise UsageError(
            f"{study.folder}: has no verdicts yet ({todo}); go on with: "
            f"{study.manifest.runs[-1].command}"
        )
    return [_contrast(verdicts, one) for one in verdicts.contrasts]


def check_export(path: Path) -> None:
    """Checks that a table can be written, before work goes into it.

    Args:
        path: The file.

    Raises:
        UsageError: If it ends in nothing known, is there already, or its folder cannot be written to.
    """
    if path.suffix not in FORMATS:
        raise UsageError(f"--out {path}: give a file that ends in {', '.join(FORMATS)}")
    if path.exists():
        raise UsageError(f"--out {path}: is there already; name another file or remove it")
    check_writable(path.parent)


def write_rows(rows: list[Row], columns: Mapping[str, Column], path: Path) -> None:
    """Writes a table, whole or not at all.

    Args:
        rows: The rows.
        columns: Its columns.
        path: The file, as `check_export` wants it.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If it cannot be written to.
    """
    write_frame(_frame(rows, columns, as_csv=path.suffix == ".csv"), path)


def _frame(rows: list[Row], columns: Mapping[str, Column], *, as_csv: bool) -> "polars.DataFrame":
    import polars

    kinds: dict[str, Any] = {
        "text": polars.String,
        "integer": polars.Int64,
        "number": polars.Float64,
    }
    shown = csv_cell if as_csv else str

    def cell(value: str | float | None) -> str | float | None:
        if isinstance(value, str):
            return shown(clean_name(value))
        return None if isinstance(value, float) and not isfinite(value) else value

    return polars.DataFrame(
        {name: [cell(row[name]) for row in rows] for name in columns},
        schema={name: kinds[column.kind] for name, column in columns.items()},
    )


def _trials(study: Study, arm: ArmRecord) -> list[TrialRecord]:
    there = trials_of(arm, study.trials)
    return [there[seed] for seed in study.manifest.plan.seeds if seed in there]


def _trial(arm: ArmRecord, trial: TrialRecord) -> Row:
    rate = None if arm.recipe is None else arm.recipe.optimizer.learning_rate
    return {
        "arm": arm.name,
        "seed": trial.seed,
        "status": trial.status,
        "epochs": trial.epochs_run,
        "best_epoch": None if trial.best_epoch < 0 else trial.best_epoch + 1,
        "learning_rate": rate,
        "parameters": trial.parameters,
        "seconds": trial.seconds,
        "validation_loss": trial.validation.loss,
        "validation_accuracy": trial.validation.accuracy,
        "test_loss": trial.test.loss,
        "test_accuracy": trial.test.accuracy,
        "weights": None if trial.weights is None else trial.weights.name,
    }


def _contrast(verdicts: "Verdicts", one: "ContrastVerdict") -> Row:
    question = verdicts.question
    return {
        "arm": one.arm,
        "against": one.against,
        "metric": question.measure.name,
        "unit": question.measure.unit or None,
        "region": question.region,
        "level": question.level,
        "verdict": one.verdict,
        "reason": one.reason or None,
        "n": one.n,
        "left_out": one.left_out,
        "difference": one.difference,
        "low": one.interval.low,
        "high": one.interval.high,
        "standard_error": one.estimate.standard_error,
        "sd": one.sd,
        "correlation": one.correlation,
        "p": one.p,
        "p_holm": one.p_holm,
        "seeds_to_decide": one.seeds_to_decide,
        "wrong_winner": None if one.wrong is None else one.wrong.unpaired.share,
    }
