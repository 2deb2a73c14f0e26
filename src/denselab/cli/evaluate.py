"""`denselab evaluate`: how good a saved model is on rows it has not seen."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.cli.tables import ReadingOptions
from denselab.errors import DataError, DenselabError

if TYPE_CHECKING:
    import numpy as np

    from denselab.cli.inputs import Input
    from denselab.training import LoadedModel

__all__ = ["app", "evaluate"]

app = command_app()

_DRAWS = 100
"""Draws of a model whose dropout stays on in prediction, where its file says no number."""


@app.command()
@grouped
def evaluate(
    model: Annotated[
        Path, typer.Argument(help="A .keras file, or the folder that denselab train left.")
    ],
    data: Annotated[
        str,
        typer.Argument(help="A table with its target, for a model of one; else a data set."),
    ],
    *,
    where: DataOptions,
    reading: ReadingOptions,
    as_json: JsonOption = False,
) -> None:
    """Measure a saved model on rows it has not seen.

    Of a data set those are the test rows that come with it, or else the same fifth that every command of
    denselab sets apart before it trains; likewise of the table that the model was trained on. Another table is
    measured whole. A model with MC dropout is measured by the mean of as many draws as its recipe says.
    """
    from denselab.cli.model_folder import model_file
    from denselab.training import load_model

    path = model_file(model)
    loaded = load_model(path)
    given, which = _rows(data, where, loaded, reading)
    draws = _draws(loaded)
    try:
        scored = _scored(path, loaded, given, draws)
    except DenselabError as error:
        raise error if str(path) in str(error) else type(error)(f"{path}: {error}") from error
    about = {
        "model": str(path),
        "dataset": given.name if given.dataset is None else given.dataset.name,
        "which": which,
        "rows": len(given.x),
        "draws": draws,
        **scored,
    }
    typer.echo(json.dumps(about)) if as_json else _show(about)


def _rows(
    data: str, where: DataOptions, loaded: "LoadedModel", reading: ReadingOptions
) -> "tuple[Input, str]":
    """Loads the rows to measure on, and says which those are."""
    from dataclasses import replace

    from denselab.cli.inputs import given_rows, seen

    if loaded.preprocessing is None:
        given = given_rows(data, where, None, loaded, reading)
        if given.dataset is None:
            raise DataError(
                f"{data} has no labelled test rows; name a data set, whose test rows are known"
            )
        return given, "test rows"
    target = loaded.preprocessing.target.name
    given = given_rows(data, where, None, loaded, reading)
    if given.y is None:
        reason = given.unlabelled or f"has no column {target!r} to measure against; add it"
        raise DataError(f"{data}: {reason}")
    if not seen(loaded, given):
        return given, "rows"
    rows = _unseen(data, loaded, reading)
    return replace(given, x=given.x[rows], y=given.y[rows]), "test rows"


def _unseen(data: str, loaded: "LoadedModel", reading: ReadingOptions) -> "np.ndarray":
    """Finds the rows that tested when the model was trained on this very table."""
    from denselab.cli.inputs import model_reading
    from denselab.data import read_table
    from denselab.data.tables import held_out_rows

    assert loaded.preprocessing is not None
    assert loaded.description is not None
    return held_out_rows(
        read_table(
            data,
            target=loaded.preprocessing.target.name,
            task=loaded.description.task,
            reading=model_reading(loaded, reading),
        )
    )


def _draws(loaded: "LoadedModel") -> int:
    """Says how many draws a model is meant for: by its file, or by its layers where that is silent."""
    from denselab.training.predicting import draws_by_itself

    if loaded.description is not None and loaded.description.draws > 1:
        return loaded.description.draws
    return _DRAWS if draws_by_itself(loaded.model) else 1


def _scored(path: Path, loaded: "LoadedModel", given: "Input", draws: int) -> dict[str, Any]:
    from denselab.cli.inputs import class_names, class_numbers
    from denselab.cli.train_findings import measured
    from denselab.training.measures import class_measures, value_measures
    from denselab.training.predicting import DrawPlan, predict_rows, predict_values

    assert given.y is not None
    plan, about = DrawPlan(draws), loaded.description
    if about is not None and about.task == "regression":
        values = predict_values(loaded.model, given.x, plan).mean
        return {"scores": measured(value_measures(values, given.y)), "confused": []}
    found = predict_rows(loaded.model, given.x, plan).probabilities
    classes = None if given.dataset is None else given.dataset.classes
    if classes is not None and found.shape[1] != classes:
        raise DataError(
            f"gives {found.shape[1]} probabilities a row, expected one for each of {classes} "
            "classes; evaluate it on the data it was trained for"
        )
    names = class_names(path, loaded, given, found.shape[1])
    labels = class_numbers(given, names)
    scores = measured(class_measures(found, labels))
    return {
        "loss": scores["log_loss"]["value"],
        "accuracy": scores["accuracy"]["value"],
        "right": int((found.argmax(axis=1) == labels).sum()),
        "scores": scores,
        "confused": _confused(found, labels, names),
    }


def _confused(
    found: "np.ndarray", labels: "np.ndarray", names: tuple[str, ...]
) -> list[dict[str, Any]]:
    from denselab.training.measures import most_confused

    return [
        {
            "class": names[one.label],
            "predicted": names[one.predicted],
            "rows": one.rows,
            "of": one.of,
        }
        for one in most_confused(found.argmax(axis=1), labels)
    ]


def _show(about: dict[str, Any]) -> None:
    from denselab.cli.model_report import score_rows
    from denselab.cli.table import print_table, print_text

    by = f", by the mean of {about['draws']:,} draws" if about["draws"] > 1 else ""
    right = f", {about['right']:,} of them right" if "right" in about else ""
    print_text(f"{about['rows']:,} {about['which']} of {about['dataset']}{right}{by}")
    typer.echo()
    print_table(("", "score", "95 % interval"), score_rows(about), right=" rr")
    if about["confused"]:
        typer.echo("\ntaken for another class most often:")
    for one in about["confused"]:
        print_text(f"{one['class']} for {one['predicted']}: {one['rows']:,} of {one['of']:,} rows")
