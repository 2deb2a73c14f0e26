"""Estimators for scikit-learn over recipes and the population engine; start reading at `estimator.py`."""

from denselab.estimators.classifier import DenseClassifier
from denselab.estimators.regressor import DenseRegressor

__all__ = ["DenseClassifier", "DenseRegressor"]
