from denselab.doctor import CHECKS

# Plain Keras 3.15.1 on JAX lets these pass, or raises in the midst of fit; the doctor says them first.
SILENT = {
    "softmax with from_logits=True": "probabilities-read-as-logits",
    "linear output with a cross-entropy string": "logits-read-as-probabilities",
    "softmax and probabilities on unscaled inputs": "probability-loss-on-unscaled-inputs",
    "sparse label >= units": "labels-out-of-range",
    "sigmoid with categorical cross-entropy": "sigmoid-with-categorical-loss",
    "binary targets outside [0, 1]": "binary-targets-outside-zero-one",
    "several classes into one sigmoid unit": "many-classes-in-one-unit",
    "one optimizer for two models": "optimizer-of-another-model",
    "BatchNorm with batch size 1": "batch-norm-on-few-rows",
    "all-zero initial weights": "units-start-alike",
    "SGD momentum 1.0": "momentum-too-high",
    "NaN in x": "data-not-finite",
    "Accuracy() on probabilities": "exact-accuracy",
    "decay length a tenth of the run": "schedule-length",
    "all layers frozen": "nothing-trainable",
    "trainable changed after compile": "trainable-changed-after-compile",
    "patience above epochs": "patience-outlasts-run",
    "checkpoint path shared by two models": "checkpoint-path-taken",
    "SELU with Glorot": "selu-without-lecun-start",
    "SELU with Dropout": "selu-with-plain-dropout",
    "SELU on unscaled x": "selu-on-unscaled-inputs",
    "training rows used for validation": "validation-rows-in-training",
    "ordered labels with validation_split": "split-of-ordered-rows",
    "ReLU output for negative targets": "targets-outside-output-range",
    "softmax on one unit": "softmax-on-one-unit",
    "early stopping on a metric that is missing": "monitor-missing",
    "integer labels with categorical cross-entropy": "integer-labels-with-categorical-loss",
    "one-hot labels with sparse cross-entropy": "one-hot-labels-with-sparse-loss",
    "integer labels with two softmax units and BCE": "binary-loss-on-softmax",
    "targets (N,) against outputs (N, 3)": "target-shape",
}


def loud(diagnosis):
    return (*diagnosis.errors, *diagnosis.warnings)


def test_a_patient_has_exactly_its_illness(patient):
    diagnosis = patient.diagnose_ill()

    assert {finding.id for finding in loud(diagnosis)} == {patient.id, *patient.with_it}
    assert patient.severity in {f.severity for f in loud(diagnosis) if f.id == patient.id}


def test_the_layer_of_a_patient_is_named(patient):
    if patient.layer is not None:
        found = [one for one in loud(patient.diagnose_ill()) if one.id == patient.id]

        assert {finding.layer for finding in found} == {patient.layer}


def test_what_is_injected_is_named_within_five_checks(patient):
    if getattr(patient.ill, "change", None) is not None:
        found = [one for one in loud(patient.diagnose_ill()) if one.id == patient.id]

        assert patient.layer is not None
        assert 6 <= min(finding.step for finding in found) <= 6 + 5 * patient.ill.every


def test_its_twin_is_well(patient):
    assert [str(finding) for finding in loud(patient.diagnose_well())] == []


def test_a_healthy_program_is_well(healthy):
    diagnosis = healthy()

    assert [str(finding) for finding in loud(diagnosis)] == []
    assert [reason for reason in diagnosis.not_looked_at if "Error" in reason] == []


def test_every_error_and_warning_of_every_kind_has_a_patient_and_a_twin(patients):
    wanted = {check.card.id for check in CHECKS if check.card.severity != "note"}

    assert {patient.id for patient in patients} == wanted


def test_the_worst_of_a_check_is_what_its_card_says(patients):
    worst = {check.card.id: check.card.severity for check in CHECKS}
    shown = {(patient.id, patient.severity) for patient in patients}
    missing = [name for name in worst if worst[name] != "note" and (name, worst[name]) not in shown]

    # A path is an error only where two callbacks of one run share it.
    assert set(missing) <= {"checkpoint-path-taken"}


def test_everything_that_keras_lets_pass_has_a_patient(patients):
    assert set(SILENT.values()) <= {patient.id for patient in patients}
