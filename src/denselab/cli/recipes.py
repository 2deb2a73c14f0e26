"""`denselab recipes`: the ladder, or what one recipe is made of."""

import json
from typing import Annotated

import typer

from denselab.cli.options import JsonOption, RecipeOptions, command_app, grouped

__all__ = ["app", "recipes"]

app = command_app()


@app.command()
@grouped
def recipes(
    name: Annotated[
        str | None, typer.Argument(help="A rung, or a file that ends in .toml.")
    ] = None,
    *,
    options: RecipeOptions,
    as_json: JsonOption = False,
) -> None:
    """List the recipes, or show what one of them is made of.

    What is shown of one recipe is a recipe file: save it, change it, and give its path to
    `denselab compare --recipes`. Below it stands how it differs from the recipe it extends. The
    values are the published ones unless --preset says otherwise.
    """
    if name is None:
        _list(options, as_json)
    else:
        _show(name, options, as_json)


def _list(options: RecipeOptions, as_json: bool) -> None:
    from denselab.cli.selection import selected_recipes
    from denselab.cli.table import print_table
    from denselab.recipes import names

    preset = options.preset or "published"
    rungs = selected_recipes(names(preset), preset, options)
    if as_json:
        shown = [{"name": rung.name, "title": rung.title, "preset": preset} for rung in rungs]
        typer.echo(json.dumps({"recipes": shown}))
        return
    print_table(["recipe", "what it is"], [[rung.name, rung.title] for rung in rungs])
    other = "tuned" if preset == "published" else "published"
    typer.echo(
        f"\nThese are the {preset} values; --preset {other} shows the others. One in full: "
        f"denselab recipes {rungs[0].name} --preset {preset}"
    )


def _show(name: str, options: RecipeOptions, as_json: bool) -> None:
    from denselab.cli.selection import selected_recipe
    from denselab.cli.table import aligned
    from denselab.recipes import Recipe, differences, load_recipe, resolved, to_toml

    preset = options.preset or "published"
    recipe = selected_recipe(name, preset, options)
    base = load_recipe(recipe.extends, preset=preset) if recipe.extends else Recipe(name="default")
    changes = differences(recipe, base)
    if as_json:
        shown = {
            "recipe": resolved(recipe),
            "extends": recipe.extends,
            "differences": [change._asdict() for change in changes],
        }
        typer.echo(json.dumps(shown))
        return
    typer.echo(f"# {preset} values\n\n{to_toml(recipe)}", nl=False)
    if not recipe.extends:
        return
    rows = [
        [f"#   {field}", _shown(before), "->", _shown(after)] for field, before, after in changes
    ]
    typer.echo(f"\n# Differs from {recipe.extends} in:" if rows else f"\n# As {recipe.extends}.")
    if rows:
        typer.echo(aligned(rows))


def _shown(value: object) -> str:
    return (
        "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    )
