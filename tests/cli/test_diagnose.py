import json

import keras
import numpy as np
import pytest

from denselab.data import hold_out_test, load
from denselab.doctor import CHECKS, SEVERITIES, Diagnosis
from denselab.study import read_study

TINY = ["--depth", "2", "--width", "16"]
ILL = ["--preset", "published", "--set", "network.kernel_initializer=constant"]
QUICK = ["--set", "optimizer.learning_rate=1e-2", "--set", "preprocessing.scaling=standard"]
UNSCALED = ["--recipe", "self_normalizing", "--preset", "published", "--data", "wine"]


@pytest.fixture
def saved(folder):
    """Saves a compiled model for rows of wine as model.keras."""

    def save(activation="softmax", loss="sparse_categorical_crossentropy", units=3, features=13):
        layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(units, activation)]
        model = keras.Sequential([keras.Input((features,)), keras.layers.BatchNormalization()])
        for layer in layers:
            model.add(layer)
        model.compile("adam", loss)
        model.save(folder / "model.keras")
        return model

    return save


def ids(answer, place=0):
    return [one["id"] for one in json.loads(answer.out)["diagnoses"][place]["findings"]]


# Models


def test_a_finding_is_a_card_and_an_error_exits_with_8(denselab, saved):
    saved(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    answer = denselab("diagnose", "model.keras", "wine")

    assert (answer.code, answer.err) == (8, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("error      probabilities-read-as-logits: Probabilities given to")
    assert [line.split()[0] for line in lines[1:5]] == ["evidence", "threshold", "why", "remedy"]
    assert "ends in softmax" in lines[1]
    assert lines[-1].startswith("model.keras on wine: 1 error, ")
    assert "- batches, epochs, split and callbacks: no fit_arguments were given" in answer.out
    assert "--set" not in answer.out


def test_a_healthy_model_exits_with_0(denselab, saved):
    saved()

    answer = denselab("diagnose", "model.keras", "wine")

    assert answer.code == 0
    assert "model.keras on wine: 0 errors, 0 warnings, " in answer.out


def test_json_holds_every_finding(denselab, saved):
    saved(activation=None)

    answer = denselab("diagnose", "model.keras", "wine", "--json")

    assert answer.code == 8
    found = json.loads(answer.out)
    assert found["remedy"] is None
    (one,) = found["diagnoses"]
    (error,) = [finding for finding in one["findings"] if finding["severity"] == "error"]
    assert error["id"] == "logits-read-as-probabilities"
    assert {"evidence", "threshold", "source", "labels", "why", "remedy", "layer"} <= set(error)
    assert one["not_looked_at"]


def test_silenced_checks_do_not_speak_and_are_named(denselab, saved):
    saved(activation=None)

    answer = denselab(
        "diagnose", "model.keras", "wine", "--silence", "logits-read-as-probabilities"
    )

    assert answer.code == 0
    assert answer.out.endswith("; silenced: logits-read-as-probabilities\n")


def test_a_model_that_denselab_trained_is_healthy(denselab, folder):
    assert (
        denselab("train", "wine", "--recipe", "plain", *TINY, "--epochs", "1", "--out", "m").code
        == 0
    )

    answer = denselab("diagnose", "m/model.keras", "wine", "--json")

    assert answer.code == 0
    found = json.loads(answer.out)["diagnoses"][0]
    assert {one["severity"] for one in found["findings"]} <= {"note"}
    assert not any("not compiled" in reason for reason in found["not_looked_at"])


def test_probes_are_tried_where_they_are_asked_for(denselab, saved):
    model = saved()
    model.layers[-1].kernel.assign(np.zeros((16, 3)))
    model.layers[-2].kernel.assign(np.zeros((13, 16)))
    model.save("model.keras")

    without = denselab("diagnose", "model.keras", "wine", "--json")
    tried = denselab("diagnose", "model.keras", "wine", "--probe", "--json")

    probes = {check.card.id for check in CHECKS if check.card.kind == "probe"}
    assert not probes & set(ids(without))
    assert probes & set(ids(tried))
    severities = [one["severity"] for one in json.loads(tried.out)["diagnoses"][0]["findings"]]
    assert severities == sorted(severities, key=SEVERITIES.index)


def test_probes_and_other_checks_are_silenced_alike(denselab, saved, monkeypatch):
    saved()
    asked = []
    monkeypatch.setattr(
        "denselab.doctor.diagnose",
        lambda *a, silence, probe, **k: asked.append((silence, probe)) or Diagnosis(()),
    )
    names = "outputs-ignore-inputs,more-weights-than-rows"

    denselab("diagnose", "model.keras", "wine", "--probe", "--json", "--silence", names)

    assert asked == [(names.split(","), True)]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (1.0, np.arange(30) % 3 / 2, "cross-entropy-on-values"),
        (1.0, np.eye(3)[np.arange(30) % 3], "one-hot-labels-with-sparse-loss"),
        (np.nan, np.arange(30) % 3, "data-not-finite"),
        (1.0, np.array(["a", "b", "c", "d", "e"] * 6), "labels-out-of-range"),
    ],
    ids=["values", "one-hot", "NaN", "names"],
)
def test_a_file_of_arrays_is_looked_at_as_it_came(denselab, saved, folder, x, y, expected):
    saved()
    rows = np.random.default_rng(0).normal(size=(30, 13))
    rows[3, 3] = x
    np.savez(folder / "rows.npz", x=rows, y=y)

    answer = denselab("diagnose", "model.keras", "rows.npz", "--json")

    assert answer.code == 8
    assert expected in ids(answer)


