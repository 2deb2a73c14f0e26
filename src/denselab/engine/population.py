"""Trains a population of any Keras model, each member to the bytes it would reach alone."""

import dataclasses
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import jax
import keras
import numpy as np

from denselab.engine.averaging import Averaging
from denselab.engine.member import build_member, is_seed, set_weights, start_from
from denselab.engine.narrow import compile_segment, train_members
from denselab.engine.platform import claim_cores, devices, self_test
from denselab.engine.program import Program
from denselab.engine.rows import shared_arrays, splits_of
from denselab.engine.scalars import initial_state
from denselab.engine.state import (
    DIVERGED,
    FINISHED,
    RUNNING,
    STOPPED,
    Constants,
    MemberState,
    Run,
    Shared,
    Weights,
)
from denselab.engine.stopping import Plateau
from denselab.engine.wide import train_wide
from denselab.errors import UsageError
from denselab.randomness import check_seed, key_data

__all__ = ["Member", "Options", "Population", "train_population"]

_STATUS = {FINISHED: "finished", STOPPED: "stopped", DIVERGED: "diverged"}


class Options(TypedDict, total=False):
    """What `train_population` takes beside model, data and seeds; every entry may be left out.

    Attributes:
        epochs: Passes over the training rows, at most; 50.
        batch_size: Rows a step; 32.
        patience: Epochs without a better validation loss before a member stops; None never stops.
        restore_best: End with the weights of the best epoch; False.
        plateau: A rule that reduces the learning rate; None.
        averaging: From which epoch on weights are averaged (stochastic weight averaging); None. The statistics of
            BatchNormalization are collected anew under the average.
        recalibrate: Whether they are in any case, as they should be where the optimizer has `use_ema=True`; False.
        validation_fraction: Share of the rows that each member holds out by its own seed; 0.
        splits: Training and validation rows of each member, instead of `validation_fraction`.
        standardizations: Mean and scale of each member, applied to x inside the step: (x - mean) * scale.
        initial_weights: Trainable and other weights that each member starts from, as `Member` holds them; its own by
            its seed.
        scalars: Attribute path -> one value a member, such as {"optimizer.learning_rate": [1e-3, 1e-2]}.
        on_epoch: Called after every epoch with place, epoch and logs, on the thread of the member's device;
            True stops that member.
        on_member: Called on the caller's thread with place and `Member` as soon as a member is done.
        on_progress: Called on the caller's thread every second or two with place and number of finished epochs.
        cores: CPU cores to use; all.
        layout: "narrow" trains members one by one on each CPU device, "wide" as one vmap; by device.
    """

    epochs: int
    batch_size: int
    patience: int | None
    restore_best: bool
    plateau: Plateau | None
    averaging: Averaging | None
    recalibrate: bool
    validation_fraction: float
    splits: Sequence[tuple[Any, Any]] | None
    standardizations: Sequence[tuple[Any, Any]] | None
    initial_weights: Sequence[tuple[Sequence[Any], Sequence[Any]]] | None
    scalars: Mapping[str, Sequence[float]] | None
    on_epoch: Callable[[int, int, dict[str, float]], bool | None] | None
    on_member: Callable[[int, "Member"], None] | None
    on_progress: Callable[[int, int], None] | None
    cores: int | None
    layout: str | None


