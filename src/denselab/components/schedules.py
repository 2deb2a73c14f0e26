"""The 1cycle policy: learning rate and momentum as functions of the iteration."""

import math
from numbers import Integral
from typing import Any, Literal, get_args

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["Annealing", "OneCycle", "OneCycleMomentum"]

Annealing = Literal["linear", "cosine"]
r"""How a level goes over into the next: along a straight line, or along half a cosine wave.

With the share $t$ of the phase that is done, from level $a$ to level $b$:

$$a + (b - a)\,t \quad\text{(linear)}, \qquad
a + (b - a)\,\frac{1 - \cos \pi t}{2} \quad\text{(cosine)}$$

References:
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, eq. 5 (the
    cosine).
"""


@keras.saving.register_keras_serializable(package="denselab")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    r"""Learning rate that rises to a peak, falls back, and then vanishes.

    With $T$ = `total_steps` and peak $\eta$ there are three phases (the default). The last takes
    $L = \lfloor T / 10 \rfloor + 1$ steps, the others $H = \lfloor (T - L) / 2 \rfloor$ each:

    $$s\,\eta \xrightarrow{\;0 \,\dots\, H\;} \eta \xrightarrow{\;H \,\dots\, 2H\;} s\,\eta
    \xrightarrow{\;2H \,\dots\, T\;} e\,\eta$$

    where $s$ is `start_factor` and $e$ is `end_factor`. With a `warmup_fraction` $w$ there are two:
    $s\,\eta \to \eta$ over $\mathrm{round}(w\,T)$ steps, then $\eta \to e\,\eta$ over the rest.
    From step $T$ on the rate stays at $e\,\eta$.

    `peak_rate` may be replaced by a traced value while a training step is traced, so that networks
    with different rates share one compiled program.

    Args:
        peak_rate: Highest learning rate, above 0.
        total_steps: Number of training steps (batches times epochs), at least 1.
        start_factor: First rate as a share of the peak, above 0 and at most 1.
        end_factor: Last rate as a share of the peak, from 0 to 1.
        annealing: `"linear"` or `"cosine"`; the shape of every phase.
        warmup_fraction: `None` for three phases. For two phases the share of the steps in which the
            rate rises, between 0 and 1; PyTorch takes 0.3, fastai 0.25, both with cosine annealing.

    Raises:
        UsageError: If an argument is outside its range.

    Example:
        >>> rate = OneCycle(peak_rate=0.05, total_steps=1000)
        >>> [round(float(rate(step)), 7) for step in (0, 449, 898, 1000)]
        [0.005, 0.05, 0.005, 5e-06]

        Two phases, each half a cosine wave:

        >>> rate = OneCycle(0.05, 1000, start_factor=0.04, annealing="cosine", warmup_fraction=0.3)
        >>> [round(float(rate(step)), 7) for step in (0, 150, 300, 1000)]
        [0.002, 0.026, 0.05, 5e-06]

    References:
        Smith and Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large
        Learning Rates, 2017, section 3; Smith, A Disciplined Approach to Neural Network
        Hyper-Parameters, 2018, section 4.1.
    """

    def __init__(
        self,
        peak_rate: float,
        total_steps: int,
        *,
        start_factor: float = 0.1,
        end_factor: float = 1e-4,
        annealing: Annealing = "linear",
        warmup_fraction: float | None = None,
    ) -> None:
        _check_cycle(total_steps, annealing, warmup_fraction)
        if not peak_rate > 0:
            raise UsageError(
                f"peak_rate is {peak_rate!r}; give a learning rate above 0, such as 0.05"
            )
        if not 0 < start_factor <= 1:
            raise UsageError(
                f"start_factor is {start_factor!r}; give a share of the peak above 0 and at most 1"
            )
        if not 0 <= end_factor <= 1:
            raise UsageError(f"end_factor is {end_factor!r}; give a share of the peak from 0 to 1")
        self.peak_rate = peak_rate
        self.total_steps = int(total_steps)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.annealing: Annealing = annealing
        self.warmup_fraction = warmup_fraction

    def __call__(self, step: Any) -> Any:
        """Gives the learning rate.

        Args:
            step: Number of training steps done so far; a number or a scalar tensor.

        Returns:
            The rate for the next step, a scalar tensor.
        """
        turns = _turns(self.total_steps, self.warmup_fraction)
        levels = (self.start_factor, 1.0, self.start_factor, self.end_factor)
        if self.warmup_fraction is not None:
            levels = (self.start_factor, 1.0, self.end_factor)
        return ops.multiply(self.peak_rate, _level(step, turns, levels, annealing=self.annealing))

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal schedule."""
        return {
            "peak_rate": self.peak_rate,
            "total_steps": self.total_steps,
            "start_factor": self.start_factor,
            "end_factor": self.end_factor,
            "annealing": self.annealing,
            "warmup_fraction": self.warmup_fraction,
        }


@keras.saving.register_keras_serializable(package="denselab")
class OneCycleMomentum(keras.optimizers.schedules.LearningRateSchedule):
    r"""Momentum that falls while the rate of `OneCycle` rises, and rises while it falls.

    Over the phases of `OneCycle`, with their steps $H$ and $T$:

    $$\mu_{high} \xrightarrow{\;0 \,\dots\, H\;} \mu_{low} \xrightarrow{\;H \,\dots\, 2H\;} \mu_{high}
    \xrightarrow{\;2H \,\dots\, T\;} \mu_{high}$$

    Of two phases the second goes from $\mu_{low}$ to $\mu_{high}$. Keras knows one kind of
    schedule, so this is formally a learning rate schedule; give it to `ScheduledMomentumSGD` as its `momentum`.

    Args:
        total_steps: Number of training steps, the same as in `OneCycle`.
        high: Momentum at the lowest rates, from `low` to below 1.
        low: Momentum at the peak rate, at least 0.
        annealing: `"linear"` or `"cosine"`, the same as in `OneCycle`.
        warmup_fraction: `None` or a share of the steps, the same as in `OneCycle`.

    Raises:
        UsageError: If an argument is outside its range.

    Example:
        >>> momentum = OneCycleMomentum(total_steps=1000)
        >>> [round(float(momentum(step)), 4) for step in (0, 449, 898, 1000)]
        [0.95, 0.85, 0.95, 0.95]

    References:
        Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018, section 4.3.
    """

    def __init__(
        self,
        total_steps: int,
        *,
        high: float = 0.95,
        low: float = 0.85,
        annealing: Annealing = "linear",
        warmup_fraction: float | None = None,
    ) -> None:
        _check_cycle(total_steps, annealing, warmup_fraction)
        if not 0 <= low <= high < 1:
            raise UsageError(
                f"low is {low!r}, high is {high!r}; give 0 <= low <= high < 1, such as 0.85, 0.95"
            )
        self.total_steps = int(total_steps)
        self.high = high
        self.low = low
        self.annealing: Annealing = annealing
        self.warmup_fraction = warmup_fraction

    def __call__(self, step: Any) -> Any:
        """Gives the momentum.

        Args:
            step: Number of training steps done so far; a number or a scalar tensor.

        Returns:
            The momentum for the next step, from `low` to `high`, a scalar tensor.
        """
        turns = _turns(self.total_steps, self.warmup_fraction)
        levels = (self.high, self.low, self.high, self.high)[: len(turns)]
        return _level(step, turns, levels, annealing=self.annealing)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal schedule."""
        return {
            "total_steps": self.total_steps,
            "high": self.high,
            "low": self.low,
            "annealing": self.annealing,
            "warmup_fraction": self.warmup_fraction,
        }


