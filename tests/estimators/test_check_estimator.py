import pytest
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from denselab.estimators import DenseClassifier, DenseRegressor

EXCEPTIONS = {}
"""Name of a check -> why it is expected to fail; scikit-learn's own MLPClassifier and MLPRegressor have none either."""

# Hundreds of fits, and each shape of data has to be compiled: one network of few units, and one batch an epoch,
# which makes the program smaller.
SMALL = {"recipe": "plain", "depth": 1, "width": 32, "optimizer": "adam", "learning_rate": 0.03}
SHORT = {"batch_size": 512, "epochs": 150, "n_ensemble": 1}
ESTIMATORS = [DenseClassifier(**SMALL, **SHORT), DenseRegressor(**SMALL, **SHORT)]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_scikit_learn_has_nothing_to_object(estimator):
    results = check_estimator(estimator, expected_failed_checks=EXCEPTIONS, on_skip=None)

    skipped = {result["check_name"] for result in results if result["status"] == "skipped"}
    assert [result for result in results if result["status"] not in ("passed", "skipped")] == []
    # They want pandas, and SCIPY_ARRAY_API=1.
    assert skipped <= {
        "check_array_api_input",
        "check_classifier_data_not_an_array",
        "check_regressor_data_not_an_array",
    }


def test_checks_of_fitting_are_among_them():
    names = {check.func.__name__ for _, check in estimator_checks_generator(ESTIMATORS[0])}
    assert {"check_classifiers_train", "check_class_weight_classifiers"} <= names
