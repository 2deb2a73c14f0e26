"""Small tables: denselab's estimators beside scikit-learn's, five folds, nobody tuned.

Every learner gets the same folds and the preprocessing that suits it: denselab its own; scikit-learn's
networks and forests imputed numbers with indicators, scaled, and one-hot categories; gradient boosting
missing values and categories as they are. All have their defaults; an ensemble of five scikit-learn
networks stands beside one, since denselab's default is an ensemble of five, too. Figures are means over
the folds. The recipe `default` was chosen on scikit-learn's own data sets and on synthetic ones
(docs/reference/default.md), so those are reported apart from tables that it never saw.

    python benchmarks/tables.py --tables FOLDER --out tables.jsonl     # csv files, target last, no header line
    python benchmarks/tables.py --show tables.jsonl
"""

import argparse
import json
import os
import platform
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import polars as pl
from scipy.stats import rankdata
from sklearn import datasets
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from denselab import DenseClassifier, DenseRegressor
from denselab.data import read_table
from denselab.data.tables.kinds import numbers_of
from denselab.uncertainty import expected_calibration_error

FOLDS, MEMBERS = 5, 5
LEAST = 1e-6
"""A probability below counts as this, for every learner: one class of a fold may never have been trained on."""
QUANTITIES = ("housing", "winequality-red", "auto_imports", "diabetes")
SEEN = ("iris", "wine", "breast_cancer", "digits", "diabetes")
"""Data sets that the default recipe was chosen on."""
LEARNERS = ("denselab", "mlp", "mlp x 5", "boosting", "forest", "constant")


class Data(NamedTuple):
    """One data set.

    Attributes:
        name: What it is called.
        features: Numbers and text, null where missing.
        y: Class numbers or quantities.
        classes: Number of classes; 0 for a quantity.
    """

    name: str
    features: pl.DataFrame
    y: np.ndarray
    classes: int


def shipped() -> Iterator[Data]:
    """Gives the data sets that come with scikit-learn, but the one of 20 rows with three targets."""
    loaders = {
        "iris": datasets.load_iris,
        "wine": datasets.load_wine,
        "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "diabetes": datasets.load_diabetes,
    }
    for name, loader in loaders.items():
        x, y = loader(return_X_y=True)
        columns = {f"x_{place}": x[:, place] for place in range(x.shape[1])}
        classes = 0 if name in QUANTITIES else int(y.max()) + 1
        yield Data(name, pl.DataFrame(columns), y, classes)


def tables(folder: Path) -> Iterator[Data]:
    """Reads csv files without a header line whose target is the last column."""
    for path in sorted(folder.glob("*.csv")):
        task = "regression" if path.stem in QUANTITIES else "classification"
        table = read_table(path, target=-1, task=task)
        target = table.frame[table.frame.columns[-1]]
        kept = [typed(table.frame[column.name], column.kind) for column in table.schema.features]
        if task == "regression":
            yield Data(path.stem, pl.DataFrame(kept), numbers_of(target), 0)
        else:
            names, y = np.unique(target.cast(pl.String).to_numpy(), return_inverse=True)
            yield Data(path.stem, pl.DataFrame(kept), y, len(names))


def typed(series: pl.Series, kind: str) -> pl.Series:
    """Gives a column of numbers as such, whatever the file wrote them as; others as text."""
    if kind == "number":
        return pl.Series(series.name, numbers_of(series), nan_to_null=True)
    return series.cast(pl.String)


def ours(data: Data, seed: int) -> Any:
    """Makes denselab's estimator with its defaults."""
    return (DenseClassifier if data.classes else DenseRegressor)(random_state=seed)


def theirs(name: str, data: Data, seed: int) -> Any:
    """Makes one of scikit-learn's learners with its defaults, behind the preprocessing that suits it."""
    some = bool(data.classes)
    if name == "constant":
        return DummyClassifier(strategy="prior") if some else DummyRegressor()
    words = [p for p, kind in enumerate(data.features.dtypes) if kind == pl.String]
    numbers = [p for p in range(data.features.width) if p not in words]
    if name == "boosting":
        kind = HistGradientBoostingClassifier if some else HistGradientBoostingRegressor
        return kind(categorical_features=words, random_state=seed)
    fill = SimpleImputer(strategy="median", add_indicator=True)
    onehot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [("n", make_pipeline(fill, StandardScaler()), numbers), ("w", onehot, words)]
    return make_pipeline(ColumnTransformer(parts), _behind(name, some, seed))


def _behind(name: str, some: bool, seed: int) -> Any:
    if name == "forest":
        return (RandomForestClassifier if some else RandomForestRegressor)(random_state=seed)
    # The target of a network is brought to deviation 1, as denselab does; without it they are far behind.
    network = (MLPClassifier if some else MLPRegressor)(random_state=seed)
    if name == "mlp x 5":
        bag = BaggingClassifier if some else BaggingRegressor
        network = bag(network, MEMBERS, bootstrap=False, random_state=seed)
    return network if some else TransformedTargetRegressor(network, transformer=StandardScaler())


def coded(features: pl.DataFrame) -> np.ndarray:
    """Writes text as numbers of its levels, for learners that take numbers alone; NaN where a value is missing."""
    columns = [
        (series.cast(pl.Categorical).to_physical() if series.dtype == pl.String else series).cast(
            pl.Float64
        )
        for series in features
    ]
    return np.column_stack([series.fill_null(np.nan).to_numpy() for series in columns])


