"""A classifier for scikit-learn: an ensemble of dense networks, trained as one population."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, column_or_1d

from denselab.engine import Member
from denselab.errors import DataError, UsageError
from denselab.estimators.estimator import DenseEstimator
from denselab.estimators.preparing import Fold, Prepared, class_factors
from denselab.uncertainty import fit_conformal_sets, fit_temperature

__all__ = ["DenseClassifier"]

_LEAST = np.finfo(np.float32).tiny
_FEWEST_FOR_TEMPERATURE = 100
"""With fewer rows a temperature follows chance: ten rows, all right, would ask for certainty."""


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class DenseClassifier(ClassifierMixin, DenseEstimator):
    """An ensemble of dense networks that classifies.

    Any recipe or technique of denselab is a parameter; None leaves what the recipe says. The members differ in
    first weights, order of the rows and validation rows, train side by side as one population, and their
    probabilities are averaged.

    Args:
        recipe: Name of a built-in tuned recipe, path of a .toml file, or a `denselab.recipes.Recipe`.
        depth: Number of hidden layers.
        width: Units of every hidden layer.
        activation: Activation of the hidden layers.
        normalization: "none", "batch", "layer" or "rms".
        dropout: Share of the units dropped; where the recipe has no dropout, AlphaDropout with selu, else Dropout.
        optimizer: Name of the optimizer.
        learning_rate: Learning rate; with a schedule, its highest value.
        weight_decay: Decoupled weight decay.
        schedule: How the learning rate changes.
        batch_size: Rows a step.
        epochs: Passes over the training rows, at most.
        early_stopping: Whether to stop when the validation loss no longer falls.
        patience: Epochs without a better validation loss before a member stops; switches early stopping on.
        validation_fraction: Share of the rows that each member validates on, chosen by its own seed.
        label_smoothing: Share of each label that is spread evenly over the classes.
        class_weight: None, "balanced", or a dict from class to factor; multiplies the loss of a row.
        settings: Any other fields of the recipe, such as {"network.residual": True}; come last.
        n_ensemble: Number of networks.
        n_draws: Forward passes with dropout active that a prediction is the mean of.
        scaling: "robust", "standard", "quantile" or "none", of numbers, by figures of the rows of `fit`.
        calibration_fraction: Share of the rows set aside for prediction sets and a temperature, from 100 rows on.
        time_limit: Seconds after which the training ends with what it has, one epoch of one member at least.
        warm_start: Whether `fit` goes on from the weights of the last one.
        random_state: Seed of all that is random; None is another one in every call.

    Attributes:
        classes_: The classes.
        n_features_in_: Number of features in `fit`.
        feature_names_in_: Their names, where X had names.
        n_iter_: Epochs of the member that trained longest.
        loss_curve_: Training loss after each epoch, the mean over members.
        validation_curve_: Validation loss likewise; empty where there were too few rows to validate on.
        temperature_: What logarithms of probabilities are divided by; 1 with less than 100 calibration rows.
        recipe_: The recipe that was trained.
        preprocessing_: What makes features of X.
        members_: Seed, weights and trace of each network.
        n_parameters_: Number of weights of one network.

    Example:
        >>> from sklearn.datasets import make_blobs
        >>> X, y = make_blobs(120, centers=2, random_state=0)
        >>> model = DenseClassifier(depth=1, width=8, epochs=30, n_ensemble=2, random_state=0).fit(X, y)
        >>> model.predict_proba(X).shape
        (120, 2)
    """

    label_smoothing: float | None = None
    class_weight: Mapping[Any, float] | str | None = None

    def predict(self, X: Any) -> np.ndarray:
        """Predicts the most probable class.

        Args:
            X: Features, as in `fit`.

        Returns:
            One class a row.
        """
        outputs, _ = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Float[np.ndarray, "row class"]:
        """Predicts probabilities, the mean over members and draws at the fitted temperature.

        Args:
            X: Features, as in `fit`.

        Returns:
            Probabilities, shape (rows, classes), in the order of `classes_`; each row sums to 1.
        """
        outputs, _ = self._outputs(X)
        return _tempered(outputs, self.temperature_)

    def predict_log_proba(self, X: Any) -> Float[np.ndarray, "row class"]:
        """Predicts logarithms of probabilities.

        Args:
            X: Features, as in `fit`.

        Returns:
            Logarithms, shape (rows, classes).
        """
        return np.log(np.maximum(self.predict_proba(X), _LEAST))

    def predict_set(self, X: Any, coverage: float = 0.9) -> Bool[np.ndarray, "row class"]:
        """Predicts sets of classes that hold the true one with a stated probability.

        Split-conformal: the probability is over new rows and over which rows were set aside, and holds however good
        the networks are, if both are drawn alike.

        Args:
            X: Features, as in `fit`.
            coverage: The probability.

        Returns:
            Whether each class of `classes_` is in the row's set, shape (rows, classes).

        Raises:
            ValueError: If `fit` set no rows aside, or too few for this coverage.
        """
        rows = self._slice("predict_set", coverage)
        sets = fit_conformal_sets(_normal(rows.outputs), rows.y, coverage=coverage)
        outputs, _ = self._outputs(X)
        return sets.sets(_normal(outputs))

    def _check_target(self, table_rows: int, y: Any) -> np.ndarray:
        if y is None:
            raise DataError(
                "requires y to be passed, but the target y is None; give one class a row"
            )
        y = _check_y(column_or_1d(y, warn=True))
        check_consistent_length(np.empty(table_rows), y)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise DataError(
                f"y holds one class only, {classes[0]!r}; give rows of at least two classes"
            )
        if self._start() is not None and not np.array_equal(classes, self.classes_):
            raise UsageError(
                f"warm_start goes on with the classes {self.classes_.tolist()} and y holds {classes.tolist()}; give "
                "rows of all of them, or set warm_start=False"
            )
        self.classes_ = classes
        return codes.astype(np.int32)

    def _class_factors(self, y: np.ndarray) -> Sequence[float] | None:
        return class_factors(self.class_weight, self.classes_, y)

    def _finish(
        self, prepared: Prepared, fold: Fold, members: Sequence[Member]
    ) -> "DenseClassifier":
        super()._finish(prepared, fold, members)
        self.temperature_, rows = 1.0, self._calibration
        if rows is not None and len(rows.y) >= _FEWEST_FOR_TEMPERATURE:
            logarithms = np.log(np.maximum(rows.outputs, _LEAST))
            self.temperature_ = fit_temperature(logarithms, rows.y)
        return self


def _normal(probabilities: np.ndarray) -> np.ndarray:
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    if temperature == 1:
        return _normal(probabilities)
    logarithms = np.log(np.maximum(probabilities, _LEAST)) / temperature
    return _normal(np.exp(logarithms - logarithms.max(axis=1, keepdims=True)))
