"""Two recipes over eight seeds, paired: same split, same order of rows, other technique.

One change to 02_population.py: recipes of the ladder instead of a model written by hand.
"""

import numpy as np

from denselab import ladder, load_data, train_recipe
from denselab.data import hold_out_test

if __name__ == "__main__":
    digits = hold_out_test(load_data("digits"))
    plain, batch_norm, *_ = ladder("tuned")
    scores = {}
    for recipe in (plain, batch_norm):
        result = train_recipe(recipe, digits, seeds=range(8))
        scores[recipe.name] = np.array([trial.test.accuracy for trial in result.trials])
        mean, deviation = scores[recipe.name].mean(), scores[recipe.name].std(ddof=1)
        print(f"{recipe.name:10s} test accuracy {mean:.3f} ± {deviation:.3f}, n = 8")
    difference = scores["batch_norm"] - scores["plain"]
    print("batch_norm - plain, seed by seed:", *(f"{value:+.3f}" for value in difference))
