from dataclasses import dataclass
from typing import Annotated, get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from denselab.cli.options import RecipeOptions, command_app, grouped
from denselab.recipes import Preset


@dataclass(frozen=True)
class Paint:
    colour: Annotated[str, typer.Option()]
    coats: Annotated[int, typer.Option("--coats")] = 2


app = command_app()


@app.command()
@grouped
def paint(thing: str, *, how: Paint, quick: bool = False) -> None:
    """Paint a thing."""
    typer.echo(f"{thing} {how} {quick}")


def test_a_group_stands_for_its_fields():
    answer = CliRunner().invoke(app, ["door", "--colour", "red", "--coats", "3"])

    assert answer.output == "door Paint(colour='red', coats=3) False\n"


def test_a_field_without_a_default_is_required():
    answer = CliRunner().invoke(app, ["door"])

    assert answer.exit_code == 2
    assert "Missing option '--colour'" in answer.output


def test_defaults_of_fields_hold():
    answer = CliRunner().invoke(app, ["door", "--colour", "blue"])

    assert answer.output == "door Paint(colour='blue', coats=2) False\n"


def test_the_function_keeps_name_and_help():
    assert (paint.__name__, paint.__doc__) == ("paint", "Paint a thing.")


def test_the_presets_on_offer_are_those_of_the_recipes():
    offered = get_args(get_type_hints(RecipeOptions)["preset"])

    assert get_args(offered[0]) == get_args(Preset)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_is_plain_text(option):
    answer = CliRunner().invoke(app, [option])

    assert "Paint a thing." in answer.output
    assert "╭" not in answer.output
