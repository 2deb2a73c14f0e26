"""Do intervals and sets of the estimators cover what they say? Twenty splits of a table, one row each.

Of every split: train on some rows, a quarter of them set aside to calibrate on; predict intervals or sets
for the others at 90 %; count how many hold the truth. With n calibration rows split-conformal prediction
promises a mean coverage from 90 % to 90 % + 1 / (n + 1). The interval beside the mean is what chance leaves
of that promise over the splits: of each split's coverage the deviation is that of a beta-binomial count
(calibration rows decide the one, test rows the other); rows are shared by splits of a small table, which
the interval leaves out of account.

    python benchmarks/coverage.py --tables FOLDER     # csv files, target last, no header line
"""

import argparse
import math
import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import polars as pl
from sklearn import datasets

from denselab import DenseClassifier, DenseRegressor

COVERAGE, SPLITS, SHARE = 0.9, 20, 0.25
LARGE = 4000
"""Rows of the tables that are made here: half of them train, 2,000 test."""


def made(seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Makes two large tables anew for a split, so that its rows are drawn alike and are nobody else's."""
    x, y = datasets.make_friedman1(LARGE, noise=1.0, random_state=seed)
    yield "friedman1", x, y, False
    x, y = datasets.make_classification(
        LARGE, 20, n_informative=6, n_classes=5, flip_y=0.1, random_state=seed
    )
    yield "five classes", x, y, True


def small(folder: Path | None) -> Iterator[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Gives real tables."""
    x, y = datasets.load_digits(return_X_y=True)
    yield "digits", x, y, True
    x, y = datasets.load_breast_cancer(return_X_y=True)
    yield "breast_cancer", x, y, True
    x, y = datasets.load_diabetes(return_X_y=True)
    yield "diabetes", x, y, False
    names = (("winequality-red", False), ("housing", False), ("banknote_authentication", True))
    for name, classes in (*names, ("pima-indians-diabetes", True)) if folder else ():
        table = pl.read_csv(
            folder / f"{name}.csv", has_header=False, infer_schema_length=None
        ).to_numpy()
        yield name, table[:, :-1], table[:, -1], classes


def covered(
    x: np.ndarray, y: np.ndarray, classes: bool, seed: int
) -> tuple[float, int, int, float]:
    """Trains on half of the rows and counts on the others.

    Args:
        x: Features.
        y: Classes or quantities.
        classes: Which of the two.
        seed: The split.

    Returns:
        Share of the test rows covered, number of calibration and of test rows, and the mean width of
        an interval in deviations of the target, or the mean size of a set.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    kind = DenseClassifier if classes else DenseRegressor
    model = kind(n_ensemble=2, epochs=30, calibration_fraction=SHARE, random_state=seed)
    model.fit(x[train], y[train])
    set_aside = round(SHARE * len(train))
    if classes:
        sets = model.predict_set(x[test], coverage=COVERAGE)
        places = np.searchsorted(model.classes_, y[test])
        return (
            sets[np.arange(len(test)), places].mean(),
            set_aside,
            len(test),
            sets.sum(axis=1).mean(),
        )
    low, high = model.predict_interval(x[test], coverage=COVERAGE)
    inside = (low <= y[test]) & (y[test] <= high)
    return inside.mean(), set_aside, len(test), (high - low).mean() / y.std()


def promised(calibration: int, test: int) -> tuple[float, float]:
    """Gives the expected coverage, and the deviation of its mean over the splits.

    Args:
        calibration: Number of calibration rows.
        test: Number of test rows.

    Returns:
        Both as shares. The number of covered rows is beta-binomial with k = ceil((n + 1) coverage) and n + 1 - k.
    """
    a = math.ceil((calibration + 1) * COVERAGE)
    b = calibration + 1 - a
    mean = a / (a + b)
    variance = mean * (1 - mean) * (a + b + test) / (test * (a + b + 1))
    return mean, math.sqrt(variance / SPLITS)


def row(name: str, found: list[tuple[float, int, int, float]]) -> str:
    """Writes one line of the table."""
    shares = np.array([one[0] for one in found])
    _, calibration, test, _ = found[0]
    mean, deviation = promised(calibration, test)
    low, high = mean - 1.96 * deviation, mean + 1.96 * deviation
    size = np.mean([one[3] for one in found])
    cells = f"{100 * shares.mean():.2f} ± {100 * shares.std(ddof=1):.2f}"
    return f"| {name} | {calibration:,} | {test:,} | {cells} | {100 * low:.2f} to {100 * high:.2f} | {size:.2f} |"


def main() -> None:
    """Reads the command line, and measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", type=Path, help="folder of csv files")
    asked = parser.parse_args()
    print("| table | calibration rows | test rows | covered, % | promised, % | width or size |")
    print("| --- | --- | --- | --- | --- | --- |")
    large: dict[str, list[tuple[float, int, int, float]]] = {}
    for seed in range(SPLITS):
        for name, x, y, classes in made(seed):
            large.setdefault(name, []).append(covered(x, y, classes, seed))
    for name, found in large.items():
        print(row(name, found), flush=True)
    for name, x, y, classes in small(asked.tables):
        print(row(name, [covered(x, y, classes, seed) for seed in range(SPLITS)]), flush=True)


if __name__ == "__main__":
    main()
