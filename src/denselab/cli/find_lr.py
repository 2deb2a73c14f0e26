"""`denselab find-lr`: learning rates that suit a recipe on some data."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from denselab.cli.options import DataOptions, JsonOption, RecipeOptions, command_app, grouped
from denselab.cli.tables import TableOptions
from denselab.errors import UsageError

if TYPE_CHECKING:
    import altair

    from denselab.recipes import Recipe
    from denselab.training.rates import RateSweep

__all__ = ["FindOptions", "SweepOptions", "app", "find_lr"]

app = command_app()

_WORDS = {
    "steepest": "the loss falls fastest here, for each factor in the rate",
    "valley": "middle of the longest descent; disturbed least by noise",
    "minimum/10": "a tenth of the rate of lowest loss, which is on the verge of rising",
    "minimum": "lowest loss after the short trainings",
    "minimum/3": "a third of it, on the safe side of the rise for a long training",
}
"""Suggestion -> what it is."""

_RECOMMENDED = {"range": "minimum/10", "population": "minimum"}
_SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class FindOptions:
    """What the rate is for, and where the picture goes."""

    recipe: Annotated[str, typer.Option(help="A rung of the ladder, or a .toml file.")]
    seed: Annotated[int, typer.Option(help="Decides split, weights, order and dropout.")] = 0
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Picture, .png, .svg or .html.")
    ] = None
    as_json: JsonOption = False


@dataclass(frozen=True)
class SweepOptions:
    """Which rates are tried, and how."""

    lowest: Annotated[float, typer.Option("--from", help="First rate.")] = 1e-7
    highest: Annotated[float, typer.Option("--to", help="Last rate.")] = 10.0
    steps: Annotated[
        int, typer.Option(help="Steps: of the whole range test; of each training of a population.")
    ] = 200
    sweep: Annotated[
        Literal["range", "population", "auto"],
        typer.Option(
            help="range: one training whose rate grows; population: one short training for each "
            "rate, half a decade apart; auto: range, the faster one."
        ),
    ] = "auto"


@app.command()
@grouped
def find_lr(
    data: Annotated[
        str,
        typer.Argument(
            help="A name of `denselab data list`, a CSV, Parquet, npz or npy file, or an image folder."
        ),
    ],
    *,
    asked: FindOptions,
    span: SweepOptions,
    changes: RecipeOptions,
    where: DataOptions,
    how: TableOptions,
) -> None:
    """Find a learning rate for a recipe, before it is trained.

    The network trains shortly at many rates, and the rates are read off the curve of its training
    loss. With a schedule the rate is its highest one. No test row is looked at, nothing is kept.
    """
    from denselab.cli.selection import preset_for, selected_recipe, selected_seeds
    from denselab.cli.training_data import compared_data
    from denselab.training.rates import SweepPlan, sweep_rates

    plan = SweepPlan(span.lowest, span.highest, span.steps, span.sweep)
    preset = preset_for(data, changes)
    recipe = selected_recipe(asked.recipe, preset, changes)
    _check_trains(recipe)
    (seed,) = selected_seeds(asked.seed, 1)
    if asked.out is not None:
        _check_picture(asked.out)
    dataset = compared_data(data, where, how, changes=changes)
    with _progress(recipe.name) as on_step:
        found = sweep_rates(recipe, dataset, seed=seed, plan=plan, on_step=on_step)
    suggested = found.suggestions()
    if asked.out is not None:
        from denselab.report.drawing import save_chart

        save_chart(_chart(found, suggested, dataset.name), asked.out)
    answer = _answer(found, suggested) | {
        "dataset": {"name": dataset.name, "fingerprint": dataset.fingerprint},
        "seed": seed,
        "picture": None if asked.out is None else str(asked.out),
    }
    if asked.as_json:
        typer.echo(json.dumps(answer))
    else:
        _show(answer, found, suggested)


def _check_trains(recipe: "Recipe") -> None:
    if recipe.weights_from is not None:
        raise UsageError(
            f"recipe {recipe.name} trains nothing; find the rate of {recipe.weights_from}, whose "
            "weights it takes"
        )


def _answer(found: "RateSweep", suggested: dict[str, float]) -> dict[str, Any]:
    recommended = _RECOMMENDED[found.sweep]
    return {
        "recipe": found.recipe,
        "sweep": found.sweep,
        "seconds": found.seconds,
        "suggestions": {
            name: {"learning_rate": rate, "what": _WORDS[name]} for name, rate in suggested.items()
        },
        "recommended": recommended,
        "setting": f"optimizer.learning_rate={_short(suggested[recommended])}",
        "rates": found.rates.tolist(),
        "losses": [loss if loss < float("inf") else None for loss in found.smoothed.tolist()],
    }


def _show(answer: dict[str, Any], found: "RateSweep", suggested: dict[str, float]) -> None:
    from denselab.cli.plot import can_draw, plotted
    from denselab.cli.table import print_table, print_text

    marks = dict(zip("abc", suggested.values(), strict=False))
    what = "rates in one training" if found.sweep == "range" else "trainings, one a rate"
    print_text(
        f"{found.recipe} on {answer['dataset']['name']}, seed {answer['seed']}: training loss over "
        f"learning rate, {len(found.rates)} {what}, {found.seconds:.1f} s"
    )
    for line in plotted(
        found.rates.tolist(), found.smoothed.tolist(), marks=marks, plain=not can_draw("•│└─")
    ):
        typer.echo(line)
    typer.echo("")
    print_table(
        ["", "suggestion", "learning rate", "what it is"],
        [
            [letter, name, _short(rate), _WORDS[name]]
            for letter, (name, rate) in zip("abc", suggested.items(), strict=False)
        ],
        right="llr",
    )
    typer.echo(f"\n{answer['recommended']}: --set {answer['setting']}")
    if answer["picture"] is not None:
        typer.echo(f"picture: {answer['picture']}")


def _short(rate: float) -> str:
    return f"{rate:.2g}"


def _check_picture(path: Path) -> None:
    from denselab.cli.selection import check_writable
    from denselab.report.drawing import FORMATS

    if path.suffix not in FORMATS:
        raise UsageError(f"--out {path}: ends in {path.suffix!r}; give one of {', '.join(FORMATS)}")
    if path.exists():
        raise UsageError(f"--out {path}: is there already; give another name, or remove it")
    check_writable(path.parent)


def _chart(found: "RateSweep", suggested: dict[str, float], dataset: str) -> "altair.TopLevelMixin":
    import altair

    from denselab.report.drawing import GREY, PALETTE

    points = [
        {"rate": rate, "loss": loss, "smoothed": smoothed}
        for rate, loss, smoothed in zip(
            found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist(), strict=True
        )
        if smoothed < float("inf")
    ]
    low = min(point["smoothed"] for point in points)
    first = points[0]["smoothed"]
    top = first + 0.25 * (first - low) if first > low else max(p["smoothed"] for p in points)
    first_decade, last_decade = (round(math.log10(rate)) for rate in found.rates[[0, -1]])
    decades = altair.Axis(
        values=[10.0**power for power in range(first_decade, last_decade + 1)], format=".0e"
    )
    log = altair.Scale(type="log", domain=[points[0]["rate"], points[-1]["rate"]], nice=False)
    rate = altair.X("rate:Q", scale=log, axis=decades, title="learning rate")
    scale = altair.Scale(domain=[low - 0.05 * (top - low), top], clamp=False)
    marks = [{"rate": value, "name": name} for name, value in suggested.items()]
    base = altair.Chart(altair.Data(values=points))
    dots = base.mark_circle(color=GREY, opacity=0.4, clip=True).encode(
        x=rate, y=altair.Y("loss:Q", scale=scale, title="training loss")
    )
    line = base.mark_line(color=PALETTE[2], clip=True).encode(
        x=rate, y=altair.Y("smoothed:Q", scale=scale, title="training loss")
    )
    rules = (
        altair.Chart(altair.Data(values=marks))
        .mark_rule(strokeDash=[4, 3])
        .encode(
            x=rate,
            color=altair.Color(
                "name:N",
                title="suggestion",
                scale=altair.Scale(domain=list(suggested), range=[*PALETTE[3:6]]),
            ),
        )
    )
    title = f"{found.recipe} on {dataset}: training loss over learning rate"
    return (dots + line + rules).properties(title=title, width=520, height=300)


@contextmanager
def _progress(recipe: str) -> Iterator[Callable[[int, int], None]]:
    """Says on stderr how the sweep goes: on one line in a terminal, now and then in a pipe."""
    rewrite = sys.stderr.isatty()
    last = time.monotonic()
    typer.echo(f"{recipe}: tries learning rates", err=True)

    def note(done: int, whole: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= (0.1 if rewrite else _SECONDS_BETWEEN_LINES):
            last = now
            text = f"{recipe}: {done} of {whole}"
            typer.echo(f"\r{text}\x1b[K" if rewrite else text, nl=not rewrite, err=True)

    yield note
    if rewrite:
        typer.echo("\r\x1b[K", nl=False, err=True)
