"""The compiled program: steps, epochs and stopping of one member, as pure functions of arrays.

`Program` holds a Keras model as a template. Its methods run `train_step` and `test_step` of that model, the
very functions `fit` runs, on arrays instead of variables. `segment` trains one member for a number of steps;
`span` and `end_epoch` are its two halves, which a wide `vmap` over members drives from the host.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras.src.backend import StatelessScope

from denselab.engine.averaging import (
    AverageState,
    batch_normalizations,
    exponential_average,
    include,
    keeps_exponential_average,
    recalibrated,
)
from denselab.engine.member import ModelState
from denselab.engine.scalars import set_scalars
from denselab.engine.state import (
    DIVERGED,
    FINISHED,
    RUNNING,
    STOPPED,
    Constants,
    EpochData,
    MemberState,
    Run,
    Shared,
    Weights,
)
from denselab.engine.stopping import Patience, Plateau, PlateauState, improve, reduce_rate
from denselab.errors import UsageError

__all__ = ["Program", "prepare"]

_VALIDATION_CHUNK = 512
_RECALIBRATION_CHUNK = 256


@dataclasses.dataclass(frozen=True)
class Program:
    """One compiled program: a template model and a run.

    Attributes:
        model: A built and compiled Keras model; only its code is used, never its values.
        run: Epochs, batch size and stopping.
        train_size: Training rows of every member.
        validation_size: Validation rows of every member; 0 for none.
    """

    model: keras.Model
    run: Run
    train_size: int
    validation_size: int

    @property
    def full_steps(self) -> int:
        """Steps of an epoch on a whole batch."""
        return self.train_size // self.run.batch_size

    def start(self, state: ModelState) -> MemberState:
        """Makes the state of a member before its first step.

        Args:
            state: The model's initial variables.

        Returns:
            The member's state on the host.
        """
        zero = np.int32(0)
        blank = np.full(self.run.epochs, np.nan, np.float32)
        return MemberState(
            model=state,
            best=(list(state.trainable), list(state.non_trainable))
            if self.run.restore_best
            else None,
            patience=Patience(np.float32(np.inf), np.int32(-1), zero),
            plateau=PlateauState(np.float32(np.inf), zero),
            epoch=zero,
            step=zero,
            status=np.int32(RUNNING),
            trace={name: blank.copy() for name in self._trace_names()},
            average=AverageState(zero, [np.zeros_like(weight) for weight in state.trainable])
            if self.run.averaging
            else None,
        )

    def segment(
        self, state: MemberState, constants: Constants, shared: Shared, budget: Any
    ) -> MemberState:
        """Trains one member for at most `budget` steps, over as many epochs as they reach.

        Args:
            state: The member before; its buffers may be donated.
            constants: The member's rows, key and scalars.
            shared: The data.
            budget: Steps, at least 1; the step that ends an epoch counts as one.

        Returns:
            The member after; unchanged if it was not running.
        """

        def running(carry: tuple[MemberState, Any]) -> Any:
            return (carry[0].status == RUNNING) & (carry[1] > 0)

        def proceed(carry: tuple[MemberState, Any]) -> tuple[MemberState, Any]:
            member, left = carry
            order = self.order(constants, member.epoch)
            last = jnp.minimum(member.step + left, self.full_steps)
            left = left - (last - member.step)
            data = EpochData(constants, shared, order)
            member = self.span(member, data, member.step, last)
            ends = (last == self.full_steps) & (left > 0)
            member = jax.lax.cond(ends, lambda m: self.end_epoch(m, data), lambda m: m, member)
            return member, left - ends.astype(jnp.int32)

        return jax.lax.while_loop(running, proceed, (state, jnp.asarray(budget, jnp.int32)))[0]

    def order(self, constants: Constants, epoch: Any) -> Any:
        """Shuffles the member's training rows for one epoch.

        Args:
            constants: The member's key and rows.
            epoch: Epoch number, from 0.

        Returns:
            Row numbers, shape (train_size,), a function of seed and epoch alone.
        """
        key = jax.random.fold_in(jax.random.wrap_key_data(constants.order_key), epoch)
        return constants.train_rows[jax.random.permutation(key, self.train_size)]

    def span(self, state: MemberState, data: EpochData, first: Any, last: Any) -> MemberState:
        """Takes the whole batches from `first` up to `last` of the member's epoch.

        Args:
            state: The member before.
            data: What the member trains on in this epoch.
            first: Step to begin with; 0 begins the epoch.
            last: Step to stop before.

        Returns:
            The member at step `last`.
        """
        if self.full_steps == 0:
            return state._replace(step=jnp.asarray(last, jnp.int32))

        def step(i: Any, model: ModelState) -> ModelState:
            start = i * self.run.batch_size
            rows = jax.lax.dynamic_slice_in_dim(data.order, start, self.run.batch_size)
            return self._train(model, data, rows)

        # A new epoch starts with empty metrics, as under `fit`.
        fresh = first == 0
        model = state.model._replace(
            metrics=[
                jnp.where(fresh, blank, value)
                for blank, value in zip(self._blank_metrics(), state.model.metrics, strict=True)
            ]
        )
        model = jax.lax.fori_loop(first, last, step, model)
        return state._replace(model=model, step=jnp.asarray(last, jnp.int32))

    def end_epoch(self, state: MemberState, data: EpochData) -> MemberState:
        """Takes the shorter last batch, validates, records the epoch and decides whether to go on.

        Args:
            state: The member after the epoch's whole batches.
            data: What the member trains on in this epoch.

        Returns:
            The member at the start of its next epoch, or no longer running.
        """
        model = state.model
        if self.full_steps == 0:
            model = model._replace(metrics=self._blank_metrics())
        rest = self.full_steps * self.run.batch_size
        if rest < self.train_size:
            model = self._train(model, data, data.order[rest:])
        logs = self._results(model.metrics)
        logs["learning_rate"] = self._learning_rate(model, data.constants)
        if self.validation_size:
            model, validation = self._validate(model, data)
            logs |= {f"val_{name}": value for name, value in validation.items()}
        return self._decide(state._replace(model=model), logs)

    def _decide(self, state: MemberState, logs: dict[str, Any]) -> MemberState:
        run, epoch = self.run, state.epoch
        trace = {name: state.trace[name].at[epoch].set(logs[name]) for name in state.trace}
        monitored = logs.get("val_loss", logs["loss"])
        patience, better = improve(state.patience, monitored, epoch)
        best = state.best
        if best is not None:
            current = (state.model.trainable, state.model.non_trainable)
            best = jax.lax.cond(better, lambda: current, lambda: state.best)
        plateau, model = state.plateau, state.model
        if run.plateau is not None:
            plateau, model = self._reduce(run.plateau, state, monitored)
        status = jnp.where(epoch + 1 >= run.epochs, FINISHED, RUNNING)
        if run.patience is not None:
            status = jnp.where((patience.wait >= run.patience) & (epoch > 0), STOPPED, status)
        status = jnp.where(jnp.isfinite(logs["loss"]), status, DIVERGED).astype(jnp.int32)
        step = jnp.zeros_like(state.step)
        average = state.average
        if average is not None and run.averaging is not None:
            due = epoch >= run.averaging.start_epoch
            average = include(average, state.model.trainable, due=due)
        return MemberState(model, best, patience, plateau, epoch + 1, step, status, trace, average)

    @property
    def finishes(self) -> bool:
        """Whether a member's last weights are not yet its final ones."""
        return (
            self.run.averaging is not None
            or self.run.recalibrate
            or keeps_exponential_average(self.model)
        )

    def finish(self, state: MemberState, constants: Constants, shared: Shared) -> Weights:
        """Gives a member its final weights, in the order in which `fit` and its callbacks do.

        The optimizer's exponential average comes first; the weights of the best epoch replace it, as under
        `keras.callbacks.EarlyStopping`; so does the average over epochs; then come the statistics.

        Args:
            state: The member after its last epoch.
            constants: Its rows and scalars.
            shared: The data.

        Returns:
            The final weights.
        """
        model, run, average = state.model, self.run, state.average
        if not self.finishes:
            restored = state.best if int(state.patience.best_epoch) >= 0 else None
            return Weights(*(restored or (model.trainable, model.non_trainable)))
        trainable = exponential_average(self.model, model.trainable, model.optimizer)
        weights, due = (trainable, model.non_trainable), run.recalibrate
        if state.best is not None:
            found = state.patience.best_epoch >= 0
            weights = jax.lax.cond(found, lambda: state.best, lambda: weights)
        if average is not None:
            taken = average.count > 0
            averaged = jax.lax.cond(taken, lambda: average.means, lambda: weights[0])
            weights, due = (averaged, weights[1]), run.recalibrate | taken
        if not (run.recalibrate or average) or not batch_normalizations(self.model):
            return Weights(*weights)
        with set_scalars(self.model, constants.scalars):
            fresh = recalibrated(
                self.model,
                *weights,
                rows=constants.train_rows,
                batch_size=max(_RECALIBRATION_CHUNK, run.batch_size),
                features=lambda rows: self._batch(EpochData(constants, shared, rows), rows)[0],
            )
        return Weights(weights[0], jax.lax.cond(due, lambda: fresh, lambda: weights[1]))

    def _reduce(
        self, rule: Plateau, state: MemberState, monitored: Any
    ) -> tuple[PlateauState, ModelState]:
        place = _rate_place(self.model)
        optimizer = list(state.model.optimizer)
        plateau, optimizer[place] = reduce_rate(
            rule, state.plateau, value=monitored, rate=optimizer[place]
        )
        return plateau, state.model._replace(optimizer=optimizer)

    def _train(self, model: ModelState, data: EpochData, rows: Any) -> ModelState:
        with set_scalars(self.model, data.constants.scalars):
            _, state = self.model.train_step(tuple(model), self._batch(data, rows))
        return ModelState(*state)

    def _validate(self, model: ModelState, data: EpochData) -> tuple[ModelState, dict[str, Any]]:
        def test(state: tuple[Any, Any], rows: Any) -> tuple[Any, Any]:
            with set_scalars(self.model, data.constants.scalars):
                _, changed = self.model.test_step(
                    (model.trainable, *state), self._batch(data, rows)
                )
            return changed[1], changed[2]

        size = min(_VALIDATION_CHUNK, self.validation_size)
        whole = self.validation_size // size
        rows = data.constants.validation_rows
        assert rows is not None
        state = (model.non_trainable, self._blank_metrics())
        state = jax.lax.fori_loop(
            0,
            whole,
            lambda i, s: test(s, jax.lax.dynamic_slice_in_dim(rows, i * size, size)),
            state,
        )
        if whole * size < self.validation_size:
            state = test(state, rows[whole * size :])
        return model._replace(non_trainable=state[0]), self._results(state[1])

    def _batch(self, data: EpochData, rows: Any) -> tuple[Any, Any]:
        x = jax.tree.map(lambda a: a[rows], data.shared.x)
        y = jax.tree.map(lambda a: a[rows], data.shared.y)
        return prepare(self.model, x, data.constants.standardization), y

    def _blank_metrics(self) -> list[Any]:
        with StatelessScope() as scope:
            self.model.reset_metrics()
        values = []
        for variable in self.model.metrics_variables:
            value = scope.get_current_value(variable)
            values.append(
                jnp.zeros(variable.shape, variable.dtype) if value is None else jnp.asarray(value)
            )
        return values

    def _results(self, metrics: list[Any]) -> dict[str, Any]:
        with StatelessScope(list(zip(self.model.metrics_variables, metrics, strict=True))):
            results = self.model.get_metrics_result()
        return {name: jnp.asarray(value, jnp.float32) for name, value in results.items()}

    def _learning_rate(self, model: ModelState, constants: Constants) -> Any:
        optimizer = self.model.optimizer
        pairs = list(zip(optimizer.variables, model.optimizer, strict=True))
        with set_scalars(self.model, constants.scalars), StatelessScope(pairs):
            return jnp.asarray(keras.ops.convert_to_tensor(optimizer.learning_rate), jnp.float32)

    def _trace_names(self) -> list[str]:
        blank = jax.eval_shape(lambda: self._results(self._blank_metrics()))
        names = [*blank, "learning_rate"]
        return names + [f"val_{name}" for name in blank] if self.validation_size else names


def prepare(model: keras.Model, x: Any, standardization: tuple[Any, Any] | None) -> Any:
    """Casts features to the model's input dtype and standardises them.

    Args:
        model: The model that will see them.
        x: Features, an array or a tree of arrays, rows first.
        standardization: Mean and scale of the feature shape, or None.

    Returns:
        (x - mean) * scale, or x, as float.
    """
    inputs = getattr(model, "inputs", None) or []
    dtypes = {tensor.dtype for tensor in inputs} or {keras.config.floatx()}
    if len(dtypes) == 1:
        dtype = dtypes.pop()
        x = jax.tree.map(lambda a: a.astype(dtype), x)
    if standardization is not None:
        mean, scale = standardization
        x = (x - mean) * scale
    return x


def _rate_place(model: keras.Model) -> int:
    rate = model.optimizer._learning_rate
    for place, variable in enumerate(model.optimizer.variables):
        if variable is rate:
            return place
    raise UsageError(
        "a plateau rule needs a learning rate it can change, but this optimizer follows a schedule; use one of them"
    )
