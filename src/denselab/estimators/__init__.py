"""Estimators for scikit-learn over recipes and the population engine; start reading at `estimator.py`."""

from denselab.estimators.classifier import DenseClassifier
from denselab.estimators.cross_validation import (
    PopulationScores,
    Spread,
    cross_validate_population,
)
from denselab.estimators.regressor import DenseRegressor

__all__ = [
    "DenseClassifier",
    "DenseRegressor",
    "PopulationScores",
    "Spread",
    "cross_validate_population",
]
