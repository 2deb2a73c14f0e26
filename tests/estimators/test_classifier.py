import copy
import pickle

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from denselab.errors import UsageError


@pytest.fixture(scope="module")
def fitted(classifier, blobs):
    return classifier().fit(*blobs)


def test_blobs_are_told_apart(fitted, blobs):
    straight = LogisticRegression().fit(*blobs).score(*blobs)
    assert fitted.score(*blobs) > straight - 0.02


def test_probabilities_are_the_mean_of_the_members(classifier, blobs):
    X, y = blobs
    alone = classifier().fit(X, y)
    singles = []
    for member in alone.members_:
        one = copy.copy(alone)
        one.members_, one.temperature_ = [member], 1.0
        singles.append(one.predict_proba(X))
    alone.temperature_ = 1.0
    np.testing.assert_allclose(alone.predict_proba(X), np.mean(singles, axis=0), atol=1e-6)


def test_classes_may_be_text(classifier, blobs):
    X, y = blobs
    names = np.array(["red", "green", "blue"])[y]
    model = classifier().fit(X, names)
    assert model.classes_.tolist() == ["blue", "green", "red"]
    assert set(model.predict(X)) <= set(names)


def test_sets_cover_new_rows_as_often_as_stated(fitted):
    X, y = make_blobs(3000, centers=np.array([[0, 0], [3, 0], [0, 3]]), random_state=1)
    sets = fitted.predict_set(X, coverage=0.9)
    covered = sets[np.arange(len(y)), y].mean()
    # 120 calibration rows: coverage is Beta(109, 12), of deviation 0.027.
    assert covered > 0.9 - 5 * 0.027


def test_sets_without_rows_set_aside_say_what_to_do(classifier, blobs):
    model = classifier(calibration_fraction=0).fit(*blobs)
    with pytest.raises(UsageError, match="100 rows or more with a calibration_fraction above 0"):
        model.predict_set(blobs[0])


def test_a_coverage_beyond_the_slice_says_how_many_rows_it_needs(fitted, blobs):
    with pytest.raises(UsageError, match=r"needs 999 calibration rows and 120 were set aside"):
        fitted.predict_set(blobs[0], coverage=0.999)


def test_a_heavy_class_is_predicted_more_often(classifier, blobs):
    X, y = blobs[0], np.random.default_rng(0).integers(0, 3, 300)
    heavy = classifier(class_weight={0: 10.0, 1: 0.1, 2: 0.1}).fit(X, y)
    assert (heavy.predict(X) == 0).mean() > 0.95


def test_balanced_weights_are_those_of_scikit_learn(classifier, blobs):
    X, y = blobs[0], np.repeat([0, 1, 2], [200, 50, 50])
    balanced = classifier(class_weight="balanced").fit(X, y)
    by_hand = classifier(class_weight={0: 0.5, 1: 2, 2: 2}).fit(X, y)
    assert np.array_equal(balanced.predict_proba(X), by_hand.predict_proba(X))


def test_a_prediction_needs_a_fit(classifier, blobs):
    with pytest.raises(NotFittedError):
        classifier().predict(blobs[0])


def test_a_pickle_predicts_the_same_bytes(fitted, blobs):
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.predict_proba(blobs[0]), fitted.predict_proba(blobs[0]))


def test_the_page_shows_what_was_trained(fitted, classifier):
    assert "What was trained" in fitted._repr_html_()
    assert "What was trained" not in classifier()._repr_html_()
