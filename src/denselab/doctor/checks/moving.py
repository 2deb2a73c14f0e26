"""How far weights move in a step."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.layers import PRODUCTS
from denselab.doctor.finding import Severity
from denselab.doctor.watching.readings import LayerReading, Snapshot
from denselab.doctor.watching.watch import Watch, hidden, lasting

__all__ = ["CHECKS"]

_START = 12


def _products(snapshot: Snapshot) -> list[LayerReading]:
    return [layer for layer in snapshot.layers if layer.weighty and layer.kind in PRODUCTS]


@Card(
    id="updates-too-large",
    title="Updates that are too large",
    group="while training",
    rows=(74,),
    severity="warning",
    threshold="a step changes a kernel by more than half of its norm, in 2 checks; a note above a tenth",
    source="TheDeepChecker, SageMaker Debugger; Karpathy aims at 1/1000; bound of the warning own",
    labels=("HLR",),
    why="Such steps forget what was learned before.",
    remedy="Divide the learning rate by 10.",
    kind="dynamic",
)
def updates_too_large(watch: Watch) -> Iterator[Found]:
    bounds: tuple[tuple[float, Severity | None], ...] = ((0.5, None), (0.1, "note"))
    for bound, severity in bounds:
        if lasting(watch, lambda one, b=bound: any(x.ratio > b for x in _products(one))):
            worst = max(_products(watch.last), key=lambda layer: _known(layer.ratio))
            yield Found(
                f"step {watch.last.step} changed the kernel of layer {worst.layer!r} by {worst.ratio:.2g} of its norm",
                worst.layer,
                severity=severity,
                step=watch.last.step,
                value=worst.ratio,
            )
            return


@Card(
    id="updates-too-small",
    title="Updates that are too small",
    group="while training",
    rows=(74,),
    severity="note",
    threshold="no kernel changes by more than a hundred-thousandth of its norm in a step, in 3 early checks",
    source="TheDeepChecker, SageMaker Debugger; Karpathy aims at 1/1000",
    labels=("HLR",),
    why="At this pace the weights need 100,000 steps to change by their own size.",
    remedy="Multiply the learning rate by 10, or look for one by denselab find-lr.",
    kind="dynamic",
)
def updates_too_small(watch: Watch) -> Iterator[Found]:
    if len(watch.snapshots) > _START or not _products(watch.last):
        return
    if lasting(watch, lambda one: all(layer.ratio < 1e-5 for layer in _products(one)), 3):
        largest = max(_products(watch.last), key=lambda layer: _known(layer.ratio))
        yield Found(
            f"step {watch.last.step} changed the kernel of layer {largest.layer!r} by {largest.ratio:.2g} of its "
            "norm, all others by less",
            largest.layer,
            step=watch.last.step,
            value=largest.ratio,
        )


@Card(
    id="weights-still",
    title="Weights that do not change",
    group="while training",
    rows=(75, 47),
    severity="warning",
    threshold="exact: no bit of a layer's kernel changes, in 3 checks; of all layers only at the start",
    source="SageMaker Debugger UnchangedTensor",
    labels=("HLR", "LRM"),
    why="The layer does not learn: no gradient reaches it, or the step is below float32's resolution.",
    remedy="Look for stop_gradient, dead units behind it, or a learning rate that is far too low.",
    kind="dynamic",
)
def weights_still(watch: Watch) -> Iterator[Found]:
    recent = watch.snapshots[-3:]
    if len(recent) < 3 or not all(one.finite for one in recent):
        return
    layers = [_products(one) for one in recent]
    still = [all(one.still for one in seen) for seen in zip(*layers, strict=True)]
    if not any(still) or (all(still) and len(watch.snapshots) > _START):
        return
    # Where a gradient is cut off, all layers before the cut are still; the last of them is the nearest to it.
    begin = still.index(True)
    length = next((i for i, one in enumerate(still[begin:]) if not one), len(still) - begin)
    first, more = layers[-1][begin + length - 1], sum(still) - 1
    yield Found(
        f"no weight of the kernel of layer {first.layer!r} changed in the steps before {watch.last.step}"
        + (f", nor of {more} more layers" if more else ""),
        first.layer,
        step=watch.last.step,
    )


@Card(
    id="weights-diverge",
    title="Weights that grow without bound",
    group="while training",
    rows=(76,),
    severity="warning",
    threshold="root mean square of a hidden kernel above 10 and 10 times what it was at first, in 2 checks (own); "
    "AUTOTRAINER: 5; TheDeepChecker: 1e8",
    source="AUTOTRAINER, TheDeepChecker; bounds own",
    labels=("HLR", "RAW"),
    why="The layer answers a small change of its inputs by a large one; soon its units saturate, or values overflow.",
    remedy="Divide the learning rate by 10, clip gradients (global_clipnorm=1.0), or penalize large weights.",
    kind="dynamic",
)
def weights_diverge(watch: Watch) -> Iterator[Found]:
    first = watch.snapshots[0].layers
    places = [p for p in hidden(watch.last) if watch.last.layers[p].kind in PRODUCTS]

    def grown(snapshot: Snapshot) -> list[int]:
        sizes = [(place, snapshot.layers[place].size) for place in places]
        return [place for place, size in sizes if size > max(10.0, 10 * first[place].size)]

    if lasting(watch, lambda one: bool(grown(one))) and watch.snapshots[0].finite:
        worst = max(grown(watch.last), key=lambda place: watch.last.layers[place].size)
        layer = watch.last.layers[worst]
        yield Found(
            f"weights of layer {layer.layer!r} have a root mean square of {layer.size:.3g}, "
            f"at first {first[worst].size:.3g}",
            layer.layer,
            step=watch.last.step,
            value=layer.size,
        )


@Card(
    id="weights-vanish",
    title="Weights that shrink to nothing",
    group="while training",
    rows=(77,),
    severity="warning",
    threshold="root mean square of a kernel below 1/50 of what it was at first, in 2 checks (own)",
    source="TheDeepChecker (95 % of the weights below 1e-5); bound own, since Adam's steps hold them above that",
    labels=("RAW",),
    why="The penalty or the decay takes more than the data give: the layer forgets its inputs.",
    remedy="Divide l1, l2 or the weight decay by 100.",
    fix={"network.l1": 0.0},
    kind="dynamic",
)
def weights_vanish(watch: Watch) -> Iterator[Found]:
    first = watch.snapshots[0].layers

    def shrunk(snapshot: Snapshot) -> list[int]:
        pairs = enumerate(zip(first, snapshot.layers, strict=True))
        return [
            place
            for place, (begun, now) in pairs
            if now.kind in PRODUCTS and now.weighty and now.size < begun.size / 50
        ]

    if lasting(watch, lambda one: bool(shrunk(one))):
        least = min(shrunk(watch.last), key=lambda p: watch.last.layers[p].size / first[p].size)
        layer = watch.last.layers[least]
        yield Found(
            f"weights of layer {layer.layer!r} have a root mean square of {layer.size:.3g}, "
            f"at first {first[least].size:.3g}",
            layer.layer,
            step=watch.last.step,
            value=layer.size / first[least].size,
        )


def _known(ratio: float) -> float:
    return ratio if ratio == ratio else -1.0


CHECKS = (updates_too_large, updates_too_small, weights_still, weights_diverge, weights_vanish)
