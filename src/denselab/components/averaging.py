"""Averages of the weights along training, and the BatchNormalization statistics that go with them.

Keras has the exponential average: `use_ema=True` in any optimizer averages inside the compiled step
and puts the average in place when `fit` ends; `keras.callbacks.SwapEMAWeights` validates with it.
What Keras lacks is the plain average over epochs, and statistics that fit averaged weights: those
in the model were collected under other weights. Hence, after `fit` with `use_ema=True`, call
`recalibrate_batch_normalization`.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from denselab.errors import UsageError

__all__ = ["StochasticWeightAveraging", "recalibrate_batch_normalization"]


class StochasticWeightAveraging(keras.callbacks.Callback):
    r"""Ends training with the average of the weights after each of the last epochs.

    With the weights $w_e$ after epoch $e$, counted from 0, from `start_epoch` $s$ to the last, $E$:

    $$\bar w = \frac{1}{E - s + 1} \sum_{e=s}^{E} w_e$$

    Train with a constant or cyclic rate in those epochs, so that the weights move around a wide
    minimum. Epochs are validated with their own weights; only the end has the average. Where
    training ends before `start_epoch`, the weights stay as they are.

    Args:
        start_epoch: First epoch to average, counted from 0.
        recalibrate_on: Training inputs, for the statistics of BatchNormalization under the average.
            Needed for a model that has such layers; otherwise `None`.
        batch_size: Rows at once while statistics are collected.

    Attributes:
        averaged_epochs: How many epochs are in the average.

    Raises:
        UsageError: When training begins, if it ends before `start_epoch`, or if the model has
            BatchNormalization and `recalibrate_on` is missing.

    Example:
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.linspace(-1, 1, 8)
        >>> average = StochasticWeightAveraging(start_epoch=3)
        >>> history = model.fit(x, 2 * x, epochs=5, callbacks=[average], verbose=0)
        >>> average.averaged_epochs
        2

    References:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018,
        algorithm 1.
    """

    def __init__(
        self,
        start_epoch: int,
        *,
        recalibrate_on: np.ndarray | None = None,
        batch_size: int = 256,
    ) -> None:
        super().__init__()
        if isinstance(start_epoch, bool) or not isinstance(start_epoch, int) or start_epoch < 0:
            raise UsageError(f"start_epoch is {start_epoch!r}; give a whole number from 0")
        self.start_epoch = start_epoch
        self.recalibrate_on = recalibrate_on
        self.batch_size = batch_size
        self.averaged_epochs = 0
        self._means: list[np.ndarray] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Checks that an average can be taken, and begins a new one."""
        epochs = (self.params or {}).get("epochs", 0)
        if self.start_epoch >= epochs:
            raise UsageError(
                f"start_epoch is {self.start_epoch}, but training has {epochs} epochs; "
                f"give start_epoch below {epochs}"
            )
        if self.recalibrate_on is None and _batch_normalizations(self.model):
            raise UsageError(
                "the model has BatchNormalization, whose statistics would not fit the averaged "
                "weights; give recalibrate_on the training inputs"
            )
        self.averaged_epochs = 0
        self._means = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the epoch's weights to the average."""
        if epoch < self.start_epoch:
            return
        model: Any = self.model
        weights = [_numbers(variable) for variable in model.trainable_variables]
        self.averaged_epochs += 1
        if not self._means:
            self._means = [np.zeros(weight.shape) for weight in weights]
        for mean, weight in zip(self._means, weights, strict=True):
            mean += (weight - mean) / self.averaged_epochs

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the average in place."""
        if not self.averaged_epochs:
            return
        model: Any = self.model
        for variable, mean in zip(model.trainable_variables, self._means, strict=True):
            variable.assign(mean)
        if self.recalibrate_on is not None:
            recalibrate_batch_normalization(model, self.recalibrate_on, batch_size=self.batch_size)


def recalibrate_batch_normalization(
    model: keras.Model, x: np.ndarray, *, batch_size: int = 256
) -> None:
    r"""Sets the moving statistics of BatchNormalization to those of the data under these weights.

    Each layer's mean and variance become those of all rows that pass through it, from the moments
    $\mu_b$, $\sigma_b^2$ of batches $b$ of $n_b$ of the $n$ rows:

    $$\mu = \sum_b \frac{n_b}{n} \mu_b, \qquad
    \sigma^2 = \sum_b \frac{n_b}{n} \big(\sigma_b^2 + \mu_b^2\big) - \mu^2$$

    The batches pass as in training: dropout is active, and a layer's inputs are normalised by the
    batch's own moments in the layers before it. So `batch_size` should not be below the one of the
    training. Seeds are put back; weights, and layers that are not trainable, are left alone.

    Args:
        model: A built model; nothing happens to one without such layers.
        x: Inputs, of shape (rows, ...), at least one row.
        batch_size: Rows at once, at least 1.

    Raises:
        UsageError: If there are no rows, `batch_size` is below 1, or a layer uses `renorm`.

    Example:
        >>> layer = keras.layers.BatchNormalization()
        >>> model = keras.Sequential([keras.Input((1,)), layer])
        >>> recalibrate_batch_normalization(model, np.array([[1.0], [2.0], [6.0]]), batch_size=2)
        >>> [round(float(v.value[0]), 3) for v in (layer.moving_mean, layer.moving_variance)]
        [3.0, 4.667]

    References:
        Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, 2018,
        section 3.2.
    """
    layers = _batch_normalizations(model)
    if not len(x) or batch_size < 1:
        raise UsageError(
            f"there are {len(x)} rows and batch_size is {batch_size!r}; give one or more of both"
        )
    renormalized = [layer.name for layer in layers if layer.renorm]
    if renormalized:
        raise UsageError(
            f"layers {', '.join(renormalized)} use renorm, which keeps other statistics; "
            "make them with renorm=False"
        )
    if not layers:
        return
    others: list[Any] = list(model.non_trainable_variables)
    before = [_numbers(variable) for variable in others]
    try:
        moments = _moments(model, layers, x, batch_size)
    finally:
        for variable, value in zip(others, before, strict=True):
            variable.assign(value)
    for layer, (mean, square) in zip(layers, moments, strict=True):
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(np.maximum(square - mean**2, 0))


def _batch_normalizations(model: Any) -> list[Any]:
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]


def _moments(
    model: Any, layers: list[Any], x: np.ndarray, batch_size: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Collects the mean and the mean square of what passes through each layer."""
    totals = [
        (np.zeros(layer.moving_mean.shape), np.zeros(layer.moving_mean.shape)) for layer in layers
    ]
    momenta = [layer.momentum for layer in layers]
    try:
        # With momentum 0 a layer's moving statistics are those of its last batch.
        for layer in layers:
            layer.momentum = 0.0
        for begin in range(0, len(x), batch_size):
            batch = x[begin : begin + batch_size]
            model(ops.convert_to_tensor(batch), training=True)
            for layer, (mean, square) in zip(layers, totals, strict=True):
                batch_mean = _numbers(layer.moving_mean)
                mean += batch_mean * (len(batch) / len(x))
                square += (_numbers(layer.moving_variance) + batch_mean**2) * (len(batch) / len(x))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    return totals


def _numbers(variable: Any) -> np.ndarray:
    numbers: Any = ops.convert_to_numpy(variable.value)
    return numbers.astype("float64") if np.issubdtype(numbers.dtype, np.floating) else numbers
