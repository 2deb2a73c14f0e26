"""`denselab export`: a trained model as an ONNX file, held against Keras before anybody relies on it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped
from denselab.cli.tables import ReadingOptions
from denselab.errors import DenselabError, UsageError

if TYPE_CHECKING:
    from denselab.cli.models import ChosenModel
    from denselab.sparsity import Latency
    from denselab.training.parity import Parity

__all__ = ["ExportOptions", "app", "export"]

app = command_app()


@dataclass(frozen=True)
class ExportOptions:
    """What is written, where, and what it is checked on."""

    onnx: Annotated[
        bool,
        typer.Option("--onnx", help="Write ONNX; the one format there is, so it may be left out."),
    ] = True
    out: Annotated[
        Path | None, typer.Option(help="File ending in .onnx; by default beside the model.")
    ] = None
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Check on the test rows of this data set, or the rows of this table; by default on random rows as "
            "its inputs are scaled.",
        ),
    ] = None
    recipe: Annotated[str | None, typer.Option(metavar="NAME", help="Which recipe of a study.")] = (
        None
    )
    seed: Annotated[int, typer.Option(help="Decides random rows.")] = 0
    as_json: JsonOption = False


@app.command()
@grouped
def export(
    model: Annotated[
        Path, typer.Argument(help="A .keras file, a folder that denselab train left, or a study.")
    ],
    *,
    asked: ExportOptions,
    where: DataOptions,
    reading: ReadingOptions,
) -> None:
    """Write a trained model as an ONNX file, and check it.

    The preprocessing that denselab saved is in the graph, of a table every column as an input of its own: numbers
    and truth values as float64 (NaN: missing), categories as text (empty: missing). Dropout rests. The file is
    written only if ONNX Runtime answers with it as Keras does.
    """
    from denselab.cli.model_folder import model_file
    from denselab.cli.models import chosen_model
    from denselab.randomness import check_seed

    check_seed(asked.seed)
    _check_out(asked.out)
    chosen = chosen_model(model_file(model), asked.recipe)
    out = asked.out or chosen.path.with_suffix(".onnx")
    _check_out(out)
    try:
        found, size = _written(chosen, out, asked, (where, reading))
    except DenselabError as error:
        raise type(error)(f"{chosen.path}: {error}") from error
    about = _about(chosen, out, size, found)
    if asked.as_json:
        typer.echo(json.dumps(about))
    else:
        _show(about, found, asked.data)


def _check_out(path: Path | None) -> None:
    from denselab.cli.selection import check_writable

    if path is None:
        return
    if path.suffix != ".onnx":
        raise UsageError(f"--out {path}: give a file that ends in .onnx")
    if path.exists():
        raise UsageError(f"--out {path}: is there already; name another file or remove it")
    check_writable(path.parent)


def _written(
    chosen: "ChosenModel",
    out: Path,
    asked: ExportOptions,
    how: tuple[DataOptions, ReadingOptions],
) -> "tuple[Parity, int]":
    """Checks the graph, and writes it; gives its size, too."""
    from denselab.cli.selection import selected_data
    from denselab.onnx_export import write_onnx
    from denselab.training.parity import check_onnx

    where, reading = how
    if chosen.loaded.preprocessing is None:
        x = None if asked.data is None else selected_data(asked.data, where).test_x
        found = check_onnx(chosen.loaded, x, seed=asked.seed)
        return found, write_onnx(found.model, out)
    from denselab.cli.inputs import table_rows
    from denselab.training.table_parity import check_table_onnx, graph_facts, table_features

    loaded = chosen.loaded
    table = None if asked.data is None else table_rows(asked.data, loaded, reading).table
    found = check_table_onnx(loaded, table, seed=asked.seed)
    made = {"features": table_features(loaded), "facts": graph_facts(loaded)}
    return found, write_onnx(found.model, out, **made)


def _about(chosen: "ChosenModel", out: Path, size: int, found: "Parity") -> dict[str, Any]:
    return {
        "model": str(chosen.path),
        "out": str(out),
        "onnx_bytes": size,
        "keras_bytes": chosen.path.stat().st_size,
        "dropout_at_rest": list(found.resting),
        "rows": found.rows,
        "checked_on": found.source,
        "from_columns": chosen.loaded.preprocessing is not None,
        "largest_difference": found.difference,
        "latencies": {
            name: [asdict(one) for one in several] for name, several in found.latencies.items()
        },
    }


def _show(about: dict[str, Any], found: "Parity", data: str | None) -> None:
    from denselab.cli.table import print_table, print_text

    where = found.source if data is None else f"{found.source} of {data}"
    print_text(f"{about['out']} is written; it answers as Keras does:")
    print_text(f"the largest difference over {found.rows:,} {where} is {found.difference:.2g}")
    if found.resting:
        print_text(
            f"dropout rests in it ({', '.join(found.resting)}): one pass, where the Keras model draws"
        )
    typer.echo()
    batches = [f"ms at batch {one.batch}" for one in found.latencies["keras"]]
    sizes = {"keras": about["keras_bytes"], "onnx": about["onnx_bytes"]}
    titles = ("Keras", "ONNX Runtime")
    if about["from_columns"]:
        titles = ("preprocessing, Keras", "ONNX Runtime")
    rows = [
        [title, f"{sizes[name] / 1000:,.1f}", *map(_milliseconds, found.latencies[name])]
        for name, title in zip(("keras", "onnx"), titles, strict=True)
    ]
    print_table(("", "file, kB", *batches), rows, right=" rrr")
    typer.echo()
    print_text("Medians (quartiles) of rounds in turn, on one core where the system allows it.")


def _milliseconds(latency: "Latency") -> str:
    low, high = latency.quartiles
    return f"{1e3 * latency.median:.3g} ({1e3 * low:.3g}-{1e3 * high:.3g})"
