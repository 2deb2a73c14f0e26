"""Learning rates that suit a recipe on some data, found before the training proper."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
import numpy as np

from denselab.components import LearningRateRangeTest, smooth_losses, suggest_rates
from denselab.data import Dataset, split, standardization
from denselab.engine import claim_cores, train_population
from denselab.engine.member import own_randomness
from denselab.errors import DataError, UsageError
from denselab.randomness import check_seed
from denselab.recipes import Recipe, apply_settings
from denselab.training.network import build_network, compile_network
from denselab.training.targets import TargetScale

__all__ = ["RateSweep", "Sweep", "SweepPlan", "sweep_rates"]

Sweep = Literal["range", "population", "auto"]
"""range: one training whose rate grows; population: one short training for each rate, side by side."""

_WINDOW = 9
_PASSES = 4
_RATES_A_DECADE = 2
_FEWEST_RATES = 9

OnStep = Callable[[int, int], None]
"""Called with what is done so far and what there is to do: steps of a range test, trainings of a population."""


@dataclasses.dataclass(frozen=True)
class SweepPlan:
    """Which rates are tried, and how.

    Attributes:
        lowest: First rate, above 0.
        highest: Last rate, above the first.
        steps: Steps of the whole sweep if it is a range test, of each training if it is a population.
        sweep: "range", "population", or "auto", which is the faster one: "range".

    Raises:
        UsageError: If rates or steps make no sense.
    """

    lowest: float = 1e-7
    highest: float = 10.0
    steps: int = 200
    sweep: Sweep = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.lowest < self.highest < math.inf:
            raise UsageError(
                f"rates from {self.lowest:g} to {self.highest:g}: give 0 < from < to, such as 1e-7 and 10"
            )
        if not 20 <= self.steps <= 100_000:
            raise UsageError(f"{self.steps} steps: give from 20 to 100,000, such as 200")
        if self.sweep not in get_args(Sweep):
            raise UsageError(f"sweep {self.sweep!r}: give one of {', '.join(get_args(Sweep))}")

    def population_rates(self) -> np.ndarray:
        """Lists the rates of a population: two a decade, nine or more.

        Example:
            >>> SweepPlan(1e-3, 10.0).population_rates().round(4).tolist()[:3]
            [0.001, 0.0032, 0.01]
        """
        decades = math.log10(self.highest / self.lowest)
        count = max(_FEWEST_RATES, round(_RATES_A_DECADE * decades) + 1)
        return np.geomspace(self.lowest, self.highest, count)


@dataclasses.dataclass(frozen=True)
class RateSweep:
    """What a sweep over learning rates found.

    Attributes:
        recipe: Name of the recipe.
        sweep: How it was done, "range" or "population".
        rates: The rates that were tried, rising; a range test ends where the loss diverges.
        losses: Training loss at each; infinite where a training diverged.
        smoothed: The same, smoothed.
        seconds: Time it took, with compiling.
    """

    recipe: str
    sweep: str
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    seconds: float

    def suggestions(self) -> dict[str, float]:
        """Suggests rates by name.

        A range test suggests by `denselab.components.suggest_rates`. In a population every rate has had its
        own training, so the rate of lowest loss is one to train at: `minimum`, and `minimum/3`, half a decade
        below it, for a training that is long.

        Returns:
            Name -> learning rate.

        Raises:
            DataError: If the loss never fell.
        """
        if self.sweep == "range":
            return suggest_rates(self.rates, self.smoothed)
        lowest = int(self.smoothed.argmin())
        if lowest == 0:
            raise DataError(
                f"no rate above the first, {self.rates[0]:.2g}, trained to a lower loss; begin the sweep at a lower "
                "rate, or look for what keeps the network from learning"
            )
        rate = float(self.rates[lowest])
        return {"minimum": rate, "minimum/3": rate / 3}


def sweep_rates(
    recipe: Recipe,
    dataset: Dataset,
    *,
    seed: int = 0,
    plan: SweepPlan | None = None,
    on_step: OnStep | None = None,
) -> RateSweep:
    r"""Trains a recipe shortly at many learning rates and records the training loss at each.

    The network, its first weights, its split and its preprocessing are those `train_recipe` has under this
    seed; the recipe's own rate, its schedule and its averages do not count. No test row is looked at.

    A range test is one training whose rate grows by a constant factor a step
    (`denselab.components.LearningRateRangeTest`). A population trains anew at every rate, half a decade
    apart, and takes the mean loss of its last epoch; where an epoch is longer than that, it trains on
    fewer rows, four times. It does not confuse a rate with what the rates before it have learned.

    Args:
        recipe: What to train; with a schedule, the rate that is sought is its highest one.
        dataset: Classification data.
        seed: Decides split, first weights, order of rows and dropout.
        plan: Which rates, and how; by default 1e-7 to 10 in a range test of 200 steps.
        on_step: Called as the sweep goes on.

    Returns:
        Rates and losses.

    Raises:
        UsageError: If the recipe trains nothing, or the data has no classes.

    Example:
        >>> from denselab.data import load
        >>> from denselab.recipes import load_recipe
        >>> small = load_recipe("plain", preset="tuned", settings=["network.depth=2"])
        >>> found = sweep_rates(small, load("digits"), plan=SweepPlan(1e-5, 10.0, steps=100))
        >>> list(found.suggestions())
        ['steepest', 'valley', 'minimum/10']

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3.
    """
    plan = plan or SweepPlan()
    seed = check_seed(seed)
    _check(recipe, dataset)
    claim_cores()
    constant = apply_settings(
        recipe, {"schedule.kind": "constant", "training.ema": None, "training.swa_start": None}
    )
    began = time.perf_counter()
    way = _population if plan.sweep == "population" else _range
    rates, losses, smoothed = way(constant, dataset, seed=seed, plan=plan, on_step=on_step)
    name = "population" if way is _population else "range"
    return RateSweep(recipe.name, name, rates, losses, smoothed, time.perf_counter() - began)


def _range(
    recipe: Recipe, dataset: Dataset, *, seed: int, plan: SweepPlan, on_step: OnStep | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, _ = _split(recipe, dataset, seed)
    x = dataset.x.reshape(dataset.n, -1)[rows].astype(np.float32)
    if recipe.preprocessing.scaling == "standard":
        mean, scale = standardization(dataset.x.reshape(dataset.n, -1), rows)
        x = (x - mean) * scale
    test = LearningRateRangeTest(plan.lowest, plan.highest, steps=plan.steps, window=_WINDOW)
    batch_size = recipe.training.batch_size
    with own_randomness(seed):
        model: Any = _model(recipe, dataset, len(rows))  # Keras annotates verbose as text alone
        model.fit(
            x,
            TargetScale.of(dataset).standardise(dataset.y[rows]),
            batch_size=batch_size,
            epochs=-(-plan.steps // -(-len(rows) // batch_size)),
            callbacks=[test, _Steps(plan.steps, on_step)],
            verbose=0,
        )
    losses = np.array(test.losses)
    return np.array(test.rates), losses, _smoothed(losses)


def _smoothed(losses: np.ndarray) -> np.ndarray:
    """Smooths up to the first loss that is not finite."""
    broken = np.flatnonzero(~np.isfinite(losses))
    end = int(broken[0]) if broken.size else len(losses)
    return np.concatenate(
        [smooth_losses(losses[:end], _WINDOW), np.full(len(losses) - end, np.inf)]
    )


def _population(
    recipe: Recipe, dataset: Dataset, *, seed: int, plan: SweepPlan, on_step: OnStep | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rates = plan.population_rates()
    rows, _ = _split(recipe, dataset, seed)
    x = dataset.x.reshape(dataset.n, -1)
    standard = recipe.preprocessing.scaling == "standard"
    standardizations = [standardization(x, rows)] * len(rates) if standard else None
    batch_size = recipe.training.batch_size
    # Rows come in the order of their numbers; every so many of them are as good as a random part.
    most = max(1, plan.steps // _PASSES) * batch_size
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    done = 0

    def note(place: int, member: Any) -> None:
        nonlocal done
        done += 1
        if on_step is not None:
            on_step(done, len(rates))

    population = train_population(
        lambda: _model(recipe, dataset, len(rows)),
        x,
        TargetScale.of(dataset).standardise(dataset.y),
        seeds=[seed] * len(rates),
        splits=[(rows, rows[:0])] * len(rates),
        standardizations=standardizations,
        epochs=-(-plan.steps // -(-len(rows) // batch_size)),
        batch_size=batch_size,
        scalars={"optimizer.learning_rate": list(rates)},
        on_member=note,
    )
    losses = np.array([_last_loss(member) for member in population])
    return rates, losses, losses


def _last_loss(member: Any) -> float:
    loss = float(member.trace["loss"][-1])
    return loss if member.status != "diverged" and math.isfinite(loss) else math.inf


class _Steps(keras.callbacks.Callback):
    """Tells how far the sweep is; changes nothing."""

    def __init__(self, steps: int, on_step: OnStep | None) -> None:
        super().__init__()
        self._steps, self._on_step, self._done = steps, on_step, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._done += 1
        if self._on_step is not None:
            self._on_step(self._done, self._steps)


def _model(recipe: Recipe, dataset: Dataset, train_rows: int) -> keras.Model:
    network = build_network(
        recipe,
        features=dataset.features,
        classes=dataset.classes or 1,
        training=True,
        train_rows=train_rows,
    )
    return compile_network(network, recipe, train_rows=train_rows, task=dataset.task)


def _split(recipe: Recipe, dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    training = recipe.training
    return split(
        dataset.y,
        seed=seed,
        fraction=training.validation_fraction,
        stratified=training.stratified,
        task=dataset.task,
    )


def _check(recipe: Recipe, dataset: Dataset) -> None:
    if dataset.classes is None and recipe.training.mixup:
        raise UsageError(
            f"recipe {recipe.name} has training.mixup = {recipe.training.mixup:g}, and {dataset.name} is a "
            "regression; set it to 0"
        )
    if recipe.weights_from is not None:
        raise UsageError(
            f"recipe {recipe.name} trains nothing; find the rate of {recipe.weights_from}, whose weights it takes"
        )
