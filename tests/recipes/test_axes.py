"""Averages, mixup and both shapes of 1cycle can be asked for, and nonsense is refused with the remedy."""

import pytest

from denselab.errors import UsageError
from denselab.recipes import (
    apply_settings,
    differences,
    ladder,
    layer_summary,
    load_recipe,
    to_toml,
)
from denselab.study.hashing import settings_hash

FREE = ["training.restore_best=false", "training.early_stopping=false"]
CYCLE = ["schedule.kind=one_cycle"]

ASKED = {
    "mixup": (["training.mixup=0.2"], "training.mixup", 0.2),
    "exponential average": ([*FREE, "training.ema=0.99"], "training.ema", 0.99),
    "average over epochs": ([*FREE, "training.swa_start=0.75"], "training.swa_start", 0.75),
    "label smoothing": (["training.label_smoothing=0.1"], "training.label_smoothing", 0.1),
    "two phases": ([*CYCLE, "schedule.warmup_fraction=0.3"], "schedule.warmup_fraction", 0.3),
    "cosine phases": ([*CYCLE, "schedule.annealing=cosine"], "schedule.annealing", "cosine"),
    "equal units": (
        ["network.kernel_initializer=symmetric"],
        "network.kernel_initializer",
        "symmetric",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_an_axis_can_be_set_told_apart_and_written(case, tmp_path):
    settings, field, value = ASKED[case]
    base = apply_settings(load_recipe("plain"), [s for s in settings if not s.startswith(field)])
    recipe = apply_settings(load_recipe("plain"), settings)
    assert [(d.field, d.after) for d in differences(recipe, base)] == [(field, value)]
    path = tmp_path / "plain.toml"
    path.write_text(to_toml(recipe))
    assert differences(load_recipe(path), recipe) == []


REFUSED = {
    "ema with the best epoch": (["training.ema=0.99"], "restore_best = false"),
    "swa with the best epoch": (["training.swa_start=0.5"], "restore_best = false"),
    "swa with early stopping": (
        ["training.swa_start=0.5", "training.restore_best=false"],
        "early_stopping = false",
    ),
    "both averages": ([*FREE, "training.ema=0.9", "training.swa_start=0.5"], "set one"),
    "ema of everything": ([*FREE, "training.ema=1"], "must be below 1"),
    "swa after the end": ([*FREE, "training.swa_start=1.0"], "must be below 1"),
    "negative mixup": (["training.mixup=-0.1"], "must be at least 0"),
    "annealing of a constant rate": (["schedule.annealing=cosine"], "set kind to one_cycle"),
    "unknown annealing": ([*CYCLE, "schedule.annealing=cos"], "did you mean cosine"),
    "Keras' word for ema": (["training.use_ema=true"], r"did you mean training\.ema"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_with_the_remedy(case):
    settings, message = REFUSED[case]
    with pytest.raises(UsageError, match=message):
        apply_settings(load_recipe("plain"), settings)


def test_none_switches_an_average_off_again():
    recipe = apply_settings(load_recipe("plain"), ASKED["exponential average"][0])
    assert apply_settings(recipe, ["training.ema=none"]).training.ema is None


def test_the_summary_of_layers_shows_mixup():
    recipe = load_recipe("plain", settings=["training.mixup=0.2"])
    rows = layer_summary(recipe, features=4, outputs=2)
    assert [row.layer for row in rows[:3]] == ["Flatten", "MixUp", "Dense"]


def test_studies_of_the_ladder_from_before_these_axes_are_still_recognised():
    # Hashes of the version without them: a study trains again what it does not recognise.
    hashes = [settings_hash(recipe) for recipe in ladder("tuned")]
    assert hashes == [
        "d6a4e337feacc0a7",
        "7261b22aeff0210a",
        "84612042060517b1",
        "4c9c2ab114ed983e",
        "d721b47b1826f160",
        "ee8320f24a25dfca",
    ]
