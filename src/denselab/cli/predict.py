"""`denselab predict`: what a saved model says of rows, and how sure it may be."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.cli.tables import ReadingOptions
from denselab.errors import DenselabError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import polars

    from denselab.cli.inputs import Input
    from denselab.cli.predictions import Predictions
    from denselab.training import LoadedModel
    from denselab.training.predicting import Calibrated, DrawPlan
    from denselab.uncertainty import ClassificationDraws

__all__ = ["DrawOptions", "OutputOptions", "app", "predict"]

app = command_app()

_PICTURES = (".png", ".svg", ".html")
_PICTURE_DRAWS, _MOST_NUMBERS = 100, 2**27
_SEEN = (
    "the model was trained on these very rows, so what is said of them flatters it; denselab evaluate "
    "measures it on those it has not seen"
)


@dataclass(frozen=True)
class DrawOptions:
    """How rows are predicted."""

    draws: Annotated[
        int | None,
        typer.Option(
            help="Forward passes with dropout on; 1 predicts once, with dropout off. "
            "100 by default; with --until the most, 10,000 by default."
        ),
    ] = None
    masks: Annotated[
        Literal["per_row", "shared"],
        typer.Option(help="Dropout masks for each row, or one a draw that all rows share."),
    ] = "per_row"
    until: Annotated[
        float | None, typer.Option(help="Draw until the standard errors are this small.")
    ] = None
    seed: Annotated[int, typer.Option(help="Decides the draws.")] = 0
    coverage: Annotated[
        float, typer.Option(help="Share of rows whose prediction set is to hold the true class.")
    ] = 0.9


@dataclass(frozen=True)
class OutputOptions:
    """Which rows, and where the answers go."""

    rows: Annotated[
        Literal["test", "train", "all"] | None,
        typer.Option(help="Rows of a data set; test by default. A file is predicted whole."),
    ] = None
    out: Annotated[
        Path | None, typer.Option(help="Write a .parquet or .csv file instead of a table.")
    ] = None
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the rows it is most and least sure of: .png, .svg or .html."),
    ] = None
    explain: Annotated[int | None, typer.Option(metavar="ROW", help="Say one row in words.")] = None
    as_json: JsonOption = False


@app.command()
@grouped
def predict(
    model: Annotated[
        Path, typer.Argument(help="A .keras file, or the folder that denselab train left.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            help="A table, for a model of one; else a data set, an image folder, or a .npz (x, perhaps y) or .npy file."
        ),
    ],
    *,
    how: DrawOptions,
    where: DataOptions,
    asked: OutputOptions,
    reading: ReadingOptions,
) -> None:
    """Predict rows, with the uncertainty of every prediction.

    Columns: row, label, predicted, probability, probability_CLASS, predictive_entropy (all
    uncertainty, in nats) = expected_entropy (the data's own) + mutual_information (what the network
    does not know), variation_ratio, standard_error, draws_used; and prediction_set and
    calibrated_probability where the model kept a calibration slice. Of a quantity: row, target,
    predicted, standard_deviation (of networks or draws), lower and upper.
    """
    _check_options(how, asked)
    from denselab.cli.inputs import given_rows, seen
    from denselab.cli.model_folder import model_file
    from denselab.training import load_model

    model = model_file(model)
    loaded = load_model(model)
    given = given_rows(data, where, asked.rows, loaded, reading)
    plan = _plan(how, loaded)
    if given.unlabelled:
        typer.echo(f"denselab: predicted without looking at labels: {given.unlabelled}", err=True)
    if seen(loaded, given):
        typer.echo(f"denselab: {_SEEN}", err=True)
    if loaded.description is not None and loaded.description.task == "regression":
        predict_quantity(model, loaded, given, plan, (how.coverage, asked))
        return
    predictions, missing = _predictions(model, loaded, given, plan, how.coverage)
    if missing:
        typer.echo(f"denselab: no prediction sets: {missing}", err=True)
    if asked.picture is not None:
        _draw(asked.picture, loaded, given, predictions, plan)
    _answer(model, given, predictions, asked, missing)


def _check_options(how: DrawOptions, asked: OutputOptions) -> None:
    """Refuses what cannot be done before anything heavy is imported."""
    from denselab.cli.predictions import FORMATS
    from denselab.cli.selection import check_writable
    from denselab.randomness import check_seed

    check_seed(how.seed)
    if how.draws is not None and how.draws < 1:
        raise UsageError(f"--draws {how.draws}: give at least 1, such as 100; 1 draws nothing")
    if how.until is not None and not (how.until > 0 and math.isfinite(how.until)):
        raise UsageError(f"--until {how.until}: give a standard error above 0, such as 0.01")
    if not 0 < how.coverage < 1:
        raise UsageError(f"--coverage {how.coverage}: give a share between 0 and 1, such as 0.9")
    for option, path, endings in (
        ("--out", asked.out, FORMATS),
        ("--picture", asked.picture, _PICTURES),
    ):
        if path is None:
            continue
        if path.suffix not in endings:
            raise UsageError(f"{option} {path}: give a file that ends in {', '.join(endings)}")
        if path.exists():
            raise UsageError(f"{option} {path}: is there already; name another file or remove it")
        check_writable(path.parent)


def _plan(how: DrawOptions, loaded: "LoadedModel") -> "DrawPlan":
    from denselab.training.predicting import DrawPlan

    about = loaded.description
    averaged = about is not None and (about.members > 1 or about.table is not None)
    if about is not None and averaged and how.draws is None and how.until is None:
        return DrawPlan(about.draws, how.masks, None, how.seed)
    if about is not None and about.draws == 1 and how.draws is None:
        typer.echo(
            f"denselab: {about.recipe} predicts without draws (--draws 1); drawing all the same",
            err=True,
        )
    draws = how.draws if how.draws is not None or how.until is not None else 100
    return DrawPlan(draws, how.masks, how.until, how.seed)


def _predictions(
    path: Path, loaded: "LoadedModel", given: "Input", plan: "DrawPlan", coverage: float
) -> tuple["Predictions", str]:
    from denselab.cli.inputs import class_names, class_numbers, why_not_calibrated
    from denselab.cli.predictions import Predictions
    from denselab.training.predicting import predict_rows

    try:
        found = predict_rows(loaded.model, given.x, plan)
    except DenselabError as error:
        raise type(error)(f"{path}: {error}") from error
    names = class_names(path, loaded, given, found.probabilities.shape[1])
    labels = None if given.y is None else class_numbers(given, names)
    missing = why_not_calibrated(loaded, given, plan.draws)
    calibrated = None if missing else _calibrated(loaded, given, plan, (found, coverage))
    members = 1 if loaded.description is None else loaded.description.members
    return Predictions(names, found, labels, calibrated, coverage, members), missing


def _calibrated(
    loaded: "LoadedModel",
    given: "Input",
    plan: "DrawPlan",
    found: tuple["ClassificationDraws", float],
) -> "Calibrated":
    from denselab.training.predicting import calibrate, calibrated_by, predict_rows

    predicted, coverage = found
    about = loaded.description
    if about is not None and about.conformal is not None:
        return calibrated_by(about.conformal, predicted, coverage)
    dataset = given.dataset
    assert dataset is not None
    assert dataset.calibration_x is not None
    assert dataset.calibration_y is not None
    held_out = predict_rows(loaded.model, dataset.calibration_x, plan)
    return calibrate(predicted, held_out, dataset.calibration_y, coverage)


def _draw(
    path: Path,
    loaded: "LoadedModel",
    given: "Input",
    predictions: "Predictions",
    plan: "DrawPlan",
) -> None:
    from denselab.report import RowPanel, notable_rows, row_chart, save_chart

    found = predictions.found
    chosen = notable_rows(found.probabilities, found.predictive_entropy, predictions.labels)
    draws = _draws_of([row for row, _ in chosen], loaded, given, (found, plan))
    panels = [
        RowPanel(
            row=row,
            why=why,
            draws=draws[:, place],
            label=None if predictions.labels is None else int(predictions.labels[row]),
            pixels=None if given.image_shape is None else given.x[row].reshape(given.image_shape),
        )
        for place, (row, why) in enumerate(chosen)
    ]
    about = loaded.description
    who = about.recipe if about is not None else "the model"
    title = f"Rows of {given.name} that {who} is most and least sure of"
    save_chart(row_chart(panels, predictions.class_names, title=title), path)


def _draws_of(
    rows: list[int],
    loaded: "LoadedModel",
    given: "Input",
    known: tuple["ClassificationDraws", "DrawPlan"],
) -> "np.ndarray":
    """Repeats the draws of some rows, shape (draw, row, class)."""
    import numpy as np

    from denselab.uncertainty import each_draw

    found, plan = known
    if plan.draws == 1:
        return found.probabilities[None, rows]
    draws = min(int(found.draws_used.max()), _PICTURE_DRAWS)
    x = given.x.astype(np.float32)
    # A row's masks go with its position, so the draws of the table need all rows. Where those are
    # too many, others of the same distribution are shown.
    if draws * found.probabilities.size <= _MOST_NUMBERS:
        return each_draw(loaded.model, x, draws=draws, seed=plan.seed, masks=plan.masks)[:, rows]
    return each_draw(loaded.model, x[rows], draws=draws, seed=plan.seed, masks=plan.masks)


def _answer(
    model: Path, given: "Input", predictions: "Predictions", asked: OutputOptions, missing: str
) -> None:
    from denselab.cli.answers import print_first_rows, sentences, summary
    from denselab.cli.predictions import explained, frame

    words = [] if asked.explain is None else list(explained(predictions, asked.explain))
    shown = Shown(
        frame(predictions), summary(model, given, predictions), words, print_first_rows, sentences
    )
    answer(shown, predictions, asked, missing)


class Shown(NamedTuple):
    """What predictions come to, of classes or of a quantity.

    Attributes:
        table: One line a row.
        about: The summary.
        words: One row in words; none where that was not asked for.
        print_first_rows: Prints the first rows.
        sentences: Says the summary in words.
    """

    table: "polars.DataFrame"
    about: dict[str, Any]
    words: list[str]
    print_first_rows: "Callable[[Any], None]"
    sentences: "Callable[..., Iterable[str]]"


def answer(shown: Shown, predictions: Any, asked: OutputOptions, missing: str) -> None:
    """Writes and prints predictions, as was asked for.

    Args:
        shown: What they come to.
        predictions: The predictions.
        asked: Where they go.
        missing: Why there are no sets or intervals; nothing where there are.
    """
    from denselab.cli.predictions import write_frame
    from denselab.cli.table import print_text

    table, about, words = shown.table, shown.about, shown.words
    if asked.out is not None:
        write_frame(table, asked.out)
    if asked.as_json:
        about["no_sets_because"] = missing or None
        about |= {"out": _named(asked.out), "picture": _named(asked.picture)}
        about |= {"explanation": words} if words else {}
        if asked.out is None:
            listed = table if asked.explain is None else table[asked.explain]
            about["predictions"] = listed.to_dicts()
        typer.echo(json.dumps(about))
        return
    first_rows = asked.out is None and not words
    if first_rows:
        shown.print_first_rows(predictions)
        typer.echo()
    for line in words or shown.sentences(about, first_rows=first_rows):
        print_text(line)
    for path in (asked.out, asked.picture):
        if path is not None:
            print_text(f"{path} is written")


def predict_quantity(
    path: Path,
    loaded: "LoadedModel",
    given: "Input",
    plan: "DrawPlan",
    wanted: tuple[float, OutputOptions],
) -> None:
    """Predicts a quantity and answers.

    Args:
        path: The file of the model.
        loaded: The model.
        given: The rows.
        plan: How they are predicted.
        wanted: The coverage of intervals, and where answers go.

    Raises:
        UsageError: If a picture is wanted.
    """
    from denselab.cli.inputs import why_not_calibrated
    from denselab.cli.values import (
        ValuePredictions,
        print_first_values,
        value_frame,
        value_sentences,
        value_summary,
        value_words,
    )
    from denselab.training.predicting import half_width, predict_values

    coverage, asked = wanted
    if asked.picture is not None:
        raise UsageError("--picture: shows classes, and the model gives a quantity; leave it out")
    try:
        found = predict_values(loaded.model, given.x, plan)
    except DenselabError as error:
        raise type(error)(f"{path}: {error}") from error
    missing = why_not_calibrated(loaded, given, plan.draws)
    kept = None if loaded.description is None else loaded.description.conformal
    half = None if missing or kept is None else half_width(kept, coverage)
    rows = 0 if kept is None else len(kept.scores)
    predictions = ValuePredictions(found, given.y, half, coverage, rows)
    if half is None:
        missing = missing or "the model kept no scores of its calibration slice; train it again"
        typer.echo(f"denselab: no intervals: {missing}", err=True)
    words = [] if asked.explain is None else list(value_words(predictions, asked.explain))
    about = value_summary(path, given.name, predictions)
    shown = Shown(value_frame(predictions), about, words, print_first_values, value_sentences)
    answer(shown, predictions, asked, missing)


def _named(path: Path | None) -> str | None:
    return None if path is None else str(path)