@dataclasses.dataclass(frozen=True)
class Member:
    """One trained network.

    Attributes:
        seed: Its seed.
        status: "finished", "stopped" (by patience or hook) or "diverged" (its loss was not finite).
        trace: Name -> value after each epoch it ran: loss, metrics, their `val_` twins, learning_rate, and seconds,
            the training time from its start to the end of that epoch.
        best_epoch: Epoch with the lowest monitored loss, from 0; -1 if none was finite.
        trainable: Trained weights, in the order of `model.trainable_variables`.
        non_trainable: The other weights, such as moving averages, in the order of `model.non_trainable_variables`.
        standardization: Mean and scale its inputs were standardised by, or None.
    """

    seed: int
    status: str
    trace: dict[str, np.ndarray]
    best_epoch: int
    trainable: list[np.ndarray]
    non_trainable: list[np.ndarray]
    standardization: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs it ran."""
        return len(self.trace["loss"])


@dataclasses.dataclass(frozen=True)
class Population(Sequence[Member]):
    """The trained members, in the order of their seeds.

    Attributes:
        members: The members.
        template: A model of the same program, for code that needs its layers.
        compile_seconds: Time spent on compiling, in seconds; not part of any trace.
        build_model: The function that built them.
        notes: What the engine could not set, one line each.
    """

    members: tuple[Member, ...]
    template: keras.Model
    compile_seconds: float
    build_model: Callable[[], keras.Model]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, place: Any) -> Any:
        return self.members[place]

    def __iter__(self) -> Iterator[Member]:
        return iter(self.members)

    def model(self, place: int) -> keras.Model:
        """Builds a Keras model with the weights of one member.

        Args:
            place: The member's place.

        Returns:
            A compiled model; inputs must be standardised as the member's were.
        """
        member = self.members[place]
        model = self.build_model()
        if not model.built:
            model.build(self.template.input_shape)
        set_weights(model, member.trainable, member.non_trainable)
        return model


def train_population(
    build_model: Callable[[], keras.Model],
    x: Any,
    y: Any,
    *,
    seeds: Sequence[int],
    **options: Unpack[Options],
) -> Population:
    """Trains one network for each seed, side by side in one compiled program.

    The model trains as under `fit`: same loss, same metrics, same optimizer, same batches of the same rows.
    Same seed, same bytes: on a CPU a member depends on its seed and the data alone, not on the other members,
    its place, the number of cores or an interruption.

    Args:
        build_model: Returns a compiled Keras model; called once for each member under that member's seed.
        x: Features, shape (n, ...), or a tree of such arrays. Whole-number features stay as small as they come.
        y: Targets, shape (n, ...).
        seeds: One whole number a member; decides weights, dropout, order of rows and split.
        **options: See `Options`.

    Returns:
        The population.

    Raises:
        UsageError: If an option makes no sense or the model cannot be trained this way.
        KeyboardInterrupt: After Ctrl-C, once every device has finished its segment; members already done
            were handed to `on_member`.

    Example:
        >>> import keras, numpy as np
        >>> def build_model():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
        >>> population = train_population(build_model, x, x @ [[1.0], [2.0]], seeds=[0, 1], epochs=20)
        >>> [bool(member.trace["loss"][-1] < 0.01) for member in population]
        [True, True]
    """
    _check_options(options)
    note = claim_cores()
    self_test()
    seeds = [check_seed(seed) for seed in seeds]
    if not seeds:
        raise UsageError("seeds is empty; give at least one whole number")
    initial = options.get("initial_weights")
    if initial is not None and len(initial) != len(seeds):
        raise UsageError(
            f"initial_weights are those of {len(initial)} members for {len(seeds)} seeds; give one for each seed"
        )
    run = Run(
        **{
            field.name: options[field.name]
            for field in dataclasses.fields(Run)
            if field.name in options
        }
    )
    shared = shared_arrays(x, y)
    size = jax.tree.leaves(shared.x)[0].shape[0]
    example = jax.tree.map(lambda a: a[:1], tuple(shared))
    splits = splits_of(seeds, size, options)
    models = (build_member(build_model, seed, example) for seed in seeds)
    template = next(models)
    program = Program(template, run, len(splits[0][0]), len(splits[0][1]))
    work = []
    for place, seed in enumerate(seeds):
        model = template if place == 0 else next(models)
        work.append((place, *_start(program, model, splits[place], (place, seed, options))))
    recorder = _Recorder(seeds, options, program)
    compile_seconds = _train(program, work, shared, recorder)
    members = tuple(recorder.members[place] for place in range(len(seeds)))
    return Population(members, template, compile_seconds, build_model, (note,) if note else ())


def _train(program: Program, work: list[Any], shared: Shared, recorder: "_Recorder") -> float:
    options = recorder.options
    chosen = devices(options.get("cores"))
    layout = options.get("layout") or ("narrow" if chosen[0].platform == "cpu" else "wide")
    if layout == "wide":
        hooked = options.get("on_epoch") is not None
        return train_wide(
            program, work, shared, device=chosen[0], after=recorder.after, hooked=hooked
        )
    chosen = chosen[: len(work)]
    began = time.perf_counter()
    executables = compile_segment(program, work[0][1:], shared, chosen)
    compile_seconds = time.perf_counter() - began
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for item in work:
        waiting.put(item)
    steps = -(-program.train_size // program.run.batch_size)
    every_epoch = max(steps, program.full_steps + 1) if options.get("on_epoch") else None
    train_members(
        executables, shared, chosen, work=waiting, after=recorder.after, epoch_steps=every_epoch
    )
    return compile_seconds


class _Recorder:
    """Turns states into traces and members as segments end."""

    def __init__(self, seeds: Sequence[int], options: Options, program: Program) -> None:
        self.options = options
        self.members: dict[int, Member] = {}
        self._seeds = seeds
        self._run = program.run
        self._is_seed = [is_seed(variable) for variable in program.model.non_trainable_variables]
        self._steps = program.full_steps + 1
        self._clock: dict[int, list[tuple[float, float]]] = {}

    def after(
        self, place: int, state: MemberState, seconds: float, finish: Callable[[], Weights]
    ) -> tuple[bool, Callable[[], None]]:
        """Notes a segment; says whether a hook wants the member stopped, and what is left to tell."""
        clock = self._clock.setdefault(place, [(0.0, 0.0)])
        epoch, status = int(state.epoch), int(state.status)
        seen = int(clock[-1][0])
        clock.append((epoch + int(state.step) / self._steps, clock[-1][1] + seconds))
        stopped = self._hook(place, state, seen, epoch)
        done = status != RUNNING or stopped
        member = self._member(place, state, finish()) if done else None
        return stopped, lambda: self._tell(place, epoch, member)

    def _tell(self, place: int, epoch: int, member: Member | None) -> None:
        if (progress := self.options.get("on_progress")) is not None:
            progress(place, epoch)
        if member is not None:
            self.members[place] = member
            if (done := self.options.get("on_member")) is not None:
                done(place, member)

    def _hook(self, place: int, state: MemberState, seen: int, epoch: int) -> bool:
        hook = self.options.get("on_epoch")
        if hook is None:
            return False
        trace = {name: np.asarray(values) for name, values in state.trace.items()}
        calls = [
            hook(place, e, {name: float(values[e]) for name, values in trace.items()})
            for e in range(seen, epoch)
        ]
        return any(calls)

    def _member(self, place: int, state: MemberState, weights: Weights) -> Member:
        epochs = int(state.epoch)
        trace = {name: np.asarray(values)[:epochs] for name, values in state.trace.items()}
        progress, seconds = np.array(self._clock[place]).T
        trace["seconds"] = np.interp(np.arange(1, epochs + 1), progress, seconds)
        others = [
            v for v, seed in zip(weights.non_trainable, self._is_seed, strict=True) if not seed
        ]
        standardizations = self.options.get("standardizations")
        return Member(
            seed=self._seeds[place],
            status=_STATUS.get(int(state.status), "stopped"),
            trace=trace,
            best_epoch=int(state.patience.best_epoch),
            trainable=[np.array(value) for value in weights.trainable],
            non_trainable=[np.array(value) for value in others],
            standardization=standardizations[place] if standardizations else None,
        )


def _start(
    program: Program, model: keras.Model, split: tuple[Any, Any], who: tuple[int, int, Options]
) -> tuple[MemberState, Constants]:
    place, seed, options = who
    scalars = {path: values[place] for path, values in (options.get("scalars") or {}).items()}
    initial = options.get("initial_weights")
    if initial is not None:
        start_from(model, *initial[place])
    state, remaining = initial_state(model, scalars)
    standardizations = options.get("standardizations")
    train_rows, validation_rows = split
    constants = Constants(
        order_key=key_data(seed, "order"),
        train_rows=train_rows,
        validation_rows=validation_rows if len(validation_rows) else None,
        standardization=standardizations[place] if standardizations else None,
        scalars=remaining,
    )
    return program.start(state), constants


def _check_options(options: Mapping[str, Any]) -> None:
    unknown = sorted(set(options) - set(Options.__annotations__))
    if unknown:
        import difflib

        near = difflib.get_close_matches(unknown[0], Options.__annotations__, 1)
        hint = (
            f"; did you mean {near[0]!r}?"
            if near
            else f"; options are {', '.join(Options.__annotations__)}"
        )
        raise UsageError(f"train_population has no option {unknown[0]!r}{hint}")
    if not 0 <= options.get("validation_fraction", 0.0) < 1:
        raise UsageError(
            f"validation_fraction must be from 0 to below 1, not {options['validation_fraction']!r}"
        )
    if options.get("layout") not in (None, "narrow", "wide"):
        raise UsageError(f"layout must be 'narrow' or 'wide', not {options['layout']!r}")
