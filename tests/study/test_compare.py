"""What is trained, what is kept, and what is not trained again; the training itself is played."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from denselab.errors import (
    CorruptStudyError,
    ExhaustedError,
    InterruptedTrainingError,
    StudyInUseError,
    UsageError,
)
from denselab.study import (
    compare_recipes,
    manifest_for,
    open_study,
    plan_study,
    read_file,
    read_study,
    read_weights,
    summarize,
)

COMMAND = "denselab compare toy --seeds 2"


@pytest.fixture
def compare(dataset, tmp_path, training):
    """Compares rungs in a folder of the test."""

    def run(plan, **options):
        options = {"folder": tmp_path / "study", "command": COMMAND, **options}
        return compare_recipes(plan, dataset, **options)

    return run


@pytest.fixture
def rungs(dataset, find):
    """Plans a study of rungs."""

    def make(*names, seeds=(0, 1)):
        return plan_study([find(n) for n in names], dataset, seeds=seeds, preset="published")

    return make


@pytest.fixture
def interrupted(training, compare):
    """Lets Ctrl-C come just before a trial of a comparison."""

    def run(plan, recipe, seed):
        def stop(name, number):
            if (name, number) == (recipe, seed):
                raise KeyboardInterrupt

        training.before_trial = stop
        with pytest.raises(InterruptedTrainingError) as raised:
            compare(plan)
        training.before_trial = lambda name, number: None
        training.asked.clear()
        return str(raised.value)

    return run


def test_every_recipe_is_trained_over_all_seeds_and_stored(plan, compare, training, tmp_path):
    summary = compare(plan)
    assert training.asked == [("plain", (0, 1)), ("batch_norm", (0, 1))]
    study = read_study(tmp_path / "study")
    assert [(t.recipe, t.seed) for t in study.trials] == [
        ("plain", 0),
        ("plain", 1),
        ("batch_norm", 0),
        ("batch_norm", 1),
    ]
    for trial in study.trials:
        assert read_weights(study, trial)["w"].tolist() == [trial.seed] * 3
    assert summary == summarize(study)
    assert [recipe.n for recipe in summary.recipes] == [2, 2]


def test_a_trial_is_recorded_as_it_came(plan, compare, tmp_path, dataset):
    compare(plan)
    trial = read_study(tmp_path / "study").trials[1]
    assert (trial.status, trial.best_epoch, trial.epochs_run, trial.seconds) == (
        "finished",
        1,
        2,
        2.0,
    )
    assert (trial.validation.accuracy, trial.test.loss) == (0.51, 1.0)
    assert trial.trace["val_accuracy"] == (float(np.float32(0.51)),) * 2
    assert trial.parameters == (3 + 1) * 4 + (4 + 1) * 2


def test_the_model_of_the_best_member_is_saved(plan, compare, tmp_path):
    compare(plan)
    study = read_study(tmp_path / "study")
    for recipe in study.recipes:
        weights = np.full(3, 1, "f4").tobytes()
        assert recipe.model.name == f"models/{recipe.recipe}.keras"
        assert recipe.model_seed == 1
        assert read_file(study, recipe.model) == f"{recipe.recipe} 1".encode() + weights
        assert (recipe.compile_seconds, recipe.notes) == (0.5, ("one core",))


def test_the_same_again_trains_nothing_and_needs_no_jax(plan, compare, training, monkeypatch):
    first = compare(plan)
    training.asked.clear()
    # An import of this would raise.
    monkeypatch.setitem(sys.modules, "denselab.training", None)
    assert compare(plan) == first
    assert training.asked == []


def test_progress_is_passed_on(plan, compare):
    seen = []
    compare(plan, progress=seen.append)
    assert seen == [("plain", 0), ("plain", 1), ("batch_norm", 0), ("batch_norm", 1)]


@pytest.mark.parametrize(
    "case",
    [
        (("plain", 0), 0, [("plain", (0, 1)), ("batch_norm", (0, 1))]),
        (("plain", 1), 1, [("plain", (1,)), ("batch_norm", (0, 1))]),
        (("batch_norm", 0), 2, [("batch_norm", (0, 1))]),
        (("batch_norm", 1), 3, [("batch_norm", (1,))]),
    ],
    ids=lambda case: f"stopped before {case[0][0]} {case[0][1]}",
)
def test_an_interrupted_study_goes_on_where_it_was(
    plan, compare, training, interrupted, tmp_path, case
):
    (recipe, seed), kept, rest = case
    message = interrupted(plan, recipe, seed)
    folder = tmp_path / "study"
    assert message == f"interrupted; {kept} of 4 trials are kept in {folder}; go on with: {COMMAND}"
    assert sum(one.n for one in summarize(read_study(folder)).recipes) == kept
    summary = compare(plan)
    assert training.asked == rest
    assert [one.n for one in summary.recipes] == [2, 2]
    assert {one.model_seed for one in read_study(folder).recipes} == {1}


def test_a_summary_can_be_made_of_an_interrupted_study(plan, interrupted, tmp_path):
    interrupted(plan, "batch_norm", 0)
    summary = summarize(read_study(tmp_path / "study"))
    assert [(one.name, one.n) for one in summary.recipes] == [("plain", 2), ("batch_norm", 0)]


def test_a_recipe_gets_its_weights_out_of_the_store(rungs, compare, training, tmp_path):
    compare(rungs("mc_dropout", "alpha_dropout"))
    assert training.asked == [("alpha_dropout", (0, 1)), ("mc_dropout", (0, 1))]
    assert training.sources == {"mc_dropout": [0, 1]}
    study = read_study(tmp_path / "study")
    shared = [trial for trial in study.trials if trial.recipe == "mc_dropout"]
    assert [read_weights(study, trial)["w"][0] for trial in shared] == [0, 1]
    assert [trial.epochs_run for trial in shared] == [0, 0]


def test_a_recipe_gets_its_weights_after_an_interruption(rungs, compare, training, interrupted):
    plan = rungs("alpha_dropout", "mc_dropout", seeds=(3, 0, 7))
    interrupted(plan, "mc_dropout", 0)
    compare(plan)
    assert training.asked == [("mc_dropout", (0, 7))]
    assert training.sources == {"mc_dropout": [0, 7]}


def test_damaged_weights_are_not_shared(rungs, compare, interrupted, tmp_path):
    plan = rungs("alpha_dropout", "mc_dropout")
    interrupted(plan, "mc_dropout", 0)
    path = tmp_path / "study" / "weights" / "alpha_dropout-1.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(CorruptStudyError, match=r"alpha_dropout-1.safetensors: is not as it was"):
        compare(plan)


def test_a_failed_trial_is_recorded_and_never_best(plan, compare, training, tmp_path):
    training.diverging = {("plain", 1)}
    summary = compare(plan)
    plain = summary.recipes[0]
    assert (plain.n, plain.failed, plain.seeds) == (1, 1, (0,))
    assert summary.failed == 1
    study = read_study(tmp_path / "study")
    assert {one.recipe: one.model_seed for one in study.recipes} == {"plain": 0, "batch_norm": 1}
    training.asked.clear()
    compare(plan)
    assert training.asked == []


def test_a_recipe_whose_trials_all_failed_has_no_model(plan, compare, training, tmp_path):
    training.diverging = {("plain", 0), ("plain", 1)}
    summary = compare(plan)
    assert (summary.recipes[0].n, summary.recipes[0].failed) == (0, 2)
    assert not (tmp_path / "study" / "models" / "plain.keras").exists()
    models = {one.recipe: one.model for one in read_study(tmp_path / "study").recipes}
    assert models["plain"] is None
    assert models["batch_norm"] is not None


def test_more_seeds_are_added_to_a_study_and_its_model_chosen_anew(
    rungs, compare, training, tmp_path
):
    compare(rungs("plain"))
    training.asked.clear()
    summary = compare(rungs("plain", seeds=(0, 1, 2, 3)))
    assert training.asked == [("plain", (2, 3))]
    assert summary.recipes[0].seeds == (0, 1, 2, 3)
    assert read_study(tmp_path / "study").recipes[0].model_seed == 3


def test_fewer_recipes_train_nothing_and_lose_nothing(rungs, compare, training):
    compare(rungs("plain", "batch_norm"))
    training.asked.clear()
    summary = compare(rungs("plain"))
    assert training.asked == []
    assert [one.name for one in summary.recipes] == ["plain", "batch_norm"]


def test_a_model_that_was_deleted_is_made_again(plan, compare, training, tmp_path):
    compare(plan)
    training.asked.clear()
    path = tmp_path / "study" / "models" / "plain.keras"
    data = path.read_bytes()
    path.unlink()
    summary = compare(plan)
    assert training.asked == []
    assert path.read_bytes() == data
    assert summary.recipes[0].compile_seconds == 0.5


def test_a_damaged_model_is_named(plan, compare, tmp_path):
    compare(plan)
    (tmp_path / "study" / "models" / "plain.keras").write_bytes(b"short")
    with pytest.raises(CorruptStudyError, match=r"plain.keras: has 5 bytes"):
        compare(plan)


def test_a_full_disk_keeps_what_was_finished(plan, compare, training, tmp_path, monkeypatch):
    def full(name, seed):
        if (name, seed) == ("batch_norm", 0):
            monkeypatch.setattr("denselab.study.files.write", no_space)

    def no_space(file, data):
        raise OSError(28, "No space left on device")

    training.before_trial = full
    with pytest.raises(ExhaustedError, match=r"batch_norm-0.safetensors: the disk is full"):
        compare(plan)
    assert len(read_study(tmp_path / "study").trials) == 2


def test_data_that_is_not_the_plans_is_refused_before_anything_is_made(
    plan, other_dataset, tmp_path, training
):
    with pytest.raises(UsageError, match="plan the study on this data"):
        compare_recipes(plan, other_dataset, folder=tmp_path / "study", command=COMMAND)
    assert list(tmp_path.iterdir()) == []


def test_data_without_a_test_set_is_refused_before_anything_is_made(
    plan, dataset, tmp_path, training
):
    bare = replace(dataset, test_x=None, test_y=None)
    with pytest.raises(UsageError, match=r"call denselab\.data\.hold_out_test"):
        compare_recipes(plan, bare, folder=tmp_path / "study", command=COMMAND)
    assert list(tmp_path.iterdir()) == []


def test_a_study_in_use_is_refused(plan, dataset, compare, tmp_path):
    with (
        open_study(tmp_path / "study", manifest_for(plan, dataset, command="")),
        pytest.raises(StudyInUseError),
    ):
        compare(plan)


def test_a_changed_recipe_trains_nothing(plan, compare, training, find):
    from denselab.recipes import apply_settings

    compare(plan)
    training.asked.clear()
    changed = apply_settings(find("plain"), ["optimizer.learning_rate=1e-3"])
    with pytest.raises(UsageError, match=r"recipe plain has optimizer\.learning_rate"):
        compare(replace(plan, recipes=(changed,)))
    assert training.asked == []


def test_importing_it_imports_neither_jax_nor_keras():
    code = "import sys, denselab.study; sys.exit(bool({'jax', 'keras'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
