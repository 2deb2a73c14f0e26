"""Cross-validation of an estimator: all folds and seeds train as one population."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing

from denselab.errors import UsageError
from denselab.estimators.estimator import DenseEstimator
from denselab.estimators.preparing import Fold, Prepared
from denselab.training.blocks import BlockNetwork, train_blocks

__all__ = ["PopulationScores", "Spread", "cross_validate_population"]


class Spread(NamedTuple):
    """A score and where it varies.

    Attributes:
        mean: Mean over folds and seeds.
        over_folds: Deviation of the folds' means: how much the rows decide.
        over_seeds: Deviation of the seeds in a fold, the root of the folds' mean variance: how much chance decides
            on equal rows; 0 with one seed.
    """

    mean: float
    over_folds: float
    over_seeds: float


@dataclasses.dataclass(frozen=True, eq=False)
class PopulationScores(Mapping[str, np.ndarray]):
    """What `cross_validate_population` found; a mapping as scikit-learn's `cross_validate` gives one.

    Attributes:
        scores: "test_score", or "test_" and the name of each score, and "fit_time" and "score_time" in seconds -> a
            table of shape (folds, seeds). A fit's time is that of its members side by side, without compiling.
        predictions: What each fold's test rows are predicted as, shape (seeds, rows), one array a fold.
        test_rows: The row numbers of each fold's test rows.
        estimators: The fitted estimators, one tuple of seeds a fold.
        seeds: Their random states.
        seconds: What everything took, compiling included.
    """

    scores: Mapping[str, Float[np.ndarray, "fold seed"]]
    predictions: tuple[np.ndarray, ...]
    test_rows: tuple[np.ndarray, ...]
    estimators: tuple[tuple[DenseEstimator, ...], ...]
    seeds: tuple[int, ...]
    seconds: float

    def __getitem__(self, name: str) -> np.ndarray:
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def spread(self, name: str = "test_score") -> Spread:
        """Gives mean and spread of a score.

        Args:
            name: Name of the score.

        Returns:
            Mean, deviation over folds and over seeds; with `ddof=1`.
        """
        table = self.scores[name]
        folds, seeds = table.shape
        return Spread(
            float(table.mean()),
            float(table.mean(axis=1).std(ddof=1)) if folds > 1 else 0.0,
            float(np.sqrt(table.var(axis=1, ddof=1).mean())) if seeds > 1 else 0.0,
        )

    def __str__(self) -> str:
        names = [name for name in self.scores if name.startswith("test_")]
        folds, seeds = self.scores[names[0]].shape
        spreads = ((name, self.spread(name)) for name in names)
        found = "; ".join(
            f"{name} {s.mean:.4f} (± {s.over_folds:.4f} over folds, ± {s.over_seeds:.4f} over seeds)"
            for name, s in spreads
        )
        return f"{found}; {folds} folds x {seeds} seeds in {self.seconds:.1f} s"


def cross_validate_population(
    estimator: DenseEstimator,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    seeds: int | Sequence[int] = 5,
    scoring: Any = None,
) -> PopulationScores:
    """Cross-validates an estimator under several seeds, everything in one population.

    Each fold is prepared on its own training rows and no others: calibration slice, preprocessing, units of the
    target. Every member ends with the bytes it would end with in `fit` on that fold alone. Folds whose parts differ
    by a row, or whose categories make other numbers of features, are compiled apart.

    Args:
        estimator: A `DenseClassifier` or `DenseRegressor`; it is not changed.
        X: Features, as for `fit`.
        y: Classes or quantities.
        cv: Number of folds, or a splitter or splits as in `sklearn.model_selection.cross_validate`.
        seeds: Values of `random_state`, or how many, from 0.
        scoring: A name, a scorer, or several, as in scikit-learn; the estimator's own where None.

    Returns:
        Scores, predictions and estimators of each fold and seed.

    Raises:
        UsageError: If this is another estimator, there are no seeds, or it has a time limit.

    Example:
        >>> from sklearn.datasets import make_blobs
        >>> from denselab.estimators import DenseClassifier
        >>> X, y = make_blobs(90, centers=2, random_state=0)
        >>> model = DenseClassifier(depth=1, width=8, epochs=20, n_ensemble=1)
        >>> found = cross_validate_population(model, X, y, cv=3, seeds=2)
        >>> sorted(found), found["test_score"].shape
        (['fit_time', 'score_time', 'test_score'], (3, 2))
    """
    began = time.perf_counter()
    states = _states(estimator, seeds)
    splitter: Any = check_cv(cv, y, classifier=is_classifier(estimator))
    splits = list(splitter.split(X, y))
    plans = [
        plan
        for train, _ in splits
        for plan in _plans(estimator, _safe_indexing(X, train), _safe_indexing(y, train), states)
    ]
    _train(plans)
    models = tuple(plan.estimator for plan in plans)
    by_fold = [models[i : i + len(states)] for i in range(0, len(models), len(states))]
    scorer = check_scoring(models[0], scoring=scoring)
    predictions, tables = [], []
    for (_, test), members in zip(splits, by_fold, strict=True):
        rows = _safe_indexing(X, test), _safe_indexing(y, test)
        predictions.append(np.stack([model.predict(rows[0]) for model in members]))
        tables.append([_scored(scorer, model, *rows) for model in members])
    return PopulationScores(
        _tables(tables),
        tuple(predictions),
        tuple(np.asarray(test) for _, test in splits),
        tuple(by_fold),
        states,
        time.perf_counter() - began,
    )


class _Plan(NamedTuple):
    """One fit: the estimator that will hold it, its rows, and what is trained."""

    estimator: Any
    prepared: Prepared
    fold: Fold


def _states(estimator: DenseEstimator, seeds: int | Sequence[int]) -> tuple[int, ...]:
    if not isinstance(estimator, DenseEstimator):
        raise UsageError(
            f"estimator is a {type(estimator).__name__}; give a DenseClassifier or DenseRegressor, or use "
            "sklearn.model_selection.cross_validate"
        )
    if estimator.time_limit is not None:
        raise UsageError(
            "time_limit would stop members by the clock, each fold elsewhere; set it to None, and epochs instead"
        )
    states = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    if not states:
        raise UsageError(f"seeds is {seeds!r}; give at least one")
    return states


def _plans(estimator: DenseEstimator, X: Any, y: Any, states: Sequence[int]) -> Iterator[_Plan]:
    """Plans the fits of one fold; all of them share its rows and preprocessing."""
    first: Any = clone(estimator)
    prepared = first._plan(X, y)
    learned = {name: value for name, value in vars(first).items() if name.endswith("_")}
    for state in states:
        one: Any = clone(estimator)
        one.set_params(random_state=state)
        vars(one).update(learned)
        yield _Plan(one, prepared, one._fold(prepared))


def _train(plans: Sequence[_Plan]) -> None:
    """Trains all fits, and gives each estimator its members."""
    groups: dict[BlockNetwork, list[_Plan]] = {}
    for plan in plans:
        groups.setdefault(plan.fold.network, []).append(plan)
    for network, group in groups.items():
        found = train_blocks(network, [plan.fold.block for plan in group])
        for plan, members in zip(group, found, strict=True):
            plan.estimator._finish(plan.prepared, plan.fold, members)


def _scored(scorer: Any, model: Any, X: Any, y: Any) -> dict[str, float]:
    began = time.perf_counter()
    found = scorer(model, X, y)
    named = found if isinstance(found, dict) else {"score": found}
    return {f"test_{name}": float(value) for name, value in named.items()} | {
        "fit_time": max(float(member.trace["seconds"][-1]) for member in model.members_),
        "score_time": time.perf_counter() - began,
    }


def _tables(tables: Sequence[Sequence[Mapping[str, float]]]) -> dict[str, np.ndarray]:
    return {
        name: np.array([[cell[name] for cell in row] for row in tables]) for name in tables[0][0]
    }
