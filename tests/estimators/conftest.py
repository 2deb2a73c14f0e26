import numpy as np
import pytest
from sklearn.datasets import make_blobs

from denselab.estimators import DenseClassifier, DenseRegressor

# The same shapes and epochs wherever possible: whatever differs is compiled anew.
SMALL = {
    "recipe": "plain",
    "depth": 1,
    "width": 16,
    "epochs": 30,
    "learning_rate": 1e-2,
    "calibration_fraction": 0.4,
    "random_state": 0,
    "n_ensemble": 2,
}


@pytest.fixture(scope="session")
def blobs():
    """Three classes that can be told apart, 300 rows."""
    return make_blobs(300, centers=np.array([[0, 0], [3, 0], [0, 3]]), random_state=0)


@pytest.fixture(scope="session")
def plane():
    """A plane with noise of deviation 0.5, in units far from 1, 400 rows."""
    stream = np.random.default_rng(0)
    x = stream.normal(size=(400, 3))
    y = x @ [1.0, -2.0, 0.5] + 0.5 * stream.normal(size=400)
    return x, 1000 + 50 * y


@pytest.fixture(scope="session")
def classifier():
    """Makes small classifiers."""
    return lambda **options: DenseClassifier(**{**SMALL, **options})


@pytest.fixture(scope="session")
def regressor():
    """Makes small regressors."""
    return lambda **options: DenseRegressor(**{**SMALL, **options})
