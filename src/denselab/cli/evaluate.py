"""`denselab evaluate`: how good a saved model is on rows it has not seen."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.errors import DataError, DenselabError

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.training import LoadedModel
    from denselab.uncertainty import ClassificationDraws

__all__ = ["app", "evaluate"]

app = command_app()

_DRAWS = 100
"""Draws of a model whose dropout stays on in prediction, where its file says no number."""


@app.command()
@grouped
def evaluate(
    model: Annotated[Path, typer.Argument(help="A .keras file that gives class probabilities.")],
    data: Annotated[str, typer.Argument(help="A name of `denselab data list`.")],
    *,
    where: DataOptions,
    as_json: JsonOption = False,
) -> None:
    """Measure a saved model on the test rows of a data set.

    Test rows are those that come with the data, or else the same fifth that every command of
    denselab sets apart before it trains. A model with MC dropout is measured by the mean of as many
    draws as its recipe says.
    """
    from denselab.cli.selection import selected_data
    from denselab.training import load_model, score

    loaded = load_model(model)
    dataset = selected_data(data, where)
    draws = _draws(loaded)
    found = _predicted(model, loaded, dataset, draws)
    assert dataset.test_y is not None
    scores, rows = score(found.probabilities, dataset.test_y), len(found.probabilities)
    if as_json:
        about = {"model": str(model), "dataset": dataset.name, "rows": rows, "draws": draws}
        typer.echo(json.dumps({**about, **scores._asdict()}))
    else:
        typer.echo(
            f"test accuracy {100 * scores.accuracy:.2f} % ({round(scores.accuracy * rows):,} of "
            f"{rows:,} rows), loss {scores.loss:.4f}"
            f"{f', by the mean of {draws:,} draws' if draws > 1 else ''}"
        )


def _draws(loaded: "LoadedModel") -> int:
    """Says how many draws a model is meant for: by its file, or by its layers where that is silent."""
    from denselab.training.predicting import draws_by_itself

    if loaded.description is not None and loaded.description.draws > 1:
        return loaded.description.draws
    return _DRAWS if draws_by_itself(loaded.model) else 1


def _predicted(
    path: Path, loaded: "LoadedModel", dataset: "Dataset", draws: int
) -> "ClassificationDraws":
    from denselab.training.predicting import DrawPlan, predict_rows

    assert dataset.test_x is not None
    try:
        found = predict_rows(loaded.model, dataset.test_x, DrawPlan(draws))
    except DenselabError as error:
        raise type(error)(f"{path}: {error}") from error
    classes = found.probabilities.shape[1]
    if classes != dataset.classes:
        raise DataError(
            f"{path}: gives {classes} probabilities a row, expected one for each of "
            f"{dataset.classes} classes; evaluate it on the data it was trained for"
        )
    return found
