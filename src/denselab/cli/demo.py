"""`denselab demo`: the first five minutes, on handwritten digits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from denselab.cli.options import command_app, grouped

if TYPE_CHECKING:
    from denselab.data import Dataset
    from denselab.recipes import Recipe
    from denselab.study import Summary
    from denselab.study.sparse import Curve

__all__ = ["DemoOptions", "app", "demo"]

app = command_app()

_TRIALS_FAILED = 3
_DRAWS = 100
_SPARSE_SHARES, _SPARSE_STRENGTH, _SPARSE_SEEDS, _SPARSE_EPOCHS = (0.8, 0.9), 0.06, 3, 20
_BROKEN = {
    "selu_raw_inputs": ("self_normalizing", ["preprocessing.scaling=none"]),
    "selu_he_start": ("self_normalizing", ["network.kernel_initializer=he_normal"]),
    "equal_weights": (
        "self_normalizing",
        ["network.kernel_initializer=constant", "network.kernel_value=0.01"],
    ),
}
"""Nets that do what one should not: name -> the rung that they differ from, and in what."""

_SHOWN = {
    "self_normalizing": "SELU as it should be: LeCun start, standardised inputs",
    "selu_raw_inputs": "SELU on raw inputs",
    "selu_he_start": "SELU with He's start",
    "equal_weights": "all weights of a layer equal",
}


@dataclass(frozen=True)
class DemoOptions:
    """How much of it."""

    context: typer.Context
    seeds: Annotated[int, typer.Option(help="How many times each rung is trained.")] = 8
    epochs: Annotated[
        int | None, typer.Option(help="Most passes over the training rows, for every rung.")
    ] = None
    out: Annotated[Path, typer.Option(help="Study folder.")] = Path("studies/demo")


@app.command()
@grouped
def demo(*, asked: DemoOptions) -> None:
    """Show in two minutes what denselab does, on digits.

    Trains the six rungs over eight seeds with the learning rates of the tuned ladder, looks into networks
    that keep and break the rules of their techniques, makes one sparse, and measures what draws cost. Stop
    at any time, run the same command again, and it goes on from there.
    """
    from denselab.cli.results import show_results
    from denselab.cli.selection import check_writable, selected_seeds
    from denselab.cli.sparsity import show_curve
    from denselab.cli.verdict import show_verdicts
    from denselab.data import hold_out_calibration, hold_out_test, load
    from denselab.report import write_report
    from denselab.study import judged, read_study

    seeds = selected_seeds(0, asked.seeds)
    check_writable(asked.out)
    digits = hold_out_calibration(hold_out_test(load("digits")))
    summary = _ladder(digits, seeds, asked)
    rows = _look_inside(digits, asked)
    curve = _sparse(digits, asked)
    costs = _draw_costs(digits)
    study = read_study(asked.out)
    verdicts, page = judged(study), asked.out / "report.html"
    write_report(study, page, verdicts=verdicts)
    show_results(summary)
    if verdicts is not None:
        typer.echo("\nVerdicts: each rung against the one before it\n")
        show_verdicts(verdicts)
    _show_layers(rows)
    typer.echo("\nWith fewer weights: six hidden layers, 20 epochs\n")
    show_curve(curve)
    _show_costs(costs)
    typer.echo(f"\nThe report, with pictures: {page}")
    if summary.failed:
        raise typer.Exit(_TRIALS_FAILED)


def _ladder(digits: "Dataset", seeds: Sequence[int], asked: DemoOptions) -> "Summary":
    from denselab.recipes import ladder

    say = "digits: the six rungs of the ladder, tuned values"
    return _compare(_short(ladder("tuned"), asked.epochs), digits, seeds, asked.out, asked, say)


def _look_inside(digits: "Dataset", asked: DemoOptions) -> list[dict[str, Any]]:
    """Trains nets that break a rule, and measures their layers beside those of one that keeps it."""
    from denselab.recipes import load_recipe
    from denselab.study import open_study, read_study
    from denselab.study.arms import recipes_of
    from denselab.study.claims.activations import activation_rows, keep_rows, measured_layers
    from denselab.study.records import trials_of

    epochs = f"training.epochs={min(5, asked.epochs or 5)}"
    broken = [
        load_recipe(base, preset="tuned", settings=[*settings, epochs]).model_copy(
            update={"name": name, "title": _SHOWN[name]}
        )
        for name, (base, settings) in _BROKEN.items()
    ]
    folder = asked.out / "broken"
    _compare(broken, digits, (0,), folder, asked, "nets that break a rule, five epochs")
    found: dict[str, Any] = {}
    for place in (asked.out, folder):
        study = read_study(place)
        for recipe in recipes_of(study):
            trials = trials_of(recipe, study.trials)
            if recipe.name in _SHOWN and 0 in trials and not trials[0].failed:
                found[recipe.name] = measured_layers(study, digits, recipe, [trials[0]])
    study = read_study(asked.out)
    with open_study(asked.out, study.manifest) as store:
        return keep_rows(store, activation_rows(found))


def _sparse(digits: "Dataset", asked: DemoOptions) -> "Curve":
    """Trains a small network dense and sparse in three ways, and keeps the curve for the report."""
    from denselab.recipes import load_recipe
    from denselab.study import open_study, read_study
    from denselab.study.sparse import DOCUMENT, METHODS, sparse_recipes, sparsity_curve

    epochs = f"training.epochs={min(_SPARSE_EPOCHS, asked.epochs or _SPARSE_EPOCHS)}"
    recipes = sparse_recipes(
        load_recipe("plain", preset="tuned", settings=["network.depth=6", epochs]),
        methods=[method for method in METHODS if method != "structured"],
        shares=_SPARSE_SHARES,
        strengths=dict.fromkeys(_SPARSE_SHARES, _SPARSE_STRENGTH),
        sizes=(digits.features, digits.classes or 1),
    )
    folder = asked.out / "sparse"
    seeds = range(min(_SPARSE_SEEDS, asked.seeds))
    _compare(recipes, digits, seeds, folder, asked, "a network with fewer weights, three ways")
    curve = sparsity_curve(read_study(folder))
    assert curve is not None
    study = read_study(asked.out)
    with open_study(asked.out, study.manifest) as store:
        store.put_document(DOCUMENT, curve.to_json())
    return curve


def _compare(
    recipes: "Sequence[Recipe]",
    digits: "Dataset",
    seeds: Sequence[int],
    folder: Path,
    asked: DemoOptions,
    say: str,
) -> "Summary":
    from denselab.cli.progress import training_progress, work_for
    from denselab.study import compare_recipes, plan_study

    plan = plan_study(recipes, digits, seeds=seeds, preset="tuned")
    typer.echo(f"{say}, n = {len(seeds)}, in {folder}", err=True)
    with training_progress(work_for(recipes, digits, len(seeds))) as progress:
        return compare_recipes(
            plan, digits, folder=folder, command=asked.context.obj, progress=progress
        )


def _short(recipes: "Sequence[Recipe]", epochs: int | None) -> "tuple[Recipe, ...]":
    from denselab.recipes import apply_settings

    settings = [] if epochs is None else [f"training.epochs={epochs}"]
    return tuple(apply_settings(recipe, settings) for recipe in recipes)


def _draw_costs(digits: "Dataset") -> dict[str, float]:
    """Times one pass, draws in a plain loop, and draws that share what they can."""
    from denselab.recipes import load_recipe
    from denselab.training.timing import draw_seconds

    typer.echo(f"what {_DRAWS} draws cost", err=True)
    recipe = load_recipe("alpha_dropout", preset="published")
    seconds = draw_seconds(recipe, digits, draws=_DRAWS, rounds=5)
    once = median(seconds["once"])
    return {name: median(values) / once for name, values in seconds.items()}


def _show_layers(rows: Sequence[Mapping[str, Any]]) -> None:
    from denselab.cli.table import print_table, print_text

    by_arm = {name: [row for row in rows if row["arm"] == name] for name in _SHOWN}
    depth = max(row["layer"] for row in rows)
    typer.echo(
        "\nThrough the depth of a network: mean ± deviation of what each layer gives the next\n"
    )
    header = [
        "network",
        "when",
        "layer 1",
        f"layer {depth // 2}",
        f"layer {depth}",
        "distinct units",
    ]
    print_table(header, [list(one) for one in _layer_lines(by_arm, depth)])
    typer.echo()
    print_text(
        "A self-normalizing net keeps mean 0 and deviation 1 in every layer while its conditions hold. Where "
        "all weights of a layer start equal, its units stay the same for ever: 100 units, worth one. distinct "
        "units: the fewest in any hidden layer but the last, of 100; one seed each."
    )


def _layer_lines(
    by_arm: Mapping[str, Sequence[Mapping[str, Any]]], depth: int
) -> Iterator[tuple[str, ...]]:
    for name, rows in by_arm.items():
        for when in ("start", "end"):
            layers = {row["layer"]: row for row in rows if row["when"] == when}
            if not layers:
                continue
            cells = [
                f"{layers[k]['mean']:+.3g} ± {max(layers[k]['variance'], 0) ** 0.5:.3g}"
                for k in (1, max(depth // 2, 1), depth)
            ]
            fewest = min(row["distinct_units"] for k, row in layers.items() if k < depth or k == 1)
            shown = _SHOWN[name] if when == "start" else ""
            yield shown, when, *cells, f"{fewest:.0f}"


def _show_costs(costs: Mapping[str, float]) -> None:
    from denselab.cli.table import print_text

    typer.echo()
    print_text(
        f"{_DRAWS} draws of MC dropout with dropout before the output layer cost "
        f"{costs['compiled']:.1f} passes here, since all layers before it are computed once; a plain loop "
        f"takes {costs['loop']:.0f}."
    )
