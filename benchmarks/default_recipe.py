"""What each part of the recipe `default` brings, on the data sets that it was chosen on.

Every arm differs from the recipe in one thing. Folds and seeds train as one population. A figure is the
geometric mean, over data sets, of the arm's loss over that of the recipe: log loss of classes, root mean
squared error of a quantity; with a 95 % t interval over data sets. Above 1 the recipe is better. No data
set of benchmarks/tables.py but those marked as seen there is looked at here.

    python benchmarks/default_recipe.py --out arms.jsonl
"""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from scipy import stats
from sklearn import datasets

from denselab import DenseClassifier, DenseRegressor, cross_validate_population

FOLDS, SEEDS = 3, 1
DROPOUT = {"network.dropout.kind": "dropout", "network.dropout.rate": 0.15}
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "no embedding": {"network.embedding": "none"},
    "relu, He": {"network.activation": "relu", "network.kernel_initializer": "he_normal"},
    "learned strength of SELU": {"network.parametric": True},
    "LayerNorm": {"network.normalization": "layer"},
    "three hidden layers": {"network.depth": 3},
    "dropout 0.15, fading": {**DROPOUT, "network.dropout.fading": True},
    "label smoothing 0.1": {"training.label_smoothing": 0.1},
    "weight decay 0.01": {"optimizer.weight_decay": 0.01},
    "numbers by mean and deviation": {"scaling": "standard"},
}
"""Arm -> settings of the recipe, or the estimator's scaling."""


class Data(NamedTuple):
    """One data set.

    Attributes:
        name: What it is called.
        x: Features.
        y: Classes or quantities.
        classes: Whether y holds classes.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    classes: bool


def development() -> Iterator[Data]:
    """Gives data sets of scikit-learn, real and made."""
    rng = np.random.default_rng(0)
    for name in ("breast_cancer", "diabetes"):
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        chosen = rng.permutation(len(y))[:500]
        yield Data(name, x[chosen], y[chosen], name != "diabetes")
    yield Data("hastie", *datasets.make_hastie_10_2(600, random_state=0), True)
    shape = {"n_informative": 6, "n_redundant": 4, "n_classes": 3, "flip_y": 0.05}
    x, y = datasets.make_classification(600, 20, random_state=1, **shape)
    yield Data("three classes, skewed", np.exp(x / 2), y, True)
    x, y = datasets.make_gaussian_quantiles(
        n_samples=600, n_features=6, n_classes=3, random_state=0
    )
    yield Data("shells", x, y, True)
    x, y = datasets.make_moons(500, noise=0.3, random_state=0)
    yield Data("moons and noise", np.column_stack([x, rng.normal(size=(500, 4))]), y, True)
    for name in ("friedman1", "friedman3", "sparse_uncorrelated"):
        x, y = getattr(datasets, f"make_{name}")(500, random_state=0)
        yield Data(name, x, y + 0.3 * y.std() * rng.normal(size=len(y)), False)
    x, kind = rng.lognormal(size=(800, 5)), rng.integers(0, 6, size=800)
    steps = 2.0 * (x[:, 0] > 1) + np.floor(np.minimum(x[:, 1], 4)) + (x[:, 2] > x[:, 3])
    y = steps + np.array([0, 1, -1, 2, 0, -2])[kind] + 0.3 * rng.normal(size=800)
    yield Data("stairs and a category", np.column_stack([x, np.eye(6)[kind]]), y, False)


def measured(data: Data, changes: dict[str, Any]) -> dict[str, float]:
    """Trains an arm on one data set, and gives its mean loss, error and seconds."""
    settings = {key: value for key, value in changes.items() if key != "scaling"}
    about = {"settings": settings, "scaling": changes.get("scaling", "robust"), "n_ensemble": 2}
    if data.classes:
        model: Any = DenseClassifier(**about, calibration_fraction=0)
        scoring = {"loss": "neg_log_loss", "accuracy": "accuracy"}
    else:
        model = DenseRegressor(**about, calibration_fraction=0)
        scoring = {"loss": "neg_root_mean_squared_error"}
    found = cross_validate_population(model, data.x, data.y, cv=FOLDS, seeds=SEEDS, scoring=scoring)
    scores = {"loss": -float(found["test_loss"].mean()), "seconds": found.seconds}
    if data.classes:
        scores["error"] = 1 - float(found["test_accuracy"].mean())
    return scores


def show(path: Path) -> None:
    """Prints one line an arm."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    table = {(row["arm"], row["data"]): row for row in rows}
    names = {
        kind: [r["data"] for r in rows if r["arm"] == "default" and r["classes"] == kind]
        for kind in (True, False)
    }
    print(
        f"{len(names[True])} sets of classes, {len(names[False])} of quantities; {FOLDS} folds, "
        "two members each\n"
    )
    print("| arm | log loss of classes | error, points | RMSE of quantities | seconds |")
    print("| --- | --- | --- | --- | --- |")
    for arm in dict.fromkeys(row["arm"] for row in rows):
        cells = [_ratio(table, arm, names[True])]
        pairs = [(table[arm, n], table["default", n]) for n in names[True] if (arm, n) in table]
        cells.append(f"{100 * np.mean([a['error'] - b['error'] for a, b in pairs]):+.2f}")
        cells.append(_ratio(table, arm, [n for n in names[False] if (arm, n) in table]))
        seconds = sum(row["seconds"] for row in rows if row["arm"] == arm)
        print(f"| {arm} | {' | '.join(cells)} | {seconds:.0f} |")


def _ratio(table: dict[tuple[str, str], dict[str, float]], arm: str, names: list[str]) -> str:
    logs = [np.log(table[arm, n]["loss"] / table["default", n]["loss"]) for n in names]
    if len(logs) < 2:
        return "-"
    half = stats.t.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1) / np.sqrt(len(logs))
    mean = np.mean(logs)
    low, high = np.exp(mean - half), np.exp(mean + half)
    return f"{np.exp(mean):.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Reads the command line, and measures what is not in the file yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("arms.jsonl"))
    out = parser.parse_args().out
    lines = out.read_text().splitlines() if out.exists() else []
    done = {(row["arm"], row["data"]) for row in map(json.loads, lines)}
    every = list(development())
    for arm, changes in ARMS.items():
        for data in every:
            smoothed = "training.label_smoothing" in changes and not data.classes
            if (arm, data.name) in done or smoothed:
                continue
            row = {"arm": arm, "data": data.name, "classes": data.classes}
            with out.open("a") as file:
                file.write(json.dumps({**row, **measured(data, changes)}) + "\n")
        print(f"{arm}: done", flush=True)
    show(out)


if __name__ == "__main__":
    main()
