"""A study that is asked whether two changes add up: fixed once, judged like any other contrast."""

from dataclasses import replace

import pytest

from denselab.errors import UsageError
from denselab.report import write_report
from denselab.study import Asked, ScoresRecord, judged, looks, manifest_for, open_study, plan_study
from denselab.study import read_study as read
from denselab.study.judgement import fix_question, judge
from denselab.study.statistics import Interaction

ARMS = ("plain", "batch_norm", "self_normalizing", "alpha_dropout")
GAINS = dict(zip(ARMS, (0.0, 0.02, 0.03, 0.09), strict=True))
CROSSED = Interaction("norm x scale", both=ARMS[3], first=ARMS[1], second=ARMS[2], neither=ARMS[0])
ASKED = Asked(baseline="plain", interactions=(CROSSED,))


@pytest.fixture
def store(tmp_path, dataset, find, trial, weights):
    plan = plan_study([find(n) for n in ARMS], dataset, seeds=range(12), preset="tuned")
    with open_study(tmp_path / "s", manifest_for(plan, dataset, command="c")) as store:
        fix_question(store, ASKED, seeds=12)
        for name in ARMS:
            for seed in range(12):
                accuracy = 0.5 + GAINS[name] + (seed % 3) * (1 + len(name)) / 10_000
                scores = ScoresRecord(1.0 - accuracy, accuracy)
                store.add_trial(replace(trial(name, seed=seed), test=scores), weights(seed))
        yield store


def test_the_interaction_is_a_contrast_of_the_family(store):
    verdicts = judge(store)

    *_, found = verdicts.contrasts
    assert len(verdicts.contrasts) == 4
    assert (found.arm, found.against) == ("norm x scale", "sum of norm and scale")
    assert found.difference == pytest.approx(4.0, abs=0.1)
    assert (found.n, found.verdict) == (12, "better")
    assert looks(store.study)[0].family[-1] == CROSSED.contrast


def test_it_is_read_back_with_the_study_and_reported(store, tmp_path):
    there = judge(store)
    study = read(tmp_path / "s")

    assert judged(study).to_json() == there.to_json()
    assert "norm x scale" in str(write_report(study, tmp_path / "page.html").answer)


def test_the_question_stays_what_it_was(store):
    fix_question(store, ASKED, seeds=12)
    fix_question(store, None, seeds=12)
    with pytest.raises(
        UsageError, match=r"every arm against plain, norm x scale since it was begun"
    ):
        fix_question(store, Asked(baseline="plain"), seeds=12)


def test_a_study_that_was_begun_before_there_were_interactions_is_asked_the_same(store):
    known = dict(store.study.documents["question"], interactions=None)
    del known["interactions"]
    store.put_document("question", known)

    fix_question(store, Asked(baseline="plain"), seeds=12)

    assert store.study.documents["question"] == known


def test_an_arm_that_is_not_there_is_refused_before_anything_is_on_record(tmp_path, dataset, find):
    plan = plan_study([find(n) for n in ARMS[:3]], dataset, seeds=[0], preset="tuned")
    with open_study(tmp_path / "t", manifest_for(plan, dataset, command="c")) as store:
        with pytest.raises(UsageError, match="norm x scale: no arm is called alpha_dropout"):
            fix_question(store, ASKED, seeds=1)
        assert "question" not in store.study.documents
