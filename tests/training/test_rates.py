"""Sweeps find rates that train, and change nothing but what they are asked about."""

import keras
import numpy as np
import pytest

from denselab.data import from_arrays, hold_out_test, load
from denselab.errors import DataError, UsageError
from denselab.recipes import load_recipe
from denselab.training import RateSweep, SweepPlan, sweep_rates
from denselab.training.rates import _split

SMALL = ["network.depth=2", "network.width=16"]
WAYS = ["range", "population"]


@pytest.fixture(scope="module")
def digits():
    return hold_out_test(load("digits"))


@pytest.fixture(scope="module")
def recipe():
    return load_recipe("plain", preset="tuned", settings=SMALL)


@pytest.fixture(scope="module")
def sweeps(digits, recipe):
    return {
        way: sweep_rates(recipe, digits, seed=3, plan=SweepPlan(1e-6, 10.0, 60, way))
        for way in WAYS
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_falls_and_the_suggested_rates_are_within_the_sweep(way, sweeps):
    found = sweeps[way]
    assert found.sweep == way
    assert found.rates[0] == pytest.approx(1e-6)
    assert (np.diff(found.rates) > 0).all()
    assert found.smoothed.min() < 0.8 * found.smoothed[0]
    for rate in found.suggestions().values():
        assert 1e-6 < rate < 1


def test_a_population_takes_two_rates_a_decade_and_the_best_is_its_minimum(sweeps):
    found = sweeps["population"]
    assert len(found.rates) == 15
    best = float(found.rates[found.losses.argmin()])
    assert found.suggestions() == {"minimum": best, "minimum/3": best / 3}


def test_the_same_seed_gives_the_same_sweep_and_leaves_randomness_alone(digits, recipe, sweeps):
    np.random.seed(1)
    keras.utils.set_random_seed(1)
    expected = np.random.rand(), float(keras.random.uniform(()))
    np.random.seed(1)
    keras.utils.set_random_seed(1)
    again = sweep_rates(recipe, digits, seed=3, plan=SweepPlan(1e-6, 10.0, 60))
    np.testing.assert_array_equal(again.losses, sweeps["range"].losses)
    assert (np.random.rand(), float(keras.random.uniform(()))) == expected


def test_it_trains_on_the_training_rows_of_its_seed_alone(digits, recipe):
    rows, _ = _split(recipe, digits, 0)
    whole = load_recipe(
        "plain", preset="tuned", settings=[*SMALL, f"training.batch_size={len(rows)}"]
    )
    found = sweep_rates(whole, digits, plan=SweepPlan(1e-9, 1e-8, 20))
    # One batch holds all of them, and rates so small move nothing: the loss is the same in every step.
    assert np.ptp(found.losses) < 1e-5


def test_schedules_and_averages_of_the_recipe_do_not_count(digits, recipe, sweeps):
    free = ["training.restore_best=false", "training.early_stopping=false"]
    other = load_recipe(
        "plain",
        preset="tuned",
        settings=[*SMALL, *free, "schedule.kind=cosine", "training.swa_start=0.5"],
    )
    found = sweep_rates(other, digits, seed=3, plan=SweepPlan(1e-6, 10.0, 60))
    np.testing.assert_array_equal(found.losses, sweeps["range"].losses)


@pytest.mark.parametrize(("way", "whole"), [("range", 20), ("population", 9)])
def test_progress_counts_up_to_the_end(way, whole, digits, recipe):
    seen = []
    plan = SweepPlan(1e-5, 1e-1, 20, way)
    sweep_rates(recipe, digits, plan=plan, on_step=lambda *counts: seen.append(counts))
    assert seen == [(done, whole) for done in range(1, whole + 1)]


def test_a_population_on_much_data_trains_on_fewer_rows(recipe, digits, monkeypatch):
    asked = {}

    def spy(build, x, y, **options):
        asked.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr("denselab.training.rates.train_population", spy)
    with pytest.raises(KeyboardInterrupt):
        sweep_rates(recipe, digits, plan=SweepPlan(1e-5, 1e-1, 40, "population"))
    rows, _ = asked["splits"][0]
    assert len(rows) == len(set(rows.tolist())) == 10 * 32
    assert asked["epochs"] == 4
    assert set(rows) <= set(_split(recipe, digits, 0)[0])


def sweep(losses, way="population"):
    losses = np.array(losses)
    return RateSweep("plain", way, np.geomspace(1e-4, 1, len(losses)), losses, losses, 1.0)


@pytest.mark.parametrize("way", WAYS)
def test_a_loss_that_never_fell_suggests_nothing(way):
    with pytest.raises(DataError, match="begin the sweep at a lower rate"):
        sweep([1.0, 2.0, 3.0, 4.0, 5.0, np.inf], way).suggestions()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"lowest": 0.0}, "0 < from < to"),
        ({"lowest": 1.0, "highest": 0.1}, "0 < from < to"),
        ({"highest": float("inf")}, "0 < from < to"),
        ({"lowest": float("nan")}, "0 < from < to"),
        ({"steps": 19}, "from 20 to"),
        ({"sweep": "fast"}, "range, population, auto"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_remedy(plan, message):
    with pytest.raises(UsageError, match=message):
        SweepPlan(**plan)


def test_a_recipe_that_trains_nothing_is_refused_with_advice(digits):
    with pytest.raises(UsageError, match="find the rate of alpha_dropout"):
        sweep_rates(load_recipe("mc_dropout"), digits)


@pytest.mark.parametrize("sweep", ["range", "population"])
def test_the_rate_of_a_regression_is_found_whatever_its_units(recipe, sweep):
    stream = np.random.default_rng(0)
    x = stream.normal(size=(300, 3)).astype("float32")
    y = 1e5 + 1e4 * x @ [1.0, -2.0, 0.5]
    data = from_arrays(x, y, name="plane", task="regression")
    found = sweep_rates(recipe, data, plan=SweepPlan(1e-5, 1e-1, 60, sweep))
    assert 1e-5 < min(found.suggestions().values()) < 1e-1
    # Losses are of a target of deviation 1; the first is that of a network that knows nothing.
    assert 0.2 < found.losses[0] < 20
