from denselab.report.alerts import alerts_of
from denselab.report.evidence import gather

TRIED = [
    {"learning_rate": rate, "loss": 1.0, "accuracy": rate * 50, "status": "finished"}
    for rate in (1e-4, 1e-3, 1e-2)
]
LOOKS = [
    {"when": "2026-01-01", "seeds": 4, "family": [["batch_norm", "plain"]], "level": 0.04},
    {"when": "2026-01-02", "seeds": 8, "family": [["batch_norm", "plain"]], "level": 0.02},
]


def texts(study):
    return [alert.text for alert in alerts_of(gather(study))]


def test_a_sound_study_raises_no_alert(make_study):
    assert texts(make_study()) == []


def test_failed_trials_are_named_with_their_seeds(make_study):
    (text,) = texts(make_study(failing=[("batch_norm", 3)]))

    assert text.startswith("batch_norm: 1 of 8 trials failed, their loss was not finite (seed 3).")


def test_an_arm_of_which_many_trials_failed_has_no_verdict_and_says_why(make_study):
    failing = [("batch_norm", seed) for seed in (0, 1)]

    assert "No verdict on batch_norm: 2 of 8 trials of batch_norm failed." in texts(
        make_study(failing=failing)
    )


def test_a_choice_at_the_end_of_the_rates_is_named(make_study):
    tuning = {"recipe": "plain", "chosen": 1e-2, "boundary": "highest", "tried": TRIED}
    (text,) = texts(make_study(documents={"tuning": {"plain": tuning}}))

    assert text.startswith("The highest learning rate that was tried did best for plain (0.01).")


def test_a_choice_in_the_middle_is_no_alert(make_study):
    tuning = {"recipe": "plain", "chosen": 1e-3, "boundary": "", "tried": TRIED}

    assert texts(make_study(documents={"tuning": {"plain": tuning}})) == []


def test_more_than_one_look_is_told(make_study):
    (text,) = texts(make_study(documents={"looks": LOOKS}))

    assert "looked at 2 times, at 4, 8 seeds; the last look may err in 2 % of studies" in text


def test_notes_of_the_engine_come_last_and_once(make_study, about):
    study = make_study(failing=[("plain", 0)], about=about(notes=("one core",)))
    alerts = alerts_of(gather(study))

    assert [alert.kind for alert in alerts] == ["warning", "note"]
    assert alerts[-1].text == "All arms: one core"
