"""Do adaptive draws keep their promise on real data?

`predict_draws(..., until=0.01)` stops a row when the standard errors of its class probabilities are at most
0.01; its 95 % interval should then hold what very many draws would say in 95 of 100 cases. Here it is held
against 10,000 draws of another seed, for every class of every row, and for the class predicted.

    python benchmarks/adaptive.py studies/NAME/models/alpha_dropout.keras cifar10 --data-dir COPY --rows 2000
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from denselab.data import hold_out_test, load
from denselab.training import load_model
from denselab.uncertainty import predict_draws


def main() -> None:
    """Prints coverage and the number of draws it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--until", type=float, default=0.01)
    asked = parser.parse_args()

    data = hold_out_test(load(asked.data, data_dir=asked.data_dir))
    assert data.test_x is not None
    x = data.test_x[: asked.rows]
    model = load_model(asked.model).model
    few: Any = predict_draws(model, x, until=asked.until, seed=1)
    many: Any = predict_draws(model, x, draws=10_000, seed=2)
    low, high = few.interval(0.95)
    # What 10,000 draws say has an error of its own; a class is missed if it lies beyond both.
    inside = (low <= many.probabilities) & (many.probabilities <= high)
    top = inside[np.arange(len(x)), few.classes]
    used = np.percentile(few.draws_used, [50, 90, 100]).astype(int)
    print(f"{asked.model.name} on {len(x):,} test rows of {asked.data}, target {asked.until:g}")
    print(
        f"covered: {100 * inside.mean():.2f} % of all classes, {100 * top.mean():.2f} % of predicted ones"
    )
    print(f"draws: median {used[0]:,}, nine rows of ten {used[1]:,}, most {used[2]:,}")
    print(f"rows that met the target: {100 * few.converged.mean():.2f} %")


if __name__ == "__main__":
    main()
