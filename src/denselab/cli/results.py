"""What came out of a comparison, as a table with what is needed to read it."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from denselab.cli.table import print_table, print_text
from denselab.study.summary import RecipeSummary, Spread, Summary

if TYPE_CHECKING:
    from denselab.study import Study
    from denselab.study.statistics import Verdicts

__all__ = ["show_results", "show_study"]

_HEADER = (
    "recipe",
    "test\naccuracy, %",
    "validation\naccuracy, %",
    "n",
    "best\nepoch",
    "s per\nepoch",
    "s to\nplain's",
    "para-\nmeters",
    "failed",
)
_RIGHT = " rrrrrrrr"


def show_study(study: "Study", summary: Summary, verdicts: "Verdicts | None") -> None:
    """Prints all that is known of a study to stdout: results, verdicts, and how to read them.

    Args:
        study: The study.
        summary: What came out of it.
        verdicts: The answer to its question; None where there is none.
    """
    from denselab.cli.verdict import show_verdicts
    from denselab.study.verdict import interactions_of

    show_results(summary)
    if verdicts is None:
        return
    typer.echo()
    show_verdicts(verdicts)
    for one in interactions_of(study):
        if one.contrast in verdicts.question.contrasts:
            print_text(
                f"{one.name}: {one.both}; {one.added}: what it would reach if the two effects added up."
            )


def show_results(summary: Summary) -> None:
    """Prints a comparison to stdout.

    Args:
        summary: What came out.
    """
    quantity = _is_quantity(summary)
    header = (_HEADER[0], "test squared\nerror", *_HEADER[3:]) if quantity else _HEADER
    rows = [_row(recipe, quantity=quantity) for recipe in summary.recipes]
    print_table(header, rows, right=_RIGHT[: len(header)])
    typer.echo()
    for line in _legend(summary):
        print_text(line)


def _is_quantity(summary: Summary) -> bool:
    """Tells whether there is a loss and no accuracy."""
    scores = [(one.test_loss.mean, one.test_accuracy.mean) for one in summary.recipes]
    known = [accuracy for loss, accuracy in scores if not math.isnan(loss)]
    return bool(known) and all(map(math.isnan, known))


def _row(recipe: RecipeSummary, *, quantity: bool) -> list[str]:
    spread = recipe.test_loss
    deviation = "" if math.isnan(spread.sd) else f" ± {spread.sd:.3g}"
    scores = [_percent(recipe.test_accuracy), _percent(recipe.validation_accuracy)]
    return [
        recipe.name,
        *([_number(spread.mean, ".4g") + deviation] if quantity else scores),
        str(recipe.n),
        _number(recipe.epochs_to_best, ".1f"),
        _number(recipe.seconds_per_epoch, ".3f" if recipe.seconds_per_epoch < 1 else ".1f"),
        _time_to_plain(recipe),
        "-" if recipe.parameters is None else f"{recipe.parameters:,}",
        str(recipe.failed),
    ]


def _percent(spread: Spread) -> str:
    deviation = "" if math.isnan(spread.sd) else f" ± {100 * spread.sd:.2f}"
    return _number(100 * spread.mean, ".2f") + deviation


def _time_to_plain(recipe: RecipeSummary) -> str:
    time = recipe.time_to_plain
    if time is None:
        return "-"
    if not time.reached:
        return f"0/{time.n}"
    share = "" if time.reached == time.n else f" {time.reached}/{time.n}"
    return _number(time.seconds, ".2f" if time.seconds < 1 else ".1f") + share


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _legend(summary: Summary) -> Iterator[str]:
    seeds = summary.seeds
    if len(seeds) > 1:
        yield (
            f"± is the standard deviation over n seeds ({seeds[0]} to {seeds[-1]}), which differ in "
            "split, first weights, order and dropout."
        )
    yield "best epoch: that of the weights a trial ends with, the first being 1; mean over trials."
    compiling = sum(r.compile_seconds for r in summary.recipes if math.isfinite(r.compile_seconds))
    yield (
        f"Seconds (s) are of training with members side by side on {summary.hardware['cores']} "
        f"cores, without compiling ({compiling:.1f} s in all)."
    )
    times = [r.time_to_plain for r in summary.recipes if r.time_to_plain is not None]
    if times:
        some = any(time.reached < time.n for time in times)
        yield (
            f"s to plain's: until the validation accuracy that plain ends with, "
            f"{100 * times[0].target:.2f} %"
            f"{'; 1/3 where only 1 of 3 trials got there' if some else ''}."
        )
    for recipe in summary.recipes:
        failed = [str(seed) for seed in seeds if seed not in recipe.seeds]
        if recipe.failed:
            yield f"{recipe.name} failed with seed {', '.join(failed)}: its loss was no number any more."
    for note in dict.fromkeys(note for recipe in summary.recipes for note in recipe.notes):
        yield f"Note: {note}"
    yield f"Study: {summary.study} (study.toml, study.sqlite, all weights)"
    yield f"Models: {summary.study / 'models'}/RECIPE.keras, of each recipe's best member in validation"
