"""The plain network: ELU, He initialization, Nadam, early stopping; one seed, stock Keras.

Run it: python examples/01_plain.py
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

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
    keras.utils.set_random_seed(0)
    model = build_model()
    stopping = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    model.fit(x, y, validation_split=1 / 3, epochs=50, callbacks=[stopping], verbose=0)
    print(f"test accuracy {model.evaluate(test_x, test_y, verbose=0)[1]:.3f}")
