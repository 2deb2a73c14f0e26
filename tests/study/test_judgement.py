"""The question is fixed once, looks are counted once, and verdicts follow from both."""

from dataclasses import replace

import pytest

from denselab.errors import UsageError
from denselab.study import Asked, ScoresRecord, judged, looks, manifest_for, open_study, plan_study
from denselab.study import read_study as read
from denselab.study.judgement import fix_question, judge

RECIPES = ("plain", "batch_norm")


def scored(trial, name, seed):
    """Makes batch_norm two points better than plain under every seed."""
    accuracy = 0.5 + seed / 1000 + (0.02 if name == "batch_norm" else 0.0) + seed % 3 / 5000
    return replace(trial(name, seed=seed), test=ScoresRecord(1.0 - accuracy, accuracy))


@pytest.fixture
def study(tmp_path, dataset, find, trial, weights):
    """Opens the study with so many planned seeds and fills it."""

    def open_with(seeds, *, fill=True, names=RECIPES):
        plan = plan_study([find(n) for n in names], dataset, seeds=range(seeds), preset="tuned")
        manifest = manifest_for(plan, dataset, command="denselab compare toy")
        context = open_study(tmp_path / "s", manifest)
        store = context.__enter__()
        fix_question(store, None, seeds=seeds)
        there = {(t.recipe, t.seed) for t in store.study.trials}
        for name in names if fill else ():
            for seed in set(range(seeds)) - {s for n, s in there if n == name}:
                store.add_trial(scored(trial, name, seed), weights(seed))
        return context, store

    opened = []

    def opener(*args, **options):
        context, store = open_with(*args, **options)
        opened.append(context)
        return store

    opener.close = lambda: opened.pop().__exit__(None, None, None)
    yield opener
    while opened:
        opener.close()


def test_a_complete_study_is_judged_and_the_look_is_on_record(study):
    store = study(12)
    (contrast,) = judge(store).contrasts
    assert (contrast.arm, contrast.against, contrast.verdict) == ("batch_norm", "plain", "better")
    assert contrast.difference == pytest.approx(2.0)
    (look,) = looks(store.study)
    assert (look.seeds, look.family, look.level) == (12, (("batch_norm", "plain"),), 0.04)


def test_looking_again_at_the_same_trials_is_no_new_look(study, tmp_path):
    store = study(12)
    first = judge(store)
    assert judge(store).to_json() == first.to_json()
    assert len(looks(store.study)) == 1
    study.close()
    assert judged(read(tmp_path / "s")).to_json() == first.to_json()


def test_the_checks_of_a_look_are_kept_and_not_worked_out_again(study, tmp_path, monkeypatch):
    found = judge(study(12))
    study.close()

    def never(*_, **__):
        raise AssertionError("the bootstrap was run again")

    monkeypatch.setattr("denselab.study.statistics.verdicts.two_way_bootstrap", never)
    (look,) = looks(read(tmp_path / "s"))
    assert look.checks == tuple(one.bootstrap for one in found.contrasts)
    assert judged(read(tmp_path / "s")).to_json() == found.to_json()


def test_a_look_without_checks_is_answered_all_the_same(study):
    store = study(12)
    found = judge(store)
    (known,) = store.study.documents["looks"]
    store.put_document("looks", [{k: v for k, v in known.items() if k != "checks"}])

    assert judged(store.study).to_json() == found.to_json()


def test_one_seed_has_no_interval_and_is_on_record_all_the_same(study, tmp_path):
    judge(study(1))
    study.close()

    (contrast,) = judged(read(tmp_path / "s")).contrasts
    assert contrast.verdict == "none"
    assert contrast.to_json()["bootstrap"] == [None, None]


def test_an_extended_study_spends_less_at_its_second_look(study):
    judge(study(12))
    study.close()
    store = study(24)
    judge(store)
    assert [(look.seeds, round(look.level, 4)) for look in looks(store.study)] == [
        (12, 0.04),
        (24, 0.005),
    ]


def test_an_unfinished_study_is_not_judged(study, tmp_path):
    store = study(12, fill=False)
    assert judge(store) is None
    assert looks(store.study) == ()
    study.close()
    assert judged(read(tmp_path / "s")) is None


def test_a_study_of_one_recipe_has_nothing_to_judge(study):
    assert judge(study(12, names=("plain",))) is None


def test_an_arm_added_after_a_look_has_intervals_but_no_verdict(study):
    judge(study(12))
    study.close()
    store = study(12, names=("plain", "batch_norm", "self_normalizing"))
    verdicts = judge(store)
    assert [look.level for look in looks(store.study)] == [0.04, 0.0]
    assert {contrast.verdict for contrast in verdicts.contrasts} == {"none"}


def test_too_few_seeds_have_no_verdict(study):
    (contrast,) = judge(study(5)).contrasts
    assert contrast.verdict == "none"


def test_the_question_cannot_change_once_it_is_fixed(study):
    store = study(12)
    fix_question(store, None, seeds=12)
    fix_question(store, Asked(), seeds=12)
    with pytest.raises(UsageError, match=r"asks about accuracy, each arm .* not about loss"):
        fix_question(store, Asked("loss"), seeds=12)


def test_a_question_about_an_arm_that_is_not_there_is_refused(tmp_path, manifest):
    with open_study(tmp_path / "s", manifest) as store, pytest.raises(UsageError, match="selu"):
        fix_question(store, Asked(baseline="selu"), seeds=2)


def test_a_region_of_one_s_own_decides(study, tmp_path):
    store = study(0 + 12)
    store.put_document(
        "question",
        {
            "metric": "accuracy",
            "baseline": None,
            "contrasts": [["plain", "batch_norm"]],
            "region": 5.0,
            "planned_seeds": 12,
        },
    )
    (contrast,) = judge(store).contrasts
    assert (contrast.arm, contrast.verdict) == ("plain", "equivalent")
