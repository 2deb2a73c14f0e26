"""Stochastic gradient descent whose momentum follows a schedule."""

from typing import Any, Self

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from denselab.errors import UsageError

__all__ = ["ScheduledMomentumSGD"]


@keras.saving.register_keras_serializable(package="denselab")
class ScheduledMomentumSGD(keras.optimizers.Optimizer):
    r"""Gradient descent with a momentum that is a function of the iteration.

    For a weight $w$ with gradient $g$ and velocity $v$, rate $\eta_t$ and momentum $\mu_t$ at
    iteration $t$:

    $$v \leftarrow \mu_t v - \eta_t g, \qquad
    w \leftarrow w + v \quad\text{or, with Nesterov,}\quad w \leftarrow w + \mu_t v - \eta_t g$$

    With a constant momentum these are the steps of `keras.optimizers.SGD`. There the momentum is a
    Python number that is built into the compiled step: on JAX, setting it during `fit` is silently
    ignored. Here it is computed inside the step, so that it acts under `jit`, with any
    `steps_per_execution`, and through `stateless_apply`, where `momentum` may also be replaced by a
    traced value.

    Args:
        learning_rate: A number above 0, or a schedule such as `OneCycle`.
        momentum: A number from 0 to 1, or a schedule such as `OneCycleMomentum`. It counts the same
            iterations as the learning rate's schedule.
        nesterov: Whether to look ahead along the velocity.
        **options: What every Keras optimizer takes: `weight_decay`, `clipnorm`, `use_ema`, …

    Raises:
        UsageError: If the momentum is a number outside 0 to 1, or neither number nor schedule.

    Example:
        >>> from denselab.components import OneCycle, OneCycleMomentum
        >>> optimizer = ScheduledMomentumSGD(OneCycle(0.05, 1000), OneCycleMomentum(1000))
        >>> weight = keras.Variable([1.0])
        >>> optimizer.apply([ops.convert_to_tensor([1.0])], [weight])
        >>> print(f"{float(weight.value[0]):.3f}")
        0.995

    References:
        Sutskever et al., On the Importance of Initialization and Momentum in Deep Learning, 2013,
        equations 1 to 4; Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018,
        section 4.3.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float | LearningRateSchedule = 0.9,
        *,
        nesterov: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, **options)
        if not isinstance(momentum, LearningRateSchedule | int | float):
            raise UsageError(
                f"momentum is {momentum!r}; give a number from 0 to 1 or a schedule "
                "such as OneCycleMomentum"
            )
        if not isinstance(momentum, LearningRateSchedule) and not 0 <= momentum <= 1:
            raise UsageError(f"momentum is {momentum!r}; give a number from 0 to 1, such as 0.9")
        self.momentum = momentum
        self.nesterov = nesterov

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes one velocity for each variable.

        Args:
            variables: The variables to be trained.
        """
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """Moves one variable.

        Args:
            gradient: The loss's gradient, of the variable's shape.
            variable: The variable to move.
            learning_rate: The rate at this iteration, a scalar.
        """
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        momentum = ops.cast(self._current_momentum(), variable.dtype)
        velocity = self.velocities[self._get_variable_index(variable)]
        step = ops.multiply(gradient, rate)
        self.assign(velocity, ops.subtract(ops.multiply(velocity, momentum), step))
        if self.nesterov:
            self.assign_add(variable, ops.subtract(ops.multiply(velocity, momentum), step))
        else:
            self.assign_add(variable, velocity)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal optimizer."""
        momentum = self.momentum
        if isinstance(momentum, LearningRateSchedule):
            momentum = keras.optimizers.schedules.serialize(momentum)
        return {**super().get_config(), "momentum": momentum, "nesterov": self.nesterov}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Self:
        """Makes an optimizer from `get_config`'s answer."""
        momentum = config["momentum"]
        if isinstance(momentum, dict):
            momentum = keras.optimizers.schedules.deserialize(
                momentum, custom_objects=custom_objects
            )
        return super().from_config({**config, "momentum": momentum}, custom_objects=custom_objects)

    def _current_momentum(self) -> Any:
        # `iterations` is divided by gradient_accumulation_steps; Keras gives its rate schedules the
        # undivided count, and momentum has to turn where the rate does.
        if isinstance(self.momentum, LearningRateSchedule):
            return self.momentum(self._iterations)
        return self.momentum
