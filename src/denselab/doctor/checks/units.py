"""Units that are dead, saturated or drifting, and predictions that do not change."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.finding import Severity
from denselab.doctor.watching.readings import LayerReading, Snapshot
from denselab.doctor.watching.watch import Watch, hidden, lasting, owner

__all__ = ["CHECKS"]

_ALONE = 20.0


def _first(snapshot: Snapshot, measure: str, bound: float) -> int | None:
    places = (p for p in hidden(snapshot) if getattr(snapshot.layers[p], measure) > bound)
    return next(places, None)


def _share(watch: Watch, measure: str, words: str) -> Iterator[Found]:
    if not lasting(watch, lambda snapshot: _first(snapshot, measure, 0.5) is not None):
        return
    last = watch.last
    place = _first(last, measure, 0.5)
    assert place is not None
    share = getattr(last.layers[place], measure)
    ill = sum(getattr(layer, measure) > 0.5 for layer in last.layers)
    yield Found(
        f"{share:.0%} of the units of layer {owner(last, place)!r} {words}, after step {last.step}"
        + (f"; {ill - 1} more layers are so" if ill > 1 else ""),
        owner(last, place),
        step=last.step,
        value=share,
    )


@Card(
    id="units-dead",
    title="Dead units",
    group="while training",
    rows=(70,),
    severity="warning",
    threshold="more than half of a layer's relus are 0 on every watched row, in 2 checks",
    source="TheDeepChecker, SageMaker Debugger; per unit over a buffer of rows, since shares of zeros misfire",
    labels=("ACH", "ACH(hid)", "HLR"),
    why="A relu that is 0 on every row gets no gradient: it never comes back.",
    remedy="Divide the learning rate by 10, start by he_normal with zero biases, or use leaky_relu or elu.",
    fix={"network.activation": "leaky_relu"},
    kind="dynamic",
)
def units_dead(watch: Watch) -> Iterator[Found]:
    yield from _share(watch, "dead", "are 0 on every watched row")


@Card(
    id="units-saturated",
    title="Saturated units",
    group="while training",
    rows=(71,),
    severity="warning",
    threshold="more than half of a layer's units with less than a hundredth of the largest derivative on 95 % of "
    "the rows, in 2 checks",
    source="TheDeepChecker, SageMaker Debugger, DeepDiagnosis",
    labels=("ACH", "ACH(hid)", "WCI", "HLR"),
    why="Where tanh and sigmoid are flat, no gradient passes.",
    remedy="Scale the inputs, start by glorot_uniform, lower the learning rate, or use relu.",
    kind="dynamic",
)
def units_saturated(watch: Watch) -> Iterator[Found]:
    yield from _share(watch, "saturated", "are flat on nearly all watched rows")


@Card(
    id="self-normalization-lost",
    title="Self-normalization is lost",
    group="while training",
    rows=(46, 86),
    severity="warning",
    threshold="a layer's outputs: mean within 3 of 0, variance between 0.02 and 50, in 2 checks; a note unless the "
    "variance is 20 times off that of the layer before, since whole nets drift in healthy runs (own)",
    source="Klambauer et al., 2017, theorem 1, whose domain is tighter; bounds own",
    labels=("WCI", "CPP"),
    why="Outside of its domain SELU no longer draws mean and variance back to 0 and 1.",
    remedy="Standardise the inputs, start by lecun_normal, lower the learning rate or decay the weights.",
    fix={"network.kernel_initializer": "lecun_normal"},
    kind="dynamic",
)
def self_normalization_lost(watch: Watch) -> Iterator[Found]:
    bands: tuple[tuple[float, Severity | None], ...] = ((_ALONE, None), (1.0, "note"))
    for jump, severity in bands:
        if not lasting(watch, lambda one, j=jump: _drifted(one, j) is not None):
            continue
        last = watch.last
        place = _drifted(last, jump)
        assert place is not None
        layer = last.layers[place]
        yield Found(
            f"outputs of layer {owner(last, place)!r} have mean {layer.mean:.3g} and variance "
            f"{layer.deviation**2:.3g} after step {last.step}",
            owner(last, place),
            severity=severity,
            step=last.step,
            value=layer.deviation**2,
        )
        return


def _drifted(snapshot: Snapshot, jump: float) -> int | None:
    """Finds the first SELU outside of its bounds whose variance is `jump` times off that of the one before."""
    before = 1.0
    for place in hidden(snapshot):
        layer = snapshot.layers[place]
        if layer.activation != "selu":
            continue
        variance = max(layer.deviation**2, 1e-30)
        within = abs(layer.mean) <= 3 and 0.02 <= variance <= 50
        if not within and not 1 / jump < variance / before < jump:
            return place
        before = variance
    return None


def _constant(layer: LayerReading) -> bool:
    return layer.spread <= 1e-6 * max(abs(layer.mean), layer.deviation)


@Card(
    id="predictions-constant",
    title="Constant predictions",
    group="while training",
    rows=(78,),
    severity="warning",
    threshold="outputs equal to a millionth over all watched rows, in 3 checks",
    source="TheDeepChecker",
    labels=("ACH(out)", "WCI", "HLR"),
    why="The inputs do not reach the outputs any more.",
    remedy="Look at the layer named: dead units, vanished signal, or weights that are all 0.",
    kind="dynamic",
)
def predictions_constant(watch: Watch) -> Iterator[Found]:
    if not watch.connected or not watch.last.layers:
        return
    if not lasting(watch, lambda snapshot: _constant(snapshot.layers[-1]), 3):
        return
    last = watch.last
    place = next(place for place, layer in enumerate(last.layers) if _constant(layer))
    yield Found(
        f"outputs of layer {owner(last, place)!r} are the same on all watched rows after step {last.step}",
        owner(last, place),
        step=last.step,
    )


CHECKS = (units_dead, units_saturated, self_normalization_lost, predictions_constant)
