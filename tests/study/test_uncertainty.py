"""Trust measured on a small study of digits, against what its own files say."""

import numpy as np
import pytest
from scipy.special import softmax

from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.errors import UsageError
from denselab.recipes import load_recipe
from denselab.study import (
    compare_recipes,
    open_study,
    plan_study,
    read_predictions,
    read_study,
    with_sources,
)
from denselab.study.extremes import drawn_rows
from denselab.study.uncertainty import Settings, measure_uncertainty

SETTINGS = ["network.depth=2", "network.width=16", "training.epochs=3"]
QUICK = Settings(draws=8, curve=False)


def find(name):
    return load_recipe(name, preset="tuned", settings=SETTINGS)


def made(folder, dataset, names):
    recipes, _ = with_sources([find(name) for name in names], find)
    plan = plan_study(recipes, dataset, seeds=[5, 1, 2], preset="tuned")
    compare_recipes(plan, dataset, folder=folder, command="again")
    return read_study(folder)


@pytest.fixture(scope="module")
def digits():
    return hold_out_calibration(hold_out_test(load("digits")))


@pytest.fixture(scope="module")
def study(tmp_path_factory, digits):
    return made(tmp_path_factory.mktemp("trust") / "study", digits, ["plain", "mc_dropout"])


@pytest.fixture(scope="module")
def trusts(study, digits):
    settings = Settings(draws=8, curve=True)
    return {one.recipe: one for one in measure_uncertainty(study, digits, settings=settings)}


def by_method(trust):
    return {method.method: method for method in trust.methods}


def tables(study, recipe):
    there = {t.seed: t for t in study.trials if t.recipe == recipe}
    return [read_predictions(study, there[seed]) for seed in (5, 1, 2)]


def test_recipes_that_share_weights_are_left_out(trusts):
    assert list(trusts) == ["plain", "alpha_dropout"]


def test_every_method_there_can_be_is_measured(trusts):
    bare = {"deterministic", "temperature", "ensemble", "ensemble_temperature"}
    assert set(by_method(trusts["plain"])) == bare
    assert set(by_method(trusts["alpha_dropout"])) == bare | {"mc", "mc_temperature"}
    assert trusts["plain"].notes == ("no dropout in it, so nothing to draw from",)


def test_one_pass_scores_what_the_study_stored(trusts, study, digits):
    found = by_method(trusts["plain"])["deterministic"]
    for table, accuracy in zip(tables(study, "plain"), found.values["accuracy"], strict=True):
        assert accuracy == pytest.approx((table["test"].argmax(1) == digits.test_y).mean())
    assert trusts["plain"].seeds == (5, 1, 2)


def test_the_temperature_is_the_one_of_least_loss_on_the_calibration_slice(trusts, study, digits):
    table = tables(study, "plain")[0]
    logits = np.log(table["calibration"].astype(float))

    def loss(temperature):
        scaled = softmax(logits / temperature, axis=1)
        return -np.log(scaled[np.arange(len(scaled)), digits.calibration_y]).mean()

    best = trusts["plain"].temperatures["temperature"][0]
    assert loss(best) <= min(loss(best * 0.99), loss(best * 1.01))
    test = np.maximum(table["test"].astype(float), np.finfo(np.float32).tiny)
    scaled = softmax(np.log(test) / best, axis=1)
    expected = -np.log(scaled[np.arange(len(scaled)), digits.test_y]).mean()
    found = by_method(trusts["plain"])["temperature"].values["loss"][0]
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_ensemble_is_the_mean_of_all_members(trusts, study, digits):
    mean = np.mean([table["test"] for table in tables(study, "plain")], axis=0)
    found = by_method(trusts["plain"])["ensemble"]
    right = mean[np.arange(len(mean)), digits.test_y]
    assert found.value("loss") == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert found.passes == 3
    pair = np.mean([table["test"] for table in tables(study, "plain")[1:]], axis=0)
    accuracy = (pair.argmax(1) == digits.test_y).mean()
    assert found.values["accuracy"][0] == pytest.approx(accuracy)


