import json
import os

import pytest

from denselab.cli.estimate import time_span
from denselab.cli.options import DataOptions
from denselab.cli.plan import data_shape, plan, plan_text
from denselab.cli.progress import duration
from denselab.data import hold_out_test, load, split
from denselab.recipes import ladder, load_recipe, steps

CIFAR10 = data_shape("cifar10", DataOptions(offline=True))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("plain", 500_210), ("batch_norm", 520_498), ("one_cycle", 500_210)],
)
def test_the_published_networks_have_their_published_size_without_any_data(name, parameters):
    planned = plan("cifar10", CIFAR10, [load_recipe(name, settings=["weights_from=none"])], [0])

    assert planned["recipes"][0]["parameters"] == parameters


def test_a_plan_says_steps_and_programs():
    planned = plan("cifar10", CIFAR10, ladder("published"), range(3))

    assert planned["seeds"] == [0, 1, 2]
    assert planned["programs"] == 5
    plain, one_cycle = planned["recipes"][0], planned["recipes"][5]
    assert plain["steps"] == {"full": 1046, "last": 28, "total": 52_350}
    assert one_cycle["steps"]["total"] == 11_790


@pytest.mark.parametrize("name", ["plain", "one_cycle"])
@pytest.mark.parametrize("data", ["digits", "wine"])
def test_the_training_rows_of_a_plan_are_those_that_training_splits_off(data, name):
    recipe = load_recipe(name, preset="tuned", settings=["weights_from=none"])
    dataset = hold_out_test(load(data))
    rows, _ = split(dataset.y, seed=0, fraction=recipe.training.validation_fraction)

    planned = plan(data, data_shape(data, DataOptions()), [recipe], [0])["recipes"][0]

    assert planned["train_rows"] == len(rows)
    assert planned["steps"] == steps(recipe, len(rows))._asdict()


def test_a_plan_is_plain_values():
    planned = plan("cifar10", CIFAR10, ladder("tuned"), (0, 1))

    assert json.loads(json.dumps(planned)) == planned


def test_the_text_names_layers_parameters_and_steps():
    text = plan_text("cifar10", CIFAR10, ladder("published"), (0, 1, 2))

    assert "15 trainings (seeds 0 to 2) in 5 programs" in text
    assert "hidden 2 to 20  Dense      100   10,100  x 19" in text
    assert "500,210 parameters" in text
    assert "520,498 parameters (10,144 of them not trained)" in text
    assert "1,047 steps an epoch, at most 52,350 in 50 epochs" in text
    assert "262 steps an epoch, 11,790 in 45 epochs" in text
    assert "nothing is trained: the weights are those of alpha_dropout" in text


def test_one_training_is_spoken_of_in_the_singular():
    text = plan_text("cifar10", CIFAR10, ladder("published")[:1], (4,))

    assert "1 training (seed 4) in 1 program\n" in text


def test_the_time_grows_with_seeds_rates_and_epochs_and_compiling_with_programs():
    plain, other = (load_recipe("plain", settings=[f"training.epochs={n}"]) for n in (10, 1000))
    known = {"rows": 1000, "sizes": (64, 10), "members": 2, "rates": 0}

    def low(*recipes, **changed):
        return time_span(recipes, **{**known, **changed}).low

    assert low(other) > 5 * low(plain)  # A hundred times the epochs, and compiled once as well.
    cores = os.cpu_count()
    once, twice = (low(other, members=n * cores) for n in (1, 2))
    assert low(other, members=4 * cores) - once == pytest.approx(3 * (twice - once))
    # Rates train the same epochs; their program is compiled for itself.
    compiling = low(other, members=cores, rates=cores) - twice
    assert 0 < compiling < once
    assert low(other, members=cores, rates=3 * cores) == pytest.approx(
        once + 3 * (twice - once) + compiling
    )
    assert low(other, members=1) == low(other, members=cores)  # The other cores have nothing to do.
    shared = load_recipe("mc_dropout", settings=["training.epochs=10"])
    assert low(shared) == 0.0


def test_a_dry_run_says_how_long_it_would_take(denselab):
    text = denselab("compare", "--dry-run").out
    span = json.loads(denselab("compare", "--dry-run", "--json").out)["estimated_seconds"]
    assert 0 < span["low"] < span["high"]
    assert f"about {duration(span['low'])} to {duration(span['high'])} on this machine" in text
