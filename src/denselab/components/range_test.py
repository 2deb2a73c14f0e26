"""The learning rate range test as a callback, which leaves no trace in the model."""

import math
import random
from importlib import import_module
from typing import Any

import keras
import numpy as np
from keras import ops

from denselab.components.suggestions import smooth_losses, suggest_rates
from denselab.errors import UsageError

__all__ = ["LearningRateRangeTest"]


class LearningRateRangeTest(keras.callbacks.Callback):
    r"""Sweeps the learning rate over one `fit`, and puts everything back.

    Over $n$ steps the rate grows from `minimum_rate` to `maximum_rate` by a constant factor,

    $$\eta_k = \eta_{min} \left(\frac{\eta_{max}}{\eta_{min}}\right)^{k / (n - 1)}$$

    and the loss of each batch is recorded. The sweep ends early when the loss diverges. Afterwards
    the model's and the optimizer's variables, the layers' seeds, and the random states of Python,
    NumPy and torch are bit for bit what they were when training began: the next `fit` goes as if
    there had been no test. (On TensorFlow the order in which `fit` shuffles comes from `tf.data`,
    and is not put back.) Where `fit` is interrupted, call `restore`.

    Use it as the only callback, on a built model that was compiled with a number as its rate.
    Batches count, epochs do not: give `fit` as many as the sweep takes, about 100. With
    `steps_per_execution` above 1 there is one rate and one mean loss for each execution.

    Args:
        minimum_rate: First rate, above 0.
        maximum_rate: Last rate, above the first.
        steps: Number of executions in the sweep, from 2; `None` for as many as `fit` has.
        window: Number of neighbouring losses that are averaged, from 1.
        divergence: The sweep ends when the average of the last `window` losses is above so many
            times the lowest such average.

    Attributes:
        rates: The rates that were tried, in order.
        losses: The loss of each; the last may be infinite or NaN.

    Raises:
        UsageError: If an argument is out of range, or the rate cannot be set; when training begins.

    Example:
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.default_rng(0).normal(size=(1000, 4))
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> sweep = LearningRateRangeTest(1e-4, 10.0)
        >>> history = model.fit(x, x.sum(axis=1), batch_size=10, callbacks=[sweep], verbose=0)
        >>> list(sweep.suggestions())
        ['steepest', 'valley', 'minimum/10']
        >>> print(f"{float(model.optimizer.learning_rate.value):.2f}")
        0.01

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3.
    """

    def __init__(
        self,
        minimum_rate: float = 1e-6,
        maximum_rate: float = 10.0,
        *,
        steps: int | None = None,
        window: int = 9,
        divergence: float = 4.0,
    ) -> None:
        super().__init__()
        if not 0 < minimum_rate < maximum_rate:
            raise UsageError(
                f"minimum_rate is {minimum_rate!r}, maximum_rate is {maximum_rate!r}; "
                "give 0 < minimum_rate < maximum_rate, such as 1e-6, 10.0"
            )
        if steps is not None and steps < 2:
            raise UsageError(f"steps is {steps!r}; give a whole number from 2, such as 100")
        if window < 1:
            raise UsageError(f"window is {window!r}; give a whole number from 1, such as 9")
        if not divergence > 1:
            raise UsageError(f"divergence is {divergence!r}; give a factor above 1, such as 4")
        self.minimum_rate = minimum_rate
        self.maximum_rate = maximum_rate
        self.steps = steps
        self.window = window
        self.divergence = divergence
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._planned = 0
        self._lowest = math.inf
        self._before: _Snapshot | None = None

    @property
    def smoothed_losses(self) -> np.ndarray:
        """The losses, smoothed; see `smooth_losses`."""
        return smooth_losses(self.losses, self.window)

    def suggestions(self) -> dict[str, float]:
        """Suggests rates by name; see `suggest_rates`."""
        finite = np.isfinite(self.losses)
        end = len(finite) if finite.all() else int(finite.argmin())
        smoothed = smooth_losses(self.losses[:end], self.window)
        return suggest_rates(self.rates[:end], smoothed)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Remembers the state and plans the sweep."""
        model: Any = self.model
        if not model.built:
            raise UsageError(
                "the model is not built, so there is nothing to put back; "
                "give it a keras.Input, or call model.build with the shape of a batch"
            )
        if not isinstance(model.optimizer.learning_rate, keras.Variable):
            raise UsageError(
                "the optimizer's learning rate is a schedule, which cannot be swept; "
                "compile the model with a number, such as learning_rate=0.01"
            )
        if not model.optimizer.built:  # TensorFlow builds it in the first step only
            model.optimizer.build(model.trainable_variables)
        self._planned = self._planned_steps(model)
        self._before = _Snapshot(model)
        self.rates, self.losses = [], []
        self._lowest = math.inf

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Sets the next rate, and forgets the batches before, so that the loss is this batch's."""
        model: Any = self.model
        progress = len(self.rates) / (self._planned - 1)
        rate = self.minimum_rate * (self.maximum_rate / self.minimum_rate) ** progress
        model.optimizer.learning_rate = rate
        model.reset_metrics()
        self.rates.append(rate)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Records the loss; ends the sweep when it is done or diverges."""
        self.losses.append(float((logs or {})["loss"]))
        if len(self.losses) == self._planned or self._diverges():
            model: Any = self.model
            model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts everything back."""
        self.restore()

    def restore(self) -> None:
        """Puts back what the sweep changed; does nothing the second time."""
        if self._before is not None:
            self._before.restore(self.model)
            self._before = None

    def _planned_steps(self, model: Any) -> int:
        if self.steps is not None:
            return self.steps
        plan: dict[str, Any] = self.params or {}
        batches = plan.get("steps")
        if batches is None:
            raise UsageError(
                "fit does not know how many batches there are; give steps, such as steps=100"
            )
        planned = -(-batches // model.steps_per_execution) * plan["epochs"]
        if planned < 2:
            raise UsageError(
                f"fit has {planned} step, a sweep takes 2 or more; give fit more epochs, "
                "or smaller batches"
            )
        return planned

    def _diverges(self) -> bool:
        if not math.isfinite(self.losses[-1]):
            return True
        if len(self.losses) < self.window:
            return False
        average = sum(self.losses[-self.window :]) / self.window
        self._lowest = min(self._lowest, average)
        # For a negative lowest, such as a log density, "so many times" is counted upwards too.
        return average > self._lowest + (self.divergence - 1) * abs(self._lowest)


class _Snapshot:
    """Everything that training changes, copied."""

    def __init__(self, model: Any) -> None:
        self._variables = [*model.variables, *model.optimizer.variables]
        self._values = [ops.convert_to_numpy(variable.value) for variable in self._variables]
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._torch = _torch_random().get_rng_state() if _on_torch() else None

    def restore(self, model: Any) -> None:
        for variable, value in zip(self._variables, self._values, strict=True):
            variable.assign(value)
        model.reset_metrics()
        model.stop_training = False
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        if self._torch is not None:
            _torch_random().set_rng_state(self._torch)


def _on_torch() -> bool:
    return keras.backend.backend() == "torch"


def _torch_random() -> Any:
    # By name, since torch is an extra that type checks must pass without.
    return import_module("torch").random