def test_a_hostile_model_is_refused_and_a_damaged_one_too(denselab, saved, folder):
    hostile = keras.Sequential([keras.Input((13,)), keras.layers.Lambda(lambda x: x)])
    hostile.save(folder / "hostile.keras")
    saved()
    whole = (folder / "model.keras").read_bytes()
    (folder / "half.keras").write_bytes(whole[: len(whole) // 2])

    for name, code in (("hostile.keras", 5), ("half.keras", 2), ("none.keras", 2)):
        answer = denselab("diagnose", name, "wine")
        assert (answer.code, answer.out) == (code, "")
        assert answer.err.startswith(f"denselab: {name}: ")
        assert answer.err.count("\n") == 1


# Recipes


def test_a_recipe_is_looked_at_as_its_training_sees_it(denselab):
    raw = denselab("diagnose", *UNSCALED, *TINY, "--json")
    tuned = denselab("diagnose", "--recipe", "self_normalizing", "--data", "wine", *TINY, "--json")

    assert (raw.code, tuned.code) == (0, 0)
    assert {"selu-on-unscaled-inputs", "inputs-unscaled"} <= set(ids(raw))
    assert not {"selu-on-unscaled-inputs", "inputs-unscaled"} & set(ids(tuned))
    # Epochs, batches and callbacks of the recipe were given.
    assert json.loads(raw.out)["diagnoses"][0]["not_looked_at"] == []


def test_the_callbacks_of_a_recipe_are_looked_at(denselab):
    answer = denselab("diagnose", "--recipe", "plain", *TINY, "--epochs", "5", "--json")

    assert "patience-outlasts-run" in ids(answer)


def test_a_card_of_a_recipe_has_the_change_that_mends_it(denselab):
    answer = denselab("diagnose", *UNSCALED, *TINY)

    assert "  recipe     --set preprocessing.scaling=standard" in answer.out.splitlines()


def test_a_finding_of_many_layers_is_one_card(denselab):
    deep = ["--depth", "6", "--width", "16", "--set", "network.kernel_initializer=constant"]

    answer = denselab("diagnose", "--recipe", "plain", *deep)

    assert answer.code == 8
    lines = answer.out.splitlines()
    assert lines[0].endswith("(6 times)")
    assert [line.split()[0] for line in lines[1:6]] == ["evidence"] * 3 + ["and", "threshold"]
    assert lines[4].strip() == "and 3 more"
    assert ": 6 errors, " in lines[-1]


def test_a_recipe_that_trains_nothing_is_looked_at_all_the_same(denselab):
    answer = denselab("diagnose", "--recipe", "mc_dropout", "--data", "wine", *TINY)

    assert answer.code == 0
    assert "mc_dropout trains nothing, it takes the weights of alpha_dropout" in answer.err


def test_all_checks_are_listed(denselab):
    text, plain = denselab("diagnose", "--list"), denselab("diagnose", "--list", "--json")

    assert (text.code, plain.code) == (0, 0)
    names = [check.card.id for check in CHECKS]
    assert [one["id"] for one in json.loads(plain.out)["checks"]] == names
    assert [line.split()[0] for line in text.out.splitlines()[1 : len(names) + 1]] == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to diagnose"),
        (["m.keras"], "m.keras: name its data, too"),
        (["m.keras", "wine", "--recipe", "plain"], "give one of them"),
        (["m.keras", "wine", "--data", "wine"], "belongs to --recipe"),
        (["m.keras", "wine", "--fix"], "--fix: mends recipes; give --recipe NAME"),
        (["--recipe", "plain", "--seeds", "3"], "belong to --fix"),
        (["--recipe", "plain", "--silence", "nothing"], "there is no check 'nothing' to silence"),
        (["--recipe", "nothing"], "nothing"),
        (["--recipe", "plain", "--data", "nothing"], "unknown data set 'nothing'"),
        (["--recipe", "plain", "--seed", "-1"], "seed"),
        (["--recipe", "plain", "--fix", "--seeds", "0", *ILL], "--seeds 0"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exits_with_2(denselab, folder, arguments, message):
    answer = denselab("diagnose", *arguments)

    assert answer.code == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
    assert list(folder.iterdir()) == []


# Studies


def test_the_findings_of_a_study_stand_in_its_report(denselab, folder):
    rungs = ["--recipes", "plain,self_normalizing", "--preset", "published", "--seeds", "1"]
    short = [*TINY, "--epochs", "1", "--no-timing", "--out", "study"]
    assert denselab("compare", "wine", *rungs, *short).code == 0

    answer = denselab("diagnose", "study", "--json")

    assert answer.code == 0
    assert [one["name"] for one in json.loads(answer.out)["diagnoses"]] == [
        "plain",
        "self_normalizing",
    ]
    assert "selu-on-unscaled-inputs" in ids(answer, 1)
    kept = read_study(folder / "study").documents["findings"]
    assert [one["id"] for one in kept] == [*ids(answer, 0), *ids(answer, 1)]
    page = folder / "study" / "report.html"
    assert "selu-on-unscaled-inputs" not in page.read_text(encoding="utf-8")
    assert denselab("report", "study").code == 0
    assert "selu-on-unscaled-inputs" in page.read_text(encoding="utf-8")
    assert denselab("diagnose", "study", "wine").code == 2


# Remedies


def test_a_remedy_is_applied_verified_and_on_record(denselab, folder):
    asked = ["diagnose", "--recipe", "plain", *ILL, *QUICK, *TINY]
    asked += ["--epochs", "5", "--fix", "--out", "f"]

    answer = denselab(*asked, "--json")

    assert answer.code == 8, answer.err
    told = json.loads(answer.out)["remedy"]
    assert told["applied"]["network.kernel_initializer"] == "he_normal"
    assert told["gain"]["verdict"] == "better"
    assert told["gain"]["helps"]
    study = read_study(folder / "f")
    assert (len(study.trials), {trial.recipe for trial in study.trials}) == (
        12,
        {"plain", "plain_mended"},
    )
    assert {one["arm"] for one in study.documents["findings"]} <= {"plain", "plain_mended"}
    again = denselab(*asked)
    assert "epoch" not in again.err  # Nothing was trained again.
    assert "The remedies help: plain_mended is better." in again.out
    assert "units-start-alike" in (folder / "f" / "report.html").read_text(encoding="utf-8")


def test_a_remedy_that_is_not_shown_to_help_is_not_praised(denselab):
    asked = [*UNSCALED, *TINY, "--epochs", "1", "--seeds", "2", "--fix", "--out", "f"]

    answer = denselab("diagnose", *asked)

    assert answer.code == 0, answer.err
    assert "applied: --set preprocessing.scaling=standard; found after that: 0 errors" in answer.out
    assert "The remedies are not shown to help: verdict none." in answer.out
    assert "help:" not in answer.out.replace("not shown to help:", "")


def test_without_a_remedy_nothing_is_trained(denselab, folder):
    answer = denselab("diagnose", "--recipe", "plain", "--data", "wine", *TINY, "--fix")

    assert answer.code == 0
    assert "nothing to apply" in answer.out
    assert list(folder.iterdir()) == []


def test_the_data_of_a_study_must_be_that_it_was_trained_on(denselab, folder, monkeypatch):
    short = [*TINY, "--epochs", "1", "--seeds", "1", "--no-timing", "--out", "study"]
    assert denselab("compare", "wine", "--recipes", "plain", "--tune", "0", *short).code == 0
    other = hold_out_test(load("breast_cancer"))
    monkeypatch.setattr("denselab.cli.setups.selected_data", lambda *a, **k: other)

    answer = denselab("diagnose", "study")

    assert answer.code == 2
    assert "was trained on other" in answer.err
