"""Values that are not finite, and gradients that explode or vanish on their way back."""

import math
from collections.abc import Callable, Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.layers import PRODUCTS
from denselab.doctor.watching.readings import LayerReading, Snapshot
from denselab.doctor.watching.watch import Watch, hidden, lasting, owner, steepest

__all__ = ["CHECKS"]

Change = Callable[[LayerReading, LayerReading], float]
_PARTS = {
    "output": "outputs",
    "weight": "weights",
    "gradient": "gradient",
}


@Card(
    id="values-not-finite",
    title="Values that are NaN or infinite",
    group="while training",
    rows=(65,),
    severity="error",
    threshold="exact: finite; the first layer in the order of computation",
    source="AUTOTRAINER, DeepDiagnosis, TheDeepChecker, SageMaker Debugger",
    labels=("HLR", "CPP"),
    why="They spread to every weight within one step.",
    remedy="Divide the learning rate by 10, clip gradients (global_clipnorm=1.0); guard log, sqrt and division.",
    kind="dynamic",
)
def values_not_finite(watch: Watch) -> Iterator[Found]:
    last = watch.last
    if last.finite:
        return
    if watch.culprit is not None:
        layer, part, step = watch.culprit
        yield Found(
            f"the {_PARTS[part]} of layer {layer!r} are the first that are not finite, after step {step}",
            layer,
            step=step,
        )
        return
    ill = [layer for layer in last.layers if not layer.finite]
    all_weights = all(not layer.weight_finite for layer in last.layers if layer.weighty)
    if not ill or (all_weights and len([x for x in last.layers if x.weighty]) > 1):
        yield Found(
            f"loss and weights of all layers are not finite after step {last.step}", step=last.step
        )
        return
    own = [layer for layer in ill if not layer.weight_finite] or [
        layer for layer in ill if not layer.output_finite
    ]
    first = own[0] if own else ill[-1]
    part = next(
        name for name in ("weight", "output", "gradient") if not getattr(first, f"{name}_finite")
    )
    yield Found(
        f"the {_PARTS[part]} of layer {first.layer!r} are the first that are not finite, after step {last.step}",
        first.layer,
        step=last.step,
    )


def _falls(before: LayerReading, layer: LayerReading) -> float:
    """How much of the gradient is lost from a layer's outputs back to its inputs."""
    if not (before.signal > 0 and layer.signal > 0):
        return math.inf if before.signal == 0 < layer.signal else math.nan
    return math.log10(layer.signal / before.signal)


def _grows(before: LayerReading, layer: LayerReading) -> float:
    return -_falls(before, layer) if before.signal > 0 and layer.signal > 0 else math.nan


def _ends(snapshot: Snapshot) -> tuple[LayerReading, LayerReading] | None:
    """Gives the first and the last hidden product with an output that is measured."""
    found = [snapshot.layers[place] for place in hidden(snapshot)]
    found = [layer for layer in found if not math.isnan(layer.signal)]
    products = [layer for layer in found if layer.kind in PRODUCTS]
    return (products[0], found[-1]) if len(products) > 1 else None


def _vanishes(snapshot: Snapshot) -> bool:
    ends = _ends(snapshot)
    if ends is None:
        return False
    first, last = ends
    return first.signal < 1e-3 * last.signal and first.gradient < 1e-4


def _explodes(snapshot: Snapshot) -> bool:
    ends = _ends(snapshot)
    if ends is None:
        return False
    first, last = ends
    return first.signal > 70 * last.signal and first.gradient > 10


@Card(
    id="gradients-vanish",
    title="Gradients that vanish",
    group="while training",
    rows=(69,),
    severity="warning",
    threshold="at the first hidden layer below 1/1000 of that at the last, and below 1e-4, in 2 checks",
    source="AUTOTRAINER beta1, beta2",
    labels=("ACH", "ACH(hid)", "WCI"),
    why="The first layers do not learn: the network is as deep as the layers that get a gradient.",
    remedy="Use relu and he_normal, or selu and lecun_normal, BatchNormalization, or skip connections.",
    fix={"network.activation": "relu", "network.kernel_initializer": "he_normal"},
    kind="dynamic",
)
def gradients_vanish(watch: Watch) -> Iterator[Found]:
    if not lasting(watch, _vanishes):
        return
    yield from _told(watch.last, _falls, "of the gradient's size")


@Card(
    id="gradients-explode",
    title="Gradients that explode",
    group="while training",
    rows=(68,),
    severity="warning",
    threshold="at the first hidden layer 70 times that at the last, and above 10, in 2 checks",
    source="AUTOTRAINER beta3; the second bound own",
    labels=("HLR", "WCI"),
    why="One step in the wrong place undoes many: loss and weights jump.",
    remedy="Clip gradients (global_clipnorm=1.0), start with smaller weights, or normalize between layers.",
    kind="dynamic",
)
def gradients_explode(watch: Watch) -> Iterator[Found]:
    if not lasting(watch, _explodes):
        return
    yield from _told(watch.last, _grows, "times the gradient's size")


def _told(snapshot: Snapshot, change: Change, words: str) -> Iterator[Found]:
    """Names the layer across which most of it happens, or the first one where all have a part in it."""
    ends = _ends(snapshot)
    assert ends is not None
    first, last = ends
    whole = last.signal / first.signal if first.signal > 0 else math.inf
    place, jump = steepest(snapshot, hidden(snapshot), change)
    most = place >= 0 and jump >= 0.5 * abs(math.log10(whole) if 0 < whole < math.inf else math.inf)
    if place >= 0 and jump == math.inf:
        most = True
    guilty = owner(snapshot, place) if most else first.layer
    ratio = first.signal / last.signal if last.signal > 0 else math.nan
    yield Found(
        f"at layer {first.layer!r} there is {ratio:.3g} {words} at {last.layer!r}, norm {first.gradient:.3g} by its "
        f"kernel; {'most of it happens across' if most else 'it is worst at'} {guilty!r}",
        guilty,
        step=snapshot.step,
        value=ratio,
    )


CHECKS = (values_not_finite, gradients_vanish, gradients_explode)
