import json

import keras
import numpy as np
import pytest

import denselab
from denselab.doctor import CHECKS, Diagnosis, diagnose
from denselab.errors import UsageError

layers = keras.layers
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def state_of(model, rows):
    """Everything that a diagnosis might change, as bytes."""
    x, y = rows
    seeds = [
        layer.seed_generator.state for layer in model.layers if hasattr(layer, "seed_generator")
    ]
    variables = [*model.variables, *model.optimizer.variables, *seeds]
    arrays = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]
    generator = keras.src.random.seed_generator.global_seed_generator().state
    arrays += [np.asarray(keras.ops.convert_to_numpy(generator)), x, y]
    return [array.tobytes() for array in arrays], np.random.get_state()[1].tobytes()


@pytest.mark.backends
@pytest.mark.parametrize("trained", [False, True], ids=["new", "trained"])
def test_nothing_is_changed(classifier, rows, trained):
    model = classifier(metrics=["accuracy"])
    if trained:
        model.fit(*rows, epochs=1, verbose=0)
    optimizer, loss, functions = (
        model.optimizer,
        model.loss,
        (model.train_function, model.optimizer.built),
    )
    before = state_of(model, rows)

    diagnose(model, *rows, fit_arguments={"epochs": 3}, validation_data=rows)

    assert state_of(model, rows) == before
    assert model.optimizer is optimizer
    assert model.loss is loss
    assert (model.train_function, model.optimizer.built) == functions


def test_an_unbuilt_model_stays_unbuilt(rows):
    model = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(1, "softmax")])
    model.compile("adam", "binary_crossentropy")

    diagnosis = diagnose(model, *rows)

    assert not model.built
    assert [finding.id for finding in diagnosis.errors] == ["softmax-on-one-unit"]
    assert any(reason.startswith("the weights") for reason in diagnosis.not_looked_at)


def test_training_goes_on_to_the_same_bytes_after_a_diagnosis(classifier, rows):
    weights = []
    for looked_at in (False, True):
        keras.utils.set_random_seed(0)
        model = classifier()
        if looked_at:
            diagnose(model, *rows, fit_arguments={})
        model.fit(*rows, epochs=2, verbose=0)
        weights.append([weight.tobytes() for weight in model.get_weights()])

    assert weights[0] == weights[1]


def test_the_same_setup_gives_the_same_findings(classifier, rows):
    model = classifier(None)

    assert diagnose(model, *rows, fit_arguments={}) == diagnose(model, *rows, fit_arguments={})


def test_findings_come_worst_first_and_by_their_severity(classifier, rows):
    diagnosis = diagnose(classifier(None), *rows, fit_arguments={"epochs": 1})

    assert [finding.id for finding in diagnosis.errors] == ["logits-read-as-probabilities"]
    assert [finding.id for finding in diagnosis.warnings] == ["hardly-any-updates"]
    assert diagnosis.findings == (*diagnosis.errors, *diagnosis.warnings, *diagnosis.notes)


def test_a_silenced_check_says_nothing(classifier, rows):
    diagnosis = diagnose(classifier(None), *rows, silence=["logits-read-as-probabilities"])

    assert diagnosis.errors == ()
    assert diagnosis.silenced == ("logits-read-as-probabilities",)


def test_probes_are_tried_where_they_are_asked_for_and_join_the_report(classifier, rows):
    model = classifier("softmax", units=3, loss="categorical_crossentropy")
    dead = model.layers[0]
    dead.set_weights([dead.get_weights()[0], dead.get_weights()[1] - 1000])
    x, y = rows[0], np.eye(3)[rows[1]]

    without, tried = diagnose(model, x, y), diagnose(model, x, y, probe=True)
    silent = diagnose(model, x, y, probe=True, silence=["outputs-ignore-inputs"])

    probes = {check.card.id for check in CHECKS if check.card.kind == "probe"}
    assert not probes & {finding.id for finding in without.findings}
    assert all(finding in tried.findings for finding in without.findings)
    assert "outputs-ignore-inputs" in {finding.id for finding in tried.errors}
    assert [one.severity for one in tried.findings] == [
        one.severity for one in (*tried.errors, *tried.warnings, *tried.notes)
    ]
    assert "outputs-ignore-inputs" not in {finding.id for finding in silent.findings}


def test_an_option_that_there_is_not_is_refused(classifier, rows):
    with pytest.raises(TypeError, match="probes"):
        diagnose(classifier(), *rows, probes=True)


def test_an_unknown_check_cannot_be_silenced(classifier, rows):
    with pytest.raises(
        UsageError, match=r"no check 'softmax' to silence; give one of .*softmax-on"
    ):
        diagnose(classifier(), *rows, silence=["softmax"])


def test_what_is_no_model_is_refused(rows):
    with pytest.raises(UsageError, match=r"model is a function; give a keras\.Model"):
        diagnose(lambda x: x, *rows)


def test_it_shows_itself_as_words_as_a_table_and_as_json(classifier, rows):
    diagnosis = diagnose(classifier(None), *rows, fit_arguments={"epochs": 1})

    assert str(diagnosis).startswith("1 error, 1 warning, 1 note\n\nerror  logits-read-as-")
    assert "remedy: Say from_logits=True" in str(diagnosis)
    assert "<td>logits-read-as-probabilities</td>" in diagnosis._repr_html_()
    record = json.loads(json.dumps(diagnosis.to_json()))
    assert record["findings"][0]["labels"] == ["ACH(out)", "LCH", "ACH"]
    assert record["findings"][0]["layer"] == diagnosis.errors[0].layer


def test_html_does_not_take_layer_names_for_tags():
    diagnosis = Diagnosis((), ("<b>bold</b>",))

    assert "<b>" not in diagnosis._repr_html_()


def test_what_is_not_given_is_said(classifier, rows):
    reasons = diagnose(classifier(), rows[0]).not_looked_at

    assert "y: no targets were given" in reasons
    assert any("no fit_arguments" in reason for reason in reasons)


def test_the_front_door_opens_it():
    assert denselab.diagnose is diagnose


def test_ids_are_words_and_stand_once():
    ids = [check.card.id for check in CHECKS]

    assert len(set(ids)) == len(ids)
    assert all(name.replace("-", "").isalpha() and name.islower() for name in ids)


@pytest.mark.parametrize("check", CHECKS, ids=[check.card.id for check in CHECKS])
def test_every_card_is_filled_in(check):
    card = check.card

    assert card.title
    assert card.threshold
    assert card.source
    assert card.labels
    assert card.why.endswith(".")
    assert card.remedy.endswith((".", ".."))
    assert all(1 <= row <= 88 for row in card.rows)


def test_big_data_are_looked_at_in_bounded_rows(classifier):
    model = keras.Sequential([keras.Input((3000,)), layers.Dense(2)])
    model.compile("adam", LOGITS)
    x = np.broadcast_to(np.arange(3000, dtype="float32") % 2, (40_000, 3000))

    diagnosis = diagnose(model, x, np.arange(40_000) % 2)

    assert diagnosis.errors == ()
