import json

import numpy as np
import pytest

from denselab.training import RateSweep
from denselab.training.rates import sweep_rates

SMALL = ["--depth", "1", "--width", "16", "--from", "1e-5", "--steps", "60"]
FIND = ["find-lr", "digits", "--recipe", "plain", *SMALL]


def test_rates_are_suggested_with_a_picture_in_plain_characters_and_the_setting(denselab, folder):
    answer = denselab(*FIND)

    assert answer.code == 0
    assert answer.out.startswith("plain on digits, seed 0: training loss over learning rate")
    for name in ("steepest", "valley", "minimum/10"):
        assert f" {name} " in answer.out
    assert "minimum/10: --set optimizer.learning_rate=" in answer.out
    assert "•" in answer.out
    assert "\x1b" not in answer.out
    assert answer.err.startswith("plain: tries learning rates\n")
    assert list(folder.iterdir()) == []


def test_json_holds_the_curve_and_a_setting_that_compare_takes(denselab):
    answer = denselab(*FIND, "--sweep", "population", "--json")

    assert answer.code == 0
    found = json.loads(answer.out)
    assert (found["sweep"], found["recommended"]) == ("population", "minimum")
    assert len(found["rates"]) == len(found["losses"]) == 13
    assert list(found["suggestions"]) == ["minimum", "minimum/3"]
    dry = denselab(
        "compare", "digits", "--recipes", "plain", "--dry-run", "--set", found["setting"]
    )
    assert dry.code == 0


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_a_picture_is_left_where_it_is_asked_for(ending, denselab, folder, monkeypatch):
    found = []
    real = sweep_rates

    def once(*arguments, **options):
        found.append(real(*arguments, **options))
        return found[0]

    monkeypatch.setattr("denselab.training.rates.sweep_rates", once)
    answer = denselab(*FIND, "--out", f"rates.{ending}")

    assert answer.code == 0
    assert answer.out.endswith(f"picture: rates.{ending}\n")
    content = (folder / f"rates.{ending}").read_bytes()
    start = {"png": b"\x89PNG", "svg": b"<svg", "html": b"<!doctype html>"}[ending]
    assert content.startswith(start)
    assert ending == "png" or b"steepest" in content


REFUSED = {
    "nothing to train": (["--recipe", "mc_dropout"], "find the rate of alpha_dropout"),
    "rates in the wrong order": (["--from", "1", "--to", "0.1"], "0 < from < to"),
    "no steps": (["--steps", "0"], "from 20 to"),
    "unknown sweep": (["--sweep", "fast"], "'range', 'population', 'auto'"),
    "unknown recipe": (["--recipe", "plian"], "did you mean plain"),
    "unknown ending": (["--out", "rates.pdf"], ".png, .svg, .html"),
    "no folder": (["--out", "taken.svg"], "is there already"),
    "unknown data": (["nosuch"], "nosuch"),
    "negative seed": (["--seed", "-1"], "seed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_ends_with_2_and_one_line(case, denselab, folder):
    (folder / "taken.svg").write_text("mine")
    arguments, message = REFUSED[case]
    data = [] if arguments == ["nosuch"] else ["digits"]
    recipe = [] if "--recipe" in arguments else ["--recipe", "plain"]

    answer = denselab("find-lr", *data, *recipe, *arguments)

    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert answer.out == ""
    assert (folder / "taken.svg").read_text() == "mine"


def test_a_loss_that_never_falls_ends_with_2_and_advice(denselab, monkeypatch):
    losses = np.arange(1.0, 10.0)
    found = RateSweep("plain", "range", np.geomspace(1e-3, 1, 9), losses, losses, 1.0)
    monkeypatch.setattr("denselab.training.rates.sweep_rates", lambda *_, **__: found)
    answer = denselab(*FIND)

    assert answer.code == 2
    assert "begin the sweep at a lower rate" in answer.err
