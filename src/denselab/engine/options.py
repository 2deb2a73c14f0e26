"""What `train_population` may be asked for."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypedDict

from denselab.engine.averaging import Averaging
from denselab.engine.checkpoint import Checkpoint
from denselab.engine.state import Member
from denselab.engine.stopping import Plateau
from denselab.errors import UsageError

__all__ = ["Options", "check_options"]


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
        scalars: Attribute path -> one value a member, such as {"optimizer.learning_rate": [1e-3, 1e-2]}; a value may
            be an array, such as the factors of the classes in a loss.
        on_epoch: Called after every epoch with place, epoch and logs, on the thread of the member's device;
            True stops that member.
        on_member: Called on the caller's thread with place and `Member` as soon as a member is done.
        on_progress: Called on the caller's thread every second or two with place and number of finished epochs.
        on_checkpoint: Called on the caller's thread with place and `Checkpoint`, about every `checkpoint_seconds` of a
            member's training. After Ctrl-C on a CPU, members that are not done are handed over once more, within a
            few seconds; in the wide layout checkpoints come at the ends of epochs only.
        checkpoint_seconds: How much of a member's training may be lost; 60.
        resume: Place -> the checkpoint that this member goes on from, to the bytes that it would have reached anyhow.
            One that was taken with other data, options, libraries or kind of device is not used: a note says so,
            and the member begins anew. Give the same `build_model`.
        cores: CPU cores to use; all.
        program_key: Names all that `build_model` builds, but for what is a variable or among the scalars. The compiled
            program is then kept in memory, and a later training of equal key, run and shapes uses it.
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
    scalars: Mapping[str, Sequence[Any]] | None
    on_epoch: Callable[[int, int, dict[str, float]], bool | None] | None
    on_member: Callable[[int, Member], None] | None
    on_progress: Callable[[int, int], None] | None
    on_checkpoint: Callable[[int, Checkpoint], None] | None
    checkpoint_seconds: float
    resume: Mapping[int, Checkpoint] | None
    cores: int | None
    program_key: Hashable | None
    layout: str | None


def check_options(options: Mapping[str, Any]) -> None:
    """Refuses options that make no sense.

    Args:
        options: As they came.

    Raises:
        UsageError: If one is unknown or out of its range.
    """
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
    if not options.get("checkpoint_seconds", 60.0) > 0:
        raise UsageError(
            f"checkpoint_seconds must be above 0, not {options['checkpoint_seconds']!r}"
        )
    if options.get("layout") not in (None, "narrow", "wide"):
        raise UsageError(f"layout must be 'narrow' or 'wide', not {options['layout']!r}")