def measured(learner: Any, data: Data, fold: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Trains on one fold and scores on its test rows."""
    train, test = fold
    own = isinstance(learner, DenseClassifier | DenseRegressor)
    x: Any = data.features if own else coded(data.features)
    # Products this small are faster on one thread; with more, scikit-learn's networks take several times as long.
    with threadpool_limits(1, user_api="blas"):
        began = time.perf_counter()
        learner.fit(x[train], data.y[train])
        fitted = time.perf_counter()
        found = learner.predict_proba(x[test]) if data.classes else learner.predict(x[test])
        ended = time.perf_counter()
    scores = {"fit": fitted - began, "predict": ended - fitted}
    y = data.y[test]
    if not data.classes:
        errors = found - y
        rmse = float(np.sqrt(np.mean(errors**2)))
        return {**scores, "rmse": rmse, "unexplained": float(np.mean(errors**2) / data.y.var())}
    whole = np.full((len(y), data.classes), LEAST)
    whole[:, learner.classes_.astype(int)] = np.maximum(found, LEAST)
    whole /= whole.sum(axis=1, keepdims=True)
    return {
        **scores,
        "error": float((whole.argmax(axis=1) != y).mean()),
        "log_loss": float(-np.log(whole[np.arange(len(y)), y]).mean()),
        "ece": float(expected_calibration_error(whole, y)),
    }


def folds(data: Data, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Divides the rows, the same way for every learner."""
    kind = StratifiedKFold if data.classes else KFold
    divided = kind(FOLDS, shuffle=True, random_state=seed).split(np.zeros(len(data.y)), data.y)
    return list(divided)


def run(every: Iterator[Data], out: Path, seed: int) -> None:
    """Measures what is not in the file yet, learners in turn on every fold."""
    done = {(r["data"], r["learner"], r["fold"]) for r in records(out)} if out.exists() else set()
    for data in every:
        for number, fold in enumerate(folds(data, seed)):
            for name in LEARNERS:
                if (data.name, name, number) in done:
                    continue
                learner = ours(data, seed) if name == "denselab" else theirs(name, data, seed)
                scores = measured(learner, data, fold)
                about = {"data": data.name, "rows": len(data.y), "classes": data.classes}
                row = {**about, "learner": name, "fold": number, "seed": seed, **scores}
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        print(f"{data.name}: done", flush=True)


def records(path: Path) -> list[dict[str, Any]]:
    """Reads what was measured."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def show(path: Path) -> None:
    """Prints tables of means over the folds, with ranks."""
    rows = records(path)
    for seen in (False, True):
        some = [row for row in rows if (row["data"] in SEEN) == seen]
        title = (
            "Data sets that the recipe was chosen on"
            if seen
            else "Tables that the recipe was not chosen on"
        )
        print(f"\n## {title}\n")
        for classes, measures in (
            (True, ("error", "log_loss", "ece")),
            (False, ("unexplained", "rmse")),
        ):
            chosen = [row for row in some if bool(row["classes"]) == classes]
            for measure in measures:
                _table(chosen, measure)
        _ranks(some)
    _seconds(rows)


def _means(rows: list[dict[str, Any]], measure: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    names = list(dict.fromkeys(row["data"] for row in rows))
    table = [
        [[r[measure] for r in rows if (r["data"], r["learner"]) == (name, one)] for one in LEARNERS]
        for name in names
    ]
    values = np.array(table)
    return names, values.mean(axis=2), values.std(axis=2, ddof=1)


def _table(rows: list[dict[str, Any]], measure: str) -> None:
    if not rows:
        return
    names, means, spreads = _means(rows, measure)
    factor = 100 if measure in ("error", "ece", "unexplained") else 1
    unit = ", %" if factor == 100 else ""
    print(f"{measure}{unit}, mean ± deviation over {FOLDS} folds\n")
    print(f"| data | {' | '.join(LEARNERS)} |\n|{' --- |' * (len(LEARNERS) + 1)}")
    for name, mean, spread in zip(names, means * factor, spreads * factor, strict=True):
        cells = [f"{m:.3g} ± {s:.2g}" for m, s in zip(mean, spread, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    ranks = np.array([rankdata(row) for row in means])
    print(f"| mean rank | {' | '.join(f'{rank:.2f}' for rank in ranks.mean(axis=0))} |\n")


def _ranks(rows: list[dict[str, Any]]) -> None:
    """Prints the mean rank over all data sets: of the error, or of the unexplained variance."""
    ranks = []
    for classes, measure in ((True, "error"), (False, "unexplained")):
        chosen = [row for row in rows if bool(row["classes"]) == classes]
        if chosen:
            ranks += [rankdata(row) for row in _means(chosen, measure)[1]]
    mean = np.mean(ranks, axis=0)
    print(f"Mean rank over {len(ranks)} data sets (1 is best): ", end="")
    print(", ".join(f"{one} {rank:.2f}" for one, rank in zip(LEARNERS, mean, strict=True)))


def _seconds(rows: list[dict[str, Any]]) -> None:
    print(
        f"\nSeconds a fold, median over all data sets ({platform.processor()}, {os.cpu_count()} cores)\n"
    )
    print("| | " + " | ".join(LEARNERS) + " |\n|" + " --- |" * (len(LEARNERS) + 1))
    for what in ("fit", "predict"):
        cells = [np.median([r[what] for r in rows if r["learner"] == one]) for one in LEARNERS]
        print(f"| {what} | {' | '.join(f'{cell:.3g}' for cell in cells)} |")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", type=Path, help="folder of csv files")
    parser.add_argument("--out", type=Path, default=Path("tables.jsonl"))
    parser.add_argument("--show", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.show is not None:
        show(asked.show)
        return
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", "The least populated class", UserWarning)
    warnings.filterwarnings("ignore", "Found unknown categories", UserWarning)
    every = [*(tables(asked.tables) if asked.tables else ()), *shipped()]
    run(iter(every), asked.out, asked.seed)
    show(asked.out)


if __name__ == "__main__":
    main()
