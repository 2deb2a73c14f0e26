"""Options that commands share, in groups: a command takes a group as one parameter."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

__all__ = [
    "DataOptions",
    "JsonOption",
    "RecipeOptions",
    "command_app",
    "grouped",
    "show_help",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@dataclass(frozen=True)
class DataOptions:
    """Where data comes from."""

    data_dir: Annotated[
        Path | None, typer.Option(help="Folder or file with your own copy of the data.")
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Cut the pictures of an image folder to squares and resize them to this side.",
        ),
    ] = None


@dataclass(frozen=True)
class RecipeOptions:
    """Which values recipes have, and changes to them."""

    preset: Annotated[
        Literal["published", "tuned"] | None,
        typer.Option(help="Values of the ladder; by default published for cifar10, else tuned."),
    ] = None
    epochs: Annotated[
        int | None, typer.Option(help="Most passes over the training rows, for every recipe.")
    ] = None
    depth: Annotated[int | None, typer.Option(help="Number of hidden layers.")] = None
    width: Annotated[int | None, typer.Option(help="Units of every hidden layer.")] = None
    calibration: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Rows that only temperatures and conformal sets are fitted on; by default 0.1 of "
            "the training rows with tuned values, 0 with published ones.",
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Change any field, such as optimizer.learning_rate=1e-3; may be repeated.",
        ),
    ] = None


def command_app(**settings: Any) -> typer.Typer:
    """Makes the app that a command's module registers its functions with.

    Args:
        **settings: What to give to `typer.Typer` besides.

    Returns:
        An app with plain help, which is several times quicker to show than rich help.
    """
    settings = {"context_settings": {"help_option_names": ["-h", "--help"]}, **settings}
    return typer.Typer(rich_markup_mode=None, add_completion=False, **settings)


def show_help(context: typer.Context) -> None:
    """Prints the help of a command that has others below it, where none of them was named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Lets a command take options in groups.

    Args:
        command: A function; a parameter annotated with a dataclass stands for its fields.

    Returns:
        The same with the fields in place of those parameters, for typer to read.

    Example:
        >>> @grouped
        ... def show(name: str, *, where: DataOptions) -> None:
        ...     print(name, where.offline)
        >>> show(name="wine", offline=True)
        wine True
    """
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}

    @functools.wraps(command)
    def ungrouped(**values: Any) -> None:
        for name, kind in groups.items():
            own = {f.name: values.pop(f.name) for f in fields(kind) if f.name in values}
            values[name] = kind(**own)
        command(**values)

    parameters = [one for p in _parameters(command) for one in _unfolded(p, hints[p.name])]
    ungrouped.__annotations__ = {p.name: p.annotation for p in parameters}
    result: Any = ungrouped  # A function has this attribute only once somebody sets it.
    result.__signature__ = inspect.Signature(parameters)
    return result


def _parameters(command: Callable[..., None]) -> Iterator[inspect.Parameter]:
    yield from inspect.signature(command).parameters.values()


def _unfolded(parameter: inspect.Parameter, kind: Any) -> Iterator[inspect.Parameter]:
    if not is_dataclass(kind):
        yield parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY)
        return
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
