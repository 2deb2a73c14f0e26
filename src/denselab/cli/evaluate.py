"""`denselab evaluate`: how good a saved model is on rows it has not seen."""

import json
from pathlib import Path
from typing import Annotated

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped

__all__ = ["app", "evaluate"]

app = command_app()


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
    denselab sets apart before it trains.
    """
    from denselab.cli.selection import selected_data
    from denselab.training import evaluate_model, load_model

    loaded = load_model(model)
    dataset = selected_data(data, where)
    assert dataset.test_x is not None
    assert dataset.test_y is not None
    scores = evaluate_model(loaded, dataset.test_x, dataset.test_y)
    rows = len(dataset.test_y)
    if as_json:
        found = {"model": str(model), "dataset": dataset.name, "rows": rows}
        typer.echo(json.dumps({**found, **scores._asdict()}))
        return
    typer.echo(
        f"test accuracy {100 * scores.accuracy:.2f} % ({round(scores.accuracy * rows):,} of "
        f"{rows:,} rows), loss {scores.loss:.4f}"
    )
