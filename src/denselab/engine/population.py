"""Trains a population of any Keras model, each member to the bytes it would reach alone."""

import dataclasses
import itertools
import logging
import queue
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import jax
import keras

from denselab.engine.checkpoint import (
    Clock,
    Header,
    Saver,
    data_digest,
    header_of,
    misfit,
    restore,
)
from denselab.engine.member import build_member, set_weights, start_from
from denselab.engine.narrow import Work, compile_segment, train_members
from denselab.engine.options import Options, check_options
from denselab.engine.platform import Device, claim_cores, devices, self_test
from denselab.engine.program import Program
from denselab.engine.recorder import Recorder
from denselab.engine.rows import shared_arrays, splits_of
from denselab.engine.scalars import initial_state
from denselab.engine.state import Constants, Member, MemberState, Run, Shared
from denselab.engine.wide import train_wide
from denselab.errors import UsageError
from denselab.randomness import check_seed, key_data

__all__ = ["Population", "train_population"]

_LOGGER = logging.getLogger(__name__)
_CHECKPOINT_SECONDS = 60.0


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
            were handed to `on_member`, checkpoints of the others to `on_checkpoint`.

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
    check_options(options)
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
    work: list[Work] = []
    for place, seed in enumerate(seeds):
        model = template if place == 0 else next(models)
        work.append((place, *_start(program, model, splits[place], (place, seed, options))))
    on = _devices(options)
    start = _go_on(program, work, shared, seeds=seeds, options=options, device=on.kind)
    recorder = _recorder(program, seeds, options, start)
    compile_seconds = _train(program, start.work, shared, on=on, recorder=recorder)
    members = tuple(recorder.members[place] for place in range(len(seeds)))
    notes = (*((note,) if note else ()), *start.notes)
    return Population(members, template, compile_seconds, build_model, notes)


class _Devices(NamedTuple):
    """What members are trained on: devices, one of the two layouts, and the key of programs to keep."""

    chosen: list[Device]
    layout: str
    key: Hashable | None = None

    @property
    def kind(self) -> str:
        return f"{self.chosen[0].platform} {self.layout}"


class _Beginning(NamedTuple):
    """Where members begin: at their first step, or at a checkpoint."""

    work: list[Work]
    headers: list[Header]
    clocks: dict[int, Clock]
    notes: list[str]


def _devices(options: Options) -> _Devices:
    chosen = devices(options.get("cores"))
    layout = options.get("layout") or ("narrow" if chosen[0].platform == "cpu" else "wide")
    return _Devices(chosen, layout, options.get("program_key"))


def _go_on(
    program: Program,
    work: list[Work],
    shared: Shared,
    *,
    seeds: Sequence[int],
    options: Options,
    device: str,
) -> _Beginning:
    """Replaces the states of members that have a checkpoint, and tells why where it cannot be used."""
    checkpoints = options.get("resume") or {}
    if not checkpoints and options.get("on_checkpoint") is None:
        return _Beginning(work, [], {}, [])
    data = data_digest(shared)
    begun = _Beginning([], [], {}, [])
    for place, state, constants in work:
        about = {"seed": seeds[place], "data": data, "device": device}
        begun.headers.append(header_of(program, (state, constants), **about))
        if (checkpoint := checkpoints.get(place)) is not None:
            reason = misfit(checkpoint, begun.headers[place])
            restored = None if reason else restore(checkpoint, state)
            if restored is None:
                reason = reason or "its arrays are not those of this model"
            elif options.get("on_epoch") and int(restored[0].step):
                reason = "it was taken within an epoch, and on_epoch wants whole ones"
            else:
                state, begun.clocks[place] = restored
            if reason:
                begun.notes.append(
                    f"seed {seeds[place]} began anew, its checkpoint could not be used: {reason}"
                )
                _LOGGER.warning(begun.notes[-1])
        begun.work.append((place, state, constants))
    return begun


def _recorder(
    program: Program, seeds: Sequence[int], options: Options, start: _Beginning
) -> Recorder:
    seconds = options.get("checkpoint_seconds", _CHECKPOINT_SECONDS)
    saver = Saver(options.get("on_checkpoint"), seconds, start.headers)
    return Recorder(program, seeds, options, saver=saver, clocks=start.clocks)


def _train(
    program: Program, work: list[Work], shared: Shared, *, on: _Devices, recorder: Recorder
) -> float:
    """Trains the members to their end; gives the seconds spent on compiling."""
    if on.layout == "wide":
        return sum(
            train_wide(program, list(group), shared, on=(on.chosen[0], on.key), watcher=recorder)
            for _, group in itertools.groupby(sorted(work, key=_epoch), key=_epoch)
        )
    chosen = on.chosen[: len(work)]
    began = time.perf_counter()
    executables = compile_segment(program, work[0][1:], shared, chosen, key=on.key)
    compile_seconds = time.perf_counter() - began
    waiting: queue.SimpleQueue[Work] = queue.SimpleQueue()
    for item in work:
        waiting.put(item)
    train_members(executables, shared, chosen, work=waiting, watcher=recorder)
    return compile_seconds


def _epoch(item: Work) -> int:
    return int(item[1].epoch)


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
