import math
from dataclasses import replace
from pathlib import Path

import pytest

from denselab.cli.results import show_results
from denselab.study import RecipeSummary, Spread, Summary, TimeToTarget

PLAIN = RecipeSummary(
    name="plain",
    seeds=(0, 2),
    failed=1,
    test_accuracy=Spread((0.90, 0.94)),
    validation_accuracy=Spread((0.95, 0.97)),
    test_loss=Spread((0.3, 0.2)),
    epochs_run=20.0,
    epochs_to_best=12.5,
    seconds_per_epoch=0.0123,
    compile_seconds=1.5,
    parameters=199_410,
    time_to_plain=TimeToTarget(target=0.96, seconds=0.25, reached=1, n=2),
    notes=("JAX had already started",),
)
SHARED = replace(
    PLAIN,
    name="mc_dropout",
    seeds=(0, 1, 2),
    failed=0,
    epochs_to_best=math.nan,
    seconds_per_epoch=math.nan,
    compile_seconds=math.nan,
    time_to_plain=None,
)
NOTHING = replace(
    PLAIN,
    name="one_cycle",
    seeds=(),
    failed=3,
    test_accuracy=Spread(()),
    validation_accuracy=Spread(()),
    parameters=None,
    time_to_plain=TimeToTarget(target=0.96, seconds=math.nan, reached=0, n=2),
    notes=(),
)


def summary(*recipes: RecipeSummary, seeds=(0, 1, 2)) -> Summary:
    return Summary(
        study=Path("studies/s"),
        dataset={"name": "digits"},
        preset="tuned",
        seeds=seeds,
        recipes=recipes,
        versions={},
        hardware={"cores": 2},
    )


@pytest.fixture
def shown(capsys):
    def show(*recipes, **options):
        show_results(summary(*recipes, **options))
        return capsys.readouterr().out

    return show


def cells(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()


def test_a_row_holds_means_deviations_and_counts(shown):
    row = cells(shown(PLAIN), "plain")

    deviation = f"{100 * 0.04 / math.sqrt(2):.2f}"
    assert row[1:4] == ["92.00", "±", deviation]
    assert row[4:7] == ["96.00", "±", f"{100 * 0.02 / math.sqrt(2):.2f}"]
    assert row[7:] == ["2", "12.5", "0.012", "0.25", "1/2", "199,410", "1"]


def test_what_is_not_known_is_a_dash(shown):
    text = shown(SHARED, NOTHING)

    assert cells(text, "mc_dropout")[7:] == ["3", "-", "-", "-", "199,410", "0"]
    assert cells(text, "one_cycle")[1:4] == ["-", "-", "0"]
    assert cells(text, "one_cycle")[-3:] == ["0/2", "-", "3"]


def test_seconds_and_times_above_one_have_one_decimal(shown):
    slow = replace(
        PLAIN, seconds_per_epoch=12.34, time_to_plain=TimeToTarget(0.96, 123.4, reached=2, n=2)
    )

    text = shown(slow)
    assert cells(text, "plain")[9:11] == ["12.3", "123.4"]
    assert "plain ends with, 96.00 %.\n" in text


def test_one_seed_has_no_deviation_and_no_word_about_it(shown):
    alone = replace(PLAIN, seeds=(0,), failed=0, test_accuracy=Spread((0.9,)))

    text = shown(alone, seeds=(0,))

    assert cells(text, "plain")[1] == "90.00"
    assert "± is" not in text


def test_the_legend_says_how_to_read_the_figures(shown):
    text = shown(PLAIN, SHARED)

    assert "± is the standard deviation over n seeds (0 to 2)" in text
    assert "with members side by side on 2 cores, without compiling (1.5 s in all)" in text
    assert "until the validation accuracy that plain ends with, 96.00 %; 1/3 where" in text
    assert "plain failed with seed 1: its loss was no number any more" in text
    assert text.count("JAX had already started") == 1
    assert "Study: studies/s" in text
    assert "studies/s/models/RECIPE.keras" in text


def test_without_the_plain_rung_there_is_no_word_about_it(shown):
    assert "plain ends with" not in shown(SHARED)
