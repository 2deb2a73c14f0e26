"""`denselab evaluate`: how good a saved model is on rows it has not seen."""

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.errors import DataError, UnsafeFileError

if TYPE_CHECKING:
    import numpy as np

    from denselab.data import Dataset

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
    from denselab.training import score  # With it come the layers that a model may hold.

    dataset = selected_data(data, where)
    probabilities = _probabilities(model, dataset)
    assert dataset.test_y is not None
    scores, rows = score(probabilities, dataset.test_y), len(probabilities)
    if as_json:
        about = {"model": str(model), "dataset": dataset.name, "rows": rows}
        typer.echo(json.dumps({**about, **scores._asdict()}))
    else:
        typer.echo(
            f"test accuracy {100 * scores.accuracy:.2f} % ({round(scores.accuracy * rows):,} of "
            f"{rows:,} rows), loss {scores.loss:.4f}"
        )


def _probabilities(path: Path, dataset: "Dataset") -> "np.ndarray":
    model = _load(path)
    assert dataset.test_x is not None
    takes, have = getattr(model, "input_shape", None), dataset.test_x.shape[1:]
    if not isinstance(takes, tuple) or tuple(takes[1:]) != have:
        raise DataError(
            f"{path}: takes inputs of shape {takes}, rows of {dataset.name} have {have}; "
            "evaluate it on the data it was trained for"
        )
    given = model.predict(dataset.test_x.astype("float32"), batch_size=512, verbose=0)
    shape = (len(dataset.test_x), dataset.classes)
    if getattr(given, "shape", None) != shape:
        raise DataError(
            f"{path}: gives {getattr(given, 'shape', 'several outputs')}, expected one probability "
            f"for each of {dataset.classes} classes; evaluate it on the data it was trained for"
        )
    if not ((given >= 0).all() and (abs(given.sum(axis=1) - 1) <= 1e-3).all()):
        raise DataError(f"{path}: does not give probabilities; end it with a softmax layer")
    return given


def _load(path: Path) -> Any:
    """Opens a model; one with code in it is refused by Keras' safe mode."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a .keras file, as denselab train leaves it")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path}: no .keras file, or a damaged one; save the model again")
    import keras

    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # What Keras raises depends on what the file holds.
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        if "safe_mode" in str(error) or "unsafe" in str(error):
            raise UnsafeFileError(f"{path}: holds code that would run ({reason})") from error
        raise DataError(f"{path}: Keras cannot read it ({reason[:200]})") from error
