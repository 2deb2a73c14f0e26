"""What both estimators do in fit, beside what they predict."""

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone

from denselab.engine import narrow
from denselab.engine.reuse import is_kept
from denselab.errors import DataError, UsageError


def same(one, other):
    return all(
        np.array_equal(a, b)
        for first, second in zip(one.members_, other.members_, strict=True)
        for a, b in zip(first.trainable, second.trainable, strict=True)
    )


@pytest.fixture(scope="module")
def fitted(classifier, blobs):
    return classifier().fit(*blobs)


def test_one_random_state_gives_the_same_bytes(fitted, classifier, blobs):
    assert same(fitted, clone(fitted).fit(*blobs))
    assert not same(fitted, classifier(random_state=1).fit(*blobs))


def test_members_of_a_larger_ensemble_begin_with_those_of_a_smaller(fitted, classifier, blobs):
    more = classifier(n_ensemble=3).fit(*blobs)
    more.members_ = more.members_[:2]
    assert same(fitted, more)


def test_a_second_fit_of_one_shape_compiles_nothing(fitted, blobs, monkeypatch):
    found = []
    monkeypatch.setattr(narrow, "is_kept", lambda key: found.append(is_kept(key)) or found[-1])
    clone(fitted).set_params(learning_rate=1e-3, random_state=5).fit(*blobs)
    assert set(found) == {True}
    found.clear()
    clone(fitted).set_params(width=17, random_state=5).fit(*blobs)
    assert set(found) == {False}


def test_the_calibration_slice_does_not_decide_the_figures_of_preprocessing(classifier, blobs):
    X, y = blobs
    model = classifier(scaling="none").fit(X, y)
    outside = {float(v) for v in X[:, 0]}
    medians = np.array([step.median for step in model.preprocessing_.steps])
    again = clone(model)
    prepared = again._plan(X, y)
    assert len(prepared.x) == 180
    assert set(prepared.x[:, 0].tolist()) < {np.float32(v).item() for v in outside}
    np.testing.assert_allclose(medians, np.median(prepared.x, axis=0), rtol=1e-6)


def test_a_warm_start_goes_on_from_the_weights(classifier, blobs):
    model = classifier(warm_start=True).fit(*blobs)
    first = model.loss_curve_
    model.fit(*blobs)
    assert model.loss_curve_[0] < first[-1]


def test_a_warm_start_keeps_the_number_of_networks(classifier, blobs):
    model = classifier(warm_start=True).fit(*blobs).set_params(n_ensemble=3)
    with pytest.raises(UsageError, match="set it to 2, or warm_start=False"):
        model.fit(*blobs)


def test_a_warm_start_keeps_the_classes(classifier, blobs):
    X, y = blobs
    model = classifier(warm_start=True).fit(X, y)
    with pytest.raises(UsageError, match="give rows of all of them, or set warm_start=False"):
        model.fit(X[y < 2], y[y < 2])


def test_a_time_limit_that_is_over_leaves_one_epoch(classifier, blobs):
    model = classifier(time_limit=1e-9).fit(*blobs)
    assert model.n_iter_ == 1
    assert len(model.members_) == 2
    assert model.predict(blobs[0]).shape == (300,)


def test_a_time_limit_that_is_far_changes_nothing(fitted, blobs):
    assert same(fitted, clone(fitted).set_params(time_limit=1e6).fit(*blobs))


def test_categories_and_missing_values_are_features(classifier):
    stream = np.random.default_rng(0)
    town = stream.choice(["Bonn", "Ulm", "Kiel"], 200)
    age = np.where(stream.random(200) < 0.1, np.nan, stream.normal(size=200))
    frame = pl.DataFrame({"town": town, "age": age})
    model = classifier().fit(frame, town == "Ulm")
    assert model.score(frame, town == "Ulm") == 1
    assert model.preprocessing_.feature_names == (
        "town=Bonn",
        "town=Kiel",
        "town=Ulm",
        "age",
        "age is missing",
    )
    unseen = pl.DataFrame({"town": ["Rom"], "age": [0.0]})
    assert np.isfinite(model.predict_proba(unseen)).all()


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"n_ensemble": 0}, "give a whole number of at least 1"),
        ({"calibration_fraction": 1.0}, "give a share from 0"),
        ({"time_limit": 0}, "give seconds above 0"),
        ({"scaling": "robst"}, "expected none or standard or robust or quantile"),
        ({"class_weight": "even"}, "give None, 'balanced', or a dict"),
        ({"class_weight": {0: -1.0}}, "finite numbers of at least 0"),
        ({"dropout": 1.5}, "network.dropout.rate"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_remedy(classifier, blobs, options, remedy):
    with pytest.raises(UsageError, match=remedy):
        classifier(**options).fit(*blobs)


def test_a_training_that_only_diverges_says_what_to_do(regressor, plane):
    model = regressor(
        optimizer="sgd", learning_rate=1e30, settings={"training.restore_best": False}
    )
    with pytest.raises(DataError, match="lower learning_rate"):
        model.fit(*plane)
