import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_validate

from denselab.errors import UsageError
from denselab.estimators import cross_validate_population


@pytest.fixture(scope="module")
def uneven():
    """200 rows, so that three folds train on 133, 133 and 134 rows, of two classes of unequal size."""
    stream = np.random.default_rng(1)
    X = stream.normal(size=(200, 4))
    return X, (X[:, 0] + 0.5 * stream.normal(size=200) > 0.5).astype(int)


@pytest.fixture(scope="module")
def model(classifier):
    return classifier(epochs=8, class_weight="balanced", dropout=0.1)


@pytest.fixture(scope="module")
def found(model, uneven):
    cv = KFold(3, shuffle=True, random_state=0)
    return cross_validate_population(model, *uneven, cv=cv, seeds=[3, 8])


def test_members_have_the_bytes_of_a_fit_alone(found, model, uneven):
    X, y = uneven
    for fold, seed in ((0, 1), (2, 0)):
        train = np.setdiff1d(np.arange(len(X)), found.test_rows[fold])
        alone = clone(model).set_params(random_state=found.seeds[seed]).fit(X[train], y[train])
        among = found.estimators[fold][seed]
        for one, other in zip(alone.members_, among.members_, strict=True):
            assert one.seed == other.seed
            assert all(map(np.array_equal, one.trainable, other.trainable))
        probabilities = among.predict_proba(X)
        assert np.array_equal(alone.predict_proba(X), probabilities)


def test_scores_are_those_of_the_estimators(found, uneven):
    _, y = uneven
    for fold, rows in enumerate(found.test_rows):
        for seed in range(2):
            predicted = found.predictions[fold][seed]
            assert found["test_score"][fold, seed] == (predicted == y[rows]).mean()


def test_every_row_is_tested_once(found):
    assert sorted(np.concatenate(found.test_rows)) == list(range(200))


def test_spread_is_that_of_the_table(found):
    table, spread = found["test_score"], found.spread()
    assert spread.mean == pytest.approx(table.mean())
    assert spread.over_folds == pytest.approx(np.std(table.mean(axis=1), ddof=1))
    within = [np.var(row, ddof=1) for row in table]
    assert spread.over_seeds == pytest.approx(np.sqrt(np.mean(within)))
    assert "3 folds x 2 seeds" in str(found)


def test_folds_and_scores_are_those_of_scikit_learn(regressor, plane):
    model = regressor(epochs=4, n_ensemble=1)
    names = {"error": "neg_mean_absolute_error", "r2": "r2"}
    ours = cross_validate_population(model, *plane, cv=2, seeds=[0], scoring=names)
    theirs = cross_validate(model, *plane, cv=2, scoring=names)
    for name in ("test_error", "test_r2"):
        np.testing.assert_allclose(ours[name][:, 0], theirs[name], rtol=1e-12)


def test_the_estimator_is_left_alone(model, found):
    assert not hasattr(model, "members_")


def test_a_time_limit_is_refused(classifier, blobs):
    with pytest.raises(UsageError, match="set it to None, and epochs instead"):
        cross_validate_population(classifier(time_limit=1), *blobs)


def test_another_estimator_is_refused(blobs):
    with pytest.raises(
        UsageError, match=r"give a DenseClassifier or DenseRegressor, or use sklearn"
    ):
        cross_validate_population(LogisticRegression(), *blobs)