def test_draws_at_the_end_of_the_curve_differ_less_than_at_its_start(trusts):
    curve = trusts["alpha_dropout"].curve
    accuracy = np.array(curve.values["accuracy"])
    assert curve.draws == (1, 2, 5, 10, 30, 100, 1000)
    assert accuracy.shape == (7, 3)
    losses = np.array(curve.values["loss"])
    assert (losses[0] > losses[-1]).all()
    assert trusts["plain"].curve is None


def test_the_cost_of_draws_is_that_of_the_arithmetic(trusts):
    # 64 -> 16 -> 16 -> 10 with dropout behind each hidden layer: only the first product is shared.
    once, each = 64 * 16, 16 * 16 + 16 * 10
    expected = (once + 8 * each) / (once + each)
    assert by_method(trusts["alpha_dropout"])["mc"].passes == pytest.approx(expected)


def test_sets_are_fitted_on_the_slice_and_measured_on_test_rows(trusts, study, digits):
    sets = trusts["plain"].conformal
    table, n = tables(study, "plain")[0], len(digits.calibration_y)
    scores = 1 - table["calibration"].astype(float)[np.arange(n), digits.calibration_y]
    threshold = np.sort(scores)[int(np.ceil((n + 1) * 0.9)) - 1]
    rows = np.arange(len(digits.test_y))
    covered = 1 - table["test"].astype(float)[rows, digits.test_y] <= threshold
    assert sets.coverage[0] == pytest.approx(covered.mean())
    assert len(sets.resplit) == 20
    # Each resplit covers Beta-distributed shares; the mean of 20 has a standard error of about
    # sqrt(.09 / 144 + .09 / 359) / sqrt(20) = 0.0066 (144 calibration and 359 test rows).
    assert abs(np.mean(sets.resplit) - 0.9) < 5 * 0.0066


def test_without_a_slice_nothing_is_fitted_and_that_is_said(tmp_path):
    wine = hold_out_test(load("wine"))
    (trust,) = measure_uncertainty(made(tmp_path / "s", wine, ["plain"]), wine, settings=QUICK)
    assert set(by_method(trust)) == {"deterministic", "ensemble"}
    assert trust.conformal is None
    assert "compare with --calibration 0.1" in trust.notes[0]


def test_the_reliability_of_one_pass_is_that_of_the_first_seed(trusts, study, digits):
    counts, confidence, accuracy = map(
        np.array, by_method(trusts["plain"])["deterministic"].reliability
    )
    table = tables(study, "plain")[0]["test"]
    assert counts.sum() == len(table)
    assert (counts * confidence).sum() == pytest.approx(table.max(1).sum(), rel=1e-5)
    right = table.argmax(1) == digits.test_y
    assert (counts * accuracy).sum() == pytest.approx(right.sum())


def test_rows_are_chosen_by_what_the_draws_say_of_all(study, digits):
    seen = {}

    def choose(probabilities, entropy, labels):
        seen.update(shape=probabilities.shape, labels=labels)
        return [(int(entropy.argmax()), "uncertain"), (int(entropy.argmin()), "certain")]

    found = drawn_rows(study, digits, choose=choose, settings=QUICK)
    assert (found.recipe, seen["shape"]) == ("alpha_dropout", (len(digits.test_y), 10))
    assert seen["labels"] is digits.test_y
    assert found.draws.shape == (8, 2, 10)
    spread = found.draws.std(axis=0).max(axis=1)
    assert spread[0] > spread[1]


def test_a_study_without_dropout_has_nothing_to_draw(study, digits):
    with pytest.raises(UsageError, match="no recipe with dropout"):
        drawn_rows(study, digits, choose=lambda *_: [], recipe="plain")


def test_other_data_is_refused(study):
    with pytest.raises(UsageError, match="give the data it was made from"):
        measure_uncertainty(study, hold_out_test(load("digits")))


def test_a_recipe_that_is_not_there_is_named(study, digits):
    with pytest.raises(UsageError, match="trained no recipe 'selu'; it has plain, alpha_dropout"):
        measure_uncertainty(study, digits, recipes=["selu"])


def test_a_study_without_trials_is_refused(tmp_path, study, digits):
    with open_study(tmp_path / "empty", study.manifest) as store, pytest.raises(UsageError) as e:
        measure_uncertainty(store.study, digits)
    assert "run its comparison first" in str(e.value)
