"""A regressor for scikit-learn: an ensemble of dense networks, trained as one population."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_y, check_consistent_length, column_or_1d

from denselab.data.tables.targets import QuantityTarget
from denselab.errors import DataError, UsageError
from denselab.estimators.estimator import DenseEstimator
from denselab.uncertainty import fit_conformal_intervals

__all__ = ["DenseRegressor"]


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class DenseRegressor(RegressorMixin, DenseEstimator):
    """An ensemble of dense networks that predicts a quantity.

    As `DenseClassifier`, with the mean of the members' values. While it trains, the target has mean 0 and
    deviation 1; predictions are in its own units.

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
        settings: Any other fields of the recipe, such as {"network.residual": True}; come last.
        n_ensemble: Number of networks.
        n_draws: Forward passes with dropout active that a prediction is the mean of.
        scaling: "robust", "standard", "quantile" or "none", of numbers, by figures of the rows of `fit`.
        calibration_fraction: Share of the rows set aside for prediction intervals, from 100 rows on.
        time_limit: Seconds after which the training ends with what it has, one epoch of one member at least.
        warm_start: Whether `fit` goes on from the weights of the last one.
        random_state: Seed of all that is random; None is another one in every call.

    Attributes:
        n_features_in_: Number of features in `fit`.
        feature_names_in_: Their names, where X had names.
        n_iter_: Epochs of the member that trained longest.
        loss_curve_: Training loss after each epoch, in standard units of the target, the mean over members.
        validation_curve_: Validation loss likewise; empty where there were too few rows to validate on.
        recipe_: The recipe that was trained.
        preprocessing_: What makes features of X, and standard units of the target.
        members_: Seed, weights and trace of each network.
        n_parameters_: Number of weights of one network.

    Example:
        >>> X = np.linspace(-1, 1, 120)[:, None]
        >>> model = DenseRegressor(depth=1, width=16, epochs=60, n_ensemble=2, random_state=0)
        >>> mean, deviation = model.fit(X, 3 * X[:, 0]).predict(X, return_std=True)
        >>> mean.shape == deviation.shape == (120,)
        True
    """

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predicts values, the mean over members and draws.

        Args:
            X: Features, as in `fit`.
            return_std: Whether to give the deviation over members and draws, too: how far the networks disagree. The
                noise of the target is not in it; `predict_interval` has both.

        Returns:
            Values of shape (rows,), or values and deviations.

        Raises:
            ValueError: If a deviation is wanted of one member with one draw.
        """
        mean, deviation = self._values(X)
        if not return_std:
            return mean
        if len(self.members_) == 1 and self.recipe_.prediction.draws == 1:
            raise UsageError(
                "one network with one draw has no deviation; set n_ensemble to 2 or more, or n_draws in a recipe with "
                "dropout"
            )
        return mean, deviation

    def predict_interval(
        self, X: Any, coverage: float = 0.9
    ) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
        r"""Predicts intervals that hold the true value with a stated probability.

        Split-conformal, $\hat y \pm q s$ with $s^2 = d^2 + r^2$: the deviation $d$ of members and draws at the
        row, and the error $r$ of the members on their validation rows. Neither has seen the rows set aside, so
        the coverage holds however good either is, if rows are drawn alike. Where members agree, all intervals are
        equally wide.

        Args:
            X: Features, as in `fit`.
            coverage: The probability.

        Returns:
            Lower and upper ends, each of shape (rows,).

        Raises:
            ValueError: If `fit` set no rows aside, or too few for this coverage.
        """
        rows = self._slice("predict_interval", coverage)
        target = self._target
        values = target.decode(rows.outputs[:, 0])
        scale = self._scale(rows.deviations[:, 0] * target.deviation)
        fitted = fit_conformal_intervals(values, rows.y, coverage=coverage, scale=scale)
        mean, deviation = self._values(X)
        return fitted.intervals(mean, scale=self._scale(deviation))

    @property
    def _target(self) -> QuantityTarget:
        target = self.preprocessing_.target
        assert isinstance(target, QuantityTarget)
        return target

    def _values(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        outputs, deviations = self._outputs(X)
        target = self._target
        return target.decode(outputs[:, 0]), deviations[:, 0] * target.deviation

    def _scale(self, deviation: np.ndarray) -> np.ndarray:
        name = "val_loss" if self.validation_curve_ else "loss"
        errors = [np.nanmin(member.trace[name]) for member in self.members_]
        noise = np.sqrt(float(np.mean(errors))) * self._target.deviation
        # A network that is right on all its rows still gets intervals of some width.
        floor = np.finfo(np.float32).eps * self._target.deviation
        return np.hypot(deviation, max(noise, floor))

    def _check_target(self, table_rows: int, y: Any) -> np.ndarray:
        if y is None:
            raise DataError(
                "requires y to be passed, but the target y is None; give one number a row"
            )
        y = _check_y(column_or_1d(y, warn=True), y_numeric=True)
        check_consistent_length(np.empty(table_rows), y)
        return y.astype(np.float64)