def _check_cycle(total_steps: int, annealing: str, warmup_fraction: float | None) -> None:
    is_count = isinstance(total_steps, Integral) and not isinstance(total_steps, bool)
    if not is_count or total_steps < 1:
        raise UsageError(
            f"total_steps is {total_steps!r}; give a whole number from 1, batches times epochs"
        )
    if annealing not in get_args(Annealing):
        raise UsageError(
            f"annealing is {annealing!r}; give one of {', '.join(get_args(Annealing))}"
        )
    if warmup_fraction is not None and not 0 < warmup_fraction < 1:
        raise UsageError(
            f"warmup_fraction is {warmup_fraction!r}; give a share between 0 and 1 for two phases, "
            "such as 0.3, or None for three"
        )


def _turns(total_steps: int, warmup_fraction: float | None) -> tuple[int, ...]:
    """Gives the steps at which the phases begin and end."""
    if warmup_fraction is not None:
        return 0, round(warmup_fraction * total_steps), total_steps
    last = total_steps // 10 + 1
    half = (total_steps - last) // 2
    return 0, half, 2 * half, total_steps


def _level(
    step: Any, turns: tuple[int, ...], levels: tuple[float, ...], *, annealing: Annealing
) -> Any:
    """Goes from level to level, one phase between two turns; keeps the last level afterwards."""
    step = ops.cast(step, keras.config.floatx())
    value = ops.convert_to_tensor(levels[-1], dtype=step.dtype)
    phases = list(zip(turns[:-1], turns[1:], levels[:-1], levels[1:], strict=True))
    for begin, end, first, last in reversed(phases):
        # A phase without steps (short trainings) is never chosen, but must not divide by 0.
        progress = (step - begin) / max(end - begin, 1)
        if annealing == "cosine":
            wave: Any = ops.cos(math.pi * progress)
            progress = (1 - wave) / 2
        value = ops.where(step < end, first + (last - first) * progress, value)
    return value
