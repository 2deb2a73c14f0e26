"""The compiled side of pruning by magnitude: when it is due, how many weights go, and which."""

import itertools
import math
from typing import Any

import keras

from denselab.sparsity.masks import Scope
from denselab.sparsity.schedules import GradualPruning, ProximalL1

__all__ = ["schedule_share", "smallest_removed", "traced_zero_count"]

_PARTS = 10**6
ops: Any = keras.ops  # Untyped: its annotations allow None for every result.


def schedule_share(rule: GradualPruning | ProximalL1, step: Any, final: Any) -> tuple[Any, Any]:
    """Says whether an update is followed by a pruning, and to which share.

    Args:
        rule: The rule; `ProximalL1` prunes once, at its end.
        step: Number of updates so far, a whole-number scalar.
        final: The final share, a scalar.

    Returns:
        Whether it is due, and the share of zeros, both scalars.
    """
    last = rule.end
    assert last is not None
    at_end = ops.equal(step, last)
    if isinstance(rule, ProximalL1) or rule.begin == rule.end:
        return at_end, ops.convert_to_tensor(final)
    since = step - rule.begin
    regular = ops.logical_and(since >= 0, ops.equal(ops.mod(since, rule.frequency), 0))
    due = ops.logical_and(step <= last, ops.logical_or(regular, at_end))
    progress = ops.cast(since, "float32") / float(last - rule.begin)
    remaining = ops.power(1.0 - ops.clip(progress, 0.0, 1.0), rule.power)
    start = ops.minimum(rule.initial_sparsity, final)
    return due, final + (start - final) * remaining


def smallest_removed(
    masks: list[Any], kernels: list[Any], *, due: Any, share: Any, scope: Scope
) -> list[Any]:
    """Makes new masks where they are due.

    Args:
        masks: The masks so far, booleans.
        kernels: The kernels, with zeros where they are pruned already, so that these go first.
        due: Whether to make new ones, a scalar.
        share: Share of zeros, a scalar.
        scope: "layer" or "global".

    Returns:
        The masks, with exactly the share of `False` if it was due.
    """

    def choose() -> list[Any]:
        sizes = [ops.absolute(ops.reshape(kernel, (-1,))) for kernel in kernels]
        if scope == "layer":
            kept = [_largest(size, share) for size in sizes]
        else:
            together = _largest(ops.concatenate(sizes), share)
            ends = list(itertools.accumulate(math.prod(kernel.shape) for kernel in kernels))
            kept = [together[begin:end] for begin, end in itertools.pairwise([0, *ends])]
        return [ops.reshape(k, kernel.shape) for k, kernel in zip(kept, kernels, strict=True)]

    # A loop of at most one turn. A condition would do, but mapped over members it becomes a choice between both
    # branches, and all would sort at every step; a mapped loop turns only while some member's condition holds.
    _, *masks = ops.while_loop(
        lambda waiting, *_: waiting,
        lambda waiting, *_: (ops.logical_and(waiting, False), *choose()),
        (due, *masks),
    )
    return masks


def traced_zero_count(share: Any, size: int) -> Any:
    """Counts as `zero_count` does, in whole numbers that fit 32 bits.

    Args:
        share: Share of zeros, a float scalar.
        size: Number of weights.

    Returns:
        An int32 scalar.
    """
    parts = ops.clip(ops.cast(ops.round(share * float(_PARTS)), "int32"), 0, _PARTS - 1)
    millions, rest = divmod(size, _PARTS)
    thousands, ones = parts // 1000, parts % 1000
    upper = thousands * rest
    lower = upper % 1000 * 1000 + ones * rest
    floor = parts * millions + upper // 1000 + lower // _PARTS
    twice = lower % _PARTS * 2
    half_from_odd = ops.logical_and(ops.equal(twice, _PARTS), ops.equal(floor % 2, 1))
    return floor + ops.cast(ops.logical_or(twice > _PARTS, half_from_odd), "int32")


def _largest(magnitudes: Any, share: Any) -> Any:
    """Masks all but the smallest; of equal ones the first go first, as in `magnitude_masks`."""
    size = magnitudes.shape[0]
    count = traced_zero_count(share, size)
    ranked = ops.sort(magnitudes)
    threshold = ops.take(ranked, ops.clip(count - 1, 0, size - 1))
    below = magnitudes < threshold
    equal = ops.equal(magnitudes, threshold)
    places = ops.cumsum(ops.cast(equal, "int32"))
    missing = count - ops.sum(ops.cast(below, "int32"))
    return ops.logical_not(ops.logical_or(below, ops.logical_and(equal, places <= missing)))
