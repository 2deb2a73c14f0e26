"""What is timed is right; how long it takes is nobody's test."""

import pytest

from denselab.data import hold_out_test, load
from denselab.recipes import load_recipe
from denselab.training.timing import (
    draw_seconds,
    epoch_seconds,
    interleaved,
    prediction_program,
    prediction_seconds,
)

SMALL = ["network.depth=2", "network.width=4", "training.epochs=1"]


@pytest.fixture(scope="module")
def wine():
    return hold_out_test(load("wine"))


def recipe(name="plain", *settings):
    return load_recipe(name, preset="tuned", settings=[*SMALL, *settings])


def test_tasks_take_turns_and_every_second_round_goes_the_other_way():
    calls = []
    tasks = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    seconds = interleaved(tasks, rounds=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}

    calls.clear()
    interleaved(tasks, rounds=1, calls=2)
    assert "".join(calls) == "ab" + "aabb"


def test_epochs_go_on_beyond_the_length_of_the_recipe(wine):
    seconds = epoch_seconds([recipe(), recipe("one_cycle")], wine, rounds=4)
    assert {name: len(values) for name, values in seconds.items()} == {"plain": 4, "one_cycle": 4}
    assert min(map(min, seconds.values())) > 0


def test_predictions_and_draws_are_timed_once_a_round(wine):
    seconds = prediction_seconds([recipe(), recipe("batch_norm")], wine, rounds=3)
    assert {name: len(values) for name, values in seconds.items()} == {"plain": 3, "batch_norm": 3}
    drawn = draw_seconds(recipe("alpha_dropout"), wine, draws=4, rounds=2)
    assert {way: len(values) for way, values in drawn.items()} == {
        "once": 2,
        "loop": 2,
        "compiled": 2,
    }


def test_dropout_at_rest_is_no_part_of_the_program(wine):
    dropout = ["network.dropout.kind=dropout", "network.dropout.rate=0.1"]
    plain = prediction_program(recipe(), wine)
    assert prediction_program(recipe("plain", *dropout, "name=other"), wine) == plain
    assert prediction_program(recipe("plain", "network.activation=relu"), wine) != plain
