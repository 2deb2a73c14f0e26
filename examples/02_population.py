"""The same network under eight seeds at once: how much of a result is the seed?

One change to 01_plain.py: `train_population` instead of `fit`.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from denselab import train_population

x, y = load_digits(return_X_y=True)
x, test_x, y, test_y = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)


def build_model() -> keras.Model:
    """Twenty hidden layers of a hundred units."""
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(20):
        model.add(keras.layers.Dense(100, activation="elu", kernel_initializer="he_normal"))
    model.add(keras.layers.Dense(10))
    model.compile(
        optimizer=keras.optimizers.Nadam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


if __name__ == "__main__":
    population = train_population(
        build_model,
        x,
        y,
        seeds=range(8),
        epochs=50,
        validation_fraction=1 / 3,
        patience=10,
        restore_best=True,
    )
    scores = [population.model(place).evaluate(test_x, test_y, verbose=0)[1] for place in range(8)]
    print(f"test accuracy {np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}, n = 8")
    print("seed by seed:", *(f"{score:.3f}" for score in scores))
