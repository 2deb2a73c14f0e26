import numpy as np
import polars as pl
import pytest
from joblib import Parallel, delayed
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from denselab.estimators import DenseClassifier


@pytest.fixture(scope="module")
def model(classifier):
    return classifier(n_ensemble=1)


def test_a_pipeline_hands_over_frames(model, blobs):
    X, y = blobs
    frame = pl.DataFrame({"left": X[:, 0], "right": X[:, 1]})
    scaled = make_column_transformer((StandardScaler(), ["left", "right"]))
    pipeline = make_pipeline(scaled, model).set_output(transform="polars").fit(frame, y)
    names = pipeline[-1].feature_names_in_.tolist()
    assert names == ["standardscaler__left", "standardscaler__right"]
    assert pipeline.predict(frame).shape == (300,)


def test_a_grid_is_searched(model, blobs):
    grid = GridSearchCV(model, {"learning_rate": [1e-6, 1e-2]}, cv=2).fit(*blobs)
    assert grid.best_params_ == {"learning_rate": 1e-2}


def test_processes_give_the_scores_of_this_one(model, blobs):
    here = cross_val_score(model, *blobs, cv=2)
    there = cross_val_score(model, *blobs, cv=2, n_jobs=2)
    assert np.array_equal(here, there)


def test_threads_give_the_same_bytes(model, blobs):
    X, y = blobs

    def probabilities(seed):
        found = DenseClassifier(**{**model.get_params(), "random_state": seed}).fit(X, y)
        return found.predict_proba(X)

    together = Parallel(n_jobs=2, backend="threading")(delayed(probabilities)(i) for i in (1, 2))
    assert np.array_equal(together, [probabilities(1), probabilities(2)])
