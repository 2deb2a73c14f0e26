"""What classifier and regressor share: parameters, training, and predicting with all members."""

import dataclasses
import html
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from denselab.data.tables.steps import Scaling
from denselab.engine import Member
from denselab.errors import DataError, UsageError
from denselab.estimators.features import features_of
from denselab.estimators.preparing import Fold, Prepared, fold_of, prepare
from denselab.recipes import Recipe, parameter_count
from denselab.training.blocks import BlockNetwork, predict_members, train_blocks

__all__ = ["CalibrationSlice", "DenseEstimator"]


class CalibrationSlice(NamedTuple):
    """What the members say of rows that none of them trained or stopped on.

    Attributes:
        outputs: Mean probabilities, or values in standard units, shape (rows, outputs).
        deviations: Their deviations over members and draws, likewise.
        y: Labels, or targets in their own units.
    """

    outputs: np.ndarray
    deviations: np.ndarray
    y: np.ndarray


@dataclasses.dataclass(eq=False, repr=False, kw_only=True)
class DenseEstimator(BaseEstimator):
    """Parameters and training of both estimators; see `DenseClassifier` for what they mean."""

    recipe: str | PathLike[str] | Recipe = "default"
    depth: int | None = None
    width: int | None = None
    activation: str | None = None
    normalization: str | None = None
    dropout: float | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    batch_size: int | None = None
    epochs: int | None = None
    early_stopping: bool | None = None
    patience: int | None = None
    validation_fraction: float | None = None
    settings: Mapping[str, Any] | Sequence[str] | None = None
    n_ensemble: int = 5
    n_draws: int | None = None
    scaling: Scaling = "robust"
    calibration_fraction: float = 0.1
    time_limit: float | None = None
    warm_start: bool = False
    random_state: Any = None

    def fit(self, X: Any, y: Any) -> Self:
        """Trains the members.

        Args:
            X: Features, shape (rows, features): a NumPy array, or a frame of pandas, polars or pyarrow.
            y: Classes, or quantities, shape (rows,).

        Returns:
            The estimator.

        Raises:
            ValueError: If rows or parameters make no sense; one line that says what to do.
        """
        limit = self.time_limit
        if limit is not None and not limit > 0:
            raise UsageError(f"time_limit is {limit!r}; give seconds above 0, or None for no limit")
        prepared = self._plan(X, y)
        fold = self._fold(prepared)
        (members,) = train_blocks(fold.network, [fold.block], seconds=limit)
        return self._finish(prepared, fold, members)

    @abstractmethod
    def _check_target(self, table_rows: int, y: Any) -> np.ndarray:
        """Checks a target, and gives class numbers or quantities."""

    def _class_factors(self, y: np.ndarray) -> Sequence[float] | None:
        """Gives one factor a class, or None."""
        return None

    def _plan(self, X: Any, y: Any) -> Prepared:
        """Makes ready what `fit` is given; looks at the rows of fit alone."""
        start = self._start()
        table = features_of(self, X, reset=not start)
        y = self._check_target(len(table), y)
        if len(y) < 2:
            raise DataError(
                f"X and y have {len(y)} row, n_samples = {len(y)}; give at least two, one to train on and one to "
                "validate on"
            )
        fitted = self.preprocessing_ if start else None
        return prepare(table, y, self.get_params(), fitted=fitted)

    def _fold(self, prepared: Prepared) -> Fold:
        """Says what is trained on the rows."""
        factors = self._class_factors(prepared.y)
        return fold_of(prepared, self.get_params(), class_weight=factors, start=self._start())

    def _start(self) -> Sequence[Member] | None:
        members = getattr(self, "members_", None)
        return members if self.warm_start and members else None

    def _finish(self, prepared: Prepared, fold: Fold, members: Sequence[Member]) -> Self:
        """Keeps what was trained."""
        kept = _usable(members, self.time_limit is not None)
        traces = [member.trace for member in kept]
        self.recipe_ = fold.network.recipe
        self.preprocessing_ = prepared.preprocessing
        self.members_ = kept
        self.n_iter_ = max(member.epochs for member in kept)
        self.loss_curve_ = _mean_curve([trace["loss"] for trace in traces])
        self.validation_curve_ = _mean_curve([trace.get("val_loss", []) for trace in traces])
        self.n_parameters_ = parameter_count(
            self.recipe_, features=prepared.x.shape[1], outputs=prepared.outputs
        ).total
        self._network = fold.network
        self._calibration = None
        if len(prepared.calibration_y):
            found = self._predicted(prepared.calibration_x)
            self._calibration = CalibrationSlice(*found, prepared.calibration_y)
        return self

    def _outputs(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self, "members_")
        table = features_of(self, X, reset=False)
        return self._predicted(self.preprocessing_.transform(table))

    def _predicted(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicts features with all members: their mean, and its deviation over members and draws."""
        network: BlockNetwork = self._network
        means, deviations = predict_members(network, self.members_, x)
        means = means.astype(np.float64)
        variance = means.var(axis=0) + np.square(deviations.astype(np.float64)).mean(axis=0)
        return means.mean(axis=0), np.sqrt(variance)

    def _slice(self, what: str, coverage: float) -> CalibrationSlice:
        """Gives the calibration slice, if it has enough rows for a coverage."""
        check_is_fitted(self, "members_")
        if not isinstance(coverage, int | float) or not 0 < coverage < 1:
            raise UsageError(f"coverage is {coverage!r}; give a probability such as 0.9")
        found = self._calibration
        if found is None:
            raise UsageError(
                f"{what} needs rows set aside in fit; fit on 100 rows or more with a calibration_fraction above 0"
            )
        wanted = int(np.ceil(round(coverage / (1 - coverage), 9)))
        if len(found.y) < wanted:
            raise UsageError(
                f"coverage {coverage:g} needs {wanted:,} calibration rows and {len(found.y):,} were set aside; "
                "lower it, give more rows, or raise calibration_fraction"
            )
        return found

    def __sklearn_tags__(self) -> Any:
        """Says what scikit-learn may hand over."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags

    def _html_repr(self) -> str:
        return super()._html_repr() + self._trained_html()

    def _trained_html(self) -> str:
        if not hasattr(self, "members_"):
            return ""
        recipe, best = self.recipe_, [member.best_epoch + 1 for member in self.members_]
        slice_ = self._calibration
        rows = {
            "recipe": recipe.name,
            "network": f"{recipe.network.depth} x {recipe.network.width}, {recipe.network.activation}",
            "weights of one network": f"{self.n_parameters_:,}",
            "members": ", ".join(
                f"{member.seed} ({member.status} after {member.epochs} epochs)"
                for member in self.members_
            ),
            "best epochs": ", ".join(map(str, best)),
            "calibration rows": f"{0 if slice_ is None else len(slice_.y):,}",
        }
        cells = "".join(
            f"<tr><th scope='row' style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in rows.items()
        )
        return f"<table><caption>What was trained</caption>{cells}</table>"


def _usable(members: Sequence[Member], limited: bool) -> list[Member]:
    """Leaves out members whose weights are not finite, and those that a time limit stopped at once."""
    finite = [
        member
        for member in members
        if all(np.isfinite(weight).all() for weight in (*member.trainable, *member.non_trainable))
    ]
    if not finite:
        raise DataError(
            "the loss of every member was not finite; lower learning_rate, or scale the features"
        )
    longest = max(member.epochs for member in finite)
    if not limited or longest == 1:
        return finite
    return [member for member in finite if member.epochs > 1]


def _mean_curve(curves: Sequence[Any]) -> list[float]:
    """Averages curves of unequal lengths, each epoch over the members that ran it."""
    length = max(map(len, curves))
    table = np.full((len(curves), length), np.nan)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    return [float(value) for value in np.nanmean(table, axis=0)]
