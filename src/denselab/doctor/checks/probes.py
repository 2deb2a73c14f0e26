"""What a few steps on a few rows tell before the training."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.network import hidden as hidden_products
from denselab.doctor.facts.setup import Setup
from denselab.doctor.watching.fitting import Fitted
from denselab.doctor.watching.readings import Snapshot
from denselab.doctor.watching.relation import Relation
from denselab.doctor.watching.slopes import Slope
from denselab.doctor.watching.watch import hidden, owner

__all__ = ["CHECKS", "Trial"]


@dataclass(frozen=True)
class Trial:
    """What the probes measured.

    Attributes:
        setup: The facts of the setup.
        snapshot: All layers at the start, with the statistics of the rows themselves.
        resting: Loss on up to 256 rows as the model predicts.
        training: Loss on the same rows as the model trains.
        constant: Loss of the best constant prediction, None if it is not known.
        alike: For every layer the share of units that are and stay copies of another unit.
        spread: Greatest range of an output over the rows, as the model predicts.
        real: What came of learning one batch by heart, None if it was not tried.
        null: The same with all inputs 0.
        relations: "training" and "validation" -> how far their targets go with their inputs, where that was tried.
        slopes: Gradients that are wrong, of losses and layers that are not Keras' own.
    """

    setup: Setup
    snapshot: Snapshot
    resting: float
    training: float
    constant: float | None
    alike: Mapping[str, float]
    spread: float
    real: Fitted | None = None
    null: Fitted | None = None
    relations: Mapping[str, Relation] = field(default_factory=dict)
    slopes: tuple[Slope, ...] = ()

    @property
    def new(self) -> bool:
        """Whether the weights are those of the initializers, as far as the optimizer tells."""
        return self.setup.optimizer is None or self.setup.optimizer.steps == 0


@Card(
    id="loss-at-start",
    title="A first loss far from that of a network that knows nothing",
    group="probes",
    rows=(17,),
    severity="warning",
    threshold="6 times the loss of the best constant, 20 times for values (own); a note at twice and at half",
    source="TheDeepChecker dev_ratio, Karpathy 2019; bounds own",
    labels=("LCH", "WCI", "CPP"),
    why="The first steps only undo the start: ln C, ln 2 or the variance of the targets are expected.",
    remedy="Scale inputs and targets, start the last layer small, and check that labels and loss suit each other.",
    kind="probe",
)
def loss_at_start(trial: Trial) -> Iterator[Found]:
    if (
        not trial.new
        or trial.constant is None
        or trial.constant <= 0
        or not math.isfinite(trial.resting)
    ):
        return
    ratio = trial.resting / trial.constant
    loss = trial.setup.heads[0].loss
    far = 20 if loss is not None and loss.family == "regression" else 6
    if ratio > 2:
        yield Found(
            f"the loss at the start is {trial.resting:.4g}, a constant prediction has {trial.constant:.4g}",
            trial.setup.heads[0].layer,
            severity=None if ratio > far else "note",
            value=ratio,
        )
    elif ratio < 0.5 and trial.snapshot.finite:
        yield Found(
            f"the loss at the start is {trial.resting:.4g}, a constant prediction's {trial.constant:.4g}",
            trial.setup.heads[0].layer,
            severity="note",
            remedy="If these are not weights that were trained before, look for targets among the inputs and for "
            "labels that no output stands for.",
            value=ratio,
        )


@Card(
    id="bias-not-at-base-rate",
    title="A last bias that is not at the base rate of imbalanced classes, or at the mean of values",
    group="probes",
    rows=(18,),
    severity="note",
    threshold="the first loss could fall by more than a third by the last bias alone; for values to a third",
    source="Karpathy 2019; TheDeepChecker labels_perp_min_thresh; bound for values own",
    labels=("BCI",),
    why="The first epochs only learn how frequent the classes are, or how large the values.",
    remedy="Start the last bias at log(p / (1 - p)), the logarithms of the classes' shares, or the values' mean.",
    kind="probe",
)
def bias_not_at_base_rate(trial: Trial) -> Iterator[Found]:
    head = trial.setup.heads[0]
    if not trial.new or trial.constant is None or head.loss is None or head.units is None:
        return
    if len(trial.setup.heads) != 1:
        return
    ratio = trial.resting / max(trial.constant, 1e-30)
    if head.loss.name == "mean_squared_error" and head.target is not None:
        mean, deviation = head.target.clean.mean(), head.target.clean.std()
        # What is left of the first loss behind the mean: a start that is large for another reason is not judged.
        if ratio > 3 and 0.5 < trial.resting / float(mean**2 + deviation**2) < 2:
            yield Found(
                f"the values have mean {mean:.4g} and deviation {deviation:.4g}; the loss at the start is "
                f"{trial.resting:.4g}, their mean alone gives {trial.constant:.4g}",
                head.layer,
                value=ratio,
            )
    if head.loss.family not in ("sparse", "categorical", "binary"):
        return
    even = math.log(2 if head.loss.family == "binary" else max(2, head.units))
    if trial.constant < 2 / 3 * even and 0.67 * even < trial.resting < 2 * even:
        yield Found(
            f"the loss at the start is {trial.resting:.4g}, the classes' shares alone give {trial.constant:.4g}",
            head.layer,
            value=ratio,
        )


@Card(
    id="batch-cannot-be-overfitted",
    title="One batch cannot be learned by heart",
    group="probes",
    rows=(61,),
    severity="error",
    threshold="16 rows, penalties and dropout off, Adam at 1e-3 and 1e-2: accuracy below 0.95; for values less than "
    "half of the variance explained (own)",
    source="TheDeepChecker Proper_Fitting, Karpathy 2019, Tobin; bounds for values own",
    labels=("ACH", "LCH", "ACH(out)", "TCL", "WCI"),
    why="A network that cannot learn 16 rows has a fault in its layers, loss or labels; more rows do not help.",
    remedy="Mind the static findings first; then look for dead layers and labels that no output can give.",
    kind="probe",
)
def batch_cannot_be_overfitted(trial: Trial) -> Iterator[Found]:
    real = trial.real
    if real is None:
        return
    words = f"after {real.steps} steps on {real.rows} rows"
    if real.accuracy is not None:
        if real.accuracy < 0.95:
            chance = real.accuracy <= 0.5
            yield Found(
                f"accuracy is {real.accuracy:.3f} {words}, loss {real.loss:.4g}",
                severity=None if chance else "warning",
                value=real.accuracy,
            )
    elif (
        real.loss > 0.5 * real.start
        and trial.null is not None
        and real.loss > 0.5 * trial.null.loss
    ):
        yield Found(
            f"the loss went from {real.start:.4g} to {real.loss:.4g} {words}; without inputs to {trial.null.loss:.4g}",
            value=real.loss / max(trial.null.loss, 1e-30),
        )


@Card(
    id="inputs-do-not-matter",
    title="The inputs do not matter",
    group="probes",
    rows=(30, 62),
    severity="error",
    threshold="one batch learned to a loss within 5 % of that with all inputs 0",
    source="Karpathy 2019, input-independent baseline; TheDeepChecker",
    labels=("TCL", "CPP", "ACH"),
    why="The network predicts the same with and without its inputs: they are cut off or empty.",
    remedy="Look for dead layers, for inputs that are all alike, and for a pipeline that shuffles x without y.",
    kind="probe",
)
def inputs_do_not_matter(trial: Trial) -> Iterator[Found]:
    real, null = trial.real, trial.null
    if real is None or null is None or not math.isfinite(null.loss):
        return
    if 0.95 < real.loss / max(null.loss, 1e-30) < 1.05 and not null.done and null.loss > 1e-6:
        yield Found(
            f"one batch is learned to a loss of {real.loss:.4g}, with inputs 0 to {null.loss:.4g}",
            value=real.loss / null.loss,
        )


@Card(
    id="units-stay-alike",
    title="Units that are and stay copies of one another",
    group="probes",
    rows=(36,),
    severity="error",
    threshold="equal weights and equal gradients, for half of a hidden layer's units; a warning for any two",
    source="NeuraLint ConstantInit, SageMaker PoorWeightInit; gradients own",
    labels=("WCI",),
    why="Copies get the same steps for ever: the layer is narrower than it looks.",
    remedy="Start with random weights: he_normal for relu, lecun_normal for selu, glorot_uniform for tanh.",
    fix={"network.kernel_initializer": "he_normal"},
    kind="probe",
)
def units_stay_alike(trial: Trial) -> Iterator[Found]:
    inner = {layer.name for layer in hidden_products(trial.setup.network)}
    for name, share in trial.alike.items():
        if share > 0 and name in inner:
            yield Found(
                f"{share:.0%} of the units of layer {name!r} have weights and gradients of another unit",
                name,
                severity=None if share >= 0.5 else "warning",
                value=share,
            )
            return


@Card(
    id="variance-through-depth",
    title="A signal that changes its size on the way through the layers",
    group="probes",
    rows=(37, 38),
    severity="warning",
    threshold="deviation of a hidden layer between 1/100 and 100 of the first one's (own); a note beyond 1/10 and 10",
    source="SageMaker PoorWeightInit; bound of the warning own",
    labels=("WCI", "ACH(hid)"),
    why="What vanishes forward vanishes backward: the last layers hardly see the inputs.",
    remedy="Start by he_normal with relu, lecun_normal with selu, or normalize between the layers.",
    fix={"network.kernel_initializer": "he_normal"},
    kind="probe",
)
def variance_through_depth(trial: Trial) -> Iterator[Found]:
    snapshot = trial.snapshot
    places = [p for p in hidden(snapshot) if snapshot.layers[p].deviation >= 0]
    if not trial.new or len(places) < 2:
        return
    first = snapshot.layers[places[0]].deviation
    gains = {place: snapshot.layers[place].deviation / first for place in places if first > 0}
    worst = max(gains, key=lambda place: abs(math.log(max(gains[place], 1e-30))), default=None)
    if worst is not None and not 0.1 <= gains[worst] <= 10:
        yield Found(
            f"outputs of layer {owner(snapshot, worst)!r} have {gains[worst]:.3g} times the deviation of those of "
            f"{snapshot.layers[places[0]].layer!r}",
            owner(snapshot, worst),
            severity=None if not 0.01 <= gains[worst] <= 100 else "note",
            value=gains[worst],
        )


@Card(
    id="no-self-normalization-at-start",
    title="SELU that does not normalize at the start",
    group="probes",
    rows=(45, 46),
    severity="warning",
    threshold="outputs of a hidden layer: mean within 0.5 of 0, variance between 0.3 and 3 (own); a note outside of "
    "0.1, and of 0.8 to 1.5",
    source="Klambauer et al., 2017, theorem 1; bounds of the warning own, for layers of finite width",
    labels=("WCI", "CPP"),
    why="Outside of its domain SELU does not draw mean and variance to 0 and 1.",
    remedy="Standardise the inputs, and start by lecun_normal.",
    fix={"network.kernel_initializer": "lecun_normal", "preprocessing.scaling": "standard"},
    kind="probe",
)
def no_self_normalization_at_start(trial: Trial) -> Iterator[Found]:
    snapshot = trial.snapshot
    if not trial.new:
        return
    layers = [
        (place, snapshot.layers[place])
        for place in hidden(snapshot)
        if snapshot.layers[place].activation == "selu"
    ]
    for loose in (True, False):
        reach, low, high = (0.5, 0.3, 3.0) if loose else (0.1, 0.8, 1.5)
        for place, layer in layers:
            variance = layer.deviation**2
            if abs(layer.mean) > reach or not low <= variance <= high:
                yield Found(
                    f"outputs of layer {owner(snapshot, place)!r} have mean {layer.mean:.3g} and variance "
                    f"{variance:.3g}",
                    owner(snapshot, place),
                    severity=None if loose else "note",
                    value=variance,
                )
                return


@Card(
    id="training-and-inference-differ",
    title="A trained network that predicts otherwise than it trains",
    group="probes",
    rows=(63,),
    severity="warning",
    threshold="losses of the same rows differ by more than half, and by 0.1, once the optimizer has taken steps",
    source="TheDeepChecker",
    labels=("HBS", "RCD"),
    why="Statistics of BatchNormalization lag behind, or dropout takes more than the network can spare.",
    remedy="Train longer or lower BatchNormalization's momentum to 0.9; lower the dropout rate.",
    kind="probe",
)
def training_and_inference_differ(trial: Trial) -> Iterator[Found]:
    if trial.new or not (math.isfinite(trial.resting) and math.isfinite(trial.training)):
        return
    gap = trial.resting - trial.training
    if gap > max(0.5 * abs(trial.training), 0.1):
        yield Found(
            f"the loss is {trial.training:.4g} in training mode and {trial.resting:.4g} in inference mode",
            value=gap,
        )


@Card(
    id="outputs-ignore-inputs",
    title="A layer whose outputs do not depend on the inputs",
    group="probes",
    rows=(78, 62),
    severity="error",
    threshold="exact: a hidden layer gives the same on all rows",
    source="TheDeepChecker",
    labels=("ACH(hid)", "ACH", "WCI", "CPP"),
    why="What stands behind it can only learn a constant.",
    remedy="Look for dead relus (negative biases, unscaled inputs), zero weights, and saturated activations.",
    kind="probe",
)
def outputs_ignore_inputs(trial: Trial) -> Iterator[Found]:
    snapshot = trial.snapshot
    if trial.spread > 0 or not snapshot.finite:
        return
    for place in hidden(snapshot):
        layer = snapshot.layers[place]
        if layer.spread <= 1e-6 * max(abs(layer.mean), layer.deviation):
            yield Found(
                f"outputs of layer {owner(snapshot, place)!r} are the same on all rows",
                owner(snapshot, place),
            )
            return


CHECKS = (
    loss_at_start,
    bias_not_at_base_rate,
    batch_cannot_be_overfitted,
    inputs_do_not_matter,
    units_stay_alike,
    variance_through_depth,
    no_self_normalization_at_start,
    training_and_inference_differ,
    outputs_ignore_inputs,
)
