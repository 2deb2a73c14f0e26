import json

import numpy as np
import pytest

from denselab.study import read_study, read_weights

TINY = ["--depth", "2", "--width", "16", "--epochs", "4", "--seeds", "2", "--strengths", "1,2"]
ASKED = ["sparsity", "wine", *TINY, "--shares", "0.5,0.9", "--out", "curve"]


def test_a_curve_is_trained_shown_and_kept(denselab, folder):
    answer = denselab(*ASKED, "--json")
    assert answer.code == 0, answer.err
    shown = json.loads(answer.out)
    arms = [point["arm"] for point in shown["sparsity"]]
    assert arms[0] == "dense"
    assert arms[1:] == [
        f"{m}-{s}" for m in ("magnitude", "gradual", "l1", "structured") for s in (50, 90)
    ]
    study = read_study(folder / "curve")
    for trial in study.trials:
        kernels = {n: w for n, w in read_weights(study, trial).items() if n.endswith("kernel")}
        method, _, share = trial.recipe.partition("-")
        if method in ("magnitude", "gradual", "l1"):
            for kernel in kernels.values():
                assert abs((kernel == 0).sum() - int(share) / 100 * kernel.size) <= 1
        if method == "structured":
            assert {k.shape[1] for k in kernels.values()} - {3} < set(range(1, 16))
    assert "Accuracy against sparsity" in (folder / "curve" / "report.html").read_text("utf-8")

    again = denselab(*ASKED)
    assert again.code == 0
    assert "members, epoch" not in again.err  # Nothing was trained again.
    assert "minus dense," in again.out
    for point in shown["sparsity"]:
        assert point["mean"] == pytest.approx(100 * np.mean(point["accuracies"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shares", "90"], "did you mean 0.9?"),
        (["--shares", "many"], "--shares many: give numbers with commas"),
        (["--methods", "magic"], "give one of magnitude, gradual, l1, structured"),
        (["--recipe", "mc_dropout"], "needs a training; set weights_from to none"),
    ],
)
def test_what_makes_no_curve_is_one_line_and_exits_with_2(denselab, folder, options, message):
    answer = denselab("sparsity", "wine", *TINY, *options)
    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert list(folder.iterdir()) == []
