"""`denselab data`: which data sets there are, where they are, what is in them."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from denselab.cli.options import DataOptions, JsonOption, command_app, grouped, show_help
from denselab.cli.tables import TableOptions, show_table, table_from
from denselab.errors import UsageError

__all__ = ["app", "fetch", "info", "show_names"]

app = command_app(help="List, fetch and describe data sets.")
app.callback(invoke_without_command=True)(show_help)

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="A name of `denselab data list`.")
]


NameOrFileArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help="A name of `denselab data list`, a CSV, Parquet, npz or npy file, or an image folder.",
    ),
]


@app.command("list")
def show_names(as_json: JsonOption = False) -> None:
    """List the data sets that denselab knows by name."""
    from denselab.cli.table import print_table
    from denselab.data import names, summary

    summaries = {name: summary(name) for name in names()}
    if as_json:
        typer.echo(json.dumps({"data": summaries}))
    else:
        print_table(["name", "what it is"], [list(item) for item in summaries.items()])


@app.command("get")
@grouped
def fetch(name: NameArgument, *, where: DataOptions, as_json: JsonOption = False) -> None:
    """Make sure that a data set is there, downloading it if need be, and check it.

    What was downloaded in part before goes on from there.
    """
    from denselab.cli.selection import loaded_data

    dataset = loaded_data(name, where)
    if as_json:
        found = {"name": name, "source": dataset.source, "fingerprint": dataset.fingerprint}
        typer.echo(json.dumps(found))
    else:
        typer.echo(f"{name} is there ({dataset.source}), SHA-256 {dataset.fingerprint[:16]}…")


@app.command()
@grouped
def info(
    name: NameOrFileArgument,
    *,
    where: DataOptions,
    how: TableOptions,
    as_json: JsonOption = False,
) -> None:
    """Describe a data set or a table of your own, and say what to be careful about.

    Of a file: what every column holds, what is predicted, what would be left out and why, rows that
    repeat, and columns that give the target away.
    """
    from denselab.data import describe, describe_table, is_table_file, names

    if name not in names() and is_table_file(name):
        found = describe_table(table_from(name, how))
        typer.echo(json.dumps(found)) if as_json else show_table(found)
        return
    if how != TableOptions():
        raise UsageError(
            f"{name} is a data set; --target and what else is said of tables need a file"
        )
    from denselab.cli.selection import loaded_data

    about = describe(loaded_data(name, where))
    typer.echo(json.dumps(about) if as_json else "\n".join(_sentences(about)))


def _sentences(about: dict[str, Any]) -> Iterator[str]:
    rows, image = about["rows"], about["image_shape"]
    yield f"{about['name']}: {about['task']} ({about['source']})"
    test = (
        f" and {rows['test']:,} to test" if rows["test"] else "; 20 % of them are set apart to test"
    )
    yield f"rows: {rows['train']:,}{test}"
    low, high = about["range"]
    shape = f", images of {' x '.join(map(str, image))}" if image else ""
    yield f"features: {about['features']:,} ({about['dtype']}, {low:g} to {high:g}{shape})"
    if about["classes"] is not None:
        counted = ", ".join(f"{name} ({count:,})" for name, count in about["classes"].items())
        yield f"classes: {len(about['classes'])}: {counted}"
    else:
        yield "target: {:g} to {:g}".format(*about["target_range"])
    yield f"SHA-256: {about['fingerprint']}"
    for warning in about["warnings"]:
        yield f"careful: {warning}"
